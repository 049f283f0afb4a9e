"""The compressed copy of a folder or table of images."""
