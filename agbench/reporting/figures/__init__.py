"""The figures of a report: what is drawn, and how."""
