"""How far a data set can be compressed: the question, the search over levels, and the page; runs until decided."""
