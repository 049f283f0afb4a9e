"""Studies: grids of conditions, one entry each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from agbench.core.condition import JPEG, ORIGINAL_LEVEL, PAPER_LEVEL, Budget, Preprocessing

AUTOGLUON = "automm"
"""The paper's own deep model: AutoGluon with its preset's backbone, from the model hub."""

OFFLINE = "automm:efficientnet_lite0"
"""Replacement of `AUTOGLUON` where the hub can't be reached: its weights need no download."""

SIZES = tuple(f"automm:efficientnet_b{size}" for size in range(5))
"""The paper's family, from small to large (section II-B)."""

OFFLINE_SIZES = tuple(f"automm:efficientnet_lite{size}" for size in range(3))
"""Replacements of `SIZES` where the hub can't be reached."""

PROBE = "probe:efficientnet_lite0"
"""Linear model on frozen embeddings, between deep and tabular; the same with and without the hub."""

TABULAR = ("tabular:pixels", "tabular:dct", "tabular:pixels+dct")
PAPER_LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
PAPER_NOISE = 1.0
"""Variance of the noise (section III-A: a standard normal distribution)."""

STANDARD = Budget(epochs=10)
"""The paper's ten epochs (sections II-B and II-C); other settings are AutoGluon's defaults."""

QUICK = Budget(epochs=6, learning_rate=1e-3, batch_size=32, image_size=64, learners=("RF", "XT"))
"""A budget of minutes on two cores. AutoGluon's own learning rate is too low for so few images and epochs."""


@dataclass(frozen=True)
class Treatment:
    """Preprocessing of a condition's training and test images.

    Parameters
    ----------
    level : float
        The paper's compression ratio.
    noise : float, optional
        Variance of the noise that is added first, to training and test images.
    test_level : float, optional
        Level of the test images, if it differs.
    codec : str
        Codec of all images below level 1.0, test images included; a name in `agbench.core.codec.CODECS`.
    """

    level: float = ORIGINAL_LEVEL
    noise: float | None = None
    test_level: float | None = None
    codec: str = JPEG

    @property
    def train(self) -> Preprocessing:
        """Preprocessing of training and validation images."""
        return Preprocessing.at(self.level, self.codec, self.noise)

    @property
    def test(self) -> Preprocessing | None:
        """Preprocessing of test images, if it differs."""
        if self.test_level is None or self.test_level == self.level:
            return None
        return Preprocessing.at(self.test_level, self.codec, self.noise)


@dataclass(frozen=True)
class Study:
    """A grid of conditions: each model on images of each treatment.

    Parameters
    ----------
    summary : str
        Question that it answers, for lists.
    models : tuple of str
        Names of models.
    treatments : tuple of Treatment
        Preprocessings of the images, one condition each.
    offline : tuple of str
        Replacements of `models` where the model hub can't be reached; empty if none are needed.
    of_paper : bool
        Whether it is one of the paper's.
    section : str
        Heading of a section in reports with a table of the study's conditions; empty where it has none, or the
        report's template has a section that is written for it.
    """

    summary: str
    models: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    offline: tuple[str, ...] = ()
    of_paper: bool = False
    section: str = ""

    @property
    def all_models(self) -> frozenset[str]:
        """Its models with the model hub and without it."""
        return frozenset({*self.models, *self.offline})

    def without_hub(self) -> Study:
        """Return the study that can be run without the model hub."""
        return replace(self, models=self.offline or self.models, offline=())


def at_levels(*levels: float, codecs: Iterable[str] = (JPEG,)) -> tuple[Treatment, ...]:
    """Return one treatment per level and codec, without noise.

    Examples
    --------
    >>> [str(treatment.train) for treatment in at_levels(1.0, 0.3, codecs=("jpeg", "webp"))]
    ['original', 'jpeg 0.3', 'original', 'webp 0.3']
    """
    return tuple(Treatment(level, codec=codec) for codec in codecs for level in levels)


def crossed(*levels: float) -> tuple[Treatment, ...]:
    """Return each level for training with each level for testing.

    Examples
    --------
    >>> [(treatment.level, treatment.test_level) for treatment in crossed(1.0, 0.3)]
    [(1.0, 1.0), (1.0, 0.3), (0.3, 1.0), (0.3, 0.3)]
    """
    return tuple(Treatment(train, test_level=test) for train in levels for test in levels)


NOISY = (Treatment(), Treatment(noise=PAPER_NOISE), Treatment(PAPER_LEVEL, noise=PAPER_NOISE))

STUDIES = {
    "compression": Study(
        "accuracy over level (figure 2)",
        (AUTOGLUON, PROBE),
        at_levels(*PAPER_LEVELS),
        (OFFLINE, PROBE),
        of_paper=True,
    ),
    "model-size": Study(
        "compressing beside a larger model (table II)",
        SIZES,
        at_levels(ORIGINAL_LEVEL, PAPER_LEVEL),
        OFFLINE_SIZES,
        of_paper=True,
    ),
    "storage": Study(
        f"bytes saved, and accuracy kept, at level {PAPER_LEVEL:g} (table III)",
        SIZES[:1],
        at_levels(ORIGINAL_LEVEL, PAPER_LEVEL),
        (OFFLINE,),
        of_paper=True,
    ),
    "noise": Study(
        "whether compressing rescues noisy images (table IV)", (AUTOGLUON,), NOISY, (OFFLINE,), of_paper=True
    ),
    "convergence": Study(
        "accuracy per epoch (figure 3)", (AUTOGLUON,), at_levels(*PAPER_LEVELS), (OFFLINE,), of_paper=True
    ),
    "tabular": Study(
        "tabular models, and a probe, beside the deep one",
        (AUTOGLUON, PROBE, *TABULAR),
        at_levels(ORIGINAL_LEVEL, PAPER_LEVEL),
        (OFFLINE, PROBE, *TABULAR),
        of_paper=True,
    ),
    "transfer": Study(
        "training at one level, testing at another", (AUTOGLUON,), crossed(1.0, 0.5, 0.3, 0.1), (OFFLINE,)
    ),
    "quick": Study(
        "several of these on a small grid",
        (OFFLINE, PROBE, "tabular:pixels", "tabular:dct"),
        at_levels(1.0, 0.5, 0.3, 0.1),
    ),
}
"""All studies; a new one is one entry here."""

PAPER = tuple(name for name, one in STUDIES.items() if one.of_paper)
"""Names of the studies that ``--study paper`` stands for: all of the paper's."""


def study_names() -> list[str]:
    """Return the names that a study can be asked for by, beside the path of a YAML file.

    Examples
    --------
    >>> study_names()[0]
    'compression'
    """
    names = [*STUDIES]
    return [*names[:-1], "paper", names[-1]]


def sections() -> list[str]:
    """Return the names of the studies with a section of their own in reports that no template is written for.

    Examples
    --------
    >>> sections()
    []
    """
    return [name for name, one in STUDIES.items() if one.section]
