"""Verification: a release made again from its sources and its ledger, without a model."""
