"""Releases of datasets: shards, ledger, card."""
