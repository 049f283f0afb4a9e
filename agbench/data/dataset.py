"""A data set that is ready: every image decoded once, split, and known by a fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock

from agbench import files
from agbench.data import bundled, check, splits
from agbench.data.card import Card, Catalogue
from agbench.errors import UserError, look_up
from agbench.files import Content

FORMAT = 1
"""Of what lies in a prepared folder; raise it when that changes, and data sets are prepared again."""

INDEX, MARKER, IMAGES = "index.parquet", "dataset.json", "images"

Layout = Callable[[Path], Iterator[tuple[Path, str]]]

LAYOUTS: dict[str, Layout] = {
    "patches": bundled.build_patches,
    "digits": bundled.build_digits,
}
"""By the name that a card gives: fills a folder with images, and yields path below it and label of each."""


@dataclass(frozen=True)
class Dataset:
    """A named collection of labelled images.

    Parameters
    ----------
    name : str
        Its card's name.
    card : Card
        What is known of it.
    folder : Path
        Where it lies, and its variants.
    index : DataFrame
        One row a readable image in a stable order: ``image_id`` (path below the images' folder),
        ``image`` (absolute path), ``label``, ``split``, ``bytes``, ``width``, ``height``, ``mode``, ``sha256``.
    quarantined : DataFrame
        The unreadable ones: ``image_id`` and ``problem``.
    fingerprint : str
        Hash over ids, labels, split and contents.
    """

    name: str
    card: Card
    folder: Path
    index: pd.DataFrame
    quarantined: pd.DataFrame
    fingerprint: str

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted(self.index["label"].unique())


def load_dataset(name: str, datasets: Path, workers: int = 1) -> Dataset:
    """Give a data set, and prepare it first where that has not been done.

    Parameters
    ----------
    name : str
        A card's name, in any case.
    datasets : Path
        The workspace's ``datasets`` folder.
    workers : int
        Processes for checking images.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the name is unknown, the images are not what the card says, or files changed since they were
        prepared.
    """
    name = name.lower()
    card = Catalogue(datasets).card(name)
    folder = datasets / name
    datasets.mkdir(parents=True, exist_ok=True)
    with FileLock(datasets / f".{name}.lock"):
        if not _is_prepared(folder):
            _prepare(name, card, folder, workers)
    index, fingerprint = _read(folder)
    index["image"] = [str((folder / IMAGES / image_id).resolve()) for image_id in index["image_id"]]
    ready = index["problem"] == ""
    dataset = Dataset(
        name=name,
        card=card,
        folder=folder.resolve(),
        index=index[ready].drop(columns="problem").reset_index(drop=True),
        quarantined=index.loc[~ready, ["image_id", "problem"]].reset_index(drop=True),
        fingerprint=fingerprint,
    )
    _refuse_changes(dataset)
    return dataset


def _is_prepared(folder: Path) -> bool:
    return (folder / MARKER).is_file()


def _read(folder: Path) -> tuple[pd.DataFrame, str]:
    try:
        marker = json.loads((folder / MARKER).read_text())
        index = pd.read_parquet(folder / INDEX)
        whole = marker["format"] == FORMAT and marker["fingerprint"] == _fingerprint(index[index["problem"] == ""])
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise UserError(
            f"the index of {folder} is damaged or of another release: move the folder away, then run again"
        )
    return index, str(marker["fingerprint"])


def _prepare(name: str, card: Card, folder: Path, workers: int) -> None:
    layout = look_up("layout", card.layout, LAYOUTS)
    if folder.exists():
        raise UserError(f"{folder} exists and holds no prepared data set: move it away, then run again")
    with files.appearing(folder) as half_made:
        images = half_made / IMAGES
        images.mkdir()
        rows = [(path.as_posix(), label) for path, label in layout(images)]
        index = pd.DataFrame(rows, columns=["image_id", "label"])
        _refuse_miscounts(name, card, index)
        index = index.join(check.check_all([images / image_id for image_id in index["image_id"]], workers))
        ready = index["problem"] == ""
        index["split"] = splits.split(index.loc[ready, "label"], index.loc[ready, "sha256"])
        index.to_parquet(half_made / INDEX)
        marker = {"format": FORMAT, "name": name, "fingerprint": _fingerprint(index[ready])}
        files.write(half_made / MARKER, json.dumps(marker, indent=2) + "\n")


def _refuse_miscounts(name: str, card: Card, index: pd.DataFrame) -> None:
    found = (index["label"].nunique(), len(index))
    if found != (card.classes, card.images):
        raise UserError(
            f"{name} has {found[0]} classes and {found[1]} images, but its card says {card.classes} and "
            f"{card.images}: another version of its source?"
        )


def _refuse_changes(dataset: Dataset) -> None:
    for row in dataset.index.to_dict("records"):
        if not Content(row["bytes"], row["modified"], row["sha256"]).is_that_of(Path(row["image"])):
            raise UserError(
                f"{row['image_id']} of {dataset.name} is gone or changed since the data set was prepared: "
                f"move {dataset.folder} away, and it is prepared anew"
            )


def _fingerprint(index: pd.DataFrame) -> str:
    columns = index[["image_id", "label", "split", "sha256"]]
    return hashlib.sha256(columns.to_csv(index=False).encode()).hexdigest()[:16]
