"""The plan: what a build would ask, and why, before it asks."""
