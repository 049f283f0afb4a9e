"""What it takes to read a variant's files, measured, and how much of them is no picture."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from agbench.core.truncation import PNG_SIGNATURE, png_chunks

LIMIT = 1000
"""Images that are read for the measurement, at most."""

_JPEG = b"\xff\xd8"
_START_OF_SCAN, _END = 0xDA, 0xD9
_STUFFED_OR_RESTART = {b"\0", *(bytes([marker]) for marker in range(0xD0, 0xD8))}
"""What stands behind 0xFF within a scan: a zero that stuffs a data byte, or a restart marker's code."""
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True)
class Reading:
    """The reading of some of a variant's files, one after the other in one process.

    Parameters
    ----------
    images : int
        How many were read.
    seconds_read, seconds_decode : float
        For reading their bytes, and for decoding them to RGB as a model's loader does. Whether the system
        had the files in its cache is not known.
    bytes : int
        Size of the files in bytes.
    header : int, optional
        How many of these bytes are no picture data; ``None`` where a format is neither JPEG nor PNG.
    """

    images: int
    seconds_read: float
    seconds_decode: float
    bytes: int
    header: int | None

    def metrics(self) -> dict[str, float]:
        """Return the metrics to store, by name."""
        kept = {"images": self.images, "seconds_read": self.seconds_read, "seconds_decode": self.seconds_decode}
        share = {} if self.header is None else {"header_share": self.header / max(self.bytes, 1)}
        return {f"reading_{name}": float(value) for name, value in (kept | share).items()}


def measure(paths: Sequence[str | Path], limit: int = LIMIT) -> Reading:
    """Read and decode files, and take the time.

    Parameters
    ----------
    paths : sequence of str or Path
        Image files that are known to be readable.
    limit : int
        Of more than so many, evenly spaced ones are taken.

    Returns
    -------
    Reading

    Examples
    --------
    >>> measure([]).images
    0
    """
    chosen = paths if len(paths) <= limit else [paths[place * len(paths) // limit] for place in range(limit)]
    reading = decoding = 0.0
    size, headers = 0, []
    for path in chosen:
        started = time.perf_counter()
        content = Path(path).read_bytes()
        read = time.perf_counter()
        with Image.open(io.BytesIO(content)) as image:
            image.convert("RGB")
        decoded = time.perf_counter()
        reading, decoding = reading + read - started, decoding + decoded - read
        size += len(content)
        headers.append(header_bytes(content))
    known = [header for header in headers if header is not None]
    return Reading(len(chosen), reading, decoding, size, sum(known) if len(known) == len(headers) else None)


def header_bytes(content: bytes) -> int | None:
    """Count the bytes of an image file that are no picture data: tables, profiles, metadata, frames of chunks.

    Parameters
    ----------
    content : bytes
        A whole file.

    Returns
    -------
    int or None
        ``None`` where it is neither JPEG nor PNG.

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> Image.new("RGB", (8, 8)).save(stream, "PNG")
    >>> len(stream.getvalue()), header_bytes(stream.getvalue())
    (69, 57)
    """
    if content.startswith(PNG_SIGNATURE):
        return len(content) - sum(length for kind, _, length in png_chunks(content) if kind == b"IDAT")
    if content.startswith(_JPEG):
        return len(content) - _jpeg_scans(content)
    return None


def _jpeg_scans(content: bytes) -> int:
    """Count the entropy-coded bytes of all scans (ITU T.81, annex B)."""
    place, scans = 2, 0
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == _END:
            break
        if marker == 0xFF or marker in _STANDALONE:
            place += 1 if marker == 0xFF else 2
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == _START_OF_SCAN:
            end = place
            while 0 <= end < len(content) - 1:
                end = content.find(b"\xff", end)
                if end < 0 or content[end + 1 : end + 2] not in _STUFFED_OR_RESTART:
                    break
                end += 2
            end = len(content) if end < 0 else end
            scans += end - place
            place = end
    return scans
