"""Arrange a data set's trials into the evidence of its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from agbench.condition import ORIGINAL_LEVEL, Budget
from agbench.models.registry import FAMILIES
from agbench.record import FAILED, FINISHED, Record, latest
from agbench.report.evidence import Cell, CrossedSeries, Evidence, NoisySeries, Series

K = TypeVar("K")


def gather(dataset: str, records: list[Record]) -> Evidence:
    """Arrange a data set's trials.

    Parameters
    ----------
    dataset : str
        Its name.
    records : list of Record
        All of its trials, the oldest first; at least one.

    Returns
    -------
    Evidence
        Of the images that the newest trial was run on.
    """
    fingerprint = records[-1].condition.fingerprint
    records = [_whole(record) for record in records]
    finished = latest(records)
    chosen = {name: record for name, record in finished.items() if record.condition.fingerprint == fingerprint}
    last = {record.condition.id: record for record in records if record.condition.fingerprint == fingerprint}
    failures = [record for record in last.values() if record.status != FINISHED]
    groups: dict[tuple[str, Budget, str | None], list[Record]] = {}
    for record in (*chosen.values(), *failures):
        groups.setdefault(_model(record), []).append(record)
    series, noisy, crossed = [], [], []
    for key, own in sorted(groups.items(), key=lambda group: _place(group[0][0])):
        model, budget, _ = key
        name = _name(key, list(groups))
        untested = [record for record in own if record.condition.test is None]
        clean = [(_level(record), record) for record in untested if record.condition.train.noise is None]
        cells = _cells(clean)
        if clean:
            series.append(Series(name, model, budget, cells, _failed(clean, cells)))
        noises = (record.condition.train.noise for record in untested)
        for noise in sorted({noise for noise in noises if noise is not None}):
            at = [(_level(record), record) for record in untested if record.condition.train.noise == noise]
            compressed = _cells(at)
            clean_cell = cells.get(ORIGINAL_LEVEL)
            noisy.append(NoisySeries(name, model, budget, noise, clean_cell, compressed, _failed(at, compressed)))
        noises_crossed = {one.condition.train.noise for one in own if one.condition.test is not None}
        for noise_crossed in sorted(noises_crossed, key=lambda noise: noise or 0):
            pairs = [
                ((_level(record), record.condition.test_preprocessing.level), record)
                for record in own
                if record.condition.train.noise == noise_crossed
            ]
            tested = _cells(pairs)
            full = name if noise_crossed is None else f"{name}, noise {noise_crossed:g}"
            crossed.append(CrossedSeries(full, model, budget, noise_crossed, tested, _failed(pairs, tested)))
    newest = max(chosen.values(), key=lambda record: record.started, default=None)
    return Evidence(
        dataset=dataset,
        fingerprint=fingerprint,
        series=tuple(series),
        noisy=tuple(noisy),
        crossed=tuple(crossed),
        records=tuple(chosen.values()),
        failures=tuple(failures),
        left_out=len({record.condition.id for record in records} - set(last)),
        facts={} if newest is None else newest.dataset,
    )


def _whole(record: Record) -> Record:
    """Give a finished trial whose files are damaged as a failed one."""
    damage = record.damage() if record.status == FINISHED else ""
    return replace(record, status=FAILED, reason=damage) if damage else record


def _model(record: Record) -> tuple[str, Budget, str | None]:
    return record.condition.model, record.condition.budget, record.condition.weights


def _name(key: tuple[str, Budget, str | None], keys: list[tuple[str, Budget, str | None]]) -> str:
    """Name a model, with what tells it from the same one with another budget or other weights."""
    model, budget, weights = key
    others = [one for one in keys if one[0] == model]
    shared = set.intersection(*({*one.settings().items()} for _, one, _ in others))
    own = {name: value for name, value in budget.settings().items() if (name, value) not in shared}
    words = [] if len({one for _, one, _ in others}) == 1 else [str(Budget(**own))]
    if len({one for *_, one in others}) > 1:
        words.append(f"weights {weights[:8]}" if weights else "its own weights")
    return f"{model} ({', '.join(words)})" if words else model


def _level(record: Record) -> float:
    return record.condition.train.level


def _cells(placed: Iterable[tuple[K, Record]]) -> dict[K, Cell]:
    found: dict[K, list[Record]] = {}
    for place, record in placed:
        if record.status == FINISHED:
            found.setdefault(place, []).append(record)
    return {
        place: Cell(tuple(sorted(records, key=lambda record: record.condition.seed)))
        for place, records in found.items()
    }


def _failed(placed: Iterable[tuple[K, Record]], cells: dict[K, Cell]) -> dict[K, str]:
    """Say of each place that was run and has no result why."""
    found: dict[K, str] = {}
    for place, record in placed:
        if place not in cells and found.get(place) != "failed":
            found[place] = "failed" if record.status == FAILED else "unfinished"
    return found


def _place(model: str) -> int:
    """Deep models first, then the order of the registry; within a family, that in which they were run."""
    family = model.partition(":")[0]
    return list(FAMILIES).index(family) if family in FAMILIES else len(FAMILIES)
