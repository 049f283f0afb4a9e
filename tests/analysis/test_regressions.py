"""Comparing two named sweeps, on results that nobody ran."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from agbench.analysis.regressions import compare
from agbench.cli.main import main
from agbench.store.reader import read_records
from agbench.store.store import Store
from tests.reporting import made

ORIGINAL, SMALL, SMALLER = (made.condition("birds", "tabular:dct", level) for level in (1.0, 0.5, 0.3))


def right_for(result, share):
    """The same result, with the first images right."""
    rows = result.predictions.sort_values("image_id").assign(predicted="class X")
    count = round(share * len(rows))
    rows.loc[rows.index[:count], "predicted"] = rows["label"][:count]
    return replace(result, predictions=rows)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store without trials: copying one is faster than making one."""
    return made.fill(tmp_path_factory.mktemp("empty") / "results", []).folder


@pytest.fixture
def store(empty, tmp_path):
    """A base of three conditions, half of their images right."""
    store = Store(Path(shutil.copytree(empty, tmp_path / "results")))
    made.sweep(store, "base", [result(one) for one in (ORIGINAL, SMALL, SMALLER)], started=1)
    return store


def result(condition, share=0.5, **other):
    return replace(right_for(made.result(condition, 0.5), share), **other)


def compared(store, *results, **machine):
    made.sweep(store, "new", results, started=2, **machine)
    return compare(read_records(store.folder), "base", "new")


def verdicts(comparison):
    return {pair.condition: tuple(map(str, pair.verdicts)) for pair in comparison.pairs}


def invoke(store, *arguments):
    return CliRunner().invoke(main, ["--workspace", str(store.folder.parent), "compare", *arguments])


def test_the_same_is_the_same(store):
    comparison = compared(store, *map(result, (ORIGINAL, SMALL, SMALLER)))
    assert set(verdicts(comparison).values()) == {("same predictions",)}
    assert (comparison.regressions, comparison.changes) == (0, ())
    done = invoke(store, "base", "new")
    assert done.exit_code == 0
    assert "Nothing: versions, hardware and commit are the same." in done.stdout
    assert "**Nothing got worse** in 3 conditions" in done.stdout
    assert "3 of them have the same predictions and bytes" in done.stdout
    assert "x 1.00" in done.stdout


def test_accuracy_is_judged_after_holm(store):
    # Of 200 images, 6 lost and none gained: p = 0.031, doubled by Holm. 12 lost: p = 0.0005, three times that.
    comparison = compared(store, result(ORIGINAL, 0.47), result(SMALL, 0.44), result(SMALLER))
    found = verdicts(comparison)
    assert found[ORIGINAL] == ("no significant difference",)
    assert found[SMALL] == ("regression: accuracy",)
    assert found[SMALLER] == ("same predictions",)
    pair = next(pair for pair in comparison.pairs if pair.condition == SMALL)
    assert pair.p_value == pytest.approx(3 * 2 * 0.5**12)
    assert pair.paired.difference.value == pytest.approx(-0.06)
    done = invoke(store, "base", "new")
    assert done.exit_code == 1
    assert '"No significant difference" is not "equal"' in done.stdout


def test_more_accurate_is_better(store):
    comparison = compared(store, result(SMALL, 0.56))
    assert verdicts(comparison)[SMALL] == ("better",)
    assert comparison.regressions == 0


def test_bytes_are_compared_exactly(store):
    small, smaller = result(SMALL), result(SMALLER)
    comparison = compared(
        store, replace(small, bytes=small.bytes + 1), result(ORIGINAL), replace(smaller, bytes=smaller.bytes - 1)
    )
    found = verdicts(comparison)
    assert found[SMALL] == ("same predictions", "regression: bytes")
    assert found[SMALLER] == ("same predictions", "fewer bytes")
    assert comparison.regressions == 1


def test_a_condition_without_a_result_now_is_a_regression_with_its_reason(store):
    store.name([made.fail(store, SMALL)], "new", 2)
    found = verdicts(compared(store, result(ORIGINAL)))
    assert found[SMALL] == (f"regression: no result ({made.HOSTILE})",)
    assert found[SMALLER] == ("only in base",)
    done = invoke(store, "base", "new")
    assert done.exit_code == 1
    assert "<script>" not in done.stdout.replace("\\<script", "")
    assert "\u202e" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("|") and "no result" in line)
    assert row.replace("\\|", "").count("|") == 13
    assert invoke(store, "base", "new", "--format", "terminal").exit_code == 1


def test_an_older_result_does_not_stand_in_for_a_failure(store):
    made.sweep(store, "new", [result(SMALL)], started=2)
    store.name([made.fail(store, SMALL, "no memory")], "new", 2)
    comparison = compare(read_records(store.folder), "base", "new")
    assert verdicts(comparison)[SMALL] == ("regression: no result (no memory)",)


def test_what_only_one_has_is_shown_and_is_no_regression(store):
    other = made.condition("birds", "tabular:dct", 0.9)
    comparison = compared(store, result(ORIGINAL), result(other))
    found = verdicts(comparison)
    assert found == {
        ORIGINAL: ("same predictions",),
        SMALL: ("only in base",),
        SMALLER: ("only in base",),
        other: ("only in new",),
    }
    assert comparison.regressions == 0


def test_what_had_no_result_before_is_no_regression(store):
    both, mended = (made.condition("birds", "tabular:dct", level) for level in (0.2, 0.1))
    store.name([made.fail(store, one) for one in (both, mended)], "base", 1)
    store.name([made.fail(store, both)], "new", 2)
    found = verdicts(compared(store, result(mended)))
    assert found[both] == ("no result in either",)
    assert found[mended] == ("no result in base",)


def test_other_test_images_are_a_regression(store):
    comparison = compared(store, right_for(made.result(SMALL, 0.5, images=150), 0.5))
    assert verdicts(comparison)[SMALL][0] == "regression: other test images"


SLOW = {"fit": 49.0, "total": 49.0}


def test_seconds_are_judged_on_equal_hardware(store):
    comparison = compared(store, result(ORIGINAL, seconds=SLOW), result(SMALL))
    (speed,) = comparison.speeds
    assert (speed.base, speed.new, speed.conditions) == (8.0, 53.0, 2)
    assert (str(speed.verdict), comparison.regressions) == ("regression: seconds", 1)
    assert invoke(store, "base", "new", "--threshold", "6.7").exit_code == 0
    done = invoke(store, "base", "new", "--threshold", "6.6")
    assert done.exit_code == 1
    assert "- tabular:dct: regression: seconds, 8.0 s → 53.0 s" in done.stdout


def test_seconds_on_other_hardware_are_shown_and_not_judged(store):
    comparison = compared(store, result(ORIGINAL, seconds=SLOW), processor="Another | one")
    (speed,) = comparison.speeds
    assert (speed.ratio, str(speed.verdict)) == (12.25, "not judged: other hardware")
    assert [change.what for change in comparison.changes] == ["processor"]
    done = invoke(store, "base", "new")
    assert done.exit_code == 0
    assert "x 12.25" in done.stdout
    assert "shown and not judged" in done.stdout
    assert r"→ Another \| one" in done.stdout


def test_another_gpu_is_other_hardware(store):
    comparison = compared(store, result(ORIGINAL, seconds=SLOW), gpu="NVIDIA H200, 143771 MiB, driver 570.86.15")
    assert str(comparison.speeds[0].verdict) == "not judged: other hardware"
    assert [change.what for change in comparison.changes] == ["gpu"]


def test_few_seconds_more_are_not_judged(store):
    # The first trial of a worker takes some more than the next ones.
    comparison = compared(store, result(ORIGINAL, seconds={"fit": 13.0, "total": 13.0}))
    assert str(comparison.speeds[0].verdict) == "not judged: less than 10 s a trial"
    assert comparison.regressions == 0


def test_a_narrow_terminal_shows_all_numbers(store, monkeypatch):
    compared(store, result(ORIGINAL, share=0.4), result(SMALL))
    monkeypatch.setenv("COLUMNS", "80")
    done = invoke(store, "base", "new", "--format", "terminal")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout
    for said in ("accuracy 0.5000 → 0.4000", "difference -0.1000", "accuracy 0.5000 → -", "only in base"):
        assert said in done.stdout


def test_another_kernel_is_no_other_hardware(store):
    comparison = compared(store, result(ORIGINAL, seconds=SLOW), system="Linux-99")
    assert comparison.speeds[0].is_regression


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bas", "base"], "no sweep called 'bas': did you mean 'base'?"),
        (["base", "alone"], "nothing to compare: base and alone have no condition in common"),
        (["base", "base", "--threshold", "0.5"], "0.5 is not a threshold: use 1 or more"),
    ],
)
def test_a_users_error_has_status_2(store, arguments, said):
    made.sweep(store, "alone", [result(made.condition("birds", "tabular:dct", 0.7))])
    done = invoke(store, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_comparing_needs_neither_torch_nor_mlflow():
    code = "import sys, agbench.cli.nightly, agbench.reporting.pages.comparison\n"
    code += "print(sorted({'torch', 'mlflow', 'autogluon'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
