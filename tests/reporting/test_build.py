"""What a report's folder holds, and what a reader's browser makes of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from agbench.analysis.cell import paired
from agbench.analysis.gather import gather
from agbench.core.condition import ORIGINAL_LEVEL
from agbench.core.errors import UserError
from agbench.core.metric import METRICS
from agbench.core.workspace import Workspace
from agbench.reporting.build import write_reports
from agbench.reporting.tables import details
from agbench.store.reader import read_records
from agbench.store.store import Store
from tests.reporting import made
from tests.reporting.conftest import report


class Page(HTMLParser):
    """Tags, text and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.addresses, self.ids, self._raw = [], [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids |= {value for name, value in attributes if name == "id"}
        self.addresses += [value for name, value in attributes if name in ("src", "href", "data", "action")]
        self._raw += tag in ("script", "style")

    def handle_endtag(self, tag):
        self._raw -= tag in ("script", "style")

    def handle_data(self, data):
        if not self._raw:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(all_studies):
    return Page((all_studies.reports / "cifar10" / "report.html").read_text())


def test_a_page_needs_no_network(page):
    assert page.addresses
    for address in page.addresses:
        assert address.startswith(("#", "data:image/png;base64,")), address
    assert page.tags.count("link") == 0


def test_links_within_a_page_lead_somewhere(page):
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert "trials-without-a-result" in links
    assert links <= page.ids


def test_what_comes_from_outside_runs_nothing(page):
    # The library, each of three charts, and the page's own.
    assert page.tags.count("script") <= 1 + 2 * 3 + 1
    assert "".join(page.text).count("<script>alert(1)</script>") >= 4, "title, remark, path and reason, as text"


def test_charts_are_drawn_by_plotly(page):
    assert {"accuracy-over-level", "accuracy-over-bytes", "accuracy-per-epoch"} <= page.ids


def test_formats_that_are_not_asked_for_are_not_left_over(all_studies, tmp_path):
    workspace = Workspace(tmp_path)
    made.fill(workspace.results, [made.condition("mine", "tabular:dct", level) for level in (1.0, 0.3)])
    folder = report(workspace)
    assert {"report.md", "report.html", "figures", "tables"} == {path.name for path in folder.iterdir()}
    report(workspace, "csv")
    assert {"figures", "tables"} == {path.name for path in folder.iterdir()}
    assert not list((folder / "figures").iterdir())
    assert {path.suffix for path in (folder / "tables").iterdir()} == {".csv"}
    report(workspace, "html")
    assert (folder / "report.html").is_file()
    assert not (folder / "report.md").exists()
    assert not list((folder / "tables").iterdir())


@pytest.fixture(scope="module")
def two_kinds(tmp_path_factory):
    """A workspace with two models at two levels, and a third model whose trials kept no probabilities."""
    workspace = Workspace(tmp_path_factory.mktemp("kinds"))
    conditions = [
        made.condition("mine", model, level) for model in (made.SIZES[0], "tabular:dct") for level in (1.0, 0.3)
    ]
    store = made.fill(workspace.results, conditions)
    older = [made.condition("mine", "tabular:pixels", level) for level in (1.0, 0.3)]
    made.sweep(store, "older", [made.result(one, 0.6, has_probabilities=False) for one in older])
    return workspace


def decided_by(workspace, folder, name, *formats):
    own = Workspace(folder)
    own.results.symlink_to(workspace.results, target_is_directory=True)
    records = read_records(own.results)
    (written,) = write_reports(records, own, ["mine"], formats or ("md", "csv"), metric=METRICS[name])
    return written


@pytest.fixture(scope="module")
def by_accuracy(two_kinds, tmp_path_factory):
    return decided_by(two_kinds, tmp_path_factory.mktemp("plain"), "accuracy")


@pytest.mark.parametrize("name", ["balanced_accuracy", "log_loss"])
def test_the_metric_that_decides_is_named_where_it_does(two_kinds, by_accuracy, tmp_path, name):
    written, metric = decided_by(two_kinds, tmp_path, name), METRICS[name]
    page, tables = written.path.read_text(), written.path.parent / "tables"
    title = metric.label[0].upper() + metric.label[1:]
    assert f"**{title} decides here:**" in page
    assert f"## {title} over level (figure 2)" in page
    assert "## Accuracy over level" not in page
    assert f"of {metric.label} or more is excluded" in page
    assert ("0.01 nats" in page) == (metric.unit == "nats")
    compared = gather("mine", read_records(two_kinds.results), metric=metric).series[0].compared[0.3]
    row = pd.read_csv(tables / "differences.csv").iloc[0]
    assert compared.metric is metric
    assert row["difference"] == pytest.approx(compared.difference.value)
    assert row["largest loss not excluded"] == pytest.approx(compared.excluded_loss)
    assert pd.read_csv(tables / f"{name}.csv")[made.SIZES[0]].notna().all()
    assert not (tables / "accuracy.csv").exists()
    assert (written.path.parent / "figures" / f"{name}-over-level.png").is_file()
    claims = by_accuracy.path.parent / "tables" / "claims.csv"
    assert (tables / "claims.csv").read_text() == claims.read_text(), "they are of accuracy"
    # The predicted classes alone are enough for some metrics.
    without = 2 if metric.needs_probabilities else 0
    assert page.count(f"has not kept what {metric.label} needs") == without
    assert ("**2 trials have no result:**" in page) == bool(without)


def test_tables_can_be_worked_with(by_accuracy):
    found = by_accuracy.table("differences")
    assert found["groups"].tolist() == found["images"].tolist() == [200] * 3
    assert (found["largest loss not excluded"] == (-found["difference, low"]).clip(0)).all()
    assert "log loss, difference, high" in by_accuracy.table("more-than-accuracy")
    assert {"class", "groups", "difference, low"} <= {*by_accuracy.table("classes")}
    with pytest.raises(UserError, match="no table called 'difference': did you mean 'differences'"):
        by_accuracy.table("difference")


def test_metrics_that_a_trial_does_not_give_are_told(by_accuracy):
    page = by_accuracy.path.read_text()
    assert "2 of the trials kept no probabilities" in page
    table = next(part for part in page.split("\n\n") if "calibration error, difference" in part)
    assert table.count("not kept") == 8


def test_a_metric_that_no_trial_gives_is_a_users_error(tmp_path):
    workspace = Workspace(tmp_path)
    older = made.result(made.condition("mine", "tabular:dct", 1.0), 0.6, has_probabilities=False)
    made.sweep(Store(workspace.results), "older", [older])
    with pytest.raises(UserError, match="no trial of mine has kept what AUC needs: `agbench run --fresh`"):
        list(
            write_reports(read_records(workspace.results), workspace, ["mine"], ("md",), metric=METRICS["roc_auc"])
        )


def test_two_reports_at_once_are_both_whole(tmp_path):
    workspace = Workspace(tmp_path)
    made.fill(workspace.results, [made.condition("mine", "tabular:dct", level) for level in (1.0, 0.3)])
    command = [sys.executable, "-m", "agbench", "--workspace", str(tmp_path), "report"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    folder = workspace.reports / "mine"
    assert {"report.md", "report.html", "figures", "tables"} == {path.name for path in folder.iterdir()}


def test_the_index_has_a_row_a_data_set(all_studies, tmp_path):
    workspace = Workspace(tmp_path)
    for name in ("mine", "yours"):
        made.fill(workspace.results, [made.condition(name, made.SIZES[0], level) for level in (1.0, 0.3)])
    list(write_reports(read_records(workspace.results), workspace, ["mine"]))
    index = (workspace.reports / "README.md").read_text()
    assert "\n| mine " in index
    assert "\n| yours " in index
    assert "(mine/report.md)" in index
    assert "(yours/report.md)" not in index, "it was not made"


def test_a_failed_trial_is_no_missing_row_and_no_low_accuracy(tmp_path):
    workspace = Workspace(tmp_path)
    store = made.fill(workspace.results, [made.condition("mine", "tabular:dct", 1.0)])
    made.fail(store, made.condition("mine", "tabular:dct", 0.3))
    made.fail(store, made.condition("mine", made.SIZES[0], 1.0))
    made.fail(store, made.condition("mine", "tabular:dct", 0.3, noise=1.0))
    made.fail(store, made.crossed(made.condition("mine", "tabular:dct", 1.0), 0.5))
    page = (report(workspace) / "report.md").read_text()
    for line in (
        "| 1.0 (original) | 2.0 MB  | 100.00%     | failed                 | 0.",
        "| 0.3            | not run | not run     | not run                | failed",
        "| tabular:dct | 1     | 0.3   |",
        "| tabular:dct | 1.0 (original) | 0.5       | failed",
    ):
        assert line in page, line
    assert page.count("| failed |") == 4, "each with its reason"
    assert "**4 trials have no result:**" in page


def test_nothing_but_failures_is_a_report_too(tmp_path, agbench):
    workspace = Workspace(tmp_path)
    store = made.fill(workspace.results, [])
    made.fail(store, made.condition("digits", made.SIZES[0], 1.0))
    done = agbench("--workspace", tmp_path, "report", "--format", "md,html,latex,csv")
    assert done.returncode == 0, done.stderr
    page = (workspace.reports / "digits" / "report.md").read_text()
    assert "| failed" in page
    assert page.count("not decided") + page.lower().count("not run") >= 7
    assert "1 of its trials have no result" in page
    assert list(workspace.reports.rglob("*.png")) == []


def test_a_seed_that_is_missing_is_seen(tmp_path):
    workspace = Workspace(tmp_path)
    conditions = [made.condition("mine", "tabular:dct", level, seed) for level in (1.0, 0.3) for seed in (0, 1)]
    made.fill(workspace.results, conditions[:-1])
    page = (report(workspace) / "report.md").read_text()
    assert "| tabular:dct | 0.3            | 0 " in page
    evidence = gather("mine", read_records(workspace.results))
    (series,) = evidence.series
    assert series.compared[0.3].seeds == 1
    assert series.cells[ORIGINAL_LEVEL].seeds == (0, 1)


def test_a_report_needs_neither_torch_nor_autogluon(all_studies):
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.split('.')[0] in {'torch', 'autogluon', 'mlflow', 'lightning', 'timm', 'ray'}:\n"
        "            raise ImportError(f'{name} is imported by a report')\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from agbench.cli.main import main\n"
        f"main(['--workspace', {str(all_studies.folder)!r}, 'report', '--format', 'md,html,latex,csv'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith("report.md")


def test_a_format_that_does_not_exist_is_named(swept, agbench):
    done = agbench("--workspace", swept.workspace.folder, "report", "--format", "md,pdf")
    assert done.returncode == 2
    assert "pdf" in done.stderr
    assert "latex" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_model_with_two_budgets_is_two_models_named_by_what_differs(tmp_path):
    workspace = Workspace(tmp_path)
    conditions = [made.condition("mine", made.SIZES[0], level) for level in (1.0, 0.3)]
    longer = [replace(one, budget=replace(one.budget, epochs=10)) for one in conditions]
    weights = [replace(one, weights="0123456789abcdef") for one in conditions]
    made.fill(workspace.results, [*conditions, *longer, *weights])
    names = [series.name for series in gather("mine", read_records(workspace.results)).series]
    assert names == [
        f"{made.SIZES[0]} (epochs 6, its own weights)",
        f"{made.SIZES[0]} (epochs 10, its own weights)",
        f"{made.SIZES[0]} (epochs 6, weights 01234567)",
    ]


def test_a_data_set_without_a_card_stops_no_report(tmp_path, agbench):
    workspace = Workspace(tmp_path)
    store = made.fill(workspace.results, [made.condition("zebra", "tabular:dct", 1.0)])
    made.fail(store, made.condition("aardvark", "tabular:dct", 1.0))
    done = agbench("--workspace", tmp_path, "report", "--format", "md")
    assert done.returncode == 0, done.stderr
    assert "no data set called" in (workspace.reports / "aardvark" / "report.md").read_text()
    assert (workspace.reports / "zebra" / "report.md").is_file()


@pytest.mark.parametrize("file", ["predictions.parquet", "environment.json"])
def test_a_damaged_file_of_the_store_is_a_trial_without_a_result(tmp_path, file):
    workspace = Workspace(tmp_path)
    made.fill(workspace.results, [made.condition("mine", "tabular:dct", level) for level in (1.0, 0.3)])
    damaged = read_records(workspace.results)[-1].folder / file
    damaged.write_bytes(damaged.read_bytes()[:20])
    page = (report(workspace) / "report.md").read_text()
    assert "| failed" in page
    assert "its files in the store are damaged" in page


@pytest.mark.parametrize("machine", [{}, {"gpu": "NVIDIA H200, 143771 MiB, driver 570.86.15"}])
def test_the_machine_is_said_with_its_gpu_where_it_has_one(tmp_path, machine):
    workspace = Workspace(tmp_path)
    results = [made.result(made.condition("mine", "tabular:dct", level), 0.5) for level in (1.0, 0.3)]
    made.sweep(Store(workspace.results), "one", results, **machine)
    (said,) = [line for line in (report(workspace) / "report.md").read_text().splitlines() if "Machine:" in line]
    assert ("NVIDIA H200, 143771 MiB, driver 570.86.15" in said) == bool(machine)


def test_predictions_that_are_not_the_measured_ones_are_seen(tmp_path):
    workspace = Workspace(tmp_path)
    made.fill(workspace.results, [made.condition("mine", "tabular:dct", level) for level in (1.0, 0.3)])
    file = read_records(workspace.results)[-1].folder / "predictions.parquet"
    for change in (lambda rows: rows.iloc[1:], lambda rows: rows.assign(predicted=rows["label"])):
        change(pd.read_parquet(file)).to_parquet(file)
        assert "in the store" in (report(workspace) / "report.md").read_text()


def test_a_cell_that_lacks_seeds_says_so_and_comes_with_a_command(tmp_path):
    workspace = Workspace(tmp_path)
    conditions = [made.condition("mine", "tabular:dct", level, seed) for level in (1.0, 0.3) for seed in (0, 1)]
    store = made.fill(workspace.results, conditions[:-1])
    made.fail(store, conditions[-1])
    page = (report(workspace) / "report.md").read_text()
    assert ", 1 of 2 seeds" in page
    assert "--levels 0.3 --seeds 1 --learners RF,XT" in page


def test_the_papers_numbers_stand_beside_one_budget(tmp_path):
    workspace = Workspace(tmp_path)
    conditions = [made.condition("cifar10", made.SIZES[0], level) for level in (1.0, 0.3)]
    ten = [replace(one, budget=replace(one.budget, epochs=10)) for one in conditions]
    made.fill(workspace.results, [conditions[0], *ten])
    evidence = gather("cifar10", read_records(workspace.results))
    rows = {row[1]: row[3] for row in details.published_table(evidence).rows}
    cells = next(one for one in evidence.series if one.budget == ten[0].budget).cells
    difference = paired(cells[0.3], cells[1.0])
    assert rows["compressed input, drop"].startswith(f"{difference.difference.value:+.4f}")


def test_noise_that_is_tested_at_another_level_is_shown(tmp_path):
    workspace = Workspace(tmp_path)
    noisy = made.condition("mine", "tabular:dct", 1.0, noise=1.0)
    crossed = replace(noisy, test=replace(noisy.train, codec="jpeg", quality=30))
    made.fill(workspace.results, [noisy, crossed])
    page = (report(workspace) / "report.md").read_text()
    assert "| tabular:dct, noise 1 | 1.0 (original) | 0.3 " in page


def test_a_name_is_no_mathematics(tmp_path):
    workspace = Workspace(tmp_path)
    made.fill(workspace.results, [made.condition("mine", r"automm:/data/$\frac$", 1.0)])
    assert (report(workspace) / "figures" / "accuracy-over-level.png").is_file()
