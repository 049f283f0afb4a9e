from __future__ import annotations

import os

import pytest

from agbench.core import environment


def test_cores_are_those_that_this_process_may_use():
    assert environment.available_cpus() <= len(os.sched_getaffinity(0))


def test_gpus_that_are_hidden_do_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.available_gpus() == 0


SMI = """#!/bin/sh
case "$*" in
    *memory.free*nounits*) echo 143000; echo 20000 ;;
    *) echo 'NVIDIA H200, 143771 MiB, 570.86.15'; echo 'NVIDIA H200, 143771 MiB, 570.86.15' ;;
esac
"""


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A stand-in for nvidia-smi: no GPU is at hand."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(environment, "available_gpus", lambda: 2)
    return tmp_path / "nvidia-smi"


def test_the_memory_that_counts_is_that_of_the_fullest_gpu(two_gpus):
    assert environment.free_gpu_memory() == 20_000 * 2**20


@pytest.mark.parametrize("answer", ["exit 1", "echo '[N/A]'", "true"])
def test_the_memory_of_a_gpu_that_is_not_told_is_unknown(two_gpus, answer):
    two_gpus.write_text(f"#!/bin/sh\n{answer}\n")
    assert environment.free_gpu_memory() == 0


def test_gpus_are_described_by_name_memory_driver_and_cuda(two_gpus):
    environment.gpu.cache_clear()
    try:
        said = environment.describe(1, 1)["machine"]["gpu"].split("; ")
    finally:
        environment.gpu.cache_clear()
    assert said[:2] == ["NVIDIA H200, 143771 MiB, driver 570.86.15"] * 2
    assert all(one.startswith("CUDA ") for one in said[2:])


def test_a_machine_without_a_gpu_says_nothing_of_one():
    assert environment.available_gpus() or "gpu" not in environment.describe(1, 0)["machine"]
