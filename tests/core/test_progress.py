"""Durations, as they are read and as they are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.errors import UserError
from agbench.core.progress import duration, seconds_of


@given(st.integers(1, 10**6))
def test_a_duration_that_is_told_is_read(seconds):
    rounded = seconds if seconds < 3600 else seconds // 60 * 60
    assert seconds_of(duration(seconds)) == rounded


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10 MIN", 600), ("1.5h", 5400), ("1h30m", 5400), ("1h 2s", 3602), ("0.5m 1s", 31)],
)
def test_durations_have_units_from_the_largest_down(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-1s", "1h30", "30m1h", "1m1m", "1d", "s", "1,5h", "1e9h", "9" * 400 + "h"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(UserError, match="use 90s, 10m or 1h30m"):
        seconds_of(text)
