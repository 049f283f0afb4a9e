"""A size to be reached, and the search for the quality that reaches it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ByteSize, TypeAdapter, ValidationError

from agbench.core.errors import UserError

_SHARE = re.compile(r"0?\.\d+|\d{1,2}(\.\d+)? ?%")
_HIGHEST = 99


@dataclass(frozen=True)
class Target:
    """How large the images may be in all.

    Parameters
    ----------
    text : str
        Target as it was given.
    amount : int
        In bytes; 0 where it is a share.
    share : float
        Of the source's bytes; 0 where it is an amount.
    """

    text: str
    amount: int = 0
    share: float = 0.0

    @classmethod
    def of(cls, text: str) -> Target:
        """Read a target.

        Parameters
        ----------
        text : str
            A share below 1 (``"0.3"``, ``"30%"``), or an amount (``"5GB"``, ``"1.5 MiB"``, ``"70000"``).

        Returns
        -------
        Target

        Raises
        ------
        UserError
            If it is neither.
        """
        text = text.strip()
        if _SHARE.fullmatch(text):
            share = float(text.rstrip(" %")) / (100 if text.endswith("%") else 1)
            if share > 0:
                return cls(text, share=share)
        elif re.match(r"\d", text) and (text.isdigit() or text[-1:].isalpha()):
            try:
                amount = int(TypeAdapter(ByteSize).validate_python(text))
            except (ValidationError, OverflowError, ValueError):
                amount = 0
            if amount > 0:
                return cls(text, amount=amount)
        raise UserError(f"{text!r} is not a size: use a share below 1, such as 0.3, or bytes, such as 5GB")

    def limit(self, before: int) -> int:
        """Return the target in bytes, for a source of `before` bytes."""
        return self.amount or int(self.share * before)


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Parameters
    ----------
    quality : int, optional
        The largest that is within the limit, of those measured; ``None`` where none is.
    measured : dict of int to int
        Bytes by quality.
    """

    quality: int | None
    measured: dict[int, int]

    @property
    def closest(self) -> tuple[int, int]:
        """The quality with the fewest bytes, and how many those are."""
        return min(self.measured.items(), key=lambda one: (one[1], -one[0]))


def search(limit: int, measure: Callable[[int], int]) -> SearchResult:
    """Find the largest quality whose measured size is within a limit, by bisection.

    Size need not grow with every step of quality. Whatever it does, the quality found was measured to be within
    the limit, and the next higher one not to be; where size never shrinks, none above it is.

    Parameters
    ----------
    limit : int
        In bytes.
    measure : callable
        Gives the bytes at a quality, 1 to 99.

    Returns
    -------
    SearchResult

    Examples
    --------
    >>> search(1000, lambda quality: 20 * quality)
    SearchResult(quality=50, measured={50: 1000, 75: 1500, 62: 1240, 56: 1120, 53: 1060, 51: 1020})
    """
    within, over = 0, _HIGHEST + 1
    measured = {}
    while over - within > 1:
        quality = (within + over) // 2
        measured[quality] = measure(quality)
        if measured[quality] <= limit:
            within = quality
        else:
            over = quality
    return SearchResult(within or None, measured)
