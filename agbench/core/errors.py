"""Errors that a user can mend, and messages for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class UserError(Exception):
    """Something the user can mend: shown as one or two lines, without a traceback.

    The message says what is wrong, with which value, and what would be right.
    """


class NotStoredError(UserError):
    """A result can't be stored now, as on a full disk; the message says why. The same can be tried again."""


class UnreadableImageError(Exception):
    """The image can't be read whole, or can't be shown faithfully; the message says why."""


def in_a_line(error: BaseException) -> str:
    r"""Return what the system or a library says, in a line: of the system with the file, where it names one.

    Examples
    --------
    >>> in_a_line(OSError(28, "No space left on device", "a.jpg"))
    'a.jpg: No space left on device'
    >>> in_a_line(ValueError("first\nsecond"))
    'first'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that isn't there, with the nearest one that is.

    Parameters
    ----------
    kind : str
        What the name should have named, such as ``"data set"``.
    name : str
        Name that was asked for.
    known : iterable of str
        The names that would be right.

    Returns
    -------
    UserError
        To be raised by the caller.

    Examples
    --------
    >>> unknown("codec", "jpg", ["jpeg", "webp"])
    UserError("no codec called 'jpg': did you mean 'jpeg'? known: jpeg, webp")
    """
    known = sorted(" ".join(one.split()) for one in known)
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return UserError(f"no {kind} called {name!r}: {hint}known: {', '.join(known)}")


def look_up(kind: str, name: str, entries: Mapping[str, T]) -> T:
    """Return the entry of a name.

    Parameters
    ----------
    kind : str
        What the entries are, such as ``"codec"``.
    name : str
        Name that is asked for.
    entries : mapping of str to object
        Entries by name.

    Returns
    -------
    object
        The entry.

    Raises
    ------
    UserError
        If there is none of that name.

    Examples
    --------
    >>> look_up("codec", "jpeg", {"jpeg": 1, "webp": 2})
    1
    >>> look_up("codec", "jpg", {"jpeg": 1, "webp": 2})
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: no codec called 'jpg': did you mean 'jpeg'? known: jpeg, webp
    """
    if name not in entries:
        raise unknown(kind, name, entries)
    return entries[name]
