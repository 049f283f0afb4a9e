"""Cards: what is known of a data set before its images are there, one YAML file each."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

import yaml
from pydantic import AfterValidator, ByteSize, Field

from agbench.core.errors import UserError
from agbench.core.strict_yaml import StrictModel, read_yaml
from agbench.data import groups

UNPACKED_LIMIT = ByteSize(10 * 10**9)

_LONGEST_NAME = 200
"""Bytes of an archive's name, at most: file systems allow 255, and a download adds to it."""

_LARGEST = 2**63 - 1
"""What anything is counted in, bytes or images, at most."""

_HEX_DIGITS = {"md5": 32, "sha256": 64, "sha512": 128}


def _is_address(text: str) -> str:
    if is_web(text):
        if not urlsplit(text).hostname:
            raise ValueError("an address needs a host: https://HOST/PATH")
    elif not Path(text).is_absolute():
        raise ValueError("an address is http://..., https://..., or an absolute path")
    return text


def _is_checksum(text: str) -> str:
    algorithm, _, digits = text.partition(":")
    if len(digits) != _HEX_DIGITS.get(algorithm, -1) or not re.fullmatch("[0-9a-f]+", digits):
        raise ValueError("a checksum is md5:, sha256: or sha512: and its hexadecimal digits in lower case")
    return text


def _is_rule(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"group_by is folder, image, or a regular expression: {error}") from error
    return text


Count = Annotated[int, Field(gt=0, le=_LARGEST, strict=True)]


class PaperCounts(StrictModel):
    """A row of the paper's Table I.

    Parameters
    ----------
    classes, images, train, test, validation : int
        Counts as the paper prints them.
    """

    classes: Count
    images: Count
    train: Count
    test: Count
    validation: Count


class Columns(StrictModel):
    """Which columns of a table hold what.

    Parameters
    ----------
    image, label : str
        Names in its first line.
    group : str, optional
        Name of the column whose values tell which images belong together.
    """

    image: str
    label: str
    group: str | None = None


class Card(StrictModel):
    """One data set, as its card describes it.

    Parameters
    ----------
    title : str
        A few words for lists and reports.
    layout : str
        A name in `agbench.data.layouts.LAYOUTS`: how its images lie.
    addresses : tuple of str
        Where its archive is, tried in this order: ``http(s)://``, or the absolute path of an archive or a
        folder. None for a data set that is built from installed packages.
    checksums : tuple of str
        ``md5:...``, ``sha256:...`` or ``sha512:...`` of every archive that is this data set.
    unpacked_limit : int
        Bytes that the archive may unpack to; ``"2 GB"`` is read too.
    columns : Columns, optional
        For the layout ``csv``.
    group_by : str
        Which images belong together: ``"folder"``, a regular expression on their paths, or ``"image"`` where they
        are independent; empty where that is not known.
    classes, images : int, optional
        How many there must be, or the data set is not what the card says.
    paper : PaperCounts, optional
        What the paper's Table I says.
    licence, citation : str
        For whoever uses the images.
    note : str
        What a reader of its results must know.
    """

    title: str
    layout: str
    addresses: tuple[Annotated[str, AfterValidator(_is_address)], ...] = ()
    checksums: tuple[Annotated[str, AfterValidator(_is_checksum)], ...] = ()
    unpacked_limit: ByteSize = Field(default=UNPACKED_LIMIT, gt=0, le=_LARGEST)
    columns: Columns | None = None
    group_by: Annotated[str, AfterValidator(_is_rule)] = ""
    classes: Count | None = None
    images: Count | None = None
    paper: PaperCounts | None = None
    licence: str = "not stated"
    citation: str = "not stated"
    note: str = ""

    @property
    def groups(self) -> str:
        """How groups of images are named, in words; empty where they are not."""
        return groups.described(self.group_by, self.group_column)

    @property
    def group_column(self) -> str | None:
        """Column of its table that names groups; ``None`` where none does."""
        return None if self.columns is None else self.columns.group

    def grouped(self, group_by: str, column: str | None = None) -> Card:
        """Return the same card with images grouped by a rule on their paths, or by a column of its table."""
        columns = None if self.columns is None else self.columns.model_copy(update={"group": column})
        return self.model_copy(update={"group_by": group_by, "columns": columns})

    @property
    def archives(self) -> tuple[str, ...]:
        """What its archive is called, by each of its addresses."""
        return tuple(dict.fromkeys(file_name(address) for address in self.addresses))


def is_web(address: str) -> bool:
    """Return whether an address is to be downloaded.

    Examples
    --------
    >>> is_web("https://example.org/a.zip"), is_web("/data/a.zip")
    (True, False)
    """
    return address.lower().startswith(("http://", "https://"))


def check_source(source: str) -> None:
    """Refuse what is neither an address nor a path.

    Examples
    --------
    >>> check_source("https://example.org/a.zip")
    """
    try:
        if not source or (is_web(source) and not urlsplit(source).hostname):
            raise ValueError("nothing is there")
    except ValueError as error:
        raise UserError(f"--source {source!r} is neither an address nor a path: {error}") from error


def file_name(address: str) -> str:
    """Return the last part of an address, ``"archive"`` where that can't name a file.

    Examples
    --------
    >>> file_name("https://example.org/data/a.zip?download=1")
    'a.zip'
    """
    path = unquote(urlsplit(address).path) if is_web(address) else address
    name = PurePosixPath(path).name
    is_usable = name not in ("", "..") and "\0" not in name and len(name.encode(errors="replace")) <= _LONGEST_NAME
    return name if is_usable else "archive"


def read_card(file: Path) -> Card:
    """Read a card.

    Parameters
    ----------
    file : Path
        YAML.

    Returns
    -------
    Card

    Raises
    ------
    UserError
        If it is wrong: one line with file, key and value.

    Examples
    --------
    >>> from agbench.data.catalogue import shipped
    >>> read_card(shipped() / "dtd.yaml").classes
    47
    """
    return read_yaml(file, Card, "card")


def write_card(card: Card) -> str:
    """Return a card as YAML, without what it leaves to the defaults."""
    plain = card.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
