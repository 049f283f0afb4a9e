"""Arrange a data set's trials into the evidence of its report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from agbench.analysis.cell import Cell, with_spreads
from agbench.analysis.evidence import CrossedSeries, Evidence, NoisySeries, Series, codec_of
from agbench.core.codec import codecs
from agbench.core.condition import JPEG, ORIGINAL_LEVEL, Budget
from agbench.core.metric import ACCURACY, Metric
from agbench.models.registry import FAMILIES, Kind, kind_of
from agbench.store.outcome import Status
from agbench.store.record import Record, latest

K = TypeVar("K")


def gather(
    dataset: str,
    records: list[Record],
    are_related: Callable[[str], bool | None] = lambda fingerprint: None,
    metric: Metric = ACCURACY,
) -> Evidence:
    """Arrange a data set's trials.

    Parameters
    ----------
    dataset : str
        Its name.
    records : list of Record
        All of its trials, the oldest first; at least one.
    are_related : callable
        Takes a fingerprint, and returns whether its images seem to be related and their groups are not named, as
        far as that is known now; ``None`` where only the results tell.
    metric : Metric
        What predictions are measured by. A trial that does not give it counts as one without a result.

    Returns
    -------
    Evidence
        Of the images that the newest trial was run on.
    """
    fingerprint = records[-1].condition.fingerprint
    records = [_whole(record, metric) for record in records]
    finished = latest(records)
    chosen = {name: record for name, record in finished.items() if record.condition.fingerprint == fingerprint}
    last = {record.condition.id: record for record in records if record.condition.fingerprint == fingerprint}
    failures = [record for record in last.values() if not record.is_finished]
    groups: dict[tuple[str, Budget, str | None], list[Record]] = {}
    for record in (*chosen.values(), *failures):
        groups.setdefault(_model(record), []).append(record)
    clean = [record for own in groups.values() for record in own if _is_plain(record, noise=None)]
    newest = max(chosen.values(), key=lambda record: record.started, default=None)
    facts = {} if newest is None else newest.dataset
    is_withheld = are_related(fingerprint)
    if is_withheld is None:
        is_withheld = facts.get("groups", {}).get("withheld")
    withheld = is_withheld is not False  # what is not known is not taken for independent
    series: list[Series] = []
    noisy: list[NoisySeries] = []
    crossed: list[CrossedSeries] = []
    for key, own in sorted(groups.items(), key=lambda group: _place(group[0][0])):
        model, budget, _ = key
        label = _name(key, list(groups))
        series += _series(label, model, budget, own, _codecs(clean), withheld, metric)
        noisy += _noisy(label, model, budget, own, withheld, metric)
        crossed += _crossed(label, model, budget, own, withheld, metric)
    return Evidence(
        dataset=dataset,
        fingerprint=fingerprint,
        series=tuple(series),
        noisy=tuple(noisy),
        crossed=tuple(crossed),
        records=tuple(chosen.values()),
        failures=tuple(failures),
        left_out=len({record.condition.id for record in records} - set(last)),
        facts=facts,
        is_withheld=is_withheld,
        metric=metric,
    )


def _series(
    label: str,
    model: str,
    budget: Budget,
    own: list[Record],
    codecs: Iterable[str],
    is_withheld: bool,
    metric: Metric,
) -> Iterator[Series]:
    """Return a model's series of each codec that any model was run with, so that what it lacks is seen."""
    clean = [record for record in own if _is_plain(record, noise=None)]
    for codec in codecs if clean else ():
        placed = [(_level(record), record) for record in _of(codec, clean)]
        cells = with_spreads(_cells(placed, is_withheld, metric))
        yield Series(label, model, budget, codec, cells, _failed(placed, cells))


def _noisy(
    label: str, model: str, budget: Budget, own: list[Record], is_withheld: bool, metric: Metric
) -> Iterator[NoisySeries]:
    placed_clean = ((_level(record), record) for record in own if _is_plain(record, noise=None))
    clean = _cells(placed_clean, is_withheld, metric)
    noises = {record.condition.train.noise for record in own if record.condition.test is None}
    for noise in sorted(noise for noise in noises if noise is not None):
        noisy = [record for record in own if _is_plain(record, noise)]
        for codec in _codecs(noisy):
            placed = [(_level(record), record) for record in _of(codec, noisy)]
            cells = _cells(placed, is_withheld, metric)
            original = clean.get(ORIGINAL_LEVEL)
            yield NoisySeries(label, model, budget, codec, noise, original, cells, _failed(placed, cells))


def _crossed(
    label: str, model: str, budget: Budget, own: list[Record], is_withheld: bool, metric: Metric
) -> Iterator[CrossedSeries]:
    tested = [record for record in own if record.condition.test is not None]
    for noise in sorted({record.condition.train.noise for record in tested}, key=lambda noise: noise or 0):
        alike = [record for record in own if record.condition.train.noise == noise]
        used = {codec_of(record.condition) for record in tested if record.condition.train.noise == noise}
        for codec in _codecs(alike):
            if codec not in used:
                continue
            placed = [
                ((_level(record), record.condition.test_preprocessing.level), record)
                for record in _of(codec, alike)
            ]
            cells = _cells(placed, is_withheld, metric)
            full = label if noise is None else f"{label}, noise {noise:g}"
            yield CrossedSeries(full, model, budget, codec, noise, cells, _failed(placed, cells))


def _is_plain(record: Record, noise: float | None) -> bool:
    """Return whether a trial's images have that noise, and are the same for training and testing."""
    return record.condition.test is None and record.condition.train.noise == noise


def _codecs(records: Iterable[Record]) -> list[str]:
    """Return JPEG, and what else wrote the images of trials, in the order of the codecs' own list."""
    known = [*codecs()]
    used = {codec_of(record.condition) for record in records} - {None, JPEG}
    others = sorted(filter(None, used), key=lambda one: (known.index(one) if one in known else len(known), one))
    return [JPEG, *others]


def _of(codec: str, records: Iterable[Record]) -> list[Record]:
    """Return the trials on what a codec wrote, and on what none did."""
    return [record for record in records if codec_of(record.condition) in (None, codec)]


def _whole(record: Record, metric: Metric) -> Record:
    """Return a record, as a failed one where a finished trial's files are damaged, or don't give the metric."""
    damage = record.damage() if record.is_finished else ""
    if record.is_finished and not damage and metric is not ACCURACY and metric.name not in record.scores:
        damage = f"it has not kept what {metric.label} needs: `agbench run --fresh` runs it again"
        if record.probabilities is not None:
            damage = f"{metric.label} says nothing of so few classes"
    return replace(record, status=Status.FAILED, reason=damage) if damage else record


def _model(record: Record) -> tuple[str, Budget, str | None]:
    return record.condition.model, record.condition.budget, record.condition.weights


def _name(key: tuple[str, Budget, str | None], keys: list[tuple[str, Budget, str | None]]) -> str:
    """Name a model, with what tells it from the same one with another budget or other weights."""
    model, budget, weights = key
    others = [one for one in keys if one[0] == model]
    shared = set.intersection(*({*one.settings().items()} for _, one, _ in others))
    if kind_of(model) is Kind.DEEP:
        shared = {setting for setting in shared if setting[0] != "folds"}  # on other images than what has none
    own = {name: value for name, value in budget.settings().items() if (name, value) not in shared}
    words = [str(Budget.from_dict(own))] if own else []
    if len({one for *_, one in others}) > 1:
        words.append(f"weights {weights[:8]}" if weights else "its own weights")
    return f"{model} ({', '.join(words)})" if words else model


def _level(record: Record) -> float:
    return record.condition.train.level


def _cells(placed: Iterable[tuple[K, Record]], is_withheld: bool, metric: Metric) -> dict[K, Cell]:
    found: dict[K, list[Record]] = {}
    for place, record in placed:
        if record.is_finished:
            found.setdefault(place, []).append(record)
    return {
        place: Cell(tuple(sorted(records, key=lambda record: record.condition.seed)), is_withheld, metric=metric)
        for place, records in found.items()
    }


def _failed(placed: Iterable[tuple[K, Record]], cells: dict[K, Cell]) -> dict[K, str]:
    """Return why there is no result, for each place that was run and has none."""
    found: dict[K, str] = {}
    for place, record in placed:
        if place not in cells and found.get(place) != "failed":
            found[place] = "failed" if record.status is Status.FAILED else "unfinished"
    return found


def _place(model: str) -> int:
    """Deep models first, then the order of the registry; within a family, that in which they were run."""
    family = model.partition(":")[0]
    return list(FAMILIES).index(family) if family in FAMILIES else len(FAMILIES)
