"""The commands that a report prints do what it says of them."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.reporting.conftest import report


@pytest.fixture(scope="module")
def printed(swept):
    page = (report(swept.workspace) / "report.md").read_text()
    return [shlex.split(line) for line in re.findall(r"^    (agbench run .*)$", page, re.MULTILINE)]


def test_a_study_that_was_not_run_has_a_command_that_goes_on_with_what_there_is(printed, swept, agbench):
    studies = {command[command.index("--study") + 1]: command[1:] for command in printed if "--study" in command}
    assert set(studies) >= {"model-size", "noise", "transfer"}
    done = agbench("--workspace", swept.workspace.folder, *studies["noise"], "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "noise + jpeg 0.3" in done.stdout
    assert re.search(r"\b1 (is )?done", done.stdout), "the clean trial, with the same budget"


def test_nothing_is_said_to_be_missing_that_is_there(printed):
    assert [command for command in printed if "--levels" in command] == []
