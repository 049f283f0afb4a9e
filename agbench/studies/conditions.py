"""Conditions of studies on a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from agbench.core import codec
from agbench.core.condition import Budget, Condition
from agbench.core.errors import UserError
from agbench.models import registry, weights
from agbench.studies.study import Study, Treatment, at_levels

LARGEST_SEED = 2**32 - 1
"""Largest seed of NumPy and scikit-learn."""


def runnable(studies: Sequence[Study]) -> tuple[list[Study], str]:
    """Replace the paper's models by their offline ones if the model hub can't be reached.

    Parameters
    ----------
    studies : sequence of Study
        Studies as they are with the model hub.

    Returns
    -------
    tuple of (list of Study, str)
        Studies that can be run, and a sentence on what was replaced; empty if nothing was.

    Examples
    --------
    >>> from agbench.studies.study import STUDIES
    >>> studies, said = runnable([STUDIES["quick"]])
    >>> [one.models for one in studies] == [STUDIES["quick"].models]
    True
    """
    wanted = dict.fromkeys(model for study in studies if study.offline for model in study.models)
    if not wanted or weights.hub_answers():
        return list(studies), ""
    replacements = dict.fromkeys(model for study in studies for model in study.offline if model not in wanted)
    replaced = ", ".join(model for model in wanted if all(model not in study.offline for study in studies))
    message = f"the model hub doesn't answer: {', '.join(replacements)} in place of {replaced}"
    return [study.without_hub() for study in studies], message


def make_conditions(
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
    """Return the conditions of studies, each once, in the order in which they are run.

    Parameters
    ----------
    studies : iterable of Study
        Studies whose conditions are returned.
    dataset, fingerprint : str
        The data set's name and fingerprint.
    budget : Budget
        Settings of the models; a condition keeps those that its model reads.
    seeds : tuple of int
        Seeds, one condition each.
    models, levels, codecs : tuple, optional
        Instead of the studies' own; codecs are names in `agbench.core.codec.CODECS`. The original is the
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

    Examples
    --------
    >>> from agbench.studies.study import QUICK, STUDIES
    >>> quick, models = [STUDIES["quick"]], ("tabular:dct",)
    >>> grid = make_conditions(quick, "digits", "f", QUICK, models=models, levels=(1.0, 0.3))
    >>> [str(condition) for condition in grid]
    ['digits, original, tabular:dct, seed 0', 'digits, jpeg 0.3, tabular:dct, seed 0']
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
    """Return a model's name with its checkpoint's absolute path, and the checkpoint's hash, if it has one.

    Examples
    --------
    >>> located("automm:resnet18")
    ('automm:resnet18', None)
    """
    family, variant = registry.find_model(model)
    checkpoint = None if variant in family.variants else weights.local_digest(variant)
    if checkpoint is None:
        return model, None
    return f"{model.partition(':')[0]}:{Path(variant).resolve()}", checkpoint


def check_seeds(seeds: Iterable[int]) -> None:
    """Raise `UserError` unless all seeds are from 0 to `LARGEST_SEED`.

    Examples
    --------
    >>> check_seeds([-1])
    Traceback (most recent call last):
    agbench.core.errors.UserError: -1 is not a seed: use 0 to 4294967295
    """
    wrong = [seed for seed in seeds if not 0 <= seed <= LARGEST_SEED]
    if wrong:
        raise UserError(f"{wrong[0]} is not a seed: use 0 to {LARGEST_SEED}")


def _treatments(
    study: Study, levels: tuple[float, ...] | None, codecs: tuple[str, ...] | None
) -> tuple[Treatment, ...]:
    """Return a study's treatments with other levels or codecs, where these are given, each codec's together."""
    wanted = codecs or tuple(dict.fromkeys(one.codec for one in study.treatments))
    for name in wanted:
        codec.find_codec(name)
    if levels is not None:
        return at_levels(*levels, codecs=wanted)
    if codecs is None:
        return study.treatments
    return tuple(replace(one, codec=name) for name in wanted for one in study.treatments)
