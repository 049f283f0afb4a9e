"""The GPU's benchmark in small form: where no GPU is at hand, that its parts run."""

from __future__ import annotations

import pytest

from benchmarks import gpu


@pytest.mark.slow
def test_each_part_that_needs_no_gpu_runs_and_says_its_ratio():
    rows = list(gpu.measured(gpu.SMALL, 0))
    assert len(rows) == 5
    assert all(row.ratio > 0 for row in rows)
    assert "trials at once" in rows[0].what or "one trial at a time" in rows[0].what


def test_without_a_gpu_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(gpu, "available_gpus", lambda: 0)
    assert list(gpu.rows()) == []
