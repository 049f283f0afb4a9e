"""Control groups in made-up trees, of both versions."""

from __future__ import annotations

import pytest

from agbench.core import cgroup, environment


@pytest.fixture
def groups(tmp_path):
    """Make a tree of groups: files by their paths below the root, and what the kernel says of this process."""

    def make(own, files):
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (tmp_path / "own").write_text(own)
        return tmp_path / "root", tmp_path / "own"

    return make


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "100000 100000"}, 1),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000"}, 1),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000", "job/step/cpu.max": "max 100000"}, 2),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000", "job/step/cpu.max": "100000 100000"}, 1),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        (
            "4:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "300000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            3,
        ),
        # A container that sees its host's groups in the list, and only its own in the mount.
        ("0::/docker/1234\n", {"cpu.max": "100000 100000"}, 1),
        ("0::/../other\n", {"cpu.max": "100000 100000"}, 1),
        ("", {}, None),
    ],
)
def test_cores_are_those_of_the_narrowest_quota(groups, own, files, cores):
    assert cgroup.cores(*groups(own, files)) == cores


@pytest.mark.parametrize(
    ("own", "files", "free"),
    [
        ("0::/\n", {"memory.max": "1000", "memory.current": "400"}, 600),
        (
            "0::/\n",
            {"memory.max": "1000", "memory.current": "400", "memory.stat": "anon 1\ninactive_file 300"},
            900,
        ),
        ("0::/\n", {"memory.max": "max", "memory.current": "400"}, None),
        ("0::/\n", {"memory.max": "100", "memory.current": "400"}, 0),
        (
            "0::/job/step\n",
            {
                **{"job/memory.max": "1000", "job/memory.current": "900"},
                **{"job/step/memory.max": "500", "job/step/memory.current": "100"},
            },
            100,
        ),
        (
            "9:memory:/job\n",
            {"memory/job/memory.limit_in_bytes": "1000", "memory/job/memory.usage_in_bytes": "300"},
            700,
        ),
        (
            "9:memory:/job\n",
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "300",
                "memory/memory.stat": "inactive_file 50\ntotal_inactive_file 100",
            },
            800,
        ),
        ("", {}, None),
    ],
)
def test_memory_is_what_the_narrowest_limit_leaves(groups, own, files, free):
    assert cgroup.free_memory(*groups(own, files)) == free


def test_a_quota_and_a_limit_count_for_what_is_available(monkeypatch):
    assert environment.available_memory() > 1000
    monkeypatch.setattr(cgroup, "cores", lambda: 1)
    monkeypatch.setattr(cgroup, "free_memory", lambda: 1000)
    assert environment.available_cpus() == 1
    assert environment.available_memory() == 1000
