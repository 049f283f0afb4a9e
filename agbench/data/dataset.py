"""A data set that is ready: every image decoded once, split, and known by a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from agbench.core import files
from agbench.core.errors import UserError, in_a_line
from agbench.core.files import Content
from agbench.data.card import Card
from agbench.data.catalogue import Catalogue, DatasetSpec
from agbench.data.check import NO_SUCH_FILE
from agbench.data.folder import as_text, look_alikes
from agbench.data.groups import INDEPENDENT, Relatives, described
from agbench.data.originals import Originals
from agbench.data.source import Source
from agbench.data.splits import TEST, TRAIN, VALIDATION

BADLY_NAMED = "its name is not UTF-8"

DATASET_FORMAT = 2
"""Of what lies in a prepared folder; raise it when that changes, and data sets are prepared again."""

INDEX, MARKER, QUARANTINE, IMAGES = "index.parquet", "dataset.json", "quarantined.csv", "images"
RELATIVES = "relatives.json"

NO_GROUPS = {"by": "", "column": None}
"""Rule by which groups of images are named, where none are."""


@dataclass(frozen=True)
class Dataset:
    """A named collection of labelled images.

    Parameters
    ----------
    name : str
        Its card's name.
    card : Card
        Card of the data set.
    folder : Path
        Where its index lies, and its variants.
    index : DataFrame
        One row a readable image in a stable order: ``image_id`` (path below the images' folder),
        ``image`` (absolute path), ``label``, ``split``, ``group`` (of images that are not independent: those with
        the same content, and those that a rule names), ``bytes``, ``width``, ``height``, ``mode``, ``sha256``.
    quarantined : DataFrame
        The unreadable ones: ``image_id`` and ``problem``.
    fingerprint : str
        Hash over ids, labels, split and contents.
    source : Source
        Where its images came from.
    deviation : str
        In what it differs from its card; empty where it doesn't.
    dropped : dict of str to int
        Classes that were too small for three parts and are left out, with their images.
    skipped : dict of str to int
        Files that are none of its images, counted by the reason.
    unused_columns : tuple of str
        Columns of its table that are neither images nor labels.
    asked_for : str, optional
        The source that it was prepared from instead of its card's.
    grouped_by : str
        How groups of images are named, as `agbench.data.groups.described` says it.
    relatives : Relatives, optional
        Images that look related, where groups are not named; ``None`` where they were not looked for.
    """

    name: str
    card: Card
    folder: Path
    index: pd.DataFrame = field(repr=False)
    quarantined: pd.DataFrame = field(repr=False)
    fingerprint: str
    source: Source
    deviation: str = ""
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    unused_columns: tuple[str, ...] = ()
    asked_for: str | None = None
    grouped_by: str = ""
    relatives: Relatives | None = None

    @property
    def is_withheld(self) -> bool:
        """Whether nothing is called safe: groups are not named, and images seem related or were not looked at."""
        return not self.grouped_by and (self.relatives is None or self.relatives.matters)

    @property
    def originals(self) -> Originals | None:
        """What its files are; ``None`` where it was prepared before that was kept."""
        return Originals.of(self.index) if "format" in self.index else None

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted(self.index["label"].unique())

    @property
    def parts(self) -> dict[str, int]:
        """The numbers of images for training, test and validation."""
        counts = self.index["split"].value_counts()
        return {part: int(counts.get(part, 0)) for part in (TRAIN, TEST, VALIDATION)}

    @property
    def group_numbers(self) -> npt.NDArray[np.int64]:
        """The number of each image's group, in the order of the index."""
        numbers, _ = pd.factorize(self.index["group"])
        return numbers

    @property
    def copies(self) -> int:
        """How many images have the same content as an earlier one."""
        return len(self.index) - self.index["sha256"].nunique()

    @property
    def contradictions(self) -> list[list[str]]:
        """Images with the same content and different labels: lists of their ids."""
        labels = self.index.groupby("sha256")["label"].nunique()
        twice = self.index[self.index["sha256"].isin(labels.index[labels > 1])]
        return [list(group) for _, group in twice.groupby("sha256", sort=False)["image_id"]]

    def remarks(self) -> list[str]:
        """Return remarks that a reader of its results must know, one line each."""
        said = []
        if self.card.checksums and not self.source.state.startswith("verified"):
            said.append(f"source: {self.source.origin} ({self.source.state})")
        if self.deviation:
            said.append(f"not as its card says: it has {self.deviation}")
        paper = self.card.paper
        if paper is not None:
            of_paper = {TRAIN: paper.train, TEST: paper.test, VALIDATION: paper.validation}
            if self.parts != of_paper:
                said.append(
                    f"the paper's Table I has {_numbers(of_paper)} in {paper.classes} classes; "
                    f"here are {_numbers(self.parts)} in {len(self.classes)}"
                )
        if len(self.quarantined):
            said.append(f"{_many(len(self.quarantined), 'image')} left out, unreadable ({QUARANTINE} names them)")
        if self.dropped:
            names = ", ".join(f"{label!r} ({_many(count, 'image')})" for label, count in self.dropped.items())
            said.append(f"{_many(len(self.dropped), 'class')} left out, too small to be split: {names}")
        said += [line for line in [self.groups_text()] if line]
        if self.copies:
            said.append(f"{_many(self.copies, 'exact copy')} of other images; copies share a side of the split")
        contradictions = self.contradictions
        if contradictions:
            first = " and ".join(map(repr, contradictions[0][:3]))
            said.append(f"{_many(len(contradictions), 'image')} with different labels in copies, such as {first}")
        said += [
            f"classes that look the same: {', '.join(map(ascii, same))}" for same in look_alikes(self.classes)
        ]
        if self.skipped:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
            said.append(f"files that are not among its images: {reasons}")
        if self.unused_columns:
            names = ", ".join(map(repr, self.unused_columns))
            said.append(
                f"columns of its table that are not used: {names}; the split is drawn at random, whatever they say"
                + ("" if self.grouped_by else "; --group-column names one whose images belong together")
            )
        return said

    def groups_text(self) -> str:
        """Return what is known of groups of its images, in a line; empty where there is nothing to say."""
        if self.grouped_by == INDEPENDENT:
            return "its images are taken for independent of each other"
        if self.grouped_by:
            count = self.index["group"].nunique()
            return (
                f"{_many(count, 'group')} of images, by {self.grouped_by}; each is whole in split and folds, and "
                "intervals count groups"
            )
        return "" if self.relatives is None else self.relatives.text(self.name)

    @property
    def workspace(self) -> Path:
        """Folder of the workspace in which it was prepared."""
        return self.folder.parent.parent

    def text(self) -> str:
        """Return what ``agbench prepare`` prints: numbers of classes and images, the source, remarks, as lines."""
        head = f"{self.name} is ready: {len(self.classes):,} classes, {len(self.index):,} images"
        source = f"  from {self.source.origin} ({self.source.state})"
        return "\n".join([f"{head} ({_numbers(self.parts)})", source, *(f"  {one}" for one in self.remarks())])

    def _repr_html_(self) -> str:
        """Return the data set for a notebook: its numbers, the source, remarks."""
        head, *rest = (escape(line.strip()) for line in self.text().splitlines())
        return f"<p><b>{head}</b></p><ul>" + "".join(f"<li>{line}</li>" for line in rest) + "</ul>"

    def facts(self) -> dict[str, Any]:
        """Return what a result must keep of its data set, as JSON values."""
        return {
            "title": self.card.title,
            "note": self.card.note,
            "licence": self.card.licence,
            "citation": self.card.citation,
            "source": {"origin": self.source.origin, "state": self.source.state, "checksum": self.source.checksum},
            "classes": len(self.classes),
            "parts": self.parts,
            "pixels": [int(self.index["width"].median()), int(self.index["height"].median())],
            "originals": None if self.originals is None else asdict(self.originals),
            "remarks": self.remarks(),
            "quarantined": self.quarantined.to_dict("records"),
            "dropped": self.dropped,
            "groups": {
                "by": self.grouped_by,
                "count": int(self.index["group"].nunique()),
                "relatives": None if self.relatives is None else asdict(self.relatives),
                "withheld": self.is_withheld,
            },
        }


def load_prepared(name: str, datasets: Path) -> Dataset:
    """Return a data set that has been prepared.

    Parameters
    ----------
    name : str
        As `agbench.data.catalogue.Catalogue` knows it, in any case.
    datasets : Path
        The workspace's ``datasets`` folder.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the name is unknown, it isn't prepared, or files changed since.
    """
    known = Catalogue(datasets).find(name)
    folder = datasets / known.name
    if not is_prepared(known.name, datasets):
        raise UserError(f"{known.name} is not prepared: run `agbench prepare --dataset {known.name}` first")
    index, marker = _read(known.name, folder)
    root = folder / marker["root"]
    if "group" not in index:  # prepared before groups were kept
        index["group"] = index["sha256"]
    index["image"] = [str(root.resolve() / image_id) for image_id in index["image_id"]]
    _check_listing(known, index, marker)
    ready, bad = index["split"] != "", index["problem"] != ""
    dataset = Dataset(
        name=known.name,
        card=known.card,
        folder=folder.resolve(),
        index=index[ready].drop(columns="problem").reset_index(drop=True),
        quarantined=index.loc[bad, ["image_id", "problem"]].reset_index(drop=True),
        fingerprint=marker["fingerprint"],
        source=Source(**marker["source"]),
        deviation=marker["deviation"],
        dropped=marker["dropped"],
        skipped=marker["aside"],
        # Not known of a data set that was prepared before they were kept.
        unused_columns=tuple(marker.get("unused_columns", ())),
        asked_for=marker["asked_for"],
        grouped_by=_grouped_by(marker),
        relatives=read_relatives(folder, marker["fingerprint"]),
    )
    for row in index.to_dict("records"):
        if not _is_as_it_was(row):
            raise _changed(dataset.name, f"{row['image_id']} is gone or changed")
    return dataset


def are_related(name: str, fingerprint: str, datasets: Path) -> bool | None:
    """Return whether images of a data set seem to be related, and their groups are not named.

    Parameters
    ----------
    name, fingerprint : str
        Which data set, with which images.
    datasets : Path
        The workspace's ``datasets`` folder.

    Returns
    -------
    bool or None
        ``None`` where it is not prepared with these images, or related ones have not been looked for; ``False``
        where its card says that its images are independent.

    Examples
    --------
    >>> are_related("dtd", "0", Path("nowhere"))
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        marker = read_marker(datasets / name)
        if marker["fingerprint"] == fingerprint and _grouped_by(marker):
            return False
    relatives = read_relatives(datasets / name, fingerprint)
    if relatives is not None:
        return relatives.matters
    with suppress(UserError):
        return False if Catalogue(datasets).card(name).groups == INDEPENDENT else None
    return None


def read_marker(folder: Path) -> dict[str, Any]:
    """Return what was noted when a data set was prepared in a folder, as JSON values."""
    marker: dict[str, Any] = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    return marker


def write_marker(folder: Path, marker: Mapping[str, Any]) -> None:
    """Note what `read_marker` returns."""
    files.write(folder / MARKER, json.dumps(marker, indent=2, ensure_ascii=False) + "\n")


def _grouped_by(marker: Mapping[str, Any]) -> str:
    """Return how groups were named when a data set was prepared, in words; empty where they were not."""
    rule = marker.get("groups", NO_GROUPS)
    return described(rule["by"], rule["column"])


def with_relatives(dataset: Dataset, relatives: Relatives) -> Dataset:
    """Return a data set with what was found of related images, and keep that with it; its lock is to be held."""
    found = {"fingerprint": dataset.fingerprint, **asdict(relatives)}
    try:
        files.write(dataset.folder / RELATIVES, json.dumps(found, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UserError(f"{dataset.name} can't be prepared: {in_a_line(error)}") from error
    return replace(dataset, relatives=relatives)


def read_relatives(folder: Path, fingerprint: str) -> Relatives | None:
    """Return what was found of related images; ``None`` where that is not known of these images."""
    try:
        kept = json.loads((folder / RELATIVES).read_text(encoding="utf-8"))
        if kept.pop("fingerprint") != fingerprint:
            return None
        return Relatives(**kept | {"examples": tuple(kept["examples"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_prepared(name: str, datasets: Path) -> bool:
    """Return whether a data set has been prepared, whole.

    Examples
    --------
    >>> is_prepared("dtd", Path("nowhere"))
    False
    """
    return (datasets / name / MARKER).is_file()


def fingerprint_of(index: pd.DataFrame) -> str:
    """Hash ids, labels, split, contents, and named groups of the images that are in the split.

    Examples
    --------
    >>> row = {"image_id": "a.png", "label": "cat", "split": "train", "sha256": "00"}
    >>> fingerprint_of(pd.DataFrame([row])) == fingerprint_of(pd.DataFrame([row | {"label": "dog"}]))
    False
    """
    is_grouped = "group" in index and (index["group"] != index["sha256"]).any()
    names = ["image_id", "label", "split", "sha256", *(["group"] if is_grouped else [])]
    columns = index.loc[index["split"] != "", names]
    return hashlib.sha256(columns.to_csv(index=False).encode()).hexdigest()[:16]


def _read(name: str, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    try:
        marker = read_marker(folder)
        index = pd.read_parquet(folder / INDEX)
        whole = marker["format"] == DATASET_FORMAT and marker["fingerprint"] == fingerprint_of(index)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise UserError(
            f"the index of {folder} is damaged or of another release: "
            f"`agbench prepare --dataset {name} --fresh` makes it anew"
        )
    return index, marker


def _is_as_it_was(row: Mapping[Any, Any]) -> bool:
    path = Path(row["image"])
    if row["problem"] == NO_SUCH_FILE:
        return not path.exists()
    if not row["sha256"] or row["problem"] == BADLY_NAMED:  # it could not be read at all, or not be named
        return True
    return Content(row["bytes"], row["modified"], row["sha256"]).is_that_of(path)


def _check_listing(known: DatasetSpec, index: pd.DataFrame, marker: dict[str, Any]) -> None:
    """Raise `UserError` where images that are used in place were added or relabelled."""
    if marker["listed_from"] is None:
        return
    place = Path(marker["listed_from"])
    if not place.exists():
        raise _changed(known.name, f"{place} is gone")
    listing = known.layout.read(place, place, known.card)
    before = dict(zip(index["image_id"], index["label"], strict=True))
    for path, label in listing.rows:
        if before.pop(as_text(path), label) != label:
            raise _changed(known.name, f"{path} has another label")
    now = len(listing.rows)
    if before or now != len(index):
        raise _changed(known.name, f"{place} has {now} images instead of {len(index)}, or others")


def _changed(name: str, what: str) -> UserError:
    return UserError(
        f"{what} since {name} was prepared: bring it back, or run `agbench prepare --dataset {name} --fresh`"
    )


def _many(count: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{count:,} {noun if count == 1 else plural}"


def _numbers(parts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {part}" for part, count in parts.items())
