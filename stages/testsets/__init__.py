"""Test sets: the items that models are scored on, from the world, a file or the Hub."""
