"""The values that both sides speak in: what is run, and what a result is a result of."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from agbench.core.errors import UserError

ID_FORMAT = 1
"""Raise this when a part of a condition changes its meaning: ids are then others."""

PROTOCOL = 3
"""Raise this when a change to the code changes results: it counts as a version, and older results are run again.

2: TabularPredictor no longer leaves out classes with fewer than ten training images.
3: deviations of coefficients are computed from exact sums: constant channels have exactly none.
"""

ORIGINAL_LEVEL = 1.0

JPEG = "jpeg"
"""The paper's codec: what a level means where none is named, and what its claims are about."""


@dataclass(frozen=True)
class Preprocessing:
    """What is done to the pixels before a model sees them: optional noise, then an optional codec.

    Neither of the two is the *original*: the file's own bytes, never re-encoded.

    Parameters
    ----------
    codec : str, optional
        A name in `agbench.preprocess.codec.CODECS`.
    quality : int, optional
        The codec's quality, 1 to 99; goes with `codec`.
    noise : float, optional
        Variance of the multiplicative Gaussian noise (paper, section III-A: 1.0).
    """

    codec: str | None = None
    quality: int | None = None
    noise: float | None = None

    def __post_init__(self) -> None:
        if (self.codec is None) != (self.quality is None):
            raise ValueError(f"codec and quality go together, got {self.codec!r} and {self.quality!r}")

    @classmethod
    def at(cls, level: float, codec: str = JPEG, noise: float | None = None) -> Preprocessing:
        """Give the preprocessing at one of the paper's compression ratios.

        Parameters
        ----------
        level : float
            0.01 to 1.0 in steps of 0.01: quality ``100 * level``; 1.0 is the original.
        codec : str
            The codec below 1.0.
        noise : float, optional
            Variance of the noise that is added first.

        Returns
        -------
        Preprocessing

        Raises
        ------
        UserError
            If the level is none.
        """
        quality = round(100 * level) if math.isfinite(level) else 0
        if not 1 <= quality <= 100 or abs(quality - 100 * level) > 1e-6:
            raise UserError(f"{level:g} is not a level: use 0.01 to 1.0 in steps of 0.01")
        if quality == 100:
            return cls(noise=noise)
        return cls(codec=codec, quality=quality, noise=noise)

    @property
    def level(self) -> float:
        """The paper's compression ratio, 0.01 to 1.0."""
        return ORIGINAL_LEVEL if self.quality is None else self.quality / 100

    @property
    def is_original(self) -> bool:
        """Whether images keep their own bytes."""
        return self == Preprocessing()

    def __str__(self) -> str:
        steps = [] if self.noise is None else ["noise" if self.noise == 1.0 else f"noise {self.noise:g}"]
        if self.codec is not None:
            steps.append(f"{self.codec} {self.level:g}")
        return " + ".join(steps) or "original"


@dataclass(frozen=True)
class Budget:
    """What a model may spend. ``None`` leaves a setting to AutoGluon.

    Parameters
    ----------
    epochs : int, optional
        Epochs of fine-tuning: exactly so many, never fewer (``optim.max_epochs``).
    learning_rate : float, optional
        ``optim.lr``.
    batch_size : int, optional
        Images an optimiser step (``env.batch_size``).
    image_size : int, optional
        Side in pixels that images are scaled and cropped to (``model.timm_image.image_size``).
    loaders : int, optional
        Processes that decode and augment images (``env.num_workers``). They draw the augmentation, so
        their number changes the result, and doesn't follow the machine.
    preset : str, optional
        AutoGluon's preset, such as ``"medium_quality"``.
    learners : tuple of str, optional
        The model families that TabularPredictor trains, by its own keys (``"GBM"``, ``"XGB"``, ...).
    time_limit : float, optional
        Seconds for fitting. Fine-tuning that can't end its epochs within it is a failed trial;
        TabularPredictor trains what it can.
    folds : int, optional
        Every image is predicted by a model that was fitted on the other folds, instead of the test images by
        one that was fitted on the training images. Folds are drawn from the seed, the same at every level.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    image_size: int | None = None
    loaders: int | None = None
    preset: str | None = None
    learners: tuple[str, ...] | None = None
    time_limit: float | None = None
    folds: int | None = None

    def only(self, names: tuple[str, ...]) -> Budget:
        """Drop what a model doesn't read, so that it can't make two equal conditions differ."""
        return replace(self, **{field.name: None for field in fields(self) if field.name not in names})

    def settings(self) -> dict[str, Any]:
        """Give what is set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        words = {
            name.replace("_", " "): "+".join(value) if isinstance(value, tuple) else value
            for name, value in self.settings().items()
        }
        return ", ".join(f"{name} {value}" for name, value in words.items()) or "AutoGluon's defaults"


@dataclass(frozen=True)
class Condition:
    """Everything that determines a result, but for the versions of the software.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    fingerprint : str
        Hash over its images, labels and split.
    train : Preprocessing
        Of training and validation images.
    model : str
        family:variant, such as ``"automm:efficientnet_lite0"``.
    budget : Budget
        What the model may spend.
    seed : int
        Of training, and of the noise.
    test : Preprocessing, optional
        Of test images; by default that of training.
    weights : str, optional
        Hash of a local checkpoint that the model starts from.
    """

    dataset: str
    fingerprint: str
    train: Preprocessing
    model: str
    budget: Budget
    seed: int = 0
    test: Preprocessing | None = None
    weights: str | None = None

    @property
    def test_preprocessing(self) -> Preprocessing:
        """What the test images go through."""
        return self.train if self.test is None else self.test

    @property
    def training(self) -> Condition:
        """The condition with the test images of its training: what conditions that share a fit have in common."""
        return replace(self, test=None)

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits: the hash of all that determines the result."""
        return digest({"protocol": ID_FORMAT, **self.to_dict()})  # the key's first name, so that ids stay

    def to_dict(self) -> dict[str, Any]:
        """Give the condition as JSON values, without what is not set."""
        plain: dict[str, Any] = _without_none(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Condition:
        """Undo `to_dict`."""
        budget = dict(plain["budget"])
        if "learners" in budget:
            budget["learners"] = tuple(budget["learners"])
        return cls(
            **{
                **plain,
                "train": Preprocessing(**plain["train"]),
                "test": Preprocessing(**plain["test"]) if "test" in plain else None,
                "budget": Budget(**budget),
            }
        )

    def __str__(self) -> str:
        tested = "" if self.test is None else f" (tested on {self.test})"
        return f"{self.dataset}, {self.train}{tested}, {self.model}, seed {self.seed}"


def digest(plain: Any) -> str:
    """Hash JSON values to sixteen hexadecimal digits, independent of the order of keys."""
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return value
