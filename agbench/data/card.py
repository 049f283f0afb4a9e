"""Cards: what is known of a data set before its images are there, one YAML file each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from agbench.errors import UserError, look_up


class Card(BaseModel):
    """One data set, as its card describes it.

    Parameters
    ----------
    title : str
        A few words for lists and reports.
    layout : str
        The reader or builder in `agbench.data` that knows how its images lie.
    classes, images : int
        How many there must be, or the data set is not what the card says.
    licence, citation : str
        For whoever uses the images.
    note : str
        What a reader of its results must know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    layout: str
    classes: PositiveInt
    images: PositiveInt
    licence: str
    citation: str
    note: str = ""


def shipped() -> Path:
    """Give the folder of the cards that come with agbench: in a wheel, or in a checkout beside the package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "cards"
    return installed if installed.is_dir() else package.parent / "datasets"


@dataclass(frozen=True)
class Catalogue:
    """The cards of one workspace: its own come before those that ship.

    Parameters
    ----------
    folder : Path
        The workspace's ``datasets`` folder.
    """

    folder: Path

    def names(self) -> list[str]:
        """Give the names of all data sets, in lower case, sorted."""
        return sorted(self._files())

    def card(self, name: str) -> Card:
        """Read a data set's card.

        Parameters
        ----------
        name : str
            As in `names`, in any case.

        Returns
        -------
        Card

        Raises
        ------
        UserError
            If there is no such data set, or its card is wrong.
        """
        file = look_up("data set", name.lower(), self._files())
        try:
            plain: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
        try:
            return Card.model_validate(plain)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "the file"
            raise UserError(f"{file.name}: {key}: {first['msg']}, got {first['input']!r}") from error

    def _files(self) -> dict[str, Path]:
        return {
            card.stem.lower(): card
            for folder in (shipped(), self.folder)
            for card in sorted(folder.glob("*.yaml"))
            if card.is_file()
        }
