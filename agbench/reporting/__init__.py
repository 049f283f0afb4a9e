"""Reports, made from stored results alone."""
