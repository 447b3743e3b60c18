"""Releases from elsewhere: fetched, checked against their manifest, described."""
