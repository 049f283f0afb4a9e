"""Data sets: their cards, images, split and fingerprint."""
