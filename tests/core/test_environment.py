from __future__ import annotations

import os

from agbench.core import environment


def test_cores_are_those_that_this_process_may_use():
    assert environment.available_cpus() <= len(os.sched_getaffinity(0))


def test_gpus_that_are_hidden_do_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.available_gpus() == 0


def test_memory_within_a_containers_limit(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("1000000\n")
    used.write_text("400000\n")
    monkeypatch.setattr(environment, "_MEMORY_OF_CONTAINER", ((str(limit), str(used)), ("nowhere", "nowhere")))
    assert environment.available_memory() == 600_000
    limit.write_text("max\n")
    assert environment.available_memory() > 600_000
