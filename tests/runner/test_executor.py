"""The same sweep on a Ray cluster: three nodes on this machine. One does not see the images, one is killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agbench.core.workspace import Workspace
from agbench.store.outcome import Status
from agbench.store.reader import read_records
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
        process, end = running[-1], time.monotonic() + STARTS
        while "Ray runtime started" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            kill(process)


def kill(process):
    """End a node at once: asked to, it drains for half a minute."""
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:
        one.kill()
    process.wait()


@pytest.mark.skipif(not IS_ROOT, reason="only root may hide a folder from a node")
def test_nodes_that_see_the_images_or_not_or_die_give_the_same(agbench, node, plain_images, extra, tmp_path):
    port = free_port()
    node("--head", "--include-dashboard=false", f"--port={port}")
    caches = {name: tmp_path / name for name in ("seeing", "blind")}
    doomed = node(f"--address=127.0.0.1:{port}", AGBENCH_CACHE=str(caches["seeing"]))
    # A mount of its own hides the images from this node.
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{plain_images}" && exec "$@"', "sh")
    node(f"--address=127.0.0.1:{port}", before=hidden, AGBENCH_CACHE=str(caches["blind"]))
    command = ["run", "--dataset", plain_images, "--models", "faulty:slow", "--levels", "0.3", "--seeds"]
    command += [",".join(map(str, range(SEEDS)))]
    there = [sys.executable, "-m", "agbench", "--workspace", str(tmp_path / "there"), *map(str, command)]
    there += ["--address", f"127.0.0.1:{port}"]
    lines = []
    with subprocess.Popen(there, stderr=subprocess.PIPE, text=True, env=environment() | extra) as sweep:
        for line in sweep.stderr:
            lines.append(line)
            if doomed.poll() is None and line.endswith(f" {caches['seeing']}: begins\n"):
                kill(doomed)
    said = "".join(lines)
    assert sweep.returncode == 0, said
    assert "3 trials at once, each with 1 core" in said
    assert said.count("CRASHED") == said.count("it is tried again") == 1
    assert said.count("sending 60 images") == 1
    assert not (caches["seeing"] / "data").exists()
    assert f" {caches['blind']}: begins" in said
    assert any((caches["blind"] / "variants").rglob("*.jpg"))
    assert list((caches["blind"] / "scratch").iterdir()) == []
    here = agbench("--workspace", tmp_path / "here", *command, **extra)
    assert here.returncode == 0, here.stderr
    assert predictions(tmp_path / "there") == predictions(tmp_path / "here")


def predictions(folder):
    records = [one for one in read_records(Workspace(folder).results) if one.status == Status.FINISHED]
    assert len(records) == SEEDS
    assert all("fits" in (record.folder / "log.txt").read_text() for record in records)
    return {record.condition.id: record.predictions.to_csv() for record in records}


def test_no_cluster_is_one_line(agbench, plain_images, extra, tmp_path):
    command = ["run", "--dataset", plain_images, "--models", "faulty:fine", "--levels", "1.0"]
    done = agbench("--workspace", tmp_path / "w", *command, "--address", f"127.0.0.1:{free_port()}", **extra)
    assert done.returncode == 2, done.stderr
    assert "no Ray cluster answers at 127.0.0.1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
