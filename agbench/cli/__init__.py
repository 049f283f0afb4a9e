"""The command line: parse, call `agbench.api`, print."""
