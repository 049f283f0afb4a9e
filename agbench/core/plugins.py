"""What other packages add to agbench by entry points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from agbench.core.errors import UserError

T = TypeVar("T")

CODEC_PLUGINS = "agbench.codecs"
"""Group of the entry points that add codecs: each is a name and an `agbench.core.codec.Codec`."""

MODEL_PLUGINS = "agbench.models"
"""Group of the entry points that add models: each is a name and an `agbench.models.registry.Family`."""


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """Entries of other packages.

    Parameters
    ----------
    entries : dict of str to object
        Entries by name.
    broken : dict of str to str
        Why an entry can't be used, by name.
    """

    entries: dict[str, T]
    broken: dict[str, str]

    def beside(self, own: dict[str, T]) -> dict[str, T]:
        """Return agbench's own entries by name, and after them those of other packages with other names."""
        return own | {name: entry for name, entry in self.entries.items() if name not in own}

    def check(self, what: str, name: str) -> None:
        """Raise `UserError` if there is an entry of that name, but it can't be used.

        Parameters
        ----------
        what : str
            What the entry is, such as ``"codec"``.
        name : str
            Name of the entry.
        """
        if name in self.broken:
            raise UserError(f"the {what} {name} can't be used: {self.broken[name]}")


@cache
def load(group: str, kind: type[T]) -> Plugins[T]:
    """Load the entries of a group, once in a process.

    An entry that can't be loaded is kept apart, so that it stops only those who ask for it.

    Parameters
    ----------
    group : str
        Group of the entry points, such as ``"agbench.codecs"``.
    kind : type
        Type of an entry.

    Returns
    -------
    Plugins

    Examples
    --------
    >>> load("agbench.none", object).entries
    {}
    """
    entries: dict[str, T] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=group):
        name, _ = _package(point)
        try:
            entry = point.load()
        # Another package's code may raise anything.
        except Exception as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            broken[point.name] = f"{point.value} of the package {name} ends in {reason}"
            continue
        if isinstance(entry, kind):
            entries[point.name] = entry
        else:
            broken[point.name] = f"{point.value} of the package {name} is not an {kind.__module__}.{kind.__name__}"
    return Plugins(entries, broken)


def packages() -> dict[str, str]:
    """Return the versions of the packages that add codecs or models, by name; none of them is loaded.

    Examples
    --------
    >>> packages()
    {}
    """
    points = [point for group in (CODEC_PLUGINS, MODEL_PLUGINS) for point in entry_points(group=group)]
    return dict(sorted(map(_package, points)))


def _package(point: EntryPoint) -> tuple[str, str]:
    return ("unknown", "unknown") if point.dist is None else (point.dist.name, point.dist.version)
