from __future__ import annotations

import os

from agbench.core import environment


def test_cores_are_those_that_this_process_may_use():
    assert environment.available_cpus() <= len(os.sched_getaffinity(0))


def test_gpus_that_are_hidden_do_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.available_gpus() == 0


SMI = """#!/bin/sh
echo 'NVIDIA H200, 143771 MiB, 570.86.15'
echo 'NVIDIA H200, 143771 MiB, 570.86.15'
"""


def test_gpus_are_described_by_name_memory_driver_and_cuda(tmp_path, monkeypatch):
    """By a stand-in for nvidia-smi: no GPU is at hand."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(environment, "available_gpus", lambda: 2)
    environment._gpus.cache_clear()
    try:
        said = environment.describe(1, 1)["machine"]["gpu"].split("; ")
    finally:
        environment._gpus.cache_clear()
    assert said[:2] == ["NVIDIA H200, 143771 MiB, driver 570.86.15"] * 2
    assert all(one.startswith("CUDA ") for one in said[2:])


def test_a_machine_without_a_gpu_says_nothing_of_one():
    assert environment.available_gpus() or "gpu" not in environment.describe(1, 0)["machine"]
