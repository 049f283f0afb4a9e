"""Sweeps: plan, scheduler, executor, workers, trials."""
