"""Families of models: the contract between a trial and a family, and a table of all families."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agbench.core import plugins
from agbench.core.condition import Budget
from agbench.core.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas as pd


IMAGE, LABEL = "image", "label"
"""Columns of a task's tables."""

FOLD = "fold"
"""Column of a table with the number of each image's fold, where it has folds."""


FEWEST_FOLDS = 3
"""Of a network: one that is predicted, one that validates, and one that trains."""


class ModelError(Exception):
    """A model deviated from its condition, as the message explains."""


class OutOfTimeError(ModelError):
    """A model did not finish within its time limit."""


class GpuMemoryError(ModelError):
    """A model lacked a GPU's memory."""


LACKED_GPU_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED",
)
"""What PyTorch, cuBLAS and cuDNN say where a GPU's memory is used up; a library may fail to begin then."""


def lacked_gpu_memory(message: str) -> bool:
    """Return whether an error's message says that a GPU's memory was used up.

    Examples
    --------
    >>> lacked_gpu_memory("CUDA out of memory. Tried to allocate 2.00 GiB.")
    True
    >>> lacked_gpu_memory("No space left on device")
    False
    """
    return any(words in message for words in LACKED_GPU_MEMORY)


@dataclass(frozen=True)
class Task:
    """Images to fit a model on, and images to predict.

    Parameters
    ----------
    variant : str
        The model's name behind the colon; empty where there is none.
    train, validation : DataFrame
        Columns ``image`` (absolute path, str) and ``label`` (str), one row per image.
    tests : tuple of DataFrame
        Test images in the same form, once for each preprocessing of them.
    budget : Budget
        Settings of the model.
    seed : int
        Seed of all random numbers in it.
    folder : Path
        Scratch folder; the fitted model goes to its subfolder ``model``.
    cpus, gpus : int
        Numbers of cores and of GPUs.
    loaders : int
        Number of processes that decode and augment images; it must change no result.
    halvings : int
        How often the batch that is on a GPU at a time is halved, because it did not fit. Gradients are
        accumulated to the batch of the budget.
    kept : Path, optional
        Folder of what is computed of images for several trials (`agbench.models.kept`).
    folds : Series of int, optional
        The fold of each row, where every image is to be predicted by a model that was fitted without its fold.
        `train` then holds all images, `validation` none, and each of `tests` the same images in the same order.
    fold : int, optional
        The fold that is predicted, in a task that is one of several folds (`agbench.models.out_of_fold`).
    on_phase : callable
        Called with the name of the phase that begins: ``"features"``, ``"fit"`` or ``"predict"``.
    on_epoch : callable
        Called with the number of epochs done, in all folds, and the last validation accuracy.
    """

    variant: str
    train: pd.DataFrame
    validation: pd.DataFrame
    tests: tuple[pd.DataFrame, ...]
    budget: Budget
    seed: int
    folder: Path
    cpus: int
    gpus: int = 0
    loaders: int = 0
    halvings: int = 0
    kept: Path | None = None
    folds: pd.Series | None = None
    fold: int | None = None
    on_phase: Callable[[str], None] = field(default=lambda name: None)
    on_epoch: Callable[[int, float], None] = field(default=lambda epoch, accuracy: None)

    @property
    def model_folder(self) -> Path:
        """Folder of the fitted model; below it, that of a fold."""
        whole = self.folder / "model"
        return whole if self.fold is None else whole / f"fold-{self.fold}"

    @property
    def problem_type(self) -> str:
        """AutoGluon's ``problem_type``: ``"binary"`` or ``"multiclass"``."""
        return "binary" if self.train["label"].nunique() == 2 else "multiclass"


@dataclass(frozen=True)
class Prediction:
    """Predicted probabilities of one of a task's sets of test images.

    Parameters
    ----------
    probabilities : DataFrame
        One row per test image in the task's order, one column per label; values from 0 to 1, rows sum to 1.
    seconds : float
        Seconds for predicting.
    """

    probabilities: pd.DataFrame
    seconds: float

    def __post_init__(self) -> None:
        values = self.probabilities.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all() or not np.allclose(values.sum(axis=1), 1, atol=1e-3):
            raise ModelError("the predicted probabilities are not probabilities")


IMAGE_SIZE = "image size"
"""Key of the note that holds the side, in pixels, of a model's input."""


@dataclass(frozen=True)
class Fitted:
    """Predictions of a fitted model, with what was measured on the way.

    Parameters
    ----------
    predictions : tuple of Prediction
        One for each of the task's tests.
    curve : tuple of float
        Validation accuracy after each epoch, of several folds the mean; empty where a model has no epochs.
    seconds : dict of str to float
        Seconds by phase, without prediction.
    notes : dict of str to str
        Settings that were used, such as ``backbone``, ``parameters``, ``learners`` or `IMAGE_SIZE`.
    """

    predictions: tuple[Prediction, ...]
    curve: tuple[float, ...]
    seconds: dict[str, float]
    notes: dict[str, str]


def predictions(
    predict: Callable[[pd.DataFrame], pd.DataFrame], tests: Iterable[pd.DataFrame]
) -> tuple[Prediction, ...]:
    """Predict each of several sets of test images, and measure the seconds.

    Examples
    --------
    >>> import pandas as pd
    >>> test = pd.DataFrame({"image": ["a.png", "b.png"]})
    >>> (made,) = predictions(lambda images: pd.DataFrame({"cat": [0.9, 0.2], "dog": [0.1, 0.8]}), [test])
    >>> made.probabilities.shape
    (2, 2)
    """
    made = []
    for test in tests:
        started = time.monotonic()
        probabilities = predict(test)
        made.append(Prediction(probabilities, time.monotonic() - started))
    return tuple(made)


class Kind(Enum):
    """Input of a family's models; it decides in which tables and claims they are."""

    DEEP = "deep"
    """The image itself, by a network that is fine-tuned."""
    TABULAR = "tabular"
    """Features that are computed from it."""
    PROBE = "probe"
    """Its embedding by a frozen network."""


@dataclass(frozen=True)
class Family:
    """A family of models: a recipe for one predictor, and its variants.

    Parameters
    ----------
    summary : str
        Description of it, for lists.
    variants : tuple of str
        The names behind the colon that lists show; an empty one stands for the family's bare name.
    others : str
        Description of the other variants that are accepted; empty if there are none.
    reads : tuple of str
        The fields of a budget that it reads.
    module : str
        Module with its ``fit_predict(task)`` and ``check(variant, budget)``; imported when first used.
    kind : Kind
        Input of its models; a family without this argument counts as deep.
    stack : tuple of str
        Modules that a fit needs and that take seconds to import: a worker imports them while others start.
    """

    summary: str
    variants: tuple[str, ...]
    others: str
    reads: tuple[str, ...]
    module: str
    kind: Kind = Kind.DEEP
    stack: tuple[str, ...] = ()

    def fit_predict(self, task: Task) -> Fitted:
        """Fit on a task's training images and predict its test images."""
        fitted: Fitted = importlib.import_module(self.module).fit_predict(task)
        return fitted

    def check(self, variant: str, budget: Budget) -> None:
        """Raise `UserError` if the model can't be used on this machine, or with this budget."""
        importlib.import_module(self.module).check(variant, budget)

    def warm(self) -> None:
        """Import the stack, so that the first fit does not wait for it."""
        for module in self.stack:
            importlib.import_module(module)


FAMILIES = {
    "automm": Family(
        summary="MultiModalPredictor, fine-tuning a backbone on the images",
        variants=(
            "",
            *(f"efficientnet_lite{size}" for size in range(3)),
            *(f"efficientnet_b{size}" for size in range(5)),
        ),
        others="any timm backbone, or the path of a checkpoint folder",
        reads=("epochs", "learning_rate", "batch_size", "image_size", "preset", "time_limit", "folds"),
        module="agbench.models.multimodal",
        stack=("agbench.models.callbacks", "autogluon.multimodal"),
    ),
    "tabular": Family(
        summary="TabularPredictor on features of the images",
        variants=("pixels", "dct", "pixels+dct"),
        others="",
        reads=("preset", "learners", "time_limit", "folds"),
        module="agbench.models.tabular",
        kind=Kind.TABULAR,
        stack=("agbench.models.table",),
    ),
    "probe": Family(
        summary="TabularPredictor's linear model on a frozen backbone's embeddings of the images",
        variants=tuple(f"efficientnet_lite{size}" for size in range(3)),
        others="any timm backbone, or the path of a checkpoint folder",
        reads=("image_size", "time_limit", "folds"),
        module="agbench.models.probe",
        kind=Kind.PROBE,
        stack=("agbench.models.table", "agbench.models.backbone"),
    ),
}


def families() -> dict[str, Family]:
    """Return all families by name: agbench's own, and those of other packages.

    Examples
    --------
    >>> sorted(families())[0]
    'automm'
    """
    return _others().beside(FAMILIES)


def broken_families() -> dict[str, str]:
    """Return why families of other packages can't be used, by name.

    Examples
    --------
    >>> broken_families()
    {}
    """
    return _others().broken


def _others() -> plugins.Plugins[Family]:
    return plugins.load(plugins.MODEL_PLUGINS, Family)


def kind_of(model: str) -> Kind:
    """Return the kind of a model, by its name.

    Parameters
    ----------
    model : str
        ``family:variant``, or a family's bare name. A family that is not installed counts as deep.

    Examples
    --------
    >>> kind_of("tabular:pixels")
    <Kind.TABULAR: 'tabular'>
    """
    family = families().get(model.partition(":")[0])
    return Kind.DEEP if family is None else family.kind


def names() -> list[str]:
    """Return the names of the models that lists show.

    Examples
    --------
    >>> "tabular:dct" in names()
    True
    """
    return [
        f"{family}:{variant}" if variant else family
        for family, entry in families().items()
        for variant in entry.variants
    ]


def find_model(model: str) -> tuple[Family, str]:
    """Return a model's family, and its variant.

    Parameters
    ----------
    model : str
        ``family:variant``, or a family's bare name.

    Returns
    -------
    tuple of Family and str

    Raises
    ------
    UserError
        If there is no such model.

    Examples
    --------
    >>> family, variant = find_model("tabular:dct")
    >>> family.kind, variant
    (<Kind.TABULAR: 'tabular'>, 'dct')
    """
    name, _, variant = model.partition(":")
    if name not in FAMILIES:
        _others().check("family of models", name)
    family = families().get(name)
    if family is None or (variant not in family.variants and not (variant and family.others)):
        raise unknown("model", model, names())
    if ":" in model and not variant:
        raise UserError(f"{model!r} names no model after the colon: known: {', '.join(names())}")
    return family, variant
