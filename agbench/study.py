"""The studies: which conditions answer a question. A study is data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agbench.condition import Budget, Condition, Preprocessing
from agbench.errors import UserError
from agbench.models import registry, weights

DEEP = "automm:efficientnet_lite0"
"""The default deep model: its weights need no download."""

TABULAR = ("tabular:pixels", "tabular:dct", "tabular:pixels+dct")
PAPER_LEVELS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)

LARGEST_SEED = 2**32 - 1
"""NumPy's and scikit-learn's."""

STANDARD = Budget(epochs=10, loaders=2)
"""The paper's ten epochs (sections II-B and II-C); all else is left to AutoGluon."""

QUICK = Budget(epochs=6, learning_rate=1e-3, batch_size=32, image_size=64, loaders=0, learners=("RF", "XT"))
"""Minutes on two cores. AutoGluon's own learning rate learns next to nothing on so few images and epochs."""


@dataclass(frozen=True)
class Study:
    """A grid of conditions.

    Parameters
    ----------
    summary : str
        The question it answers.
    models : tuple of str
        Names of models.
    levels : tuple of float
        The paper's compression ratios.
    """

    summary: str
    models: tuple[str, ...]
    levels: tuple[float, ...]


STUDIES = {
    "compression": Study("accuracy over level (figure 2)", (DEEP,), PAPER_LEVELS),
    "storage": Study("bytes saved, and accuracy kept, at level 0.3 (table III)", (DEEP,), (1.0, 0.3)),
    "tabular": Study("tabular models beside the deep one", (DEEP, *TABULAR), (1.0, 0.3)),
    "quick": Study("all of these on a small grid", (DEEP, "tabular:pixels", "tabular:dct"), (1.0, 0.5, 0.3, 0.1)),
}


def conditions(
    studies: Iterable[Study],
    dataset: str,
    fingerprint: str,
    budget: Budget,
    seeds: tuple[int, ...] = (0,),
    models: tuple[str, ...] | None = None,
    levels: tuple[float, ...] | None = None,
    noise: float | None = None,
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
    models, levels : tuple, optional
        Instead of the studies' own.
    noise : float, optional
        Variance of the noise that all images get first.

    Returns
    -------
    list of Condition

    Raises
    ------
    UserError
        If a model or level doesn't exist, or a seed is out of range.
    """
    wrong = [seed for seed in seeds if not 0 <= seed <= LARGEST_SEED]
    if wrong:
        raise UserError(f"{wrong[0]} is not a seed: use 0 to {LARGEST_SEED}")
    found: dict[str, Condition] = {}
    for study in studies:
        for model in models or study.models:
            family, variant = registry.find(model)
            checkpoint = None if variant in family.variants else weights.local_digest(variant)
            if checkpoint is not None:
                model = f"{model.partition(':')[0]}:{Path(variant).resolve()}"
            for level in levels or study.levels:
                for seed in seeds:
                    condition = Condition(
                        dataset=dataset,
                        fingerprint=fingerprint,
                        train=Preprocessing.at(level, noise=noise),
                        model=model,
                        budget=budget.only(family.reads),
                        seed=seed,
                        weights=checkpoint,
                    )
                    found.setdefault(condition.id, condition)
    return list(found.values())
