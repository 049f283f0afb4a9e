"""Each row of CONTRIBUTING's table "To add": one entry in one place, and it reaches all that it should."""

from __future__ import annotations

import pytest

from agbench.analysis.gather import gather
from agbench.core.codec import Metadata
from agbench.core.condition import Budget
from agbench.core.workspace import Workspace
from agbench.models import registry
from agbench.models.registry import Family, Kind
from agbench.reporting.build import write_reports
from agbench.reporting.figures import charts
from agbench.store.reader import read_records
from agbench.studies import study
from agbench.studies.study import Study, at_levels
from agbench.studies.yaml_file import find_studies
from tests import extra_codec
from tests.conftest import SWEEP
from tests.reporting import made


@pytest.fixture
def plain(tmp_path):
    return extra_codec.install(tmp_path / "site")


def test_a_codec_by_entry_point_is_listed_and_compresses(agbench, plain, plain_images, tmp_path):
    assert "plain\n" in agbench("codecs", **plain).stdout
    arguments = ("compress", plain_images, "--level", "0.5", "--codec", "plain", "--out", tmp_path / "out")
    done = agbench(*arguments, **plain)
    assert done.returncode == 0, done.stderr
    assert "images: " in done.stdout


def test_models_are_trained_on_files_of_a_codec_by_entry_point(agbench, plain, tmp_path):
    """By AutoMM in processes of its own, which read the files with Pillow alone: the pixels are the original's."""
    arguments = ["--workspace", tmp_path / "w", *SWEEP, "--epochs", "1", "--loaders", "1"]
    done = agbench(*arguments, "--codec", "plain", "--models", "automm:efficientnet_lite0", **plain)
    assert done.returncode == 0, done.stderr
    records = {one.condition.train.codec: one for one in read_records(Workspace(tmp_path / "w").results)}
    original, encoded = records[None], records["plain"]
    assert encoded.metric("accuracy") == original.metric("accuracy")
    assert encoded.metric("bytes") == 1797 * (len(extra_codec.MAGIC) + 5 + 8 * 8)
    assert encoded.environment["software"]["extra_codec"] == "1.0"


def test_images_of_a_codec_by_entry_point_are_read(agbench, plain, photograph, tmp_path):
    for number in range(20):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}{'.plain' if number else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        extra_codec.CODEC.encode(photograph.rotate(number), path, 0, Metadata())
    arguments = ("--workspace", tmp_path / "w", "prepare", "--dataset", tmp_path / "photos")
    assert "20 images" in agbench(*arguments, **plain).stdout
    assert agbench("--workspace", tmp_path / "v", *arguments[2:]).returncode == 2


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("no_such_module:CODEC", "ends in ModuleNotFoundError: No module named 'no_such_module'"),
        ("extra_codec:NOTHING", "ends in AttributeError"),
        ("extra_codec:FORMAT", "is not an agbench.core.codec.Codec"),
    ],
)
def test_a_broken_codec_stops_only_who_asks_for_it(agbench, plain_images, tmp_path, entry, reason):
    points = f"[agbench.codecs]\nbroken = {entry}\n[agbench.models]\nfamily = {entry}\n"
    broken = extra_codec.install(tmp_path / "site", points)
    arguments = ("compress", plain_images, "--level", "0.5", "--out", tmp_path / "out")
    assert agbench(*arguments, **broken).returncode == 0
    asked = agbench(*arguments, "--codec", "broken", **broken)
    assert asked.returncode == 2
    assert asked.stderr.startswith("agbench: the codec broken can't be used: ")
    assert reason in asked.stderr
    assert "Traceback" not in asked.stderr
    for command in ("codecs", "models"):
        listed = agbench(command, **broken)
        assert listed.returncode == 0, listed.stderr
        assert "the package extra_codec" in " ".join(listed.stdout.split())
    run = agbench("--workspace", tmp_path / "w", "run", "--dataset", "digits", "--models", "family:x", **broken)
    assert run.returncode == 2
    assert "the family of models family can't be used" in run.stderr


@pytest.fixture
def families(monkeypatch):
    """A deep and a tabular family, as two other packages would bring them."""
    others = {
        "vision": Family("a deep one", ("net",), "", ("epochs",), "none", Kind.DEEP),
        "rows": Family("a tabular one", ("plain",), "", ("learners",), "none", Kind.TABULAR),
    }
    monkeypatch.setattr(registry, "families", lambda: registry.FAMILIES | others)


@pytest.mark.slow
def test_families_by_entry_point_reach_every_table_and_claim(families, tmp_path):
    conditions = [made.condition("birds", "vision:net", level) for level in study.PAPER_LEVELS]
    conditions += [made.condition("birds", "rows:plain", level) for level in (1.0, 0.3)]
    store = made.fill(tmp_path / "results", conditions)
    evidence = gather("birds", store.records("birds"))
    assert [one.model for one in evidence.deep] == ["vision:net"]
    assert [one.model for one in evidence.tabular] == ["rows:plain"]
    assert evidence.main is not None
    workspace = Workspace(tmp_path)
    (report,) = write_reports(read_records(workspace.results), workspace, ["birds"], ("md", "csv"))
    page = report.path.read_text()
    tables = report.path.with_name("tables")
    for name in ("storage", "tabular", "claims"):
        text = (tables / f"{name}.csv").read_text()
        assert "vision:net" in text, name
    assert "rows:plain" in (tables / "tabular.csv").read_text()
    assert "rows:plain" in (tables / "claims.csv").read_text()
    assert "vision:net" in page


def test_a_study_is_one_entry(monkeypatch, tmp_path):
    """It is found by its name, and has a section in reports: with results, or with the command that makes them."""
    entry = Study("a made-up question", ("tabular:dct",), at_levels(1.0, 0.5), section="A made-up question")
    monkeypatch.setitem(study.STUDIES, "made-up", entry)
    assert "made-up" in study.study_names()
    assert find_studies("made-up") == [entry]
    workspace = Workspace(tmp_path)
    for level in (0.3, 1.0, 0.5):
        made.fill(workspace.results, [made.condition("birds", "tabular:dct", level)])
        (report,) = write_reports(read_records(workspace.results), workspace, ["birds"], ("md",))
        page = report.path.read_text()
        assert ("--study made-up" in page) == (level == 0.3)
        assert ("## A made-up question\n" in page) == (level != 0.3)
    section = page.split("## A made-up question\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| tabular:dct")]
    assert len(rows) == 2
    assert "jpeg 0.5" in "".join(rows)
    assert "](figures/accuracy-of-study-made-up.png)" in section
    chart = charts.over_study(gather("birds", read_records(workspace.results)), "made-up")
    assert chart.lines[0].labels == ("1", "0.5"), "what the study asks for, and no other level"
    assert " to " in rows[1].split("|")[4], "a difference with its interval"


def test_a_budgets_setting_is_one_field():
    from dataclasses import fields

    from agbench.cli.run import run

    options = {option.name for option in run.params}
    assert {one.name for one in fields(Budget)} <= options
