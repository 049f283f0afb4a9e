"""Value objects that identify a trial: Preprocessing, Budget, Condition."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from typing import Any

from agbench.core.arguments import as_float, checked, texts
from agbench.core.errors import UserError

ID_FORMAT = 1
"""Raise this when a part of a condition changes its meaning: ids are then others."""

PROTOCOL = 4
"""Raise this when a change to the code changes results: it counts as a version, and older results are run again.

2: TabularPredictor no longer leaves out classes with fewer than ten training images.
3: deviations of coefficients are computed from exact sums: constant channels have exactly none.
4: grouped convolutions compute in ``channels_last``; a probe's folds are fitted on all images of the other folds;
   augmentations are drawn from the seed, the epoch and the image; learners of TabularPredictor use a trial's GPU.
"""

ORIGINAL_LEVEL = 1.0

PAPER_LEVEL = 0.3
"""Level of the paper's claims and tables (abstract; tables I to IV)."""

JPEG = "jpeg"
"""The paper's codec: what a level means where none is named, and what its claims are about."""


@dataclass(frozen=True)
class Preprocessing:
    """What is done to the pixels before a model sees them: optional noise, then an optional codec.

    Neither of the two is the *original*: the file's own bytes, never re-encoded.

    Parameters
    ----------
    codec : str, optional
        A name in `agbench.core.codec.CODECS`.
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
        """Return the preprocessing at one of the paper's compression ratios.

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
        quality = round(100 * level) if 0 < level < 2 else 0
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


def _setting(
    help_text: str, *, least: float | None = None, above: float | None = None, metavar: str | None = None
) -> Any:
    """Return the field of a budget's setting, from which its check and its command line option are derived.

    Parameters
    ----------
    help_text : str
        Help of the option.
    least, above : float, optional
        Smallest value, or the value that it must exceed.
    metavar : str, optional
        Placeholder of the value in the help.
    """
    return field(default=None, metadata={"help": help_text, "least": least, "above": above, "metavar": metavar})


NO_LONGER = ("loaders",)
"""Settings that results of older protocols have, and that change no result today."""


@dataclass(frozen=True)
class Budget:
    """Settings of a model; ``None`` leaves a setting to AutoGluon.

    A new setting is one field here: its option of ``agbench run`` is derived.

    Parameters
    ----------
    epochs : int, optional
        Epochs of fine-tuning, exactly, never fewer (``optim.max_epochs``).
    learning_rate : float, optional
        Learning rate of fine-tuning (``optim.lr``).
    batch_size : int, optional
        Number of images per optimiser step (``env.batch_size``).
    image_size : int, optional
        Side in pixels that images are scaled and cropped to (``model.timm_image.image_size``).
    preset : str, optional
        AutoGluon's preset, such as ``"medium_quality"``.
    learners : tuple of str, optional
        Model families that TabularPredictor trains, by its own keys (``"GBM"``, ``"XGB"``, ...).
    time_limit : float, optional
        Seconds for fitting, for the networks of all folds together. Fine-tuning that can't end its epochs within
        it is a failed trial; TabularPredictor trains what it can.
    folds : int, optional
        Number of folds: every image is predicted by a model that was fitted without its fold, instead of the test
        images by one that was fitted on the training images. A network is trained for each fold, validated on the
        next one. Folds are drawn from the seed, the same at every level.

    Raises
    ------
    UserError
        If a value is of another type or out of range.

    Examples
    --------
    >>> str(Budget(epochs=3, learners=["RF", "XT"]))
    'epochs 3, learners RF+XT'
    """

    epochs: int | None = _setting("Epochs of fine-tuning, exactly.", least=1)
    learning_rate: float | None = _setting("Of fine-tuning.", above=0)
    batch_size: int | None = _setting("Images an optimiser step.", least=1)
    image_size: int | None = _setting("Side in pixels that the deep model sees.", least=32)
    preset: str | None = _setting("AutoGluon's, such as medium_quality or best_quality.", metavar="NAME")
    learners: tuple[str, ...] | None = _setting("TabularPredictor's.", metavar="GBM,CAT,XGB")
    time_limit: float | None = _setting("Seconds for fitting.", above=0, metavar="S")
    folds: int | None = _setting("Predict every image, out of fold: a training each.", least=2)

    def __post_init__(self) -> None:
        for one in fields(self):
            if (value := getattr(self, one.name)) is not None:
                object.__setattr__(self, one.name, _checked_setting(one.name, value, str(one.type), one.metadata))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Budget:
        """Return a budget from stored settings, also from values that are refused today, without `NO_LONGER`.

        Older releases checked no values in Python. One result of theirs must not make its store unreadable.

        Parameters
        ----------
        plain : mapping of str to object
            Settings by name, as `settings` returns them or JSON holds them.

        Examples
        --------
        >>> str(Budget.from_dict({"image_size": 16, "learners": ["RF"]}))
        'image size 16, learners RF'
        """
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in plain.items()
            if name not in NO_LONGER
        }
        try:
            return cls(**settings)
        except UserError:
            budget = cls()
            for name, value in settings.items():
                object.__setattr__(budget, name, value)
            return budget

    def over(self, base: Budget) -> Budget:
        """Return another budget with the settings of this one in the place of its own, where they are set.

        Examples
        --------
        >>> Budget(epochs=3).over(Budget(epochs=10, batch_size=32))
        Budget(epochs=3, learning_rate=None, batch_size=32, ...)
        """
        return replace(base, **self.settings())

    def only(self, names: tuple[str, ...]) -> Budget:
        """Return the budget without the settings that a model doesn't read, to be compared."""
        return replace(self, **{field.name: None for field in fields(self) if field.name not in names})

    def settings(self) -> dict[str, Any]:
        """Return the settings that are set, by name."""
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
        Preprocessing of training and validation images.
    model : str
        family:variant, such as ``"automm:efficientnet_lite0"``.
    budget : Budget
        Settings of the model.
    seed : int
        Seed of the training, and of the noise.
    test : Preprocessing, optional
        Preprocessing of test images; by default that of training.
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
        """Return the condition as JSON values, without what is not set."""
        plain: dict[str, Any] = _without_none(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Condition:
        """Undo `to_dict`."""
        return cls(
            **{
                **plain,
                "train": Preprocessing(**plain["train"]),
                "test": Preprocessing(**plain["test"]) if "test" in plain else None,
                "budget": Budget.from_dict(plain["budget"]),
            }
        )

    def __str__(self) -> str:
        tested = "" if self.test is None else f" (tested on {self.test})"
        return f"{self.dataset}, {self.train}{tested}, {self.model}, seed {self.seed}"


def _checked_setting(name: str, value: Any, kind: str, limits: Mapping[str, Any]) -> Any:
    """Return a setting's value as its type, or raise `UserError`."""
    if kind.startswith("tuple"):
        chosen = texts(name, value)
        return chosen if isinstance(value, str) else tuple(value)
    if kind.startswith("str"):
        return checked(name, value, str, "a text")
    number = Integral if kind.startswith("int") else Real
    checked(name, value, number, "a whole number" if number is Integral else "a number")
    value = int(value) if number is Integral else as_float(value)
    if not math.isfinite(as_float(value)):
        raise UserError(f"{as_float(value)} is not a value for {name}: use a finite number")
    if limits["least"] is not None and value < limits["least"]:
        raise UserError(f"{value} is not a value for {name}: use {limits['least']} or more")
    if limits["above"] is not None and value <= limits["above"]:
        raise UserError(f"{value:g} is not a value for {name}: use more than {limits['above']}")
    return value


def digest(plain: Any) -> str:
    """Hash JSON values to sixteen hexadecimal digits, independent of the order of keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    >>> digest("dtd")
    'a7d6667d9ea01420'
    """
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return value
