"""A report against the store, recomputed by other means."""

from __future__ import annotations

import struct

import pytest

from agbench.analysis.gather import gather
from agbench.reporting.tables import details, tables
from tests.reporting.conftest import report


@pytest.fixture(scope="module")
def page(swept):
    return (report(swept.workspace) / "report.md").read_text()


def rows(page, heading):
    """Cells of the first table below a heading."""
    section = page.split(f"{heading}\n", 1)[1]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2 : len(cells)] if len(row) == len(cells[0])]


def by_model_and_level(swept):
    return {(record.condition.model, record.condition.train.level): record for record in swept.store.records()}


def test_the_storage_table_shows_files_that_grew(page, swept):
    (row,) = rows(page, "## Storage (table III)")
    record = by_model_and_level(swept)["automm:efficientnet_lite0", 0.3]
    files = list((swept.workspace.datasets / "digits" / "images").rglob("*.png"))
    original = sum(path.stat().st_size for path in files)
    compressed = sum(
        path.stat().st_size
        for path in (swept.workspace.datasets / "digits" / "variants").glob("jpeg-0.3-*/images/**/*.jpg")
    )
    assert record.metrics["bytes_original"] == original
    assert record.metrics["bytes"] == compressed
    assert row["relative size"] == f"{compressed / original:.2%}"
    assert compressed > original
    assert "larger than the originals" in page


def test_tabular_stands_beside_deep_at_every_level(page):
    listed = rows(page, "## Tabular versus deep")
    assert [(row["model"], row["level"].split()[0]) for row in listed] == [
        ("tabular:dct", "1.0"),
        ("tabular:dct", "0.3"),
    ]


def test_what_was_run_on_what_is_said(page, swept):
    for record in swept.store.records():
        assert record.run_id in page
        assert record.condition.id in page
        assert record.condition.fingerprint in page
        assert (swept.workspace.results / "artifacts" / record.run_id / "artifacts" / "log.txt").is_file()
    for setting in ("epochs 2", "learning rate 0.001", "image size 32", "learners XT", "One seed (0)"):
        assert setting in page


def test_the_figures_are_pictures(page, swept):
    for name in ("accuracy-over-level", "accuracy-over-bytes", "accuracy-per-epoch", "examples"):
        assert f"](figures/{name}.png)" in page
        content = (swept.workspace.reports / "digits" / "figures" / f"{name}.png").read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert min(width, height) >= 250
        assert (swept.workspace.reports / "digits" / "figures" / f"{name}.svg").read_text().startswith("<?xml")


def test_the_same_store_gives_the_same_report_byte_for_byte(page, swept):
    folder = swept.workspace.reports
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) > 30
    report(swept.workspace)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_command_prints_the_main_table_and_where_the_report_is(swept, agbench):
    done = agbench("--workspace", swept.workspace.folder, "report", "--dataset", "digits", "--show")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("| level")
    assert any(line.endswith("reports/digits/report.md") for line in lines)


def test_other_images_are_not_mixed_in(swept):
    records = swept.store.records()
    newer = records[-1].condition
    changed = type(newer)(**{**vars(newer), "fingerprint": "0" * 16})
    evidence = gather("digits", [*records, type(records[-1])(**{**vars(records[-1]), "condition": changed})])
    assert [record.condition for record in evidence.records] == [changed]
    assert evidence.left_out == 4


def test_a_level_that_was_not_run_is_shown_as_such(swept):
    records = [record for record in swept.store.records() if record.condition.train.level != 1.0]
    deep = [record for record in records if record.condition.model.startswith("automm")]
    evidence = gather("digits", [*deep, *[one for one in swept.store.records() if one not in records][1:]])
    assert "not run" in tables.accuracy_table(evidence).markdown()


def test_a_trial_that_did_not_end_is_shown(swept):
    records = swept.store.records()
    ended = type(records[0])(**{**vars(records[0]), "status": "RUNNING"})
    evidence = gather("digits", [*records[1:], ended])
    assert evidence.failures == (ended,)
    assert "still running, or its sweep was killed" in details.failures_table(evidence).markdown()
