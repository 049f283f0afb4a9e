"""The commands that would fill what a report misses."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from agbench.condition import Budget
from agbench.report.evidence import Evidence, Series


def for_study(evidence: Evidence, study: str) -> str:
    """Give the command that runs a study with the budgets that the results have."""
    return _command(evidence, ["--study", study, *_seeds(evidence), *_options(_budgets(evidence))])


def for_levels(evidence: Evidence, series: Series, levels: Iterable[float]) -> str:
    """Give the command that runs a model at levels that it lacks."""
    wanted = ",".join(f"{level:g}" for level in levels)
    arguments = ["--models", series.model, "--levels", wanted, *_seeds(evidence)]
    return _command(evidence, [*arguments, *_options([series.budget])])


def missing(evidence: Evidence) -> list[str]:
    """Give a command for each model that lacks a level which another one has."""
    lacking = [(one, [level for level in evidence.levels if level not in one.cells]) for one in evidence.series]
    return [for_levels(evidence, one, levels) for one, levels in lacking if levels]


def _command(evidence: Evidence, arguments: list[str]) -> str:
    return shlex.join(["agbench", "run", "--dataset", evidence.dataset, *arguments])


def _seeds(evidence: Evidence) -> list[str]:
    seeds = sorted({record.condition.seed for record in evidence.records})
    return [] if seeds in ([], [0]) else ["--seeds", ",".join(map(str, seeds))]


def _budgets(evidence: Evidence) -> list[Budget]:
    return [one[0].budget for one in (evidence.deep, evidence.tabular) if one]


def _options(budgets: list[Budget]) -> list[str]:
    """Give the options that make the first budget's settings, then those that only later ones have."""
    settings = {name: value for budget in reversed(budgets) for name, value in budget.settings().items()}
    options = []
    for name, value in settings.items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        options += [f"--{name.replace('_', '-')}", text]
    return options
