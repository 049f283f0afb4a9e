"""What preparing a data set tells while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """How far one step of preparing is.

    Parameters
    ----------
    what : str
        The step, such as ``"checking images"``.
    done : int
        How much of it is done.
    total : int, optional
        How much there is; ``None`` where nobody knows.
    unit : str
        Of both: ``"bytes"`` or ``"images"``.
    """

    what: str
    done: int
    total: int | None
    unit: Literal["bytes", "images"]


OnProgress = Callable[[Step], None]
"""Told of every step as it goes on."""


def no_progress(step: Step) -> None:
    """Ignore a step."""
