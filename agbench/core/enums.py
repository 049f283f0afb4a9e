"""Enumerations of words."""

from __future__ import annotations

from enum import Enum


class StrEnum(str, Enum):
    """An enumeration whose members are, and print as, their values: `enum.StrEnum`, which Python 3.10 lacks.

    Examples
    --------
    >>> class Size(StrEnum):
    ...     SMALL = "small"
    >>> f"{Size.SMALL}", Size.SMALL == "small"
    ('small', True)
    """

    def __str__(self) -> str:
        return str(self.value)
