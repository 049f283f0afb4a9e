"""Files that are almost right: seeds, taken to parts, changed, and put together with sums that are right again."""

from __future__ import annotations

import gzip
import pickletools
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from agbench.core.truncation import PNG_SIGNATURE, png_chunks

TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
NUMBERS = (0, 1, 2, *(2**bits + more for bits in (3, 8, 15, 16, 24, 31, 32, 63) for more in (-1, 0)))
TEXTS = (
    b"",
    b"\0",
    b"\n",
    b"-1",
    b"9" * 400,
    b"1e999",
    b"nan",
    b"..",
    b"/",
    b"\\",
    b'"',
    b"\xff",
    b"\xc3\xa9",
    b"%s",
)

Parts = list[bytes]
Join = Callable[[Parts], bytes]


def taken_apart(content: bytes) -> tuple[Parts, Join]:
    """The parts that a format is made of, and how they are put together, with lengths and sums made right."""
    try:
        parts, join = _by_format(content)
    except (OSError, EOFError, ValueError, zlib.error):  # it only begins like that format
        return [content], b"".join
    return parts or [b""], join


def _by_format(content: bytes) -> tuple[Parts, Join]:
    if content.startswith(PNG_SIGNATURE):
        found = [content[place - 4 : place + length] for _, place, length in png_chunks(content)]
        return found, lambda parts: PNG_SIGNATURE + b"".join(map(_png_chunk, parts))
    if content.startswith(b"\xff\xd8"):
        first, *rest = content.split(b"\xff")
        return [first, *(b"\xff" + one for one in rest)], b"".join
    if content.startswith(TIFF_SIGNATURES):
        order: Literal["little", "big"] = "little" if content.startswith(b"II") else "big"
        tags = int.from_bytes(content[4:8], order) + 2
        count = int.from_bytes(content[tags - 2 : tags], order)
        places = [0, *range(tags, min(tags + 12 * count, len(content)) + 1, 12)]
        return _between(content, places), b"".join
    if content.startswith(b"\x1f\x8b"):
        parts, join = taken_apart(gzip.decompress(content))
        return parts, lambda parts: gzip.compress(join(parts), 1, mtime=0)
    if content[257:262] == b"ustar":
        size = tarfile.BLOCKSIZE
        blocks = [content[at : at + size] for at in range(0, len(content), size)]
        return blocks, lambda parts: b"".join(map(_tar_block, parts))
    if content.startswith(b"\x80") and content.endswith(b"."):
        return _between(content, [place or 0 for _, _, place in pickletools.genops(content)]), b"".join
    if b"\n" in content:
        return content.splitlines(keepends=True), b"".join
    return [content], b"".join


def _between(content: bytes, places: list[int]) -> Parts:
    return [content[begin:end] for begin, end in pairwise([*places, len(content)])]


def _png_chunk(part: bytes) -> bytes:
    return struct.pack(">I", max(len(part) - 4, 0)) + part + struct.pack(">I", zlib.crc32(part))


def _tar_block(block: bytes) -> bytes:
    if block[257:262] != b"ustar":
        return block
    blank = block[:148] + b" " * 8 + block[156:]
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


@dataclass(frozen=True)
class Mutator:
    """Makes inputs of seeds.

    Parameters
    ----------
    seeds : sequence of bytes
        Files to begin with.
    tokens : sequence of bytes
        What the format has in it, to be put anywhere.
    chance : random.Random
        Decides everything: the same one makes the same inputs.
    longest : int
        Bytes of an input, at most.
    """

    seeds: Sequence[bytes]
    tokens: Sequence[bytes]
    chance: random.Random
    longest: int

    def inputs(self) -> Iterator[bytes]:
        """Every seed as it is, and then without an end what comes of them."""
        yield from self.seeds
        while True:
            yield self._changed(self.chance.choice(self.seeds))[: self.longest]

    def _changed(self, content: bytes) -> bytes:
        parts, join = taken_apart(content)
        if self.chance.random() < 0.1:
            parts, join = [content], b"".join  # its sums stay wrong
        for _ in range(self.chance.choice((1, 1, 1, 2, 3, 6))):
            change = self.chance.choice((self._inside, self._inside, self._inside, self._among))
            parts = change(parts) or [b""]
        return join(parts)

    def _among(self, parts: Parts) -> Parts:
        """Whole parts: one left out, twice, many times, moved, or taken from another seed."""
        place, other = self.chance.randrange(len(parts)), self.chance.randrange(len(parts))
        what = self.chance.randrange(5)
        if what == 0:
            return parts[:place] + parts[place + 1 :]
        if what == 1:
            times = self.chance.choice((1, 1, 2, 20, 2_000))
            times = min(times, self.longest // max(len(parts[place]), 1))
            return parts[:place] + [parts[place]] * times + parts[place:]
        if what == 2:
            moved = parts[:place] + parts[place + 1 :]
            return [*moved[:other], parts[place], *moved[other:]]
        if what == 3:
            return parts[:place]
        found, _ = taken_apart(self.chance.choice(self.seeds))
        begin = self.chance.randrange(len(found))
        return parts[:place] + found[begin : begin + self.chance.randint(1, 4)] + parts[other:]

    def _inside(self, parts: Parts) -> Parts:
        place = self.chance.randrange(len(parts))
        return [*parts[:place], self._bytes(parts[place]), *parts[place + 1 :]]

    def _bytes(self, part: bytes) -> bytes:
        """Bytes of a part: some changed, replaced by a number or a token, left out, or many times over."""
        begin = self.chance.randrange(len(part) + 1)
        end = min(begin + self.chance.choice((0, 1, 1, 2, 4, 8, 40)), len(part))
        what = self.chance.randrange(7)
        if what == 0:
            new = bytes(value ^ 1 << self.chance.randrange(8) for value in part[begin:end])
        elif what == 1:
            new = self.chance.randbytes(end - begin)
        elif what == 2:
            new = b""
        elif what == 3:
            times = min(self.chance.choice((2, 3, 20, 3_000, 200_000)), self.longest // max(end - begin, 1))
            new = part[begin:end] * times
        elif what == 4:
            size = self.chance.choice((1, 2, 4, 8))
            number = self.chance.choice(NUMBERS) % 256**size
            new, end = number.to_bytes(size, self.chance.choice(("little", "big"))), min(begin + size, len(part))
        elif what == 5:
            new = self.chance.choice(TEXTS)
        else:
            new = self.chance.choice(self.tokens) if self.tokens else b""
        return part[:begin] + new + part[end:]
