from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from agbench.cli.main import main
from agbench.cli.options import Share
from agbench.core import codec

CARDS = Path(__file__).parents[2] / "datasets"


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


COMMANDS = ["run", "report", "datasets", "models", "codecs", "prepare", "list", "compare", "nightly", "ui"]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_is_there(command):
    done = invoke(*command, "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_commands_stand_in_groups_with_summaries_that_fit():
    shown = invoke("--help").output
    places = [shown.index(f"{section}:") for section in ("Answer", "Benchmark", "Data", "Look up")]
    assert places == sorted(places)
    assert "..." not in shown.split("Answer:")[1]
    assert "Budget of the models:" in invoke("run", "--help").output


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom agbench.cli.main import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'mlflow', 'pandas', 'numpy', 'autogluon', 'matplotlib', 'PIL', 'ray'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_reporting_needs_neither_torch_nor_autogluon():
    code = "import sys, agbench.reporting.build\nprint(sorted({'torch', 'autogluon'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--dataset", "patch"], "no data set called 'patch': did you mean 'patches'?"),
        (["run", "--dataset", "digits", "--study", "tabluar"], "did you mean 'tabular'?"),
        (["run", "--dataset", "digits", "--models", "automn"], "did you mean 'automm'?"),
        (["run", "--dataset", "dtd", "--codec", "jpeg,wepb"], "no codec called 'wepb': did you mean 'webp'?"),
        (["run", "--dataset", "digits", "--levels", "30"], "30 is not a level"),
        (["run", "--dataset", "digits", "--until-decided", "1%", "--levels", "1.0"], "there is nothing to decide"),
        (["run", "--dataset", "digits", "--until-decided", "1%", "--noise"], "there is nothing to decide"),
        (["run", "--dataset", "digits", "--levels", "x"], "'x' is not a comma-separated list of levels"),
        (["run", "--dataset", "digits", "--seeds", ","], "',' is not a comma-separated list of seeds"),
        (["run", "--dataset", "digits", "--epochs", "0"], "0 is not in the range x>=1"),
        (["run", "--dataset", "digits", "--learning-rate", "nan"], "nan is not a value for --learning-rate"),
        (["run", "--dataset", "digits", "--seeds", "4294967296"], "4294967296 is not a seed"),
        (["run"], "which images? give --dataset NAME, --dataset FOLDER, or --csv FILE"),
        (["run", "--dataset", "digits", "--until-decided", "2"], "2 is not a margin: use a share between 0 and 1"),
        (["run", "--dataset", "digits", "--until-decided", "nan"], "nan is not a margin"),
        (["run", "--dataset", "digits", "--until-decided", "soon"], "'soon' is not a share: use 0.01, or 1%"),
        (["run", "--dataset", "digits", "--budget", "0"], "'0' is not a duration: use 90s, 10m or 1h30m"),
        (["run", "--dataset", "digits", "--budget", "2 days"], "'2 days' is not a duration"),
        (["nightly", "--until-decided", "0.01"], "a nightly runs the same trials each night"),
        (["report"], "no results of any data set: run `agbench run --dataset NAME`"),
        (["report", "--dataset", "digits"], "no results of digits: run `agbench run --dataset digits`"),
        (["run", "--dataset", "digits", "--name", "a b"], "'a b' can't be the name of a sweep"),
        (["run", "--dataset", "digits", "--name", "x" * 101], "can't be the name of a sweep"),
        (["report", "--metric", "balanced"], "no metric called 'balanced': did you mean 'balanced_accuracy'?"),
        (["recommend", "--dataset", "digits", "--metric", "f1macro"], "did you mean 'f1_macro'?"),
        (["report", "--name", "monday"], "no sweep called 'monday', and none has a name yet"),
        (["compare", "a", "b"], "no sweep called 'b', and none has a name yet"),
        (["compare", "a", "b", "--threshold", "nan"], "nan is not a threshold: use 1 or more"),
        (["nightly", "--name", "mine"], "a nightly is named by its date"),
        (["nightly", "--dry-run"], "a nightly can't be a dry run: for a plan use"),
        (["nightly", "--dataset", "digist"], "did you mean 'digits'?"),
        (["nightly", "--levles", "1.0"], "No such option '--levles'"),
        (["rnu"], "No such command 'rnu'"),
    ],
)
def test_a_users_error_is_short_and_has_status_2(tmp_path, arguments, said):
    done = invoke("--workspace", str(tmp_path), *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 5
    assert done.stdout == ""


def test_lists_name_what_there_is(tmp_path):
    listed = invoke("--workspace", str(tmp_path), "datasets").output
    assert "patches" in listed
    assert "digits" in listed
    models = invoke("models").output
    assert "automm:efficientnet_lite0" in models
    assert "tabular:pixels+dct" in models


def test_a_codec_that_is_not_there_is_said_before_any_download(tmp_path, monkeypatch):
    entry = replace(codec.CODECS["avif"], package="a-package", is_there=lambda: False)
    monkeypatch.setitem(codec.CODECS, "avif", entry)
    done = invoke("--workspace", str(tmp_path), "run", "--dataset", "dtd", "--codec", "webp,avif")
    assert done.exit_code == 2
    assert done.stderr == "agbench: the codec avif is not available: install a-package\n"
    assert not (tmp_path / "datasets").exists()
    listed = re.split(r"\n(?=\w)", invoke("codecs").output)
    assert [paragraph.splitlines()[0] for paragraph in listed] == [*codec.CODECS]
    for paragraph in listed:
        assert ("not available: install a-package" in paragraph) == paragraph.startswith("avif")
        assert re.search(r"files: +\.\w+\n +level r: +quality 100 r", paragraph)
    assert "libwebp" in listed[1]


def test_the_plan_has_the_original_once_and_every_codec(tmp_path):
    grid = ["--models", "tabular:dct", "--levels", "1.0,0.3", "--codec", "jpeg,webp"]
    done = invoke("--workspace", str(tmp_path), "run", "--dataset", "digits", *grid, "--dry-run")
    planned = [line.split(", ")[1] for line in done.stdout.splitlines() if line.startswith("to run")]
    assert planned == ["original", "jpeg 0.3", "webp 0.3"]


def test_the_workspace_can_come_from_the_environment(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "mine.yaml").write_text((CARDS / "dtd.yaml").read_text(encoding="utf-8"))
    done = CliRunner(env={"AGBENCH_WORKSPACE": str(tmp_path)}).invoke(main, ["datasets"])
    assert done.exit_code == 0
    assert done.stdout.count("\nmine:") == 1


@pytest.mark.parametrize("name", ["a;b", "a?b", "a#b", "file/below"])
def test_a_folder_that_cannot_be_a_workspace_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    done = invoke("--workspace", str(tmp_path / name), "datasets")
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("prepare", "--dataset", "my.csv"), ("run", "--source", "a/b.TSV", "--dataset", "b")]
)
def test_a_table_is_given_with_csv(tmp_path, arguments):
    done = CliRunner().invoke(main, ["--workspace", str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert "is a table: give it with --csv" in done.stderr


def test_who_reads_only_the_beginning_gets_no_error(agbench, tmp_path):
    command = f"'{sys.executable}' -m agbench --workspace '{tmp_path}' datasets | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_libraries_below_python_write_nothing_on_the_terminal(agbench, tmp_path, photograph):
    for number in range(10):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.rotate(number).save(path)
    tifffile.imwrite(tmp_path / "photos" / "a" / "odd.tif", np.asarray(photograph), compression="webp")
    done = agbench("--workspace", tmp_path / "w", "prepare", "--dataset", tmp_path / "photos")
    assert done.returncode == 0, done.stderr
    assert "WEBP" not in done.stderr
    assert "1 image left out" in done.stdout + done.stderr


def test_the_workspace_after_the_command_is_told_where_it_stands(tmp_path):
    done = CliRunner().invoke(main, ["list", "--workspace", str(tmp_path)])
    assert done.exit_code == 2
    assert "--workspace stands before the command" in done.stderr


@pytest.mark.parametrize("margin", ["2%", "0.02", "2 %"])
def test_a_margin_may_be_a_percentage(margin):
    assert Share().convert(margin, None, None) == 0.02
