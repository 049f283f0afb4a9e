"""Noise, and training at one level and testing at another: from a study of one's own to the report."""

from __future__ import annotations

import re

import pytest

from agbench.store.store import Store
from tests.reporting.test_report import rows

STUDY = """
summary: noise and transfer
models: [tabular:dct]
levels: [1.0, 0.3]
treatments:
  - {level: 1.0, noise: 1.0}
  - {level: 0.3, noise: 1.0}
  - {level: 1.0, test_level: 0.3}
  - {level: 0.3, test_level: 1.0}
"""


@pytest.fixture(scope="module")
def studied(tmp_path_factory, agbench, on_cluster):
    folder = tmp_path_factory.mktemp("studied")
    (folder / "mine.yaml").write_text(STUDY)
    command = ("run", "--dataset", "digits", "--quick", "--learners", "XT", "--study", folder / "mine.yaml")
    done = on_cluster("--workspace", folder, *command)
    assert done.returncode == 0, done.stderr
    assert agbench("--workspace", folder, "report").returncode == 0
    page = (folder / "reports" / "digits" / "report.md").read_text()
    return page, {str(record.condition): record for record in Store(folder / "results").records()}


def share(record):
    predictions = record.predictions
    return (predictions["label"] == predictions["predicted"]).mean()


def numbers(text):
    return [float(number) for number in re.findall(r"[+-]?\d\.\d{4}", text)]


def test_the_noise_table_is_that_of_the_stored_predictions(studied):
    page, records = studied
    (row,) = rows(page, "## Noise (table IV)")
    clean, noisy, both = (
        share(records[f"digits, {images}, tabular:dct, seed 0"])
        for images in ("original", "noise", "noise + jpeg 0.3")
    )
    assert noisy < clean
    for column, value in (("clean", clean), ("noisy", noisy), ("JPEG of noisy", both)):
        assert numbers(row[column])[0] == pytest.approx(value, abs=5e-5)
    judged = page.split("## Noise (table IV)")[1].split("\n\n| ")[2]
    differences = [numbers(line) for line in judged.splitlines() if line.startswith("| tabular:dct")]
    for (value, low, high, *_), expected in zip(differences, (noisy - clean, both - noisy), strict=True):
        assert value == pytest.approx(expected, abs=5e-5)
        assert low < value < high


def test_the_transfer_table_is_that_of_the_stored_predictions(studied):
    page, records = studied
    found = rows(page, "## Training at one level, testing at another")
    assert [(row["trained at"], row["tested at"]) for row in found] == [
        ("1.0 (original)", "0.3"),
        ("0.3", "1.0 (original)"),
    ]
    for row, (own, tested) in zip(found, (("original", "jpeg 0.3"), ("jpeg 0.3", "original")), strict=True):
        crossed = share(records[f"digits, {own} (tested on {tested}), tabular:dct, seed 0"])
        base = share(records[f"digits, {own}, tabular:dct, seed 0"])
        assert numbers(row["accuracy"])[0] == pytest.approx(crossed, abs=5e-5)
        assert numbers(row["difference"])[0] == pytest.approx(crossed - base, abs=5e-5)


def test_one_training_serves_all_of_its_tests(studied):
    _, records = studied
    for own, tested in (("original", "jpeg 0.3"), ("jpeg 0.3", "original")):
        crossed = records[f"digits, {own} (tested on {tested}), tabular:dct, seed 0"]
        base = records[f"digits, {own}, tabular:dct, seed 0"]
        assert crossed.metrics["seconds_fit"] == base.metrics["seconds_fit"]
        assert (crossed.folder / "log.txt").read_text() == (base.folder / "log.txt").read_text()


def test_the_accuracy_over_level_has_neither(studied):
    page, records = studied
    found = rows(page, "## All numbers")
    assert [row["level"] for row in found] == ["1.0 (original)", "0.3"]
    assert numbers(found[0]["tabular:dct"])[0] == pytest.approx(
        share(records["digits, original, tabular:dct, seed 0"]), abs=5e-5
    )
