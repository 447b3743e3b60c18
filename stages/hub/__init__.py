"""Releases of datasets and models: manifest, card, licences; how they are published and pulled."""
