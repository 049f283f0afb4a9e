"""The options that several commands have: which images they work on, and lists of values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agbench.core import files
from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.core.workspace import Workspace
    from agbench.data.catalogue import DatasetSpec
    from agbench.data.prepare import Request

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--dataset", metavar="NAME|FOLDER", help="As `agbench datasets` lists them, or a folder of class folders."
    ),
    click.option(
        "--csv",
        "table",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A table of images and labels instead; paths in it are relative to it.",
    ),
    click.option("--image-column", default="image", show_default=True, help="Of --csv: the images' paths."),
    click.option("--label-column", default="label", show_default=True, help="Of --csv: their labels."),
    click.option("--nested", is_flag=True, help="Each folder of images is a class, named by its whole path."),
    click.option(
        "--source", metavar="ARCHIVE|FOLDER|URL", help="Take the data set from there, not its addresses."
    ),
    click.option(
        "--accept-unverified", is_flag=True, help="Take a source with another checksum, or other counts, too."
    ),
    click.option("--drop-small-classes", is_flag=True, help="Leave out classes too small to be split."),
)


class Listed(click.ParamType[tuple[Any, ...]]):
    """Values separated by commas, each of them once."""

    def __init__(self, kind: Callable[[str], Any], name: str) -> None:
        self.kind = kind
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Part a value at its commas."""
        if isinstance(value, tuple):
            return value
        try:
            values = tuple(self.kind(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            values = ()
        if not values:
            self.fail(f"{value!r} is no comma-separated list of {self.name}s", param, ctx)
        return tuple(dict.fromkeys(values))


@dataclass(frozen=True)
class Images:
    """What a user asks for, as typed; see `agbench prepare --help`."""

    dataset: str | None
    table: Path | None
    image_column: str
    label_column: str
    nested: bool
    source: str | None
    accept_unverified: bool
    drop_small_classes: bool

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Images:
        """Take what belongs here out of a command's options."""
        return cls(**{name: options.pop(name) for name in cls.__dataclass_fields__})

    def find(self, workspace: Workspace) -> DatasetSpec:
        """Give the data set that is meant.

        Parameters
        ----------
        workspace : Workspace
            Where to look for its card.

        Returns
        -------
        DatasetSpec

        Raises
        ------
        UserError
            If there is none, or the options contradict each other.
        """
        from agbench.data.card import Columns, check_source, is_web
        from agbench.data.catalogue import Catalogue

        catalogue = Catalogue(workspace.datasets)
        if self.source is not None:
            check_source(self.source)
        if self.table is not None:
            if self.nested or self.source:
                raise UserError("--csv goes without --nested and --source: the table says what is what")
            columns = Columns(image=self.image_column, label=self.label_column)
            return catalogue.own_table(self.table, columns, self.dataset)
        if not self.dataset:
            raise UserError("which images? give --dataset NAME, --dataset FOLDER, or --csv FILE")
        is_name = self.dataset.lower() in catalogue.names()
        if not is_name and self.source is None and _is_path(self.dataset):
            return catalogue.own_folder(Path(self.dataset), nested=self.nested)
        if not is_name and self.source is not None:
            place = Path(self.source)
            if not is_web(self.source) and place.is_dir():
                return catalogue.own_folder(place, self.dataset, self.nested)
            return catalogue.own_archive(self.source, self.dataset, self.nested)
        if self.nested and not catalogue.find(self.dataset).card.layout.startswith("nested"):
            raise UserError(f"--nested is for images of your own; {self.dataset} has a layout already")
        return catalogue.find(self.dataset)

    def request(self, known: DatasetSpec, fresh: bool = False) -> Request:
        """Give how the data set is to be prepared; the card of a user's own has its source already."""
        from agbench.data.prepare import Request

        own = self.source is not None and known.card.addresses[:1] in ((self.source,), (_resolved(self.source),))
        return Request(
            source=None if own else self.source,
            accept_unverified=self.accept_unverified,
            drop_small_classes=self.drop_small_classes,
            fresh=fresh,
        )


def images_options(command: F) -> F:
    """Add the options to a command; it takes them out of its keywords with `Images.taken_from`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _is_path(text: str) -> bool:
    return os.sep in text or text.startswith((".", "~")) or Path(text).exists()


def _resolved(source: str) -> str:
    return str(files.expanded(source).resolve())
