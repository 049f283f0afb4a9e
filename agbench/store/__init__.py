"""Stored results: one MLflow run per trial."""
