"""What a trial runs on: versions, hardware, commit."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from agbench.core import cgroup, plugins
from agbench.core.condition import PROTOCOL

DECISIVE = (
    "agbench",
    "autogluon.multimodal",
    "autogluon.tabular",
    "catboost",
    "lightgbm",
    "lightning",
    "numpy",
    "pillow",
    "pillow-jxl-plugin",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
    "xgboost-cpu",
)
"""Packages whose versions are recorded; each of them but agbench can change a result."""

FIRST_VERSION = "0.1.0"

CUDA = ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime")
"""Packages whose version is that of CUDA's runtime, which PyTorch comes with."""


def software() -> dict[str, str]:
    """Return the versions of the installed packages that can change a result, Python's, and that of the protocol.

    Packages that add codecs or models are among them.

    Examples
    --------
    >>> sorted(software())[:3]
    ['agbench', 'autogluon.multimodal', 'autogluon.tabular']
    """
    versions = {"python": platform.python_version(), "protocol": str(PROTOCOL)}
    for name in DECISIVE:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions | plugins.packages()


def digest_of_software(versions: dict[str, str]) -> str:
    """Return a hash of versions, by which results of other software can be told apart.

    agbench's own version does not count: what changes a result raises `PROTOCOL`.

    Parameters
    ----------
    versions : dict of str to str
        Versions by package, as `software` returns them.

    Examples
    --------
    >>> digest_of_software({"agbench": "1.0"}) == digest_of_software({"agbench": "2.0"})
    True
    """
    if "agbench" in versions:
        # The version by which results were stored when it still counted, so that these stay current.
        versions = versions | {"agbench": FIRST_VERSION}
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:12]


def describe(cpus: int, gpus: float) -> dict[str, Any]:
    """Describe the machine, the software and the code.

    Parameters
    ----------
    cpus : int
        Number of cores of a trial.
    gpus : float
        Number of GPUs of a trial, or its share of one.

    Returns
    -------
    dict
        ``software`` (versions), ``machine`` (processor, cores, memory, system, and ``gpu`` where there is one),
        ``trial`` (its share), ``commit`` (of agbench's own checkout; empty where it is installed from a wheel).
    """
    return {
        "software": software(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(_memory() / 2**30, 1),
            "system": platform.platform(),
            **({"gpu": gpu()} if available_gpus() else {}),
        },
        "trial": {"cpus": cpus, "gpus": gpus},
        "commit": _commit(),
    }


def available_cpus() -> int:
    """Count the cores that this process may use, by its affinity and the quotas of its control groups.

    Examples
    --------
    >>> available_cpus() >= 1
    True
    """
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(mine, cgroup.cores() or mine)


def available_memory() -> int:
    """Return the bytes of memory that are free, within the limits of this process's control groups.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    free, granted = int(psutil.virtual_memory().available), cgroup.free_memory()
    return free if granted is None else min(free, granted)


def available_gpus() -> int:
    """Count the NVIDIA GPUs that this process may use, without asking a library.

    Examples
    --------
    >>> available_gpus() >= 0
    True
    """
    there = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if visible is None else min(there, len([one for one in visible.split(",") if one.strip()]))


def free_gpu_memory() -> int:
    """Return the bytes that are free on the fullest GPU; 0 where there is none, or nvidia-smi does not answer."""
    if not available_gpus():
        return 0
    try:
        free = _ask_gpus("memory.free", "nounits")
        return min(int(line) for line in free) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def _ask_gpus(values: str, *forms: str) -> list[str]:
    """Return what nvidia-smi says of each GPU that this process may use."""
    query = ["nvidia-smi", f"--query-gpu={values}", f"--format={','.join(('csv', 'noheader', *forms))}"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    query += [] if not visible else [f"--id={visible}"]
    said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    return [line.strip() for line in said.splitlines() if line.strip()]


@cache
def gpu() -> str:
    """Return models, memories and driver of the GPUs, and the CUDA that PyTorch was built for."""
    try:
        lines = _ask_gpus("name,memory.total,driver_version")
    except (OSError, subprocess.SubprocessError):
        return "unknown: nvidia-smi does not answer"
    said = [", driver ".join(line.rsplit(", ", 1)) for line in lines]
    for name in CUDA:
        with suppress(metadata.PackageNotFoundError):
            said.append(f"CUDA {metadata.version(name)}")
    return "; ".join(said)


def processor() -> str:
    """Return the name of the processor; empty where the system does not say it.

    Examples
    --------
    >>> isinstance(processor(), str)
    True
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


@cache  # a process runs what it has imported, whatever becomes of the checkout meanwhile
def _commit() -> str:
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return ""
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
