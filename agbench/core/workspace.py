"""Where a user's data sets, results and reports are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from agbench.core import files
from agbench.core.errors import UserError

VARIABLE = "AGBENCH_WORKSPACE"
"""Environment variable that names the workspace where nothing else does."""


@dataclass(frozen=True)
class Workspace:
    """A folder with all that agbench keeps.

    Parameters
    ----------
    folder : Path
        The workspace; it is made where it isn't there.

    Raises
    ------
    UserError
        If it can't be made, or its path has a letter in it that AutoGluon or the store would misread.
    """

    folder: Path

    def __post_init__(self) -> None:
        path = self.folder.resolve()
        wrong = [letter for letter in ";?#" if letter in str(path)]
        if wrong:
            # AutoMM splits a path at a semicolon; the others end the path in the address of the store.
            raise UserError(f"the path of a workspace can't have {wrong[0]!r} in it: {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path} can't be a workspace: {error.strerror}") from error

    @classmethod
    def at(cls, folder: str | PathLike[str] | None = None) -> Workspace:
        """Return the workspace at a path.

        Parameters
        ----------
        folder : str or Path, optional
            The workspace's folder, with ``~`` for a home folder; by default the folder that the environment
            variable AGBENCH_WORKSPACE names, else the current one.

        Returns
        -------
        Workspace

        Raises
        ------
        UserError
            If `folder` is no path, or can't be a workspace.
        """
        if folder is None:
            folder = os.environ.get(VARIABLE) or Path()
        if not isinstance(folder, (str, os.PathLike)):
            raise UserError(f"workspace should be the path of a folder, got {folder!r}")
        return cls(files.expanded(folder))

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
