"""The studies: which conditions answer a question. A study is data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agbench.core.condition import JPEG, ORIGINAL_LEVEL, Budget, Condition, Preprocessing
from agbench.core.errors import UserError
from agbench.models import registry, weights
from agbench.preprocess import codec

AUTOGLUON = "automm"
"""The paper's own deep model: AutoGluon with its preset's backbone, from the model hub."""

OFFLINE = "automm:efficientnet_lite0"
"""What stands in for it where the hub can't be reached: its weights need no download."""

SIZES = tuple(f"automm:efficientnet_b{size}" for size in range(5))
"""The paper's family, from small to large (section II-B)."""

OFFLINE_SIZES = tuple(f"automm:efficientnet_lite{size}" for size in range(3))
"""What stands in for it."""

PROBE = "probe:efficientnet_lite0"
"""The middle ground between deep and tabular; the same with and without the hub."""

TABULAR = ("tabular:pixels", "tabular:dct", "tabular:pixels+dct")
PAPER_LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
PAPER_NOISE = 1.0
"""Variance of the noise (section III-A: a standard normal distribution)."""

LARGEST_SEED = 2**32 - 1
"""NumPy's and scikit-learn's."""

STANDARD = Budget(epochs=10, loaders=2)
"""The paper's ten epochs (sections II-B and II-C); all else is left to AutoGluon."""

QUICK = Budget(epochs=6, learning_rate=1e-3, batch_size=32, image_size=64, loaders=0, learners=("RF", "XT"))
"""Minutes on two cores. AutoGluon's own learning rate learns next to nothing on so few images and epochs."""


@dataclass(frozen=True)
class Treatment:
    """What the images of a condition go through.

    Parameters
    ----------
    level : float
        The paper's compression ratio.
    noise : float, optional
        Variance of the noise that is added first, to training and test images.
    test_level : float, optional
        Of the test images, where it is another.
    codec : str
        A name in `agbench.preprocess.codec.CODECS`: what writes the images below level 1.0, those for testing too.
    """

    level: float = ORIGINAL_LEVEL
    noise: float | None = None
    test_level: float | None = None
    codec: str = JPEG

    @property
    def train(self) -> Preprocessing:
        """Of training and validation images."""
        return Preprocessing.at(self.level, self.codec, self.noise)

    @property
    def test(self) -> Preprocessing | None:
        """Of test images, where it is another."""
        if self.test_level is None or self.test_level == self.level:
            return None
        return Preprocessing.at(self.test_level, self.codec, self.noise)


@dataclass(frozen=True)
class Study:
    """A grid of conditions: each model on images of each treatment.

    Parameters
    ----------
    summary : str
        The question it answers.
    models : tuple of str
        Names of models.
    treatments : tuple of Treatment
        What is done to the images.
    offline : tuple of str
        Models that stand in for `models` where the model hub can't be reached; by default there are none.
    """

    summary: str
    models: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    offline: tuple[str, ...] = ()

    def without_hub(self) -> Study:
        """Give the study that can be run without the model hub."""
        return replace(self, models=self.offline or self.models, offline=())


def at_levels(*levels: float, codecs: Iterable[str] = (JPEG,)) -> tuple[Treatment, ...]:
    """Give one treatment a level and codec, without noise."""
    return tuple(Treatment(level, codec=codec) for codec in codecs for level in levels)


def crossed(*levels: float) -> tuple[Treatment, ...]:
    """Give each level for training with each for testing."""
    return tuple(Treatment(train, test_level=test) for train in levels for test in levels)


NOISY = (Treatment(), Treatment(noise=PAPER_NOISE), Treatment(0.3, noise=PAPER_NOISE))

STUDIES = {
    "compression": Study(
        "accuracy over level (figure 2)", (AUTOGLUON, PROBE), at_levels(*PAPER_LEVELS), (OFFLINE, PROBE)
    ),
    "model-size": Study("compressing beside a larger model (table II)", SIZES, at_levels(1.0, 0.3), OFFLINE_SIZES),
    "storage": Study(
        "bytes saved, and accuracy kept, at level 0.3 (table III)", SIZES[:1], at_levels(1.0, 0.3), (OFFLINE,)
    ),
    "noise": Study("whether compressing rescues noisy images (table IV)", (AUTOGLUON,), NOISY, (OFFLINE,)),
    "convergence": Study("accuracy per epoch (figure 3)", (AUTOGLUON,), at_levels(*PAPER_LEVELS), (OFFLINE,)),
    "tabular": Study(
        "tabular models, and a probe, beside the deep one",
        (AUTOGLUON, PROBE, *TABULAR),
        at_levels(1.0, 0.3),
        (OFFLINE, PROBE, *TABULAR),
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

PAPER = ("compression", "model-size", "storage", "noise", "convergence", "tabular")
"""What ``--study paper`` stands for: all of the paper's."""


def runnable(studies: Sequence[Study]) -> tuple[list[Study], str]:
    """Take the models that stand in for the paper's where the model hub can't be reached.

    Parameters
    ----------
    studies : sequence of Study
        As they are with it.

    Returns
    -------
    tuple of (list of Study, str)
        As they can be run now, and what is to be said of it: nothing where they stay as they are.
    """
    wanted = dict.fromkeys(model for study in studies if study.offline for model in study.models)
    if not wanted or weights.hub_answers():
        return list(studies), ""
    instead = dict.fromkeys(model for study in studies for model in study.offline if model not in wanted)
    missed = ", ".join(model for model in wanted if all(model not in study.offline for study in studies))
    said = f"the model hub doesn't answer: {', '.join(instead)} in place of {missed}"
    return [study.without_hub() for study in studies], said


def conditions(
    studies: Iterable[Study],
    dataset: str,
    fingerprint: str,
    budget: Budget,
    seeds: tuple[int, ...] = (0,),
    models: tuple[str, ...] | None = None,
    levels: tuple[float, ...] | None = None,
    noise: float | None = None,
    codecs: tuple[str, ...] | None = None,
) -> list[Condition]:
    """Give the conditions of studies, each once, in the order in which they are run.

    Parameters
    ----------
    studies : iterable of Study
        Whose grids.
    dataset, fingerprint : str
        The data set's name and fingerprint.
    budget : Budget
        What each model may spend; of it, a condition keeps what its model reads.
    seeds : tuple of int
        One condition each.
    models, levels, codecs : tuple, optional
        Instead of the studies' own; codecs are names in `agbench.preprocess.codec.CODECS`. The original is the
        same with every codec, and so is run once.
    noise : float, optional
        Variance of the noise that all images get first, instead of the studies' own.

    Returns
    -------
    list of Condition

    Raises
    ------
    UserError
        If a model, level or codec doesn't exist, a codec can't be used here, a seed is out of range, or levels
        would replace noise or a test level.
    """
    check_seeds(seeds)
    found: dict[str, Condition] = {}
    for study in studies:
        if levels is not None and any(one != Treatment(one.level, codec=one.codec) for one in study.treatments):
            raise UserError(
                f"--levels gives levels alone, but the study of {study.summary} has noise or other levels for "
                "testing: leave it out, or name another study"
            )
        treatments = _treatments(study, levels, codecs)
        for model in models or study.models:
            family, _ = registry.find_model(model)
            model, checkpoint = located(model)
            for treatment in treatments:
                images = treatment if noise is None else replace(treatment, noise=noise)
                for seed in seeds:
                    condition = Condition(
                        dataset=dataset,
                        fingerprint=fingerprint,
                        train=images.train,
                        test=images.test,
                        model=model,
                        budget=budget.only(family.reads),
                        seed=seed,
                        weights=checkpoint,
                    )
                    found.setdefault(condition.id, condition)
    return list(found.values())


def located(model: str) -> tuple[str, str | None]:
    """Give a model's name with its local checkpoint's absolute path, and that one's hash; ``None`` without one."""
    family, variant = registry.find_model(model)
    checkpoint = None if variant in family.variants else weights.local_digest(variant)
    if checkpoint is None:
        return model, None
    return f"{model.partition(':')[0]}:{Path(variant).resolve()}", checkpoint


def check_seeds(seeds: Iterable[int]) -> None:
    """Raise `UserError` unless all are seeds that every library takes."""
    wrong = [seed for seed in seeds if not 0 <= seed <= LARGEST_SEED]
    if wrong:
        raise UserError(f"{wrong[0]} is not a seed: use 0 to {LARGEST_SEED}")


def _treatments(
    study: Study, levels: tuple[float, ...] | None, codecs: tuple[str, ...] | None
) -> tuple[Treatment, ...]:
    """Give a study's treatments with other levels or codecs, where these are given, each codec's together."""
    wanted = codecs or tuple(dict.fromkeys(one.codec for one in study.treatments))
    for name in wanted:
        codec.find_codec(name)
    if levels is not None:
        return at_levels(*levels, codecs=wanted)
    if codecs is None:
        return study.treatments
    return tuple(replace(one, codec=name) for name in wanted for one in study.treatments)
