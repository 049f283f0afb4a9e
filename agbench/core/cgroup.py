"""Limits of the control groups that this process is in: of a container, a batch job or a service (Linux)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def cores(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Return how many cores the quotas of these groups grant, rounded up; ``None`` without a quota.

    Parameters
    ----------
    root : Path
        Where the groups are mounted (version 1: a folder for each controller).
    own : Path
        Groups of the process, as the kernel lists them.
    """
    granted = []
    for folder in _groups("cpu", root, own):
        with suppress(OSError, ValueError):  # no such file, or "max"
            quota, period = (folder / "cpu.max").read_text().split()
            granted.append(int(quota) / int(period))
        with suppress(OSError, ValueError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:
                granted.append(int(quota) / int(period))
    return max(math.ceil(min(granted)), 1) if granted else None


def free_memory(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Return how many bytes the limits of these groups leave, at least 0; ``None`` without a limit.

    Files in the cache count as free where no process has used them lately: the kernel drops them first.

    Parameters
    ----------
    root, own : Path
        As in `cores`.
    """
    left = []
    for folder in _groups("memory", root, own):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError):
                most, now = (int((folder / name).read_text()) for name in (limit, used))
                left.append(most - now + _statistic(folder / "memory.stat", cached))
    return max(min(left), 0) if left else None


def _statistic(path: Path, name: str) -> int:
    with suppress(OSError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def _groups(controller: str, root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of a controller's groups of both versions: the process's own first, then those above."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    # In a container that does not hide the groups of its host, its own one is mounted as the root.
    for line in (*lines, "0::/", f"1:{controller}:/"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounted = root / controllers if controllers else root
        own_group = Path(path.lstrip("/"))
        for group in (own_group, *own_group.parents):
            if ".." not in group.parts:
                yield mounted / group
