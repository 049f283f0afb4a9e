"""The same sweep on a Ray cluster: three nodes on this machine, one of which does not see the images."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agbench.record import FINISHED, read_records
from agbench.workspace import Workspace
from tests.conftest import environment

STARTS = 90
"""Seconds in which a node must be up."""

SEEDS = 9
"""So many that a node which gets its images late still finds some left."""

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
        command = [*before, *ray, "--node-ip-address=127.0.0.1", *arguments]
        settings = environment() | extra | more | {"RAY_USAGE_STATS_ENABLED": "0"}
        with log.open("w") as target:
            running.append(subprocess.Popen(command, stdout=target, stderr=subprocess.STDOUT, env=settings))
        end = time.monotonic() + STARTS
        while "Ray runtime started" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            assert running[-1].poll() is None, log.read_text()
            time.sleep(0.2)

    yield start
    for process in running:
        # Asked to end, a node drains for half a minute.
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.wait()


@pytest.mark.skipif(not IS_ROOT, reason="only root may hide a folder from a node")
def test_nodes_that_see_the_images_or_not_give_the_same(agbench, node, plain_images, extra, tmp_path):
    port = free_port()
    node("--head", "--include-dashboard=false", f"--port={port}")
    caches = {name: tmp_path / name for name in ("seeing", "blind")}
    node(f"--address=127.0.0.1:{port}", AGBENCH_CACHE=str(caches["seeing"]))
    # A mount of its own hides the images from this node.
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{plain_images}" && exec "$@"', "sh")
    node(f"--address=127.0.0.1:{port}", before=hidden, AGBENCH_CACHE=str(caches["blind"]))
    command = ["run", "--dataset", plain_images, "--models", "faulty:slow", "--levels", "0.3", "--seeds"]
    command += [",".join(map(str, range(SEEDS)))]
    there = agbench("--workspace", tmp_path / "there", *command, "--address", f"127.0.0.1:{port}", **extra)
    assert there.returncode == 0, there.stderr
    assert "3 trials at once, each with 1 core" in there.stderr
    assert there.stderr.count("sending 60 images") == 1
    assert not (caches["seeing"] / "data").exists()
    assert (caches["blind"] / "data").exists()
    for cache in caches.values():
        assert f" {cache}: begins" in there.stderr
        assert any((cache / "variants").rglob("*.jpg"))
        assert list((cache / "scratch").iterdir()) == []
    here = agbench("--workspace", tmp_path / "here", *command, **extra)
    assert here.returncode == 0, here.stderr
    assert predictions(tmp_path / "there") == predictions(tmp_path / "here")


def predictions(folder):
    records = read_records(Workspace(folder).results)
    assert [record.status for record in records] == [FINISHED] * SEEDS
    assert all("fits" in (record.folder / "log.txt").read_text() for record in records)
    return {record.condition.id: record.predictions.to_csv() for record in records}


def test_no_cluster_is_one_line(agbench, plain_images, extra, tmp_path):
    command = ["run", "--dataset", plain_images, "--models", "faulty:fine", "--levels", "1.0"]
    done = agbench("--workspace", tmp_path / "w", *command, "--address", f"127.0.0.1:{free_port()}", **extra)
    assert done.returncode == 2, done.stderr
    assert "no Ray cluster answers at 127.0.0.1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
