"""Preparing a data set: from its source to an index of checked images, split, and known by a fingerprint."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from agbench.core import files
from agbench.core.errors import UserError
from agbench.core.step import OnProgress, Step, no_progress
from agbench.data import check, groups, splits
from agbench.data.card import Card, is_web, write_card
from agbench.data.catalogue import DOWNLOADS, DatasetSpec
from agbench.data.dataset import (
    BADLY_NAMED,
    DATASET_FORMAT,
    IMAGES,
    INDEX,
    MARKER,
    NO_GROUPS,
    QUARANTINE,
    Dataset,
    fingerprint_of,
    load_prepared,
    read_marker,
    read_relatives,
    with_relatives,
    write_marker,
)
from agbench.data.folder import Listing, as_text, check_labels
from agbench.data.groups import Relatives
from agbench.data.source import UNPACKED, Obtained, obtain
from agbench.data.splits import TEST, TRAIN, VALIDATION


@dataclass(frozen=True)
class Request:
    """How a user wants a data set to be prepared.

    Parameters
    ----------
    source : str, optional
        Path or address of an archive, or a folder, instead of the card's addresses.
    accept_unverified : bool
        Whether a source that isn't what the card says will do; its data set says so ever after.
    drop_small_classes : bool
        Whether classes that are too small for three parts are left out.
    fresh : bool
        Whether an earlier preparation, and its variants, are replaced when the new one is whole.
    is_grouped : bool
        Whether the user says which images belong together; otherwise it is as in an earlier preparation, or as
        the card says.
    """

    source: str | None = None
    accept_unverified: bool = False
    drop_small_classes: bool = False
    fresh: bool = False
    is_grouped: bool = False


def prepare(
    known: DatasetSpec,
    datasets: Path,
    request: Request | None = None,
    workers: int = 1,
    on_progress: OnProgress = no_progress,
) -> Dataset:
    """Return a data set, and prepare it first where that has not been done.

    Interrupted at any moment, the next call goes on: a download from its last byte, the rest from its last
    whole step.

    Parameters
    ----------
    known : DatasetSpec
        The data set, as a catalogue gives it.
    datasets : Path
        The workspace's ``datasets`` folder.
    request : Request, optional
        How it is to be prepared.
    workers : int
        Threads for checking images.
    on_progress : callable
        Told how far it is.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the source can't be had or is not what the card says, or files changed since they were prepared.
    """
    request = request or Request()
    folder = datasets / known.name
    try:
        datasets.mkdir(parents=True, exist_ok=True)
        with _alone(known.name, datasets, on_progress):
            ours = (folder / MARKER).is_file()
            if not folder.exists() or (request.fresh and ours):
                if ours and not request.is_grouped:
                    known = replace(known, card=_grouped_as_before(known.card, folder))
                _prepare(known, datasets, request, workers, on_progress)
            elif not ours:
                raise UserError(f"{folder} exists and holds no prepared data set: move it away, then run again")
    except OSError as error:  # a full disk, a folder that may not be written
        raise UserError(f"{known.name} can't be prepared: {error}") from error
    except MemoryError as error:
        raise UserError(f"{known.name} can't be prepared: memory ran out") from error
    dataset = load_prepared(known.name, datasets)
    _check_request(dataset, request)
    return _with_groups(dataset, known.card, request, datasets, on_progress)


def look_once(
    dataset: Dataset, datasets: Path, look: Callable[[], Relatives], on_progress: OnProgress = no_progress
) -> Dataset:
    """Return a data set with what is known of related images, after a look for them where nothing is.

    Of several processes one looks, and the others wait for what it finds.

    Parameters
    ----------
    dataset : Dataset
        Prepared images.
    datasets : Path
        The workspace's ``datasets`` folder.
    look : callable
        Looks for related images.
    on_progress : callable
        Told of a wait for another process.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the data set was prepared anew since it was loaded, or the finding can't be kept.
    """
    with _alone(dataset.name, datasets, on_progress):
        _marker_of(dataset)
        known = read_relatives(dataset.folder, dataset.fingerprint)
        return with_relatives(dataset, look()) if known is None else replace(dataset, relatives=known)


def _marker_of(dataset: Dataset) -> dict[str, Any]:
    """Return what was noted of a data set; its lock is to be held."""
    with suppress(OSError, ValueError, KeyError):
        marker = read_marker(dataset.folder)
        if marker["fingerprint"] == dataset.fingerprint:
            return marker
    raise UserError(f"another process has prepared {dataset.name} anew since this one began: run it again")


@contextmanager
def _alone(name: str, datasets: Path, on_progress: OnProgress) -> Iterator[None]:
    lock = FileLock(datasets / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_progress(Step(f"waiting for another process that prepares {name}", 0, None, "images"))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _prepare(known: DatasetSpec, datasets: Path, request: Request, workers: int, on_progress: OnProgress) -> None:
    downloads = datasets / DOWNLOADS / known.name
    obtained = obtain(known, request.source, request.accept_unverified, downloads, on_progress)
    try:
        with files.atomic_dir(datasets / known.name, replacing=request.fresh) as half_made:
            _fill(half_made, known, obtained, request, workers, on_progress)
            if known.new:
                files.write(datasets / f"{known.name}.yaml", write_card(known.card))
    except UserError:
        # What was unpacked is no such data set: another archive must not meet it.
        _tidy(downloads, known.card)
        raise
    _tidy(downloads, known.card)


def _tidy(downloads: Path, card: Card) -> None:
    """Leave nothing but downloaded archives, and those only where a checksum will tell what they are."""
    shutil.rmtree(downloads / UNPACKED if card.checksums else downloads, ignore_errors=True)
    for folder in (downloads, downloads.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _fill(
    half_made: Path,
    known: DatasetSpec,
    obtained: Obtained,
    request: Request,
    workers: int,
    on_progress: OnProgress,
) -> None:
    own_images = half_made / IMAGES
    if known.layout.makes_images:
        own_images.mkdir()
    on_progress(Step("listing images", 0, None, "images"))
    listing = known.layout.read(obtained.place, own_images, known.card)
    deviation = _deviation(known.name, known.card, listing, request.accept_unverified)
    check_labels({label for _, label in listing.rows})
    index, dropped = _checked(listing, known.card, request, workers, on_progress)
    if known.layout.makes_images:
        root = IMAGES
    elif obtained.in_place:
        root = str(listing.root)
    else:
        root = str(Path(IMAGES) / listing.root.relative_to(obtained.place))
        obtained.place.rename(own_images)
    index.to_parquet(half_made / INDEX)
    bad = index["problem"] != ""
    if bad.any():
        index.loc[bad, ["image_id", "label", "problem"]].to_csv(half_made / QUARANTINE, index=False)
    marker = {
        "format": DATASET_FORMAT,
        "name": known.name,
        "fingerprint": fingerprint_of(index),
        "classes": int(index.loc[index["split"] != "", "label"].nunique()),
        "parts": {part: int((index["split"] == part).sum()) for part in (TRAIN, TEST, VALIDATION)},
        "root": root,
        "listed_from": str(obtained.place) if obtained.in_place and not known.layout.makes_images else None,
        "source": asdict(obtained.source),
        "deviation": deviation,
        "dropped": dropped,
        "unused_columns": listing.unused,
        "groups": {"by": known.card.group_by, "column": known.card.group_column},
        "aside": dict(Counter(reason for _, reason in listing.skipped)),
        "asked_for": request.source and _absolute(request.source),
    }
    write_marker(half_made, marker)


def _deviation(name: str, card: Card, listing: Listing, accept: bool) -> str:
    found = (len({label for _, label in listing.rows}), len(listing.rows))
    expected = (card.classes or found[0], card.images or found[1])
    if found == expected:
        return ""
    said = f"{found[0]:,} classes and {found[1]:,} images, but its card says {expected[0]:,} and {expected[1]:,}"
    if not accept:
        raise UserError(f"{name} has {said}: is the source whole? --accept-unverified takes it as it is")
    return said


def _checked(
    listing: Listing, card: Card, request: Request, workers: int, on_progress: OnProgress
) -> tuple[pd.DataFrame, dict[str, int]]:
    index = pd.DataFrame(listing.rows, columns=["image_id", "label"])
    names = _named(listing, card)  # before images are read: a pattern may be mistyped
    index = index.join(
        check.check_images([listing.root / path for path in index["image_id"]], workers, on_progress)
    )
    texts = index["image_id"].map(as_text)
    index.loc[texts != index["image_id"], "problem"] = BADLY_NAMED
    index["image_id"] = texts
    # What can't be read has no content that would join groups.
    contents = index["sha256"].where(index["problem"] == "", index["image_id"])
    index["group"] = index["sha256"] if names is None else groups.joined(names, contents)
    ready = index["problem"] == ""
    if not ready.any():
        first = index.iloc[0]
        raise UserError(
            f"none of the {len(index)} images can be read; the first, {first['image_id']!r}: {first['problem']}"
        )
    index["split"] = ""
    kept, dropped = index[ready], _without_images(index)
    if dropped and not request.drop_small_classes:
        raise splits.SmallClassesError(dropped, index["label"].nunique())
    counted = "different images" if names is None else "groups of images"
    while True:
        try:
            index.loc[kept.index, "split"] = splits.split(kept["label"], kept["group"], what=counted)
            return index, dropped
        except splits.SmallClassesError as error:
            if not request.drop_small_classes:
                raise
            small = kept["label"].isin(error.counts)
            dropped |= {str(label): int(count) for label, count in kept.loc[small, "label"].value_counts().items()}
            kept = kept[~small]


def _named(listing: Listing, card: Card) -> pd.Series | None:
    """Return the group of each row, as the card names it; ``None`` where each image is one."""
    if listing.groups is not None:
        named = pd.Series(listing.groups, dtype=object)
    elif card.group_by in ("", groups.INDEPENDENT):
        return None
    else:
        named = groups.named(pd.Series([as_text(path) for path, _ in listing.rows], dtype=object), card.group_by)
    if named.is_unique:
        raise UserError(f"groups by {card.groups} hold one image each: name larger ones, or say --independent")
    return named


def _without_images(index: pd.DataFrame) -> dict[str, int]:
    readable = (index["problem"] == "").groupby(index["label"]).any()
    return {str(label): 0 for label in readable.index[~readable]}


def _absolute(source: str) -> str:
    return source if is_web(source) else str(files.expanded(source).resolve())


def _grouped_as_before(card: Card, folder: Path) -> Card:
    """Return a card with the groups of an earlier preparation, where that has named some."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        rule = read_marker(folder)["groups"]
        if rule["by"] or rule["column"]:
            return card.grouped(rule["by"], rule["column"])
    return card


def _with_groups(
    dataset: Dataset, card: Card, request: Request, datasets: Path, on_progress: OnProgress
) -> Dataset:
    """Return the data set with the groups that a card names: that images are independent changes nothing else."""
    if not card.groups or card.groups == dataset.grouped_by:
        return dataset
    if not dataset.grouped_by and card.groups == groups.INDEPENDENT:
        rule = NO_GROUPS | {"by": groups.INDEPENDENT}
        with _alone(dataset.name, datasets, on_progress):
            write_marker(dataset.folder, _marker_of(dataset) | {"groups": rule})
        return replace(dataset, grouped_by=groups.INDEPENDENT)
    if not request.is_grouped:
        return dataset
    before = f"groups by {dataset.grouped_by}" if dataset.grouped_by else "no groups"
    option = groups.option(card.group_by, card.group_column)
    raise UserError(
        f"{dataset.name} is prepared already, with {before}: "
        f"`agbench prepare --fresh --dataset {dataset.name} {option}` prepares it anew"
    )


def _check_request(dataset: Dataset, request: Request) -> None:
    if request.source is not None and _absolute(request.source) != dataset.asked_for:
        raise UserError(
            f"{dataset.name} is prepared already, from {dataset.source.origin}: --fresh prepares it anew"
        )
