"""The same sweep on a Ray cluster: two nodes on this machine, one of which does not see the images."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agbench.record import FINISHED, read_records
from agbench.workspace import Workspace
from tests.conftest import environment

STARTS = 90
"""Seconds in which a node must be up."""

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def node(extra, tmp_path):
    """Start a node with one core; each ends with the test."""
    running = []

    def start(*arguments, before=(), **more):
        log = tmp_path / f"node-{len(running)}.log"
        ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus=1"]
        command = [*before, *ray, "--node-ip-address=127.0.0.1", "--include-dashboard=false", *arguments]
        settings = environment() | extra | more | {"RAY_USAGE_STATS_ENABLED": "0"}
        with log.open("w") as target:
            running.append(subprocess.Popen(command, stdout=target, stderr=subprocess.STDOUT, env=settings))
        end = time.monotonic() + STARTS
        while "Ray runtime started" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            assert running[-1].poll() is None, log.read_text()
            time.sleep(0.2)

    yield start
    for process in reversed(running):
        process.terminate()
    for process in running:
        process.wait(60)


@pytest.mark.parametrize(
    "shared", [True, pytest.param(False, marks=pytest.mark.skipif(not IS_ROOT, reason="mounts"))]
)
def test_two_nodes_give_what_one_machine_gives(agbench, node, plain_images, extra, tmp_path, shared):
    port = free_port()
    node("--head", f"--port={port}")
    # A mount of its own hides the images from the second node.
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{plain_images}" && exec "$@"', "sh")
    cache = tmp_path / "cache"
    node(f"--address=127.0.0.1:{port}", before=() if shared else hidden, AGBENCH_CACHE=str(cache))
    command = ["run", "--dataset", plain_images, "--models", "faulty:slow,faulty:fine", "--levels", "1.0,0.9,0.3"]
    there = agbench("--workspace", tmp_path / "there", *command, "--address", f"127.0.0.1:{port}", **extra)
    assert there.returncode == 0, there.stderr
    assert "2 trials at once, each with 1 core" in there.stderr
    assert f" {cache}: begins" in there.stderr
    assert ("sending 60 images" in there.stderr) == (not shared)
    assert (cache / "data").exists() == (not shared)
    assert any((cache / "variants").rglob("*.jpg"))
    assert list((cache / "scratch").iterdir()) == []
    here = agbench("--workspace", tmp_path / "here", *command, **extra)
    assert here.returncode == 0, here.stderr
    assert predictions(tmp_path / "there") == predictions(tmp_path / "here")


def predictions(folder):
    records = read_records(Workspace(folder).results)
    assert [record.status for record in records] == [FINISHED] * 6
    assert all("fits" in (record.folder / "log.txt").read_text() for record in records)
    return {record.condition.id: record.predictions.to_csv() for record in records}


def test_no_cluster_is_one_line(agbench, plain_images, extra, tmp_path):
    command = ["run", "--dataset", plain_images, "--models", "faulty:fine", "--levels", "1.0"]
    done = agbench("--workspace", tmp_path / "w", *command, "--address", f"127.0.0.1:{free_port()}", **extra)
    assert done.returncode == 2, done.stderr
    assert "no Ray cluster answers at 127.0.0.1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
