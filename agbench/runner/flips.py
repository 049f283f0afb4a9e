"""Images that flip: what a report shows of a level beside the original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from agbench.core.condition import Condition, Preprocessing
from agbench.core.errors import NotStoredError
from agbench.data.dataset import Dataset
from agbench.preprocess import variant
from agbench.preprocess.variant import Variant
from agbench.preprocess.writing import VariantRecipe
from agbench.runner import staging
from agbench.runner.examples import LARGEST_EXAMPLE
from agbench.store.record import FLIP_COLUMNS, FLIPS, Record, latest
from agbench.store.store import Store

MOST_LOST, MOST_GAINED, MOST_KEPT = 6, 2, 1
"""Images that are kept of those that become wrong, of those that become right, and of those that stay right."""


def keep_flips(conditions: Sequence[Condition], dataset: Dataset, store: Store) -> None:
    """Keep, with each finished trial at a level, images that it and the original's trial predict differently.

    Trials that have theirs are left as they are; so are those without a trial on the original of the same model,
    budget and seed, those whose files are damaged or whose images are no longer there, and what the store refuses:
    a report then shows no such images.

    Parameters
    ----------
    conditions : sequence of Condition
        Conditions of the trials.
    dataset : Dataset
        Their data set.
    store : Store
        Where the trials are.
    """
    records = latest(store.records(dataset.name))
    find = cache(partial(_find, dataset))  # the original's is that of all its levels
    for condition in conditions:
        ours = records.get(condition.id)
        base = records.get(replace(condition, train=Preprocessing()).id)
        is_level = condition.test is None and condition.train.noise is None and not condition.train.is_original
        if not is_level or ours is None or base is None or (ours.folder / FLIPS).exists():
            continue
        if not ours.damage() and not base.damage():
            variants = [find(VariantRecipe.of(one.train, one.seed)) for one in (base.condition, condition)]
            if None not in variants:
                with suppress(NotStoredError, OSError):
                    table = _flips(base, ours, [one for one in variants if one is not None])
                    store.keep_flips(ours.run_id, table)


def _find(dataset: Dataset, recipe: VariantRecipe) -> Variant | None:
    return variant.find(dataset.index, dataset.fingerprint, recipe, staging.variants_of(dataset))


def _flips(base: Record, ours: Record, variants: Sequence[Variant]) -> pd.DataFrame:
    """Return the chosen images with both of their files, in the columns `FLIP_COLUMNS`."""
    ids, labels, before = base.outcomes()
    _, _, after = ours.outcomes()
    table = pd.DataFrame({"image_id": ids, "label": labels, "base": before, "ours": after})
    table = table.loc[[*_chosen(table)]]
    rows = []
    for row in table.to_numpy().tolist():
        found = [one.index.loc[row[0]] for one in variants]
        files = [Path(one["image"]).read_bytes() for one in found]
        if max(map(len, files)) <= LARGEST_EXAMPLE:
            rows.append((*row, *(int(one["bytes"]) for one in found), *files))
    return pd.DataFrame(rows, columns=[*FLIP_COLUMNS])


def _chosen(table: pd.DataFrame) -> Iterator[int]:
    """Yield the places of a few images that flip, of different classes first, and of one that stays right."""
    before, after = (table[name] == table["label"] for name in ("base", "ours"))
    for most, which in (
        (MOST_LOST, before & ~after),
        (MOST_GAINED, ~before & after),
        (MOST_KEPT, before & after),
    ):
        own = table[which]
        turn = own.groupby("label").cumcount()
        yield from own.index[np.lexsort((own["image_id"], turn))][:most]
