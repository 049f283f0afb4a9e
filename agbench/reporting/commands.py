"""The commands that would fill what a report misses."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TypeVar

from agbench.analysis.cell import Cell
from agbench.analysis.evidence import CrossedSeries, Evidence, Named, NoisySeries, Series
from agbench.core.codec import codecs
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, PAPER_LEVEL, Budget
from agbench.studies.study import PAPER_LEVELS, PAPER_NOISE, STUDIES

K = TypeVar("K")

SHARED = ("preset", "time_limit")
"""What deep and tabular models both read: one command sets it to one value for both."""


def for_study(evidence: Evidence, study: str) -> str:
    """Return the command that runs a study with the budgets of the results; two where one can't name both."""
    seeds = _seeds({record.condition.seed for record in evidence.records})
    models = STUDIES[study].models
    by_family = {family: _budget(evidence, family) for family in (model.partition(":")[0] for model in models)}
    budgets = [budget for budget in by_family.values() if budget is not None]
    if len({tuple(getattr(budget, name) for name in SHARED) for budget in budgets}) < 2:
        return _command(evidence, "--study", study, *seeds, *_options(budgets))
    commands = []
    for family, budget in by_family.items():
        own = ",".join(model for model in models if model.partition(":")[0] == family)
        commands.append(_command(evidence, "--study", study, "--models", own, *seeds, *_options([budget])))
    return " && ".join(commands)


def missing(evidence: Evidence) -> list[str]:
    """Return commands for each model that lacks a level which another one has, or a seed that it has elsewhere."""
    found = []
    for codec in evidence.codecs:
        for series in evidence.written_by(codec).series:
            for seeds, levels in _lacking(series.cells, evidence.levels(codec), _wanted(evidence, series)):
                found.append(_for_levels(evidence, series, levels, seeds))
    return found


def for_seeds(evidence: Evidence, series: Series, levels: Iterable[float]) -> str:
    """Return the command that trains a model at levels with the seeds 0, 1 and 2."""
    return _for_levels(evidence, series, levels, (0, 1, 2))


def for_higher_levels(evidence: Evidence, series: Series, level: float) -> str:
    """Return the command that runs the paper's levels above one that have no result; empty where all have."""
    higher = [one for one in PAPER_LEVELS if level < one < ORIGINAL_LEVEL and one not in series.compared]
    return _for_levels(evidence, series, higher, _wanted(evidence, series)) if higher else ""


def missing_noise(evidence: Evidence) -> list[str]:
    """Return commands for what noisy images lack: clean ones, noisy ones, or their compressed copies."""
    found = []
    for series in evidence.noisy:
        wanted = _wanted(evidence, series)
        clean = {} if series.clean is None else {ORIGINAL_LEVEL: series.clean}
        # The clean and the noisy original go with JPEG, to be asked for once.
        papers = (ORIGINAL_LEVEL, PAPER_LEVEL) if series.codec == JPEG else ()
        for seeds, levels in _lacking(clean, papers[:1], wanted):
            found.append(_for_levels(evidence, series, levels, seeds))
        if series.noise == PAPER_NOISE:
            compressed = {*series.cells, *series.failed} - {ORIGINAL_LEVEL}
            places = sorted({*papers, *compressed}, reverse=True)
            for seeds, levels in _lacking(series.cells, places, wanted):
                found.append(_for_levels(evidence, series, levels, seeds, "--noise"))
    return found


def missing_transfer(evidence: Evidence) -> list[str]:
    """Return commands for pairs of levels that a model which was tested at other levels lacks."""
    found = []
    for series in evidence.crossed:
        levels = {level for pair in (*series.cells, *series.failed) for level in pair}
        pairs = [(train, test) for train in levels for test in levels]
        lacking = _lacking(series.cells, pairs, _wanted(evidence, series))
        if lacking and series.noise is None and series.codec in codecs():
            seeds = _seeds({seed for seeds, _ in lacking for seed in seeds})
            arguments = ["--study", "transfer", "--models", series.model, *_codec(series), *seeds]
            found.append(_command(evidence, *arguments, *_options([series.budget])))
    return found


def _wanted(evidence: Evidence, series: Series | NoisySeries | CrossedSeries) -> tuple[int, ...]:
    """Return the seeds that a model was run with, with or without a result."""
    own = (
        record.condition.seed
        for record in (*evidence.records, *evidence.failures)
        if (record.condition.model, record.condition.budget) == (series.model, series.budget)
    )
    return tuple(sorted(set(own)))


def _lacking(
    cells: Mapping[K, Cell], places: Iterable[K], wanted: tuple[int, ...]
) -> list[tuple[tuple[int, ...], list[K]]]:
    """Return the places that lack seeds, by the seeds that they lack."""
    found: dict[tuple[int, ...], list[K]] = {}
    for place in places:
        there = cells[place].seeds if place in cells else ()
        seeds = tuple(seed for seed in wanted if seed not in there)
        if seeds:
            found.setdefault(seeds, []).append(place)
    return list(found.items())


def _for_levels(
    evidence: Evidence, series: Series | NoisySeries, levels: Iterable[float], seeds: Iterable[int], *more: str
) -> str:
    wanted = ",".join(f"{level:g}" for level in levels)
    arguments = ["--models", series.model, "--levels", wanted, *_codec(series), *_seeds(seeds)]
    return _command(evidence, *arguments, *_options([series.budget]), *more)


def _codec(series: Named) -> list[str]:
    return [] if series.codec == JPEG else ["--codec", series.codec]


def _command(evidence: Evidence, *arguments: str) -> str:
    return shlex.join(["agbench", "run", "--dataset", evidence.dataset, *arguments])


def _seeds(seeds: Iterable[int]) -> list[str]:
    found = sorted(seeds)
    return [] if found in ([], [0]) else ["--seeds", ",".join(map(str, found))]


def _budget(evidence: Evidence, family: str) -> Budget | None:
    """Return the budget that a family's trials have; of several that of the claims, or the last one."""
    main = evidence.main
    if main is not None and main.model.partition(":")[0] == family:
        return main.budget
    own = [
        record
        for record in (*evidence.records, *evidence.failures)
        if record.condition.model.partition(":")[0] == family
    ]
    return max(own, key=lambda record: record.started).condition.budget if own else None


def _options(budgets: Iterable[Budget | None]) -> list[str]:
    """Return the options that make the first budget's settings, then those that only later ones have."""
    known = [budget for budget in budgets if budget is not None]
    settings = {name: value for budget in reversed(known) for name, value in budget.settings().items()}
    options = []
    for name, value in settings.items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        options += [f"--{name.replace('_', '-')}", text]
    return options
