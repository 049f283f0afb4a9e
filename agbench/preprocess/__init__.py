"""Preprocessing: codecs, noise, and the variants they make."""
