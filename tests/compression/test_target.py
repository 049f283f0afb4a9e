"""A copy of a wanted size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.compression.target import Target, search
from agbench.core.errors import UserError
from tests.compression.conftest import compress


def test_a_target_is_reached_and_said(agbench, tmp_path, photos):
    small = tmp_path / "small"
    command = ("compress", photos, "--target-bytes", "0.12", "--out", small)
    done = agbench(*command)
    assert done.returncode == 0, done.stderr
    before = sum(path.stat().st_size for path in photos.rglob("*.png"))
    after = sum(path.stat().st_size for path in small.rglob("*.jpg"))
    assert after <= 0.12 * before
    quality = int(done.stdout.partition("(jpeg, quality ")[2].partition(")")[0])
    assert f"target 0.12: quality {quality} reaches {after:,} bytes" in done.stdout
    above = compress(photos, tmp_path / "above", level=(quality + 1) / 100)
    assert above.after > 0.12 * before
    steps = []
    assert compress(photos, small, target_bytes="0.12", on_progress=steps.append).after == after
    assert steps == []


def test_a_target_out_of_reach_is_said_with_the_closest_and_another_may_follow(tmp_path, photos):
    small = tmp_path / "small"
    with pytest.raises(UserError, match="can't be reached with jpeg") as refused:
        compress(photos, small, target_bytes="1kB")
    assert not small.exists(), "it leaves nothing, and so no memory of what it measured"
    closest = compress(photos, tmp_path / "least", level=0.01).after
    assert f"quality 1 takes {closest:,} " in str(refused.value)
    assert compress(photos, small, target_bytes=str(closest)).after == closest


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0.3", 300),
        (".25", 250),
        ("30%", 300),
        ("12.5 %", 125),
        ("70", 70),
        ("5GB", 5 * 10**9),
        ("500kB", 500_000),
        ("1.5 MiB", 3 * 2**19),
        ("2KiB", 2048),
    ],
)
def test_sizes_are_read(text, limit):
    assert Target.of(text).limit(1000) == limit


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "0%", "-1", "1.0", "1.5", "nan", "inf", "5XB", "GB", "1e3", "0B"]
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UserError, match="is not a size"):
        Target.of(text)


@given(st.lists(st.integers(0, 1000), min_size=99, max_size=99), st.integers(0, 1000), st.booleans())
def test_the_search_keeps_its_word(sizes, limit, in_order):
    sizes = sorted(sizes) if in_order else sizes
    found = search(limit, lambda quality: sizes[quality - 1])
    assert len(found.measured) <= 7
    assert all(sizes[quality - 1] == size for quality, size in found.measured.items())
    if found.quality is None:
        assert sizes[0] > limit
        assert found.closest[1] == min(found.measured.values()) > limit
    else:
        assert sizes[found.quality - 1] <= limit
        assert found.quality == 99 or found.measured[found.quality + 1] > limit
        assert found.quality == max(quality for quality, size in found.measured.items() if size <= limit)
    if in_order:
        within = [quality for quality in range(1, 100) if sizes[quality - 1] <= limit]
        assert found.quality == (max(within) if within else None)


@pytest.mark.parametrize("there", [False, True])
def test_a_target_that_is_refused_leaves_nothing(tmp_path, photos, there):
    out = tmp_path / "small"
    if there:
        out.mkdir()
    with pytest.raises(UserError, match="can't be reached"):
        compress(photos, out, target_bytes="0.001")
    assert out.exists() == there
    assert not there or list(out.iterdir()) == []
