"""Stores with trials that nobody ran: predictions are drawn, all else is as a sweep leaves it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from agbench.core.condition import JPEG, Budget, Condition, Preprocessing
from agbench.core.environment import describe
from agbench.models.registry import FOLD
from agbench.store.metrics import SWEEP_PHASES, Metrics
from agbench.store.outcome import Failure, Result, Status, Usage
from agbench.store.record import ENVIRONMENT, PREDICTIONS, Record
from agbench.store.store import Store
from agbench.studies.study import PAPER_LEVELS

DEEP = Budget(epochs=6, learning_rate=0.001, batch_size=32, image_size=64)
TABULAR = Budget(learners=("RF", "XT"))
SIZES = [f"automm:efficientnet_b{size}" for size in range(5)]
FEATURES = ["tabular:pixels", "tabular:dct", "tabular:pixels+dct"]
CROSSED = (1.0, 0.5, 0.3, 0.1)
SAVED = {"webp": 0.7, "avif": 0.5, "jxl": 0.6}
"""Bytes of a codec's files, of JPEG's at the same level."""

BEFORE = dict(zip(SWEEP_PHASES, (3.0, 4.0, 5.0), strict=True))
"""Seconds before a sweep's first trial."""

LOGGED = b"nobody ran this\n"
HOSTILE = '<script>alert(1)</script> | a_b* [x](y) `$\\alpha$` & 100 % #~^{} "\u202e\nend'
"""What a path, an error or a title may hold."""


def condition(
    dataset: str, model: str, level: float, seed: int = 0, noise: float | None = None, codec: str = JPEG
) -> Condition:
    """A condition of a data set that does not exist."""
    budget = DEEP if model.startswith("automm") else TABULAR
    return Condition(dataset, "f" * 16, Preprocessing.at(level, codec, noise), model, budget, seed)


def folded(dataset: str, model: str, level: float, seed: int = 0, folds: int = 5) -> Condition:
    """A condition by which every image is predicted out of fold."""
    of = condition(dataset, model, level, seed)
    return replace(of, budget=replace(of.budget, folds=folds))


def crossed(base: Condition, level: float, codec: str = JPEG) -> Condition:
    """The same training, tested at another level."""
    return Condition(**{**vars(base), "test": Preprocessing.at(level, codec)})


def all_studies(dataset: str, seeds: Iterable[int]) -> Iterator[Condition]:
    """Every study of the paper, and training at one level and testing at another."""
    small = SIZES[0]
    for seed in seeds:
        for level in PAPER_LEVELS:
            yield condition(dataset, small, level, seed)
        for model, level in itertools.product([*SIZES[1:], *FEATURES], (1.0, 0.3)):
            yield condition(dataset, model, level, seed)
        for level in (1.0, 0.3):
            yield condition(dataset, small, level, seed, noise=1.0)
        for train, test in itertools.permutations(CROSSED, 2):
            yield crossed(condition(dataset, small, train, seed), test)


def result(
    of: Condition,
    share: float,
    images: int = 200,
    title: str = "Made up",
    pixels: int = 64,
    has_probabilities: bool = True,
) -> Result:
    """A result whose predictions are right for about such a share of the images."""
    generator = np.random.default_rng(int(of.id, 16))
    # Some images are harder than others, whatever the condition: pairs agree more than chance.
    ease = np.random.default_rng(0).uniform(size=images)
    right = 0.7 * ease + 0.3 * generator.uniform(size=images) < share
    labels = [f"class {number % 10}" for number in range(images)]
    predicted = [label if ok else "class X" for label, ok in zip(labels, right, strict=True)]
    ids = [f"{number % 10}/{number:05}.png" for number in range(images)]
    size = round(10_000 * images * (0.1 + 0.9 * of.train.level**2) * SAVED.get(of.train.codec, 1))
    encoded = {"writing_images": 5.0 * images, "writing_seconds_encode": 0.01 * images * of.train.level}
    folds = {} if of.budget.folds is None else {FOLD: np.arange(images) % of.budget.folds}
    unreadable = [{"image_id": HOSTILE, "problem": HOSTILE}]
    columns = {"image_id": ids, "label": labels, "predicted": predicted, "probability": 0.5, **folds}
    predictions = pd.DataFrame(columns).sample(frac=1, random_state=1)
    return Result(
        condition=of,
        accuracy=float(right.mean()),
        predictions=predictions,
        curve=tuple(share * (1 - 0.5 ** (epoch + generator.uniform())) for epoch in range(1, 7))
        if of.model.startswith("automm")
        else (),
        seconds={"fit": 3.25, "predict": 0.5, "total": 4.0},
        counts={"classes": 10, "train": 3 * images, "validation": images, "test": images, "quarantined": 1},
        bytes=size,
        bytes_original=10_000 * images,
        notes={} if of.train.is_original else {"settings": "Image.save()", "variant": "Pillow"},
        dataset={
            "title": title,
            "note": HOSTILE,
            "licence": "CC0",
            "citation": "nobody",
            "remarks": [HOSTILE],
            "source": None,
            "quarantined": unreadable,
            "pixels": [pixels, pixels],
            "groups": {"by": "image", "count": images, "relatives": None, "withheld": False},
            "originals": {"formats": {"JPEG": 4 * images, "PNG": images}, "quality": 92},
        },
        reading={
            "reading_images": float(images),
            "reading_seconds_read": 0.01 * of.train.level,
            "reading_seconds_decode": 0.02,
            "reading_header_share": 0.25,
        },
        writing={} if of.train.codec is None else encoded,
        examples=examples(of, ids[:2]) if of.test is None else None,
        probabilities=probabilities(predictions, int(of.id, 16) + 1) if has_probabilities else None,
    )


def examples(of: Condition, ids: Iterable[str]) -> pd.DataFrame:
    """Images of one colour and some noise, as they are at a condition's level."""
    rows = []
    for place, image_id in enumerate(ids):
        pixels = np.random.default_rng(place).integers(40, 20 * place + 160, (48, 48, 3))
        memory, image = io.BytesIO(), Image.fromarray(pixels.astype(np.uint8))
        if of.train.is_original:
            image.save(memory, "PNG")
        else:
            image.save(memory, "JPEG", quality=of.train.quality or 95)
        rows.append({"image_id": image_id, "bytes": len(memory.getvalue()), "file": memory.getvalue()})
    return pd.DataFrame(rows)


def probabilities(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Probabilities of ten classes and of a wrong one, the largest that of the predicted class."""
    classes = [*(f"class {number}" for number in range(10)), "class X"]
    powers = np.random.default_rng(seed).exponential(size=(len(predictions), len(classes)))
    places = [classes.index(one) for one in predictions["predicted"]]
    powers[range(len(places)), places] += powers.max(axis=1)
    return pd.DataFrame(powers / powers.sum(axis=1, keepdims=True), columns=classes)


def share_of(of: Condition) -> float:
    """An accuracy that falls with the level, with noise, and for tabular models."""
    share = 0.95 - 0.02 * (1 - of.train.level) - (0.25 if of.model.startswith("tabular") else 0)
    share -= 0.3 if of.train.noise else 0
    return share - 0.2 * abs(of.train.level - of.test_preprocessing.level)


def fill(folder: Path, conditions: Iterable[Condition], images: int = 200, **facts: Any) -> Store:
    """Store a result of each condition, by the store's own means."""
    store = Store(folder)
    environment = describe(1, 0)
    for one in conditions:
        made = result(one, share_of(one), images, **facts)
        store.finish(store.begin(one, environment), made, Usage(seconds=6.5, memory=10**9), LOGGED, BEFORE)
    return store


def sweep(store: Store, name: str, results: Iterable[Result], started: int = 0, **machine: object) -> None:
    """Store results as the trials of a named sweep, on this machine or one that differs in something."""
    environment = describe(1, 0)
    environment["machine"].update(machine)
    runs = []
    for one in results:
        runs.append(store.begin(one.condition, environment))
        store.finish(runs[-1], one, Usage(), LOGGED)
    store.name(runs, name, started)


def fail(store: Store, of: Condition, reason: str = HOSTILE) -> str:
    """Store that a trial failed, and give its run."""
    run = store.begin(of, describe(1, 0))
    store.fail(run, Failure(reason), Usage(), LOGGED)
    return run


def record(
    folder: Path, of: Condition, right: np.ndarray, curve: tuple[float, ...] = (), saved: float = 0.8
) -> Record:
    """A finished trial with these test images right, as the store would give it."""
    run = folder / of.id
    run.mkdir(parents=True, exist_ok=True)
    images = len(right)
    labels = ["a" if number % 2 else "b" for number in range(images)]
    predicted = [label if ok else "c" for label, ok in zip(labels, right, strict=True)]
    ids = [f"{number:06}" for number in range(images)]
    folds = {} if of.budget.folds is None else {FOLD: np.arange(images) % of.budget.folds}
    table = pd.DataFrame({"image_id": ids, "label": labels, "predicted": predicted, **folds})
    table.to_parquet(run / PREDICTIONS)
    (run / ENVIRONMENT).write_text("{}")
    size = 1000 if of.train.is_original else round(1000 * (1 - saved))
    metrics: Metrics = {"bytes": float(size), "bytes_original": 1000.0, "accuracy": float(np.mean(right))}
    return Record(of.id, of, Status.FINISHED, "", "", 0, "", metrics, {}, run, curve)


def failed(of: Condition, reason: str = "no memory") -> Record:
    """A trial without a result, as the store would give it."""
    return Record(of.id + "f", of, Status.FAILED, reason, "", 0, "", {}, {}, Path())
