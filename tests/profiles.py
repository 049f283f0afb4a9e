"""Colour profiles that leave no doubt whether they were applied."""

from __future__ import annotations

import struct
from functools import cache

from PIL import ImageCms


@cache  # the time when it was made is in it
def swapped() -> bytes:
    """RGB, as sRGB with red and green exchanged."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"rXYZ", b"none", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"none", b"gXYZ", 1)


def gray() -> bytes:
    """Gray with a gamma of 1: much lighter than sRGB takes the same values for."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(part * 65536) for part in (0.9642, 1.0, 0.8249)))
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": white, b"kTRC": curve})


def inks() -> bytes:
    """CMYK in which cyan prints a strong red, and everything else nothing."""
    identity = bytes(range(256))
    corners = b"".join(bytes((128, 208, 190)) if number & 8 else bytes((255, 128, 128)) for number in range(2**4))
    matrix = struct.pack(">9i", *(65536 if number % 4 == 0 else 0 for number in range(9)))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + corners + identity * 3
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    directory, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        directory += name + struct.pack(">II", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"none", 0x02400000, kind, space, connection)
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + directory + data
