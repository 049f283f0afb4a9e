"""Statistics of results: intervals, paired comparisons, tolerance, regressions, the paper's numbers."""
