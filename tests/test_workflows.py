"""The workflows, by actionlint and for what it can't know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def actionlint(*files):
    # Without shellcheck and pyflakes, so that it says the same whether or not a machine has them.
    command = [Path(sys.executable).parent / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *files]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing():
    assert [path.name for path in WORKFLOWS] == ["docs.yml", "nightly.yml", "release.yml", "tests.yml"]
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_what_is_wrong(tmp_path):
    wrong = tmp_path / "wrong.yml"
    nightly = ROOT / ".github" / "workflows" / "nightly.yml"
    wrong.write_text(nightly.read_text().replace("inputs.options", "inputs.option"))
    assert 'property "option" is not defined' in actionlint(wrong).stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_must_end(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())


def test_the_tests_run_on_every_python_that_can_be_installed():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert "python_requires = >=3.10,<3.14" in (ROOT / "setup.cfg").read_text()
