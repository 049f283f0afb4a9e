"""Sweeps that meet crashes, full memories and disks, hangs and kills: each on real processes."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from agbench.core.environment import available_cpus
from agbench.store.outcome import Status
from agbench.store.reader import read_records
from agbench.store.record import Record
from tests.conftest import environment

DEADLINE = 120
GONE = 60
"""Seconds after which nothing of a killed sweep may be left."""


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a disk, or take a network away"
)


@contextmanager
def small_disk(folder, size):
    """Let a folder be a disk of some bytes for a while, such as ``"8m"``."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        # Even where a process that failed still has a file of it open.
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def sweep(agbench, workspace, plain_images, extra):
    """Run a sweep of faulty models to its end."""

    def run(*models, options=(), **more):
        named = ",".join(f"faulty:{model}" for model in models)
        command = ["run", "--dataset", plain_images, "--models", named, *(options or ("--levels", "1.0"))]
        return agbench("--workspace", workspace.folder, *command, **(extra | more))

    return run


@pytest.fixture
def started(workspace, plain_images, extra):
    """Start a sweep of faulty models, and end all that it left behind after the test."""
    running = []

    def start(*models, levels="1.0", options=()):
        named = ",".join(f"faulty:{model}" for model in models)
        command = ["run", "--dataset", str(plain_images), "--models", named, "--levels", levels, *options]
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "agbench", "--workspace", str(workspace.folder), *command],
                stderr=subprocess.PIPE,
                text=True,
                env=environment() | extra,
                start_new_session=True,
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_until(condition, process):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)


def says(process, *words):
    """Return the next line of a sweep that has all of these words."""
    for line in process.stderr:
        if all(word in line for word in words):
            return line
    raise AssertionError(f"nothing was said of {words}")


def begins(process, model):
    """Wait until a sweep says that a trial of a model begins: then it is recorded, too."""
    says(process, model, ": begins\n")


def records(workspace) -> list[Record]:
    return read_records(workspace.results)


def endings(workspace):
    found = {}
    for record in records(workspace):
        found.setdefault(record.condition.model.removeprefix("faulty:"), []).append(record.ending)
    return found


def predictions(workspace):
    return {
        record.condition.id: record.predictions.to_csv()
        for record in records(workspace)
        if record.status == Status.FINISHED
    }


def logs(workspace):
    return list(workspace.results.glob("scratch/*/log.txt"))


def test_each_trial_ends_in_one_way_and_takes_no_other_along(sweep, workspace, agbench):
    workers = min(available_cpus(), 2)
    options = ("--levels", "1.0", "--time-limit", "1", "--workers", str(workers))
    done = sweep("fine", "boom", "die", "once", "hang", options=options)
    assert done.returncode == 3, done.stderr
    assert endings(workspace) == {
        "fine": ["finished"],
        "boom": ["failed"],
        "die": ["crashed", "crashed"],
        "once": ["crashed", "finished"],
        "hang": ["timed out"],
    }
    by_model = {record.condition.model: record for record in records(workspace)}
    assert by_model["faulty:boom"].reason == "RuntimeError: the model's own fault"
    assert by_model["faulty:hang"].reason == "fit took more than 1 s"
    for record in by_model.values():
        assert f"{record.condition.model.partition(':')[2]} fits" in (record.folder / "log.txt").read_text()
        assert record.metrics["wall_seconds"] > 0
        assert record.metrics["memory_peak"] > 10_000_000
    assert by_model["faulty:fine"].notes["threads"] == str(available_cpus() // workers), "its share of the cores"
    assert "Traceback" not in done.stderr
    assert "5 trials in" in done.stderr
    for count in ("2 finished", "1 failed", "1 crashed", "1 timed out"):
        assert count in done.stderr
    assert "it is tried again" in done.stderr
    assert done.stdout == "No answer yet: no level is compared with the originals.\n"
    report = agbench("--workspace", workspace.folder, "report", "--format", "md")
    assert report.returncode == 0, report.stderr
    page = Path(report.stdout.splitlines()[0]).read_text()
    for words in ("timed out", "crashed", "the model's own fault"):
        assert words in page
    disturbed = predictions(workspace)
    assert sweep("fine", "once", options=(*options, "--fresh")).returncode == 0
    assert predictions(workspace) == disturbed


def test_a_trial_that_eats_memory_is_killed_and_named(sweep, workspace):
    memory = psutil.virtual_memory()
    most = (memory.total - memory.available + 4 * 2**30) / memory.total
    limits = {"RAY_memory_usage_threshold": f"{most:.3f}", "RAY_memory_monitor_refresh_ms": "50"}
    done = sweep("eat", "fine", options=("--levels", "1.0", "--retries", "0", "--workers", "1"), **limits)
    assert done.returncode == 3, done.stderr
    assert endings(workspace) == {"eat": ["out of memory"], "fine": ["finished"]}
    (eater, _) = records(workspace)
    assert eater.metrics["memory_peak"] > 500_000_000
    assert "its node ran out of memory" in eater.reason


def test_a_worker_killed_in_the_middle_is_replaced_and_the_trial_run_again(started, sweep, workspace):
    process = started("slow", "fine")
    begins(process, "faulty:slow")
    wait_until(lambda: any("slow fits" in log.read_text() for log in logs(workspace)), process)
    for child in psutil.Process(process.pid).children(recursive=True):
        if "ray::" in " ".join(child.cmdline()) and "slow" in " ".join(child.cmdline()):
            child.kill()
    assert process.wait(DEADLINE) == 0
    assert endings(workspace) == {"slow": ["crashed", "finished"], "fine": ["finished"]}


def test_a_killed_sweep_leaves_nothing_running_and_goes_on(started, sweep, workspace):
    process = started("fine", "slow", levels="1.0,0.3")
    begins(process, "faulty:slow")
    wait_until(lambda: any("slow fits" in log.read_text() for log in logs(workspace)), process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) > 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(family, timeout=GONE)[1] == []
    before = predictions(workspace)
    done = sweep("fine", "slow", options=("--levels", "1.0,0.3"))
    assert done.returncode == 0, done.stderr
    assert Status.KILLED in [record.status for record in records(workspace)]
    assert Status.RUNNING not in [record.status for record in records(workspace)]
    resumed = predictions(workspace)
    assert resumed.items() >= before.items()
    assert len(resumed) == 4


def listening(processes):
    """Return the addresses that processes listen on."""
    found = [one for process in processes for one in process.net_connections("inet") if one.status == "LISTEN"]
    assert found, "Ray's processes listen"
    return [ipaddress.ip_address(one.laddr.ip.removeprefix("::ffff:")) for one in found]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sweep_ends_its_trials_says_so_and_goes_on(started, sweep, workspace, end):
    process = started("hang", "fine", options=("--workers", "1"))
    begins(process, "faulty:hang")
    wait_until(lambda: logs(workspace) and "hang fits" in logs(workspace)[0].read_text(), process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert all(address.is_loopback for address in listening(family))
    if end == signal.SIGINT:
        os.killpg(process.pid, end)  # to all of its group, as a terminal does
    else:
        process.send_signal(end)
    assert process.wait(30) == 130
    said = process.stderr.read().splitlines()
    assert said[-1].startswith("agbench: stopped")
    assert any(line.startswith("2 trials in") and line.endswith("2 not run to the end") for line in said)
    assert "Traceback" not in "".join(said)
    assert psutil.wait_procs(family, timeout=GONE)[1] == []
    assert endings(workspace) == {"hang": ["stopped"]}
    assert "hang fits" in (records(workspace)[0].folder / "log.txt").read_text()
    assert sweep("fine").returncode == 0


def test_ctrl_c_while_workers_start_leaves_nothing_running(started, workspace):
    process = started("hang")
    says(process, "starting workers")
    wait_until(lambda: psutil.Process(process.pid).children(recursive=True), process)
    begun = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=DEADLINE)[1]
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "agbench: stopped; the same command goes on from here"
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(begun, GONE)
    assert not alive


@needs_root
def test_no_loopback_is_one_line(workspace, plain_images, extra):
    command = [sys.executable, "-m", "agbench", "--workspace", workspace.folder, "run", "--dataset", plain_images]
    # A network namespace of its own has a loopback interface that is down.
    done = subprocess.run(
        ["unshare", "--net", *command, "--models", "faulty:fine", "--levels", "1.0"],
        capture_output=True,
        text=True,
        env=environment() | extra,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "agbench: the loopback interface, over which a sweep's processes"
    )


def test_a_second_sweep_is_told_of_the_first(started, sweep, workspace):
    process = started("hang")
    wait_until(lambda: logs(workspace), process)
    second = sweep("fine")
    assert second.returncode == 2
    assert f"another sweep (process {process.pid}) runs in" in second.stderr.splitlines()[-1]


@needs_root
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(sweep, agbench, workspace, plain_images):
    assert agbench("--workspace", workspace.folder, "prepare", "--dataset", plain_images).returncode == 0
    with small_disk(workspace.datasets / "photos" / "variants", "16k"):
        done = sweep("fine", options=("--levels", "0.9,0.3"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert sweep("fine", options=("--levels", "0.9,0.3")).returncode == 0
    assert [record.status for record in records(workspace)] == [Status.FINISHED, Status.FINISHED]


def test_a_variant_that_was_altered_or_deleted_is_made_anew(sweep, workspace):
    assert sweep("fine", options=("--levels", "0.3")).returncode == 0
    first, second, *_ = sorted((workspace.datasets / "photos" / "variants").rglob("*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    before = predictions(workspace)
    assert sweep("fine", options=("--levels", "0.3", "--fresh")).returncode == 0
    assert [record.status for record in records(workspace)] == [Status.FINISHED, Status.FINISHED]
    assert Status.FAILED not in [record.status for record in records(workspace)]
    assert predictions(workspace) == before


def test_a_long_folder_for_temporary_files_stops_nothing(sweep, workspace, tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    done = sweep("fine", TMPDIR=str(folder))
    assert done.returncode == 0, done.stderr
    assert endings(workspace) == {"fine": ["finished"]}


def test_a_plan_estimates_the_time_and_refuses_what_can_not_work(sweep, agbench, workspace, plain_images, extra):
    assert sweep("fine").returncode == 0
    command = ("--workspace", workspace.folder, "run", "--dataset", plain_images, "--dry-run", "--levels", "0.3")
    planned = agbench(*command, "--models", "faulty:fine", **extra)
    assert planned.returncode == 0, planned.stderr
    shared, estimated = planned.stdout.splitlines()[-2:]
    assert "each with" in shared
    assert estimated == "about 0 s, by trials that were run before"
    refused = agbench(*command, "--models", "automm:resnet18x", **extra)
    assert refused.returncode == 2, refused.stdout
    assert "resnet18x" in refused.stderr
    assert "Traceback" not in refused.stderr


def fill(folder):
    """Fill a disk to its last byte, and return the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(b"\0" * 4096):
            pass
    return filler


@needs_root
def test_what_was_computed_is_stored_when_there_is_room_again(sweep, started, workspace):
    with small_disk(workspace.results, "8m"):
        first = sweep("fine")
        assert first.returncode == 0, first.stderr
        assert "MB are free in" in first.stderr
        process = started("slow")
        begins(process, "faulty:slow")
        filler = fill(workspace.results)
        assert "an ended trial waits to be stored: " in says(process, "waits to be stored")
        filler.unlink()
        says(process, "all that has ended is stored now")
        assert process.wait(DEADLINE) == 0, process.stderr.read()
        assert endings(workspace) == {"fine": ["finished"], "slow": ["finished"]}


@needs_root
def test_a_disk_too_small_for_the_store_is_one_line(sweep, agbench, workspace, plain_images):
    assert agbench("--workspace", workspace.folder, "prepare", "--dataset", plain_images).returncode == 0
    with small_disk(workspace.results, "700k"):
        done = sweep("fine", options=("--levels", "1.0,0.3"))
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr
    if done.returncode:
        assert done.stderr.splitlines()[-1].startswith("agbench: "), done.stderr
    assert sweep("fine", options=("--levels", "1.0,0.3")).returncode == 0
