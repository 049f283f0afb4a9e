"""Several codecs in one report: beside each other, and never in one number."""

from __future__ import annotations

import csv
import itertools
import re
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner

from agbench.analysis.gather import gather
from agbench.cli.main import main
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, Preprocessing
from agbench.core.workspace import Workspace
from agbench.reporting.build import write_report
from agbench.reporting.figures import charts
from agbench.reporting.tables import details
from agbench.store.reader import read_records
from agbench.studies.study import STUDIES
from tests.reporting import made
from tests.reporting.test_report import rows

SMALL, LARGE, TABULAR = made.SIZES[0], made.SIZES[4], "tabular:dct"
LEVELS = (1.0, 0.5, 0.3)


def of_codec(codec):
    """Trials of every kind: two models over levels, with noise, and tested at other levels; two seeds of one."""
    for model, level, seed in itertools.product((SMALL, LARGE, TABULAR), LEVELS, (0, 1)):
        yield made.condition("cifar10", model, level, seed, codec=codec)
    for level in (1.0, 0.3):
        yield made.condition("cifar10", SMALL, level, noise=1.0, codec=codec)
    for train, test in ((1.0, 0.3), (0.3, 1.0)):
        yield made.crossed(made.condition("cifar10", SMALL, train, codec=codec), test, codec)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codecs")
    conditions = {one.id: one for codec in (JPEG, "webp", "avif") for one in of_codec(codec)}
    made.fill(Workspace(folder).results, conditions.values(), images=120)
    return read_records(Workspace(folder).results)


def written_by(records, *codecs):
    return [
        one
        for one in records
        if {one.condition.train.codec, one.condition.test_preprocessing.codec} <= {None, *codecs}
    ]


def read_tables(records, folder):
    report = write_report(gather("cifar10", records), Workspace(folder), ("md", "html", "csv"))
    tables = {}
    for path in report.path.parent.glob("tables/*.csv"):
        with path.open(newline="") as stream:
            tables[path.stem] = list(csv.DictReader(stream))
    return report.path.read_text(), tables


@pytest.fixture(scope="module")
def reported(records, tmp_path_factory):
    return read_tables(records, tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="module")
def of_jpeg(records, tmp_path_factory):
    return read_tables(written_by(records, JPEG), tmp_path_factory.mktemp("jpeg"))


def test_other_codecs_change_no_number_of_jpeg(reported, of_jpeg):
    _, several = reported
    alone = dict(of_jpeg[1])
    assert set(several) == {*alone, "codecs"}
    for name in ("claims", "published", "settings", "model-size", "model-size-differences"):
        assert several[name] == alone[name], name
    del alone["phases"]  # seconds of all trials, whatever their codec
    for name in ("classes", "confusions", "flips"):
        del alone[name]  # at the level of the answer, whatever its codec
    for name, table in alone.items():
        known = [
            # Its heading alone says JPEG where there is no other.
            [value for column, value in row.items() if column != "codec"]
            for row in several[name]
            if row.get("codec") in (None, "none", JPEG)
        ]
        for row in table:
            assert [*row.values()] in known, (name, row)


@pytest.mark.parametrize("codec", ["webp", "avif"])
def test_a_codecs_numbers_are_those_of_its_trials_alone(records, reported, codec, tmp_path):
    _, several = reported
    _, own = read_tables(written_by(records, codec), tmp_path)
    for name in (
        "differences",
        "seeds",
        "tolerance",
        "storage",
        "noise",
        "noise-differences",
        "tabular",
        "transfer",
    ):
        its_own = [row for row in own[name] if codec in next(iter(row.values()))]
        assert its_own
        assert its_own == [row for row in several[name] if codec in next(iter(row.values()))], name
    for name in ("accuracy", "reading", "codecs"):
        of_both = [[row for row in table[name] if row["codec"] in ("none", codec)] for table in (own, several)]
        assert of_both[0] == of_both[1]
        assert [row["level"] for row in of_both[0]] == ["1.0", "0.5", "0.3"]


def test_numbers_of_the_original_stand_once(reported):
    _, several = reported
    for name in ("accuracy", "reading", "codecs"):
        assert [row["codec"] for row in several[name]] == ["none", *[JPEG] * 2, *["webp"] * 2, *["avif"] * 2]
    for name, mark in (
        ("seeds", "1.0"),
        ("convergence", "1.0"),
        ("tabular", "1.0"),
        ("noise-differences", "clean"),
    ):
        originals = [row for row in several[name] if mark in (row.get("level"), row.get("minus"))]
        assert originals
        assert all("," not in row.get("model", row.get("tabular", "")) for row in originals), name


def test_bytes_and_seconds_of_a_level_are_those_that_were_measured(records, reported):
    page, several = reported
    for row in several["codecs"]:
        codec = None if row["codec"] == "none" else row["codec"]
        quality = None if codec is None else round(100 * float(row["level"]))
        (metrics, *_) = (
            one.metrics
            for one in records
            if one.condition.train == Preprocessing(codec, quality) and one.condition.test is None
        )
        assert int(row["bytes"]) == metrics["bytes"]
        assert float(row["of original"]) == metrics["bytes"] / metrics["bytes_original"]
        assert float(row["seconds to decode an image"]) == pytest.approx(0.02 / 120)
        encode = row["seconds to encode an image"]
        assert encode == "not encoded" if codec is None else float(encode) == pytest.approx(0.002 * quality / 100)
        assert row["trials"] == "6"
    assert [row["codec"] for row in rows(page, "## Codecs")] == [row["codec"] for row in several["codecs"]]


def test_what_older_results_did_not_measure_is_said(records, tmp_path):
    older = [
        replace(one, metrics={name: value for name, value in one.metrics.items() if "ing_" not in name})
        for one in records
    ]
    _, tables = read_tables(older, tmp_path)
    for row in tables["codecs"]:
        assert row["seconds to encode an image"] == ("not encoded" if row["codec"] == "none" else "not measured")
        assert row["seconds to decode an image"] == "not measured"


def test_a_chart_has_a_line_a_codec_over_achieved_bytes(records, reported):
    page, _ = reported
    evidence = gather("cifar10", records)
    drawn = [chart for chart in charts.charts(evidence) if charts.BY_CODEC in chart.name]
    assert len(drawn) == 3, "one a model"
    for chart in drawn:
        assert f"(figures/{chart.name}.png)" in page
        assert [line.name for line in chart.lines] == [JPEG, "webp", "avif"]
        assert len({(line.x[0], line.y[0], line.low[0], line.high[0]) for line in chart.lines}) == 1, (
            "the original"
        )
        for line in chart.lines:
            levels = (1, 0.5, 0.3)
            saved = made.SAVED.get(line.name, 1)
            expected = [100] + [100 * saved * (0.1 + 0.9 * level**2) for level in levels[1:]]
            assert line.x == pytest.approx(expected)
            for low, value, high in zip(line.low, line.y, line.high, strict=True):
                assert low < value < high


def test_the_page_draws_and_explores_them(records, tmp_path):
    report = write_report(gather("cifar10", records), Workspace(tmp_path))
    page = report.path.with_name("report.html").read_text()
    for number in (1, 2, 3):
        assert f'id="accuracy-by-codec-{number}"' in page
        assert report.path.with_name("figures").joinpath(f"accuracy-by-codec-{number}.png").is_file()


def test_a_report_of_another_codec_alone_decides_no_claim_of_the_paper(records, tmp_path):
    page, tables = read_tables(written_by(records, "webp"), tmp_path)
    levels = [(row["codec"], row["level"]) for row in tables["accuracy"]]
    assert levels == [("none", "1.0"), ("webp", "0.5"), ("webp", "0.3")]
    for row in tables["claims"]:
        assert row["verdict"] == "not run" or "noise" in row["claim"], row
    evidence = gather("cifar10", written_by(records, "webp"))
    lines = [line for chart in charts.charts(evidence) for line in chart.lines if "by-codec" in chart.name]
    assert [line.name for line in lines] == ["webp"] * 3, "no line that is nothing but the original"
    for figure in re.findall(r"\]\((figures/.*?)\)", page):
        assert (tmp_path / "reports" / "cifar10" / figure).is_file()


def test_what_is_missing_comes_with_a_command_for_its_codec(records, tmp_path):
    lacking = [
        one.condition
        for one in records
        if one.condition.train.codec == "webp" and (one.condition.model == TABULAR or one.condition.seed == 1)
    ]
    there = [one for one in written_by(records, JPEG, "webp") if one.condition not in lacking]
    page, tables = read_tables(there, tmp_path)
    column = {row["level"]: row[TABULAR] for row in tables["accuracy"] if row["codec"] == "webp"}
    assert column == {"0.5": "", "0.3": ""}
    planned = set()
    for command in re.findall(r"^    (agbench run (?!.*--noise).* --levels .*)$", page, re.MULTILINE):
        done = CliRunner().invoke(main, ["--workspace", str(tmp_path), *shlex.split(command)[1:], "--dry-run"])
        assert done.exit_code == 0, done.output
        planned |= set(re.findall(r"^to run  (.*), (.*), (.*), seed (.)", done.stdout, re.MULTILINE))
    assert planned == {("cifar10", str(one.train), one.model, str(one.seed)) for one in lacking}


def test_commands_for_noise_and_transfer_name_their_codec(records, tmp_path):
    lacking = {"noise + webp 0.3", "webp 0.3, tested on original"}
    there = [one for one in written_by(records, "webp") if details.images_of(one.condition) not in lacking]
    # Another seed of each, so that these are known to be wanted.
    noisy = made.condition("cifar10", SMALL, 0.3, seed=1, noise=1.0, codec="webp")
    tested = made.crossed(made.condition("cifar10", SMALL, 0.3, seed=1, codec="webp"), 1.0, "webp")
    store = made.fill(Workspace(tmp_path).results, [noisy, tested], images=120)
    page, _ = read_tables([*there, *store.records()], tmp_path)
    commands = re.findall(r"^    (agbench run .*)$", page, re.MULTILINE)
    for study in ("--noise", "--study transfer"):
        assert any("--codec webp" in command and study in command for command in commands), study


def test_a_trial_that_failed_is_one_of_its_codec(records, tmp_path):
    workspace = Workspace(tmp_path)
    made.fail(made.fill(workspace.results, []), made.condition("cifar10", SMALL, 0.3, codec="jxl"))
    _, tables = read_tables([*written_by(records, JPEG), *read_records(workspace.results)], tmp_path)
    shown = {(row["codec"], row["level"]): row[SMALL] for row in tables["accuracy"]}
    assert shown["jxl", "0.3"] == "failed"
    assert 0 < float(shown[JPEG, "0.3"]) <= 1
    assert {row["verdict"] for row in tables["claims"]} != {"not run"}


def test_training_on_one_codec_and_testing_on_another_is_neither(records, tmp_path):
    both = made.crossed(made.condition("cifar10", SMALL, 0.3, codec="webp"), 0.5, "avif")
    store = made.fill(Workspace(tmp_path).results, [both], images=120)
    evidence = gather("cifar10", [*records, *store.records()])
    before = gather("cifar10", records)
    assert evidence.series == before.series
    assert [one.codec for one in evidence.crossed] == [JPEG, "webp", "avif", "webp / avif"]
    assert evidence.crossed[:3] == before.crossed


def test_every_study_of_the_paper_is_of_jpeg():
    for study in STUDIES.values():
        assert {one.train.codec for one in study.treatments if one.level != ORIGINAL_LEVEL} <= {JPEG}
