"""The images that a user means: a data set's name, a folder, a table, an archive."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from agbench.core import files
from agbench.core.errors import UserError
from agbench.data import groups
from agbench.data.card import Columns, check_source, is_web
from agbench.data.catalogue import Catalogue, DatasetSpec
from agbench.data.folder import TABLE_SUFFIXES
from agbench.data.prepare import Request


@dataclass(frozen=True)
class ImageSelection:
    """A user's choice of images, as given.

    Parameters
    ----------
    dataset : str, optional
        Name of a data set, or path of a folder of class folders; with `table` or `source` the name to give it.
    folder : Path, optional
        Folder of class folders, also where a data set has its name.
    table : Path, optional
        Table of images and labels (``.csv``, ``.tsv``).
    image_column, label_column : str
        Columns of `table` that hold the images' paths and their labels.
    group_column : str, optional
        Column of `table` whose values tell which images belong together.
    group_by : str, optional
        ``"folder"``, or a regular expression on the images' paths: images with the same match belong together.
    independent : bool
        Whether no images belong together.
    nested : bool
        Whether each folder of images is a class, named by its whole path.
    source : str, optional
        Path or address of an archive, or path of a folder, instead of the addresses of the data set's card.
    accept_unverified : bool
        Whether a source with another checksum, or another number of images, is accepted.
    drop_small_classes : bool
        Whether classes with too few images to be split are left out.
    """

    dataset: str | None = None
    folder: Path | None = None
    table: Path | None = None
    image_column: str = "image"
    label_column: str = "label"
    group_column: str | None = None
    group_by: str | None = None
    independent: bool = False
    nested: bool = False
    source: str | None = None
    accept_unverified: bool = False
    drop_small_classes: bool = False

    def spec(self, datasets: Path) -> DatasetSpec:
        """Return the data set that is meant.

        Parameters
        ----------
        datasets : Path
            The workspace's ``datasets`` folder.

        Returns
        -------
        DatasetSpec

        Raises
        ------
        UserError
            If there is no such data set, or the choices contradict each other.
        """
        if (self.group_column is not None) + (self.group_by is not None) + self.independent > 1:
            raise UserError(
                "give one of --group-column, --group-by and --independent: each says what belongs together"
            )
        if self.group_column is not None and self.table is None:
            raise UserError("--group-column is for a table, --csv FILE: --group-by groups images by their paths")
        if self.group_by is not None:
            groups.check_rule(self.group_by)
        spec = self._spec(datasets)
        if not self._is_grouped:
            return spec
        rule = groups.INDEPENDENT if self.independent else self.group_by or ""
        return replace(spec, card=spec.card.grouped(rule, self.group_column))

    @property
    def _is_grouped(self) -> bool:
        return self.independent or self.group_by is not None or self.group_column is not None

    def _spec(self, datasets: Path) -> DatasetSpec:
        catalogue = Catalogue(datasets)
        if self.folder is not None:
            if self.dataset or self.table or self.source:
                raise UserError("give FOLDER, or --dataset, --csv and --source, not both")
            if not files.expanded(self.folder).is_dir():
                raise UserError(
                    f"{self.folder} is not a folder; for a data set that is known, give --dataset {self.folder}"
                )
            return catalogue.own_folder(self.folder, nested=self.nested)
        if self.source is not None:
            check_source(self.source)
        if self.table is not None:
            if self.nested or self.source:
                raise UserError("--csv can't be used with --nested or --source: the table names images and labels")
            columns = Columns(image=self.image_column, label=self.label_column)
            return catalogue.own_table(self.table, columns, self.dataset)
        for given in (self.dataset, self.source):
            if given is not None and not is_web(given) and given.lower().endswith(TABLE_SUFFIXES):
                raise UserError(f"{given} is a table: give it with --csv {given}")
        if not self.dataset:
            raise UserError("which images? give --dataset NAME, --dataset FOLDER, or --csv FILE")
        is_name = self.dataset.lower() in catalogue.names()
        if not is_name and self.source is None and _is_path(self.dataset):
            return catalogue.own_folder(Path(self.dataset), nested=self.nested)
        if not is_name and self.source is not None:
            folder = Path(self.source)
            if not is_web(self.source) and folder.is_dir():
                return catalogue.own_folder(folder, self.dataset, self.nested)
            return catalogue.own_archive(self.source, self.dataset, self.nested)
        if self.nested and not catalogue.find(self.dataset).card.layout.startswith("nested"):
            raise UserError(f"--nested is for images of your own; {self.dataset} has a layout already")
        return catalogue.find(self.dataset)

    def request(self, spec: DatasetSpec, fresh: bool = False) -> Request:
        """Return how the data set is to be prepared.

        Parameters
        ----------
        spec : DatasetSpec
            The data set, from `spec`. The card of a user's own images names their source already.
        fresh : bool
            Whether an earlier preparation is replaced.

        Returns
        -------
        Request
        """
        own = self.source is not None and spec.card.addresses[:1] in ((self.source,), (_resolved(self.source),))
        return Request(
            source=None if own else self.source,
            accept_unverified=self.accept_unverified,
            drop_small_classes=self.drop_small_classes,
            fresh=fresh,
            is_grouped=self._is_grouped,
        )


def _is_path(text: str) -> bool:
    return os.sep in text or text.startswith((".", "~")) or Path(text).exists()


def _resolved(source: str) -> str:
    return str(files.expanded(source).resolve())
