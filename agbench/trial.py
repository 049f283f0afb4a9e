"""One trial: a condition, from its images to a result. It knows nothing of scheduling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from agbench.condition import Condition
from agbench.data.dataset import Dataset, load_dataset
from agbench.data.splits import TEST, TRAIN, VALIDATION
from agbench.errors import UserError
from agbench.models import registry
from agbench.preprocess.variant import Recipe, Variant, materialise
from agbench.results import Result


@dataclass(frozen=True)
class Resources:
    """What one trial may use.

    Parameters
    ----------
    cpus, gpus : int
        Numbers of cores and of devices.
    """

    cpus: int
    gpus: int = 0


def variants(
    dataset: Dataset, conditions: list[Condition], workers: int
) -> dict[Condition, tuple[Variant, Variant]]:
    """Give the variants that conditions of one data set train and test on, and make the missing ones.

    Parameters
    ----------
    dataset : Dataset
        The conditions' own.
    conditions : list of Condition
        Their variants are made together: each image is decoded once for all.
    workers : int
        Processes.

    Returns
    -------
    dict of Condition to (Variant, Variant)
        Of its training and validation images, and of its test images.
    """
    recipes = {
        condition: (
            Recipe.of(condition.train, condition.seed),
            Recipe.of(condition.test_preprocessing, condition.seed),
        )
        for condition in conditions
    }
    wanted = list(dict.fromkeys(recipe for pair in recipes.values() for recipe in pair))
    made = materialise(dataset.index, dataset.fingerprint, wanted, dataset.folder / "variants", workers)
    return {condition: (made[train], made[test]) for condition, (train, test) in recipes.items()}


def run_trial(
    condition: Condition,
    datasets: Path,
    folder: Path,
    resources: Resources,
    on_epoch: Callable[[int, float], None] = lambda epoch, accuracy: None,
) -> Result:
    """Run one condition.

    Parameters
    ----------
    condition : Condition
        What to run.
    datasets : Path
        The workspace's ``datasets`` folder.
    folder : Path
        Scratch space.
    resources : Resources
        What it may use.
    on_epoch : callable
        Called with the number of epochs done and the last validation accuracy.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        If the data set is no longer the condition's.
    ModelError
        If the model did not do what the condition asks for.
    """
    started = time.monotonic()
    dataset = load_dataset(condition.dataset, datasets)
    if dataset.fingerprint != condition.fingerprint:
        raise UserError(
            f"{condition.dataset} has fingerprint {dataset.fingerprint}, "
            f"but the condition was made for {condition.fingerprint}"
        )
    train, test = variants(dataset, [condition], resources.cpus)[condition]
    # Labels may look like numbers, or like nothing at all ("nan"): AutoGluon is given codes instead.
    codes = {label: f"class {place:05d}" for place, label in enumerate(dataset.classes)}
    labels = {code: label for label, code in codes.items()}
    parts = {
        part: _part(dataset, variant, part, codes)
        for part, variant in ((TRAIN, train), (VALIDATION, train), (TEST, test))
    }
    loaded = time.monotonic()
    family, variant_name = registry.find(condition.model)
    fitted = family.fit_predict(
        registry.Task(
            variant=variant_name,
            train=parts[TRAIN],
            validation=parts[VALIDATION],
            test=parts[TEST],
            budget=condition.budget,
            seed=condition.seed,
            folder=folder,
            cpus=resources.cpus,
            gpus=resources.gpus,
            on_epoch=on_epoch,
        )
    )
    predictions = _predictions(parts[TEST], fitted.probabilities, labels)
    return Result(
        condition=condition,
        accuracy=float((predictions["label"] == predictions["predicted"]).mean()),
        predictions=predictions,
        curve=fitted.curve,
        seconds={"load": loaded - started, **fitted.seconds, "total": time.monotonic() - started},
        counts={
            "classes": len(codes),
            **{part: len(rows) for part, rows in parts.items()},
            "quarantined": len(dataset.quarantined),
        },
        dataset=dataset.facts(),
        bytes=train.bytes,
        bytes_original=int(dataset.index["bytes"].sum()),
        notes={**fitted.notes, "variant": train.manifest["library"], "settings": train.manifest["settings"]},
    )


def _part(dataset: Dataset, variant: Variant, part: str, codes: dict[str, str]) -> pd.DataFrame:
    rows = dataset.index[dataset.index["split"] == part].set_index("image_id")
    return pd.DataFrame(
        {"image": variant.index.loc[rows.index, "image"], "label": rows["label"].map(codes)}
    ).reset_index()


def _predictions(test: pd.DataFrame, probabilities: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    if len(probabilities) != len(test) or set(probabilities.columns) != set(labels):
        raise registry.ModelError(
            f"{len(probabilities)} predictions of {len(probabilities.columns)} classes, "
            f"expected {len(test)} of {len(labels)}"
        )
    table = probabilities.set_axis(test.index, axis="index")
    places = table.columns.get_indexer(pd.Index(test["label"]))
    return pd.DataFrame(
        {
            "image_id": test["image_id"],
            "label": test["label"].map(labels),
            "predicted": table.idxmax(axis="columns").map(labels),
            "probability": table.to_numpy(dtype=float)[range(len(table)), places],
        }
    )
