"""Arguments of the public functions: checked, and one value taken as a sequence of one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from agbench.core.errors import UserError

T = TypeVar("T")


def texts(name: str, value: object) -> tuple[str, ...] | None:
    """Return one text, or several, as a tuple without duplicates.

    Parameters
    ----------
    name : str
        The argument's name, for messages.
    value : str, iterable of str, or None
        What was given.

    Returns
    -------
    tuple of str, or None
        ``None`` where nothing was given.

    Raises
    ------
    UserError
        If it is something else, or empty.

    Examples
    --------
    >>> texts("codecs", "jpeg")
    ('jpeg',)
    >>> texts("codecs", ["jpeg", "webp", "jpeg"])
    ('jpeg', 'webp')
    """
    return _several(name, value, lambda one: isinstance(one, str) and bool(one), str, "a name or a list of names")


def numbers(name: str, value: object) -> tuple[float, ...] | None:
    """Return one number, or several, as a tuple without duplicates.

    Parameters and errors are those of `texts`.

    Examples
    --------
    >>> numbers("levels", 0.3)
    (0.3,)
    """
    return _several(
        name,
        value,
        lambda one: isinstance(one, Real) and not isinstance(one, bool),
        as_float,
        "a number or a list of numbers",
    )


def as_float(number: Any) -> float:
    """Return a number as a float, an infinite one where it is too large for that.

    Examples
    --------
    >>> as_float(1), as_float(10**400)
    (1.0, inf)
    """
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def integers(name: str, value: object) -> tuple[int, ...] | None:
    """Return one whole number, or several, as a tuple without duplicates.

    Parameters and errors are those of `texts`.

    Examples
    --------
    >>> integers("seeds", range(3))
    (0, 1, 2)
    """
    return _several(
        name,
        value,
        lambda one: isinstance(one, Integral) and not isinstance(one, bool),
        int,
        "a whole number or a list of them",
    )


def checked(name: str, value: T, kind: type | tuple[type, ...], noun: str) -> T:
    """Return a value, or raise where it is not of its kind.

    Parameters
    ----------
    name : str
        The argument's name, for messages.
    value : object
        What was given.
    kind : type or tuple of type
        What it may be an instance of; ``bool`` counts as a number only where it is named.
    noun : str
        What it should be, in words.

    Raises
    ------
    UserError
        If it is something else.

    Examples
    --------
    >>> checked("margin", 0.01, (int, float), "a number")
    0.01
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UserError(f"{name} should be {noun}, got {value!r}")
    return value


def is_path(value: object) -> bool:
    """Return whether a value is a path: a non-empty text, or a ``Path``.

    Examples
    --------
    >>> is_path("photos"), is_path(b"photos"), is_path("")
    (True, False, False)
    """
    return isinstance(value, (str, PathLike)) and bool(str(value))


def as_path(name: str, value: object) -> Path:
    """Return a path, or raise `UserError` where it is none.

    Examples
    --------
    >>> as_path("out", "photos").name
    'photos'
    """
    if not is_path(value):
        raise UserError(f"{name} should be a path, got {value!r}")
    return Path(str(value))


def filled(name: str, value: object) -> str:
    """Return a text that is not empty, or raise `UserError` where it is none.

    Examples
    --------
    >>> filled("codec", "jpeg")
    'jpeg'
    """
    if not isinstance(value, str) or not value:
        raise UserError(f"{name} should be a text that is not empty, got {value!r}")
    return value


def _several(name: str, value: Any, is_one: Any, convert: Any, noun: str) -> tuple[Any, ...] | None:
    if value is None:
        return None
    values = [value]
    if not is_one(value):
        if isinstance(value, (str, bytes, Mapping, Set)) or not isinstance(value, Iterable):
            raise UserError(f"{name} should be {noun}, got {value!r}")
        values = list(value)
    wrong = [one for one in values if not is_one(one)]
    if wrong:
        raise UserError(f"{name} should be {noun}, got {wrong[0]!r} in it")
    if not values:
        raise UserError(f"{name} is empty: give at least one, or leave it out")
    return tuple(dict.fromkeys(map(convert, values)))
