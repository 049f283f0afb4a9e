from __future__ import annotations

import os

from agbench.core import environment


def test_cores_are_those_that_this_process_may_use():
    assert environment.available_cpus() <= len(os.sched_getaffinity(0))


def test_gpus_that_are_hidden_do_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.available_gpus() == 0
