"""Studies: the grids of conditions, built in or from a YAML file."""
