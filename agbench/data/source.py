"""Getting hold of a data set's source: an archive from the web or the disk, a folder, a table."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from agbench.core import files
from agbench.core.errors import UserError
from agbench.core.step import OnProgress, Step
from agbench.data.card import Card, file_name, is_web
from agbench.data.catalogue import DatasetSpec
from agbench.data.fetch import DownloadError, download
from agbench.data.unpack import BadArchiveError, unpack

STAMP, FILES = "archive.json", "files"
UNPACKED = ".unpacked"


@dataclass(frozen=True)
class Source:
    """Where a data set came from, for whoever wants to repeat it.

    Parameters
    ----------
    origin : str
        Address or path.
    state : str
        Whether it is what the card says, in words.
    checksum : str
        Of its archive; empty where there was none.
    """

    origin: str
    state: str
    checksum: str = ""


@dataclass(frozen=True)
class Obtained:
    """A source at hand.

    Parameters
    ----------
    place : Path
        A folder, or a table.
    source : Source
        Origin, state and checksum of the images.
    in_place : bool
        Whether it is the user's own and stays where it is; otherwise it is ours, and may be moved.
    """

    place: Path
    source: Source
    in_place: bool


def obtain(
    known: DatasetSpec, wanted: str | None, accept_unverified: bool, downloads: Path, on_progress: OnProgress
) -> Obtained:
    """Get hold of a data set's source, the first of its addresses that gives it.

    Parameters
    ----------
    known : DatasetSpec
        The data set.
    wanted : str, optional
        A path or address instead of the card's.
    accept_unverified : bool
        Whether an archive with another checksum than the card's will do.
    downloads : Path
        Where its archive goes, and is unpacked.
    on_progress : callable
        Told how far it is.

    Returns
    -------
    Obtained

    Raises
    ------
    UserError
        If none of the addresses gives it, each with its reason. Archives that arrived are kept.
    """
    if not known.layout.needs_source:
        if wanted is not None:
            raise UserError(f"{known.name} is made from installed packages: it takes no --source")
        return Obtained(downloads, Source("installed packages", "made on this machine"), in_place=False)
    places = known.card.addresses if wanted is None else (wanted,)
    problems = []
    for place in places:
        try:
            if is_web(place):
                return _from_web(known.card, place, accept_unverified, downloads, on_progress)
            return _from_disk(known.card, files.expanded(place), accept_unverified, downloads, on_progress)
        except (DownloadError, BadArchiveError, _UnavailableError) as error:
            problems.append(f"{place}: {error}" if is_web(place) else str(error))
    said = "; ".join(problems) or "its card has no addresses"
    on_disk = f". With the archive on disk: agbench prepare --dataset {known.name} --source FILE"
    advice = on_disk if wanted is None and any(map(is_web, places)) else ""
    raise UserError(f"{known.name} can't be obtained: {said}{advice}")


class _UnavailableError(Exception):
    """It isn't there, or not what the card knows; the message says which."""


def _from_disk(
    card: Card, place: Path, accept_unverified: bool, downloads: Path, on_progress: OnProgress
) -> Obtained:
    try:
        is_there = place.exists()
    except OSError as error:  # too long, or not ours to look at
        raise _UnavailableError(f"{place} can't be read: {error.strerror}") from error
    if not is_there:
        raise _UnavailableError(f"there is no file or folder {place}")
    place = place.resolve()
    if place.is_dir():
        inside = [place / name for name in card.archives if (place / name).is_file()]
        if not inside:
            return Obtained(place, Source(str(place), "a folder, used where it is"), in_place=True)
        place = inside[0]
    if not place.is_file():  # a pipe would never end
        raise _UnavailableError(f"{place} is neither a file nor a folder")
    if card.columns is not None:
        digests = _digests(card, place, on_progress)
        _check_checksum(card, place, digests, accept_unverified)
        checksum = " ".join(f"{name}:{digest}" for name, digest in digests.items())
        return Obtained(place, Source(str(place), "a table, used where it is", checksum), in_place=True)
    digests = _digests(card, place, on_progress)
    _check_checksum(card, place, digests, accept_unverified)
    return _unpacked(card, place, digests, str(place), downloads, on_progress)


def _from_web(
    card: Card, address: str, accept_unverified: bool, downloads: Path, on_progress: OnProgress
) -> Obtained:
    # A file has its own name only when its sum is right, or there is none to compare it with.
    archive = downloads / file_name(address)
    doubtful = archive.with_name(f"{archive.name}.unverified")
    kept = [one for one in (archive, doubtful) if one.is_file() and (accept_unverified or one is archive)]
    digests = _digests(card, kept[0], on_progress) if kept else {}
    if not kept or not (accept_unverified or _is_right(card, digests)):
        digests = _download(card, address, doubtful, on_progress)
        _check_checksum(card, doubtful, digests, accept_unverified)
        kept = [doubtful]
    if kept[0] is doubtful and _is_right(card, digests):
        kept = [doubtful.replace(archive)]
    parts = urlsplit(address)
    without_secrets = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    try:
        return _unpacked(card, kept[0], digests, without_secrets, downloads, on_progress)
    except BadArchiveError:
        if not card.checksums or not _is_right(card, digests):
            kept[0].unlink()  # or it would be taken for the archive again and again
        raise


def _download(card: Card, address: str, target: Path, on_progress: OnProgress) -> dict[str, str]:
    get = partial(
        download,
        address,
        target,
        _algorithms(card),
        on_progress,
        title=file_name(address),
        trusted=bool(card.checksums),
    )
    arrived = get()
    if arrived.resumed and not _is_right(card, arrived.digests):
        # The two parts may have been of different files: once more, in one go.
        target.unlink()
        arrived = get()
    return arrived.digests


def _unpacked(
    card: Card, archive: Path, digests: dict[str, str], origin: str, downloads: Path, on_progress: OnProgress
) -> Obtained:
    home = downloads / UNPACKED
    stamp = json.dumps({"archive": archive.name, **digests}, sort_keys=True)
    whole = (home / FILES).is_dir() and (home / STAMP).is_file() and (home / STAMP).read_text() == stamp
    if not whole:
        shutil.rmtree(home, ignore_errors=True)
        with files.atomic_dir(home) as half_made:
            (half_made / FILES).mkdir()
            unpack(archive, half_made / FILES, card.unpacked_limit, on_progress)
            (half_made / STAMP).write_text(stamp)
    found = [f"{name}:{digest}" for name, digest in digests.items()]
    if not card.checksums:
        state = "not verified: its card has no checksum"
    elif _is_right(card, digests):
        state = "verified by its checksum"
    else:
        state = f"NOT the archive of its card ({' or '.join(card.checksums)}), accepted unverified"
    return Obtained(home / FILES, Source(origin, state, " ".join(found)), in_place=False)


def _digests(card: Card, archive: Path, on_progress: OnProgress) -> dict[str, str]:
    size = archive.stat().st_size

    def tell(done: int) -> None:
        on_progress(Step(f"verifying {archive.name}", done, size, "bytes"))

    return files.digests(archive, _algorithms(card), tell)


def _algorithms(card: Card) -> list[str]:
    return list(dict.fromkeys(checksum.split(":")[0] for checksum in card.checksums)) or ["sha256"]


def _is_right(card: Card, digests: dict[str, str]) -> bool:
    found = {f"{name}:{digest}" for name, digest in digests.items()}
    return not card.checksums or bool(found & set(card.checksums))


def _check_checksum(card: Card, archive: Path, digests: dict[str, str], accept_unverified: bool) -> None:
    if accept_unverified or _is_right(card, digests):
        return
    found = " ".join(f"{name}:{digest}" for name, digest in digests.items())
    raise _UnavailableError(
        f"{archive} has {found}, expected {' or '.join(card.checksums)}; it is kept, "
        "and --accept-unverified takes it as it is"
    )
