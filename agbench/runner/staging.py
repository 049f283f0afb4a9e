"""Where the node that a trial runs on has its data: its own disk, a shared path, or sent by the driver."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import platformdirs

from agbench.core.errors import UserError
from agbench.data.dataset import Dataset, load_prepared

CACHE = "AGBENCH_CACHE"
"""Names the folder in which a node other than the driver's keeps data, variants and scratch."""

SENT_AT_ONCE = 64_000_000
"""Bytes of images that are sent at a time."""

WHOLE = "whole"


class NotHereError(Exception):
    """A node has no copy of a data set."""


@dataclass(frozen=True)
class DriverPaths:
    """Folders of the driver.

    Parameters
    ----------
    host : str
        Its machine, as `host` gives it.
    datasets : Path
        The workspace's ``datasets`` folder, absolute.
    scratch : Path
        For trials on that machine, absolute.
    """

    host: str
    datasets: Path
    scratch: Path


@dataclass(frozen=True)
class NodePaths:
    """Folders of a trial on its node.

    Parameters
    ----------
    dataset : Dataset
        With paths that hold here.
    variants, scratch : Path
        Where variants lie, and what trials leave while they run.
    """

    dataset: Dataset
    variants: Path
    scratch: Path


def host() -> str:
    """Return a name of this node; nodes of one machine with caches of their own have different ones.

    Examples
    --------
    >>> host() != ""
    True
    """
    return " ".join(filter(None, (platform.node(), os.environ.get(CACHE))))


def resolve_dataset(home: DriverPaths, dataset: Dataset) -> NodePaths:
    """Find a data set on this node.

    Parameters
    ----------
    home : DriverPaths
        Folders of the driver.
    dataset : Dataset
        Data set with the driver's paths.

    Returns
    -------
    NodePaths

    Raises
    ------
    NotHereError
        If it is neither on a shared path nor was sent; `receive` mends that.
    UserError
        If its files changed.
    """
    if host() == home.host:
        return NodePaths(load_prepared(dataset.name, home.datasets), variants_of(dataset), home.scratch)
    cache = cache_folder()
    variants = cache / "variants" / _name(dataset)
    try:
        shared = load_prepared(dataset.name, home.datasets)
        if shared.fingerprint == dataset.fingerprint:
            return NodePaths(shared, variants, cache / "scratch")
    except UserError:  # no such path here, or other data: the driver's is asked for
        pass
    folder = cache / "data" / _name(dataset)
    if not (folder / WHOLE).is_file():
        raise NotHereError(f"{dataset.name} is not on {host()}")
    sent = [str(folder / file) for file in _files(dataset)]
    if any(Path(file).stat().st_size != size for file, size in zip(sent, dataset.index["bytes"], strict=True)):
        raise UserError(f"{folder} on {host()} was changed: remove it, and it is sent again")
    return NodePaths(
        replace(dataset, folder=folder, index=dataset.index.assign(image=sent)), variants, cache / "scratch"
    )


def variants_of(dataset: Dataset) -> Path:
    """Return where the driver's machine has a data set's variants."""
    return dataset.folder / "variants"


def cache_folder() -> Path:
    """Return the folder in which a node other than the driver's keeps things."""
    named = os.environ.get(CACHE)
    return Path(named).resolve() if named else platformdirs.user_cache_path("agbench")


@dataclass(frozen=True)
class Sent:
    """A file on its way to a node.

    Parameters
    ----------
    file : str
        Its path below the data set's folder there.
    content : bytes
        Bytes of the file.
    sha256 : str
        Hash that the bytes must have.
    """

    file: str
    content: bytes
    sha256: str


def blocks(dataset: Dataset) -> Iterator[list[Sent]]:
    """Read a data set's images, some at a time, to be sent to a node."""
    block: list[Sent] = []
    rows = zip(_files(dataset), dataset.index["image"], dataset.index["sha256"], strict=True)
    for file, image, digest in rows:
        block.append(Sent(file, Path(image).read_bytes(), digest))
        if sum(len(one.content) for one in block) >= SENT_AT_ONCE:
            yield block
            block = []
    yield block


def receive(dataset: Dataset, files: Iterable[Sent], last: bool) -> None:
    """Keep files of a data set that were sent to this node; after the last of them it is there."""
    folder = cache_folder() / "data" / _name(dataset)
    for one in files:
        if sha256(one.content).hexdigest() != one.sha256:
            raise UserError(f"{one.file} of {dataset.name} was changed on its way to {host()}")
        path = folder / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
    if last:
        (folder / WHOLE).touch()


def _files(dataset: Dataset) -> list[str]:
    """Name a data set's files by number: names that one machine takes, another may not."""
    suffixes = [Path(image).suffix for image in dataset.index["image"]]
    return [f"images/{place // 1000:03d}/{place:06d}{suffix}" for place, suffix in enumerate(suffixes)]


def _name(dataset: Dataset) -> str:
    return f"{dataset.name}-{dataset.fingerprint}"
