"""One trial: a condition, from its images to a result. It knows nothing of scheduling."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from agbench.core import metric
from agbench.core.condition import Condition
from agbench.core.errors import UserError
from agbench.data.dataset import Dataset
from agbench.data.splits import TEST, TRAIN, VALIDATION, folds
from agbench.models import registry
from agbench.preprocess import reading
from agbench.preprocess.variant import Variant, make_missing, materialise
from agbench.preprocess.writing import VariantRecipe
from agbench.runner.events import Epoch, Phase
from agbench.runner.examples import examples
from agbench.store.outcome import Result
from agbench.store.record import GROUP

KEPT = "features"
"""Folder beside the variants for what is computed of their images."""


@dataclass(frozen=True)
class Resources:
    """What one trial may use.

    Parameters
    ----------
    cpus, gpus : int
        Numbers of cores and of devices.
    per_gpu : int
        Number of trials that share each of its devices.
    loaders : int
        Number of processes that decode images for a deep model.
    halvings : int
        How often the batch that is on a GPU at a time is halved.
    """

    cpus: int
    gpus: int = 0
    per_gpu: int = 1
    loaders: int = 0
    halvings: int = 0

    @property
    def gpu_share(self) -> float:
        """Devices, and shares of them, in Ray's steps of 1/10000: all shares of a device fit on it together."""
        return self.gpus if self.per_gpu == 1 else self.gpus * (10_000 // self.per_gpu) / 10_000


def make_variants(dataset: Dataset, conditions: Sequence[Condition], folder: Path, workers: int) -> None:
    """Make the variants that conditions of one data set train and test on, where they are missing.

    Parameters
    ----------
    dataset : Dataset
        The conditions' own.
    conditions : sequence of Condition
        Their variants are made together: each image is decoded once for all.
    folder : Path
        Where the data set's variants lie.
    workers : int
        Threads.
    """
    make_missing(dataset.index, dataset.fingerprint, _wanted(conditions), folder, workers)


def _wanted(conditions: Sequence[Condition]) -> list[VariantRecipe]:
    return list(dict.fromkeys(recipe for one in conditions for recipe in _recipes(one)))


def _recipes(condition: Condition) -> tuple[VariantRecipe, VariantRecipe]:
    """Return the recipes of its training and validation images, and of its test images."""
    return (
        VariantRecipe.of(condition.train, condition.seed),
        VariantRecipe.of(condition.test_preprocessing, condition.seed),
    )


def run_trials(
    conditions: Sequence[Condition],
    dataset: Dataset,
    variants_folder: Path,
    folder: Path,
    resources: Resources,
    on_event: Callable[[Phase | Epoch], None] = lambda event: None,
) -> list[Result]:
    """Run conditions that share their training: one fit, tested under each one's preprocessing.

    Parameters
    ----------
    conditions : sequence of Condition
        What to run; equal but for their test images (`Condition.training` is the same for all).
    dataset : Dataset
        Data set of the conditions.
    variants_folder : Path
        Where its variants lie; those that are missing are made.
    folder : Path
        Scratch space.
    resources : Resources
        Cores and GPUs of the trial.
    on_event : callable
        Called with each phase and epoch.

    Returns
    -------
    list of Result
        In the order of `conditions`; loading and fitting take the same seconds in all of them.

    Raises
    ------
    UserError
        If the data set is no longer the conditions'.
    ModelError
        If the model did not do what the conditions ask for.
    """
    started = time.monotonic()
    condition = conditions[0]
    if any(other.training != condition.training for other in conditions):
        raise ValueError("conditions that are run together must share their training")
    on_event(Phase("load"))
    if dataset.fingerprint != condition.fingerprint:
        raise UserError(
            f"{condition.dataset} has fingerprint {dataset.fingerprint}, "
            f"but the condition was made for {condition.fingerprint}"
        )
    wanted = _wanted(conditions)
    made = materialise(dataset.index, dataset.fingerprint, wanted, variants_folder, resources.cpus)
    train = made[_recipes(condition)[0]]
    # Labels may look like numbers, or like nothing at all ("nan"): AutoGluon is given codes instead.
    codes = {label: f"class {place:05d}" for place, label in enumerate(dataset.classes)}
    fold: pd.Series | None = None
    trained, validated, tested = [TRAIN], [VALIDATION], [TEST]
    if condition.budget.folds is not None:
        labels, groups = dataset.index["label"], dataset.index["group"]
        fold = folds(labels, groups, condition.budget.folds, condition.seed).reset_index(drop=True)
        trained, validated, tested = [TRAIN, VALIDATION, TEST], [], [TRAIN, VALIDATION, TEST]
    group_of = pd.Series(dataset.group_numbers, index=dataset.index["image_id"])
    tests = [_part(dataset, made[_recipes(one)[1]], tested, codes) for one in conditions]
    loaded = time.monotonic()
    family, variant_name = registry.find_model(condition.model)
    fitted = family.fit_predict(
        registry.Task(
            variant=variant_name,
            train=_part(dataset, train, trained, codes),
            validation=_part(dataset, train, validated, codes),
            tests=tuple(tests),
            budget=condition.budget,
            seed=condition.seed,
            folder=folder,
            cpus=resources.cpus,
            gpus=resources.gpus,
            loaders=resources.loaders,
            halvings=resources.halvings,
            kept=variants_folder / KEPT,
            folds=fold,
            on_phase=lambda name: on_event(Phase(name)),
            on_epoch=lambda number, accuracy: on_event(Epoch(number, accuracy)),
        )
    )
    shared = {"load": loaded - started, **fitted.seconds}
    measured = reading.measure(list(_part(dataset, train, (TRAIN,), codes)["image"])).metrics()
    results = []
    for one, test, predicted in zip(conditions, tests, fitted.predictions, strict=True):
        labels_of = {code: label for label, code in codes.items()}
        predictions = _predictions(test, predicted.probabilities, labels_of)
        predictions[GROUP] = predictions["image_id"].map(group_of)
        if fold is not None:
            predictions[registry.FOLD] = fold
        probabilities = predicted.probabilities.rename(columns=labels_of)
        seconds = {**shared, "predict": predicted.seconds}
        results.append(
            Result(
                condition=one,
                accuracy=float((predictions["label"] == predictions["predicted"]).mean()),
                predictions=predictions,
                curve=fitted.curve,
                seconds={**seconds, "total": sum(seconds.values())},
                counts={
                    "classes": len(codes),
                    **dataset.parts,
                    "quarantined": len(dataset.quarantined),
                    "predicted": len(predictions),
                    "groups": predictions[GROUP].nunique(),
                },
                bytes=train.bytes,
                bytes_original=int(dataset.index["bytes"].sum()),
                notes={
                    **fitted.notes,
                    "variant": train.manifest["library"],
                    "settings": train.manifest["settings"],
                },
                dataset=dataset.facts(),
                reading=measured,
                writing=train.writing(),
                examples=examples(dataset, train) if one.test is None else None,
                probabilities=probabilities,
                scores=_scores(predictions, probabilities),
            )
        )
    return results


def _scores(predictions: pd.DataFrame, probabilities: pd.DataFrame) -> dict[str, float]:
    """Return the value of each metric of predictions, by name, from probabilities as the store keeps them."""
    labels, chosen = (
        probabilities.columns.get_indexer(pd.Index(predictions[name])) for name in ("label", "predicted")
    )
    shares = metric.normalised(probabilities.to_numpy(np.float16))
    scores = metric.scores_of(metric.Predicted(labels, chosen, shares))
    return {name: score.value for name, score in scores.items()}


def _part(dataset: Dataset, variant: Variant, parts: Sequence[str], codes: dict[str, str]) -> pd.DataFrame:
    rows = dataset.index[dataset.index["split"].isin(parts)].set_index("image_id")
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
