"""Downloads: resumed where they stopped, hashed while they stream, named when they are whole.

No kept library does all of that: pooch doesn't resume, and huggingface_hub's function appends to what it has
even where the server starts over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from agbench.core import files
from agbench.core.step import OnProgress, Step, no_progress

DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts in which nothing arrived; one in which something did starts over."""

TIMEOUT = httpx.Timeout(60, connect=15)
READ_AT_ONCE = 1 << 20
CHECKED_EVERY = 16 * READ_AT_ONCE
KEPT_FREE = 100 * 10**6
"""Bytes of the disk that a download leaves to others."""


class DownloadError(Exception):
    """It can't be downloaded from there; the message says why."""


class _InterruptedError(Exception):
    """The connection broke, or the server had a bad moment: another attempt may help."""


@dataclass(frozen=True)
class Downloaded:
    """A file that has arrived.

    Parameters
    ----------
    digests : dict of str to str
        Hexadecimal, by algorithm.
    resumed : bool
        Whether a part of it came from an earlier attempt.
    """

    digests: dict[str, str]
    resumed: bool


def download(
    address: str,
    target: Path,
    algorithms: Iterable[str],
    on_progress: OnProgress = no_progress,
    *,
    title: str = "",
    trusted: bool = False,
    delays: Sequence[float] = DELAYS,
    timeout: httpx.Timeout = TIMEOUT,
) -> Downloaded:
    """Download a file, going on from where an earlier attempt stopped.

    Parameters
    ----------
    address : str
        Its address, http or https.
    target : Path
        What it becomes when it is whole; until then ``<target>.part`` lies beside it.
    algorithms : iterable of str
        What to hash it with, `hashlib`'s names.
    on_progress : callable
        Told of every block.
    title : str
        What to call it to whoever watches; by default as `target` is called.
    trusted : bool
        Whether somebody compares the digests: then a part may go on from another address, or from a server
        that doesn't say which version of the file it sends.
    delays : sequence of float
        Seconds to wait between attempts in which nothing arrived.
    timeout : httpx.Timeout
        Of connecting, and of waiting for the next bytes.

    Returns
    -------
    Downloaded

    Raises
    ------
    DownloadError
        If that address doesn't give the file. What arrived is kept, for the next attempt.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(target, address, list(algorithms), trusted)
    resumed = part.size > 0
    failures, most = 0, part.size
    with httpx.Client(follow_redirects=True, timeout=timeout) as client:
        while True:
            try:
                _receive(client, address, part, title or target.name, on_progress)
                break
            except _InterruptedError as error:
                failures = 0 if part.size > most else failures + 1
                most = max(most, part.size)
                if failures > len(delays):
                    raise DownloadError(str(error)) from error
                time.sleep(delays[max(0, failures - 1)] if delays else 0)
    return Downloaded(part.finish(), resumed)


class _Part:
    """What has arrived so far of a file, its digests, and which version of the file it is of."""

    def __init__(self, target: Path, address: str, algorithms: list[str], trusted: bool) -> None:
        self.target, self.address, self.trusted = target, address, trusted
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.algorithms = algorithms
        self.validator = self._noted()
        self._hashes = self._new_hashes()
        self.size = self.checked = 0
        if self.path.is_file() and (trusted or self.validator):
            with self.path.open("rb") as stream:
                while block := stream.read(READ_AT_ONCE):
                    self._count(block)

    @contextmanager
    def growing(self) -> Iterator[Any]:
        """Append to it."""
        with self.path.open("ab") as stream:
            stream.truncate(self.size)

            def append(block: bytes) -> None:
                stream.write(block)
                self._count(block)

            yield append

    def begin_anew(self, validator: str | None) -> None:
        """Drop what is there, and note which version comes now."""
        self.size, self._hashes, self.validator = 0, self._new_hashes(), validator
        self.path.unlink(missing_ok=True)
        files.write(self.note, json.dumps({"address": self.address, "validator": validator}))

    def finish(self) -> dict[str, str]:
        """Rename the whole file to its final name."""
        self.path.replace(self.target)
        self.note.unlink(missing_ok=True)
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def _noted(self) -> str | None:
        try:
            note = json.loads(self.note.read_text())
            return note["validator"] if note["address"] == self.address else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _new_hashes(self) -> dict[str, Any]:
        return {name: hashlib.new(name, usedforsecurity=False) for name in self.algorithms}

    def _count(self, block: bytes) -> None:
        self.size += len(block)
        for one in self._hashes.values():
            one.update(block)


def _receive(client: httpx.Client, address: str, part: _Part, title: str, on_progress: OnProgress) -> None:
    # A compressed transfer would have no ranges, and other bytes than the archive's.
    headers = {"Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.validator:
            headers["If-Range"] = part.validator
    try:
        with client.stream("GET", address, headers=headers) as response:
            total = _agree(response, part)
            if total is not None:
                _check_disk_space(part, total)
            with part.growing() as append:
                if part.size != total:
                    # As it arrives: gathered into larger blocks, what came before a break would be lost.
                    for block in response.iter_raw():
                        append(block)
                        _check_length(part, total)
                        on_progress(Step(f"downloading {title}", part.size, total, "bytes"))
            if total is not None and part.size != total:
                raise _InterruptedError(f"the server sent {part.size:,} of {total:,} bytes")
    except httpx.InvalidURL as error:
        raise DownloadError(f"no address: {error}") from error
    except (httpx.TransportError, httpx.StreamError) as error:
        raise _InterruptedError(str(error) or type(error).__name__) from error
    except httpx.HTTPError as error:
        raise DownloadError(str(error).rstrip(".") or type(error).__name__) from error
    except OSError as error:
        raise DownloadError(f"{part.path} can't be written: {error.strerror}") from error


def _agree(response: httpx.Response, part: _Part) -> int | None:
    """Return the whole file's size, with `part` being what the response goes on from."""
    status = response.status_code
    if status == HTTPStatus.PARTIAL_CONTENT:
        start, size = _content_range(response)
        if start == part.size and size is not None:
            return size
        part.begin_anew(None)
        raise _InterruptedError("the server did not send the part of the file that was asked for")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
        if _content_range(response)[1] == part.size:
            return part.size
        part.begin_anew(None)
        raise _InterruptedError("the server has a shorter file than before")
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or status >= 500:
        raise _InterruptedError(f"HTTP {status} {response.reason_phrase}")
    if status != HTTPStatus.OK:
        raise DownloadError(f"HTTP {status} {response.reason_phrase}")
    part.begin_anew(_validator(response))
    return _number(response.headers.get("Content-Length", ""))


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    # "bytes 100-199/200", or "bytes */200" where the range was none of the file's
    _, _, text = response.headers.get("Content-Range", "").partition(" ")
    span, _, size = text.partition("/")
    start = span.partition("-")[0]
    return _number(start), _number(size)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and len(text) < 19 else None


def _validator(response: httpx.Response) -> str | None:
    tag = str(response.headers.get("ETag", ""))
    if tag and not tag.startswith("W/"):
        return tag
    return str(response.headers.get("Last-Modified", "")) or None


def _check_length(part: _Part, total: int | None) -> None:
    """Stop what doesn't say how long it is before the disk is full."""
    if total is None and part.size // CHECKED_EVERY != part.checked:
        part.checked = part.size // CHECKED_EVERY
        if shutil.disk_usage(part.path.parent).free < KEPT_FREE:
            size = part.size
            part.begin_anew(None)
            raise DownloadError(f"it has no end: {size:,} bytes came, and the disk is full")


def _check_disk_space(part: _Part, total: int) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if total - part.size > free - KEPT_FREE:
        raise DownloadError(f"{total - part.size:,} bytes to come, but the disk has only {free:,} free")
