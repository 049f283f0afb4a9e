"""A compressed copy of a folder of images."""
