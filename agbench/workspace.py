"""Where a user's data sets, results and reports are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """A folder with all that agbench keeps.

    Parameters
    ----------
    folder : Path
        The workspace.
    """

    folder: Path

    @property
    def datasets(self) -> Path:
        """Cards, and the data beside them."""
        return self.folder / "datasets"

    @property
    def results(self) -> Path:
        """The store."""
        return self.folder / "results"

    @property
    def reports(self) -> Path:
        """Generated reports."""
        return self.folder / "reports"
