"""A trial as the store has it; read here without MLflow, whose import takes longer than a report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from agbench.core.condition import Condition
from agbench.core.metric import Predicted, Score, normalised, scores_of
from agbench.models.registry import FOLD, IMAGE_SIZE
from agbench.store.metrics import Metrics, check_name
from agbench.store.outcome import Ending, Status

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

DATABASE = "agbench.db"
LOCKED_FOR = 300
"""Seconds that another process may lock the database before that is an error."""
PREDICTIONS, LOG, ENVIRONMENT = "predictions.parquet", "log.txt", "environment.json"
DATASET, EXAMPLES, PROBABILITIES = "dataset.json", "examples.parquet", "probabilities.npz"
FLIPS = "flips.parquet"
GROUP = "group"
"""Column of the predictions with the number of each image's group, where its trial kept it."""

SAME_ACCURACY = 1e-9
TAG = "agbench."
NOTE = f"{TAG}note."
SWEEP = f"{TAG}sweep."
"""A trial of the sweep NAME has the tag ``agbench.sweep.NAME``: when that began, in milliseconds since 1970."""

LOOKS = f"{TAG}looks"
"""Of a trial that was run until comparisons are decided: at how many points they may be looked at."""

GREEN = f"{TAG}green"
"""The name of the nightly that had nothing to complain about, on all of its trials."""


@dataclass(frozen=True)
class Correctness:
    """Which test images a trial got right.

    Parameters
    ----------
    images : str
        Digest of their ids and labels: outcomes with the same one can be paired.
    right : ndarray of bool
        One an image, in the order of ids.
    predicted : str
        Digest of the classes that were predicted, in the order of ids.
    groups : ndarray of int
        Group of each image, in the order of ids; of a trial that kept none, each image is one.
    folds : ndarray of int, optional
        Fold of each image, in the order of ids, from 0; ``None`` where there are none, or the trial kept none.
    """

    images: str
    right: npt.NDArray[np.bool_]
    predicted: str
    groups: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class Example:
    """A test image's file, as it was at a trial's level.

    Parameters
    ----------
    image_id : str
        Which image.
    size : int
        Bytes of its file at the level.
    file : bytes
        Bytes of the file.
    """

    image_id: str
    size: int
    file: bytes


@dataclass(frozen=True)
class Flip:
    """A test image beside the original's trial: its file there, and at the trial's own level.

    Parameters
    ----------
    image_id : str
        Which image.
    label : str
        Its class.
    predicted : tuple of str
        The predicted classes, at the original and at the level.
    sizes : tuple of int
        Bytes of its files.
    files : tuple of bytes
        The files.
    """

    image_id: str
    label: str
    predicted: tuple[str, str]
    sizes: tuple[int, int]
    files: tuple[bytes, bytes]


FLIP_COLUMNS = ("image_id", "label", "base", "ours", "bytes_base", "bytes_ours", "file_base", "file_ours")
"""Columns of the table of flips; ``base`` is the original's trial, ``ours`` the trial that keeps the table."""


@dataclass(frozen=True)
class Record:
    """A trial as the store has it.

    Parameters
    ----------
    run_id : str
        MLflow's.
    condition : Condition
        Condition that was run.
    status : Status
        State of the trial.
    reason : str
        Why it did not finish; empty where it did.
    owner : str
        Machine and folder of the store's workspace; others may share the store.
    started : int
        Milliseconds since 1970.
    software : str
        Digest of the versions that it ran with.
    metrics : Metrics
        Last value of each metric.
    notes : mapping of str to str
        What the model really used, by name.
    folder : Path
        Where predictions, log and environment are.
    curve : tuple of float
        Validation accuracy after each epoch; empty for a model without epochs, and where a store gives it
        only one by one (`agbench.store.store.Store.curve`).
    ending : Ending, optional
        How it ended; ``None`` while it runs.
    sweeps : mapping of str to int
        Names of the sweeps that it counts to, with their starts in milliseconds since 1970.
    green : str
        Name of the green nightly that it is of; empty where it is of none.
    looks : int
        Number of points, more trainings at each, at which its comparison may be looked at: all are corrected for.
    """

    run_id: str
    condition: Condition
    status: Status
    reason: str
    owner: str
    started: int
    software: str
    metrics: Metrics
    notes: Mapping[str, str]
    folder: Path
    curve: tuple[float, ...] = ()
    ending: Ending | None = None
    sweeps: Mapping[str, int] = field(default_factory=dict)
    green: str = ""
    looks: int = 1

    @property
    def is_finished(self) -> bool:
        """Whether it has a result."""
        return self.status is Status.FINISHED

    def metric(self, name: str) -> float | None:
        """Return a metric by a name that is composed; ``None`` where it was not measured.

        Raises
        ------
        KeyError
            If the schema, `agbench.store.metrics.Metrics`, has none of that name.
        """
        value: float | None = self.metrics.get(check_name(name))  # type: ignore[assignment]
        return value

    def measured(self) -> dict[str, float]:
        """Return all metrics by name, also those of phases that the schema does not name."""
        return dict(cast(Mapping[str, float], self.metrics))

    @property
    def image_size(self) -> int | None:
        """Side in pixels of what the model saw of each image; ``None`` where it does not say."""
        side = self.notes.get(IMAGE_SIZE)
        return None if side is None else int(side)

    @property
    def predictions(self) -> pd.DataFrame:
        """The test predictions, by ``image_id``."""
        import pandas as pd

        return pd.read_parquet(self.folder / PREDICTIONS).set_index("image_id")

    @property
    def probabilities(self) -> pd.DataFrame | None:
        """Predicted probabilities of all classes (float16), by ``image_id``; ``None`` where none were kept."""
        import pandas as pd

        try:
            with np.load(self.folder / PROBABILITIES, allow_pickle=False) as kept:
                return pd.DataFrame(kept["values"], self.predictions.index, kept["classes"].tolist())
        except FileNotFoundError:
            return None

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, hardware and commit that it ran with; empty where it was killed before they were kept."""
        return self._kept(ENVIRONMENT)

    @property
    def dataset(self) -> dict[str, Any]:
        """Where its images came from, and what is to be known of them; empty where it did not finish."""
        return self._kept(DATASET)

    def _kept(self, name: str) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return kept

    @cached_property
    def correctness(self) -> Correctness:
        """Which test images it got right."""
        table = self._tested()
        ids, labels, predicted = _texts(table)
        right = (labels == predicted).astype(bool)
        groups = table.column(GROUP).to_numpy() if GROUP in table.column_names else np.arange(len(right))
        folds = table.column(FOLD).to_numpy() if FOLD in table.column_names else None
        images, guesses = _digest([ids.tolist(), labels.tolist()]), _digest(predicted.tolist())
        return Correctness(images, right, guesses, groups, folds)

    def outcomes(self) -> tuple[npt.NDArray[np.object_], ...]:
        """Return ids, labels and predicted classes of the test images, three arrays of str in the order of ids."""
        return _texts(self._tested())

    @cached_property
    def scores(self) -> dict[str, Score]:
        """Its score by each metric of `agbench.core.metric.METRICS` that its predictions give, by name."""
        ids, labels, predicted = self.outcomes()
        kept = self._kept_probabilities(len(ids))
        if kept is None:
            _, codes = np.unique([*labels, *predicted], return_inverse=True)
            return scores_of(Predicted(codes[: len(ids)], codes[len(ids) :]))
        shares, classes = kept
        number = {name: place for place, name in enumerate(classes)}
        true, chosen = (np.array([number[name] for name in names]) for names in (labels, predicted))
        return scores_of(Predicted(true, chosen, shares))

    def _kept_probabilities(self, images: int) -> tuple[npt.NDArray[np.float64], list[str]] | None:
        """Return probabilities in the order of ids, and their classes; ``None`` where they can't be read."""
        try:
            # Without pandas, whose import takes a second.
            with np.load(self.folder / PROBABILITIES, allow_pickle=False) as kept:
                shares, classes = normalised(kept["values"]), kept["classes"].tolist()
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        ids = _columns(self.folder / PREDICTIONS, ["image_id"]).column(0).to_numpy()
        return (shares[np.argsort(ids, kind="stable")], classes) if len(shares) == images else None

    def _tested(self) -> pyarrow.Table:
        return _columns(self.folder / PREDICTIONS, ["image_id", "label", "predicted", GROUP, FOLD]).sort_by(
            "image_id"
        )

    def damage(self) -> str:
        """Return what is wrong with a finished trial's files; empty where they are complete."""
        try:
            right = self.correctness.right
            found = json.loads((self.folder / ENVIRONMENT).read_text())
        except (OSError, ValueError, KeyError) as error:
            return f"its files in the store are damaged: {' '.join(str(error).split())[:200]}"
        expected = self.metrics.get("images_predicted", self.metrics.get("images_test", len(right)))
        if not isinstance(found, dict) or len(right) != expected or not len(right):
            return f"its files in the store are damaged: {len(right)} predictions, {expected:.0f} expected"
        if abs(float(right.mean()) - self.metrics.get("accuracy", math.nan)) > SAME_ACCURACY:
            return "its predictions in the store do not give the accuracy that the trial measured"
        return ""

    @property
    def examples(self) -> list[Example]:
        """A few test images as they were at its level; none where the trial kept none."""
        if not (self.folder / EXAMPLES).is_file():
            return []
        table = _columns(self.folder / EXAMPLES, ["image_id", "bytes", "file"])
        return [Example(row["image_id"], row["bytes"], row["file"]) for row in table.to_pylist()]

    @property
    def flips(self) -> list[Flip]:
        """Some test images whose prediction is right at one of original and level alone, and one other.

        None where none were kept; see `agbench.runner.flips`.
        """
        if not (self.folder / FLIPS).is_file():
            return []
        rows = _columns(self.folder / FLIPS, [*FLIP_COLUMNS]).to_pylist()
        return [
            Flip(
                row["image_id"],
                row["label"],
                (row["base"], row["ours"]),
                (row["bytes_base"], row["bytes_ours"]),
                (row["file_base"], row["file_ours"]),
            )
            for row in rows
        ]


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _texts(tested: pyarrow.Table) -> tuple[npt.NDArray[np.object_], ...]:
    # By way of NumPy: pyarrow makes lists of texts slowly.
    return tuple(tested.column(name).to_numpy() for name in ("image_id", "label", "predicted"))


def _columns(file: Path, names: list[str]) -> pyarrow.Table:
    # Neither with pandas nor with `read_table`, which imports it: that takes a second.
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:  # type: ignore[no-untyped-call]
        return opened.read(columns=[name for name in names if name in opened.schema_arrow.names])


def artifacts_of(folder: Path, run_id: str) -> Path:
    """Return where a run's files are below a ``results`` folder."""
    return folder / "artifacts" / run_id / "artifacts"


def record_of(
    run_id: str,
    status: str,
    started: int,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    folder: Path,
    curve: tuple[float, ...] = (),
) -> Record:
    """Make a record of what MLflow keeps of a run."""
    reason = tags.get(TAG + "reason", "")
    state = Status(status)
    if state is Status.FINISHED and not (folder / PREDICTIONS).is_file():
        state, reason = Status.FAILED, "its predictions are gone from the store"
    ended = tags.get(f"{TAG}ending")
    return Record(
        run_id=run_id,
        condition=Condition.from_dict(json.loads(tags[TAG + "condition"])),
        status=state,
        reason=reason,
        owner=tags.get(TAG + "owner", ""),
        started=started,
        software=tags[TAG + "software"],
        metrics=cast(Metrics, metrics),
        notes={name.removeprefix(NOTE): value for name, value in tags.items() if name.startswith(NOTE)},
        folder=folder,
        curve=curve,
        ending=Ending(ended) if ended else None,
        sweeps={name.removeprefix(SWEEP): int(value) for name, value in tags.items() if name.startswith(SWEEP)},
        green=tags.get(GREEN, ""),
        looks=int(tags.get(LOOKS, 1)),
    )


def latest(records: list[Record]) -> dict[str, Record]:
    """Return the last finished trial of each condition.

    Parameters
    ----------
    records : list of Record
        The oldest first.

    Returns
    -------
    dict of str to Record
        By the condition's id.

    Examples
    --------
    >>> latest([])
    {}
    """
    return {record.condition.id: record for record in records if record.is_finished}
