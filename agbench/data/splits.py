"""The split: 60 % training, 20 % test, 20 % validation, the same for every level, model and noise."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from agbench.core.errors import UserError

TRAIN, TEST, VALIDATION = "train", "test", "validation"
SPLIT_SEED = 0


class SmallClassesError(UserError):
    """Classes that can't be in all three parts.

    Parameters
    ----------
    counts : dict of str to int
        Different images of each, or groups of them.
    classes : int
        How many classes there are in all.
    what : str
        What was counted: ``"different images"``, or ``"groups of images"``.
    """

    def __init__(self, counts: dict[str, int], classes: int, what: str = "different images") -> None:
        self.counts = counts
        names = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:5])
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        super().__init__(
            f"too few {what} for train, test and validation in {len(counts)} of {classes} classes "
            f"({names}{more}): each needs at least 4, or --drop-small-classes leaves them out"
        )


def split(
    labels: pd.Series, groups: pd.Series, seed: int = SPLIT_SEED, what: str = "different images"
) -> pd.Series:
    """Assign every image to a part, stratified by label.

    Each class is shuffled and cut at ``round(0.6 n)`` and ``round(0.8 n)``, in the order train, test,
    validation: on SUN397's class counts that gives the paper's Table I exactly. Images of a group then all join
    the part of the first of them, so that no relative of a test image was seen in training.

    Parameters
    ----------
    labels : Series of str
        By image, in the data set's stable order.
    groups : Series of str
        Group by image, aligned with `labels`; by its content where each image is one.
    seed : int
        Seed of the shuffle.
    what : str
        As in `SmallClassesError`.

    Returns
    -------
    Series of str
        ``"train"``, ``"test"`` or ``"validation"``, aligned with `labels`.

    Raises
    ------
    SmallClassesError
        If a class is too small to be in all three parts.
    UserError
        If there are fewer than two classes.

    Examples
    --------
    >>> labels, groups = pd.Series(["cat", "dog"] * 50), pd.Series(map(str, range(100)))
    >>> sorted(split(labels, groups).value_counts().to_dict().items())
    [('test', 20), ('train', 60), ('validation', 20)]
    """
    if labels.nunique() < 2:
        raise UserError(f"classification needs two classes or more, found {labels.nunique()}")
    generator = np.random.default_rng(seed)
    placed: dict[str, str] = {}
    for _, of_class in groups.groupby(labels, sort=True):
        _place(generator.permutation(of_class.to_numpy()), placed)
    parts = groups.map(placed)
    presence = pd.crosstab(labels, parts).reindex(columns=[TRAIN, TEST, VALIDATION], fill_value=0)
    small = presence.index[(presence == 0).any(axis=1)]
    if len(small):
        different = groups.groupby(labels).nunique()
        raise SmallClassesError({str(name): int(different[name]) for name in small}, len(presence), what)
    return parts


def folds(labels: pd.Series, groups: pd.Series, count: int, seed: int) -> pd.Series:
    """Assign every image to a fold, stratified by label; images of a group share one.

    Parameters
    ----------
    labels, groups : Series of str
        As in `split`.
    count : int
        Of folds, 2 or more.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    Series of int
        0 to ``count - 1``, aligned with `labels`.

    Raises
    ------
    UserError
        If a class has images of fewer groups than there are folds.

    Examples
    --------
    >>> labels, groups = pd.Series(["cat", "dog"] * 50), pd.Series(map(str, range(100)))
    >>> folds(labels, groups, 5, seed=0).value_counts().tolist()
    [20, 20, 20, 20, 20]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    different = groups.groupby(labels).nunique()
    small = different.index[different < count]
    if len(small):
        raise UserError(
            f"too few different images, or groups of them, for {count} folds in {len(small)} of {len(different)} "
            f"classes ({small[0]!r} has {different[small[0]]}): ask for fewer folds"
        )
    found = pd.Series(0, index=labels.index)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for fold, (_, places) in enumerate(splitter.split(labels, labels, groups)):
        found.iloc[places] = fold
    return found


def _place(shuffled: np.ndarray, placed: dict[str, str]) -> None:
    """Place the groups of one class, the first part first, as far as its share of the class goes."""
    first, second = round(0.6 * len(shuffled)), round(0.8 * len(shuffled))
    room = {TRAIN: first, TEST: second - first, VALIDATION: len(shuffled) - second}
    sizes = Counter(shuffled)
    for group in sizes.keys() & placed.keys():
        room[placed[group]] -= sizes[group]
    for group in dict.fromkeys(shuffled):
        if group not in placed:
            fitting = [part for part, left in room.items() if left >= sizes[group]]
            placed[group] = fitting[0] if fitting else max(room, key=lambda part: room[part])
            room[placed[group]] -= sizes[group]
