"""Every kind of PNG and TIFF, each with the pixels that a viewer shows on white."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, steps down and across."""

Kind = tuple[str, bytes, np.ndarray]


def png(samples: np.ndarray, colour: int, depth: int, interlaced: bool = False, extra=(), rows=None) -> bytes:
    """A PNG of samples (height, width, channels); with fewer bytes of rows than it should have where asked."""
    height, width = samples.shape[:2]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    raw = b"".join(_rows(samples[y::down, x::across], depth) for y, x, down, across in passes)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(raw[:rows])), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(samples: np.ndarray, depth: int) -> bytes:
    out = b""
    for row in samples if samples.size else ():
        flat = row.reshape(-1)
        if depth < 8:
            bits = (flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            out += b"\0" + np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()
        else:
            out += b"\0" + flat.astype(">u2" if depth == 16 else np.uint8).tobytes()
    return out


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return colour * alpha[..., None] + 255 * (1 - alpha[..., None])


def pngs() -> Iterator[Kind]:
    """Colour type x depth x transparent value x interlace."""
    generator = np.random.default_rng(0)
    for colour, depths in DEPTHS.items():
        for depth, clear, interlaced in itertools.product(depths, (False, True), (False, True)):
            if clear and colour in (4, 6):
                continue
            top = 2**depth - 1
            samples = generator.integers(0, top + 1, (11, 13, CHANNELS[colour]))
            extra, alpha = [], np.ones((11, 13))
            if colour == 3:
                palette = generator.integers(0, 256, (top + 1, 3))
                extra.append((b"PLTE", palette.astype(np.uint8).tobytes()))
                shown = palette[samples[..., 0]].astype(float)
                if clear:
                    first = generator.integers(0, 256, max((top + 1) // 2, 1))
                    extra.append((b"tRNS", first.astype(np.uint8).tobytes()))
                    alpha = np.r_[first, [255] * (top + 1 - len(first))][samples[..., 0]] / 255
            else:
                count = 1 if colour in (0, 4) else 3
                if clear:
                    key = np.array([max(top // 3, 1) ^ (place & top) for place in range(count)])
                    samples[5, :, :count] = key
                    if depth == 16:
                        samples[6, :, :count] = key ^ 1  # alike but for the last bit
                    extra.append((b"tRNS", struct.pack(f">{count}H", *key)))
                    alpha = 1 - (samples[..., :count] == key).all(axis=-1).astype(float)
                shown = np.repeat(samples[..., :1], 3, axis=-1) if count == 1 else samples[..., :3]
                shown = shown * 255 / top
                if colour in (4, 6):
                    alpha = samples[..., -1] / top
            name = f"png colour {colour}, {depth} bits{', clear' * clear}{', interlaced' * interlaced}"
            yield name, png(samples, colour, depth, interlaced, extra), on_white(shown, alpha)


FORMS = (
    (1, "minisblack", ()),
    (1, "miniswhite", ()),
    (2, "minisblack", ("unassalpha",)),
    (3, "rgb", ()),
    (4, "rgb", ("unassalpha",)),
    (4, "rgb", ("assocalpha",)),
    (4, "separated", ()),
)


def tiffs() -> Iterator[Kind]:
    """Depth x byte order x planes x compression x tiles x photometric, and depths of other numbers of bits."""
    generator = np.random.default_rng(0)
    base = generator.integers(0, 256, (33, 37, 4))
    compressions = ((None, False), ("zlib", True), ("lzw", True), ("packbits", False))
    for depth, order, planes, (compression, predicted), tile, (count, photometric, extra) in itertools.product(
        (8, 16), "<>", ("contig", "separate"), compressions, (None, (16, 16)), FORMS
    ):
        if count == 1 and planes == "separate":
            continue
        values = base[..., :count].copy()
        if extra == ("assocalpha",):
            values[..., :-1] = values[..., :-1] * values[..., -1:] // 255
        data = (values * (257 if depth == 16 else 1)).astype(f"uint{depth}")
        data = data[..., 0] if count == 1 else np.moveaxis(data, -1, 0) if planes == "separate" else data
        name = f"tiff {depth} bits {order} {photometric} {extra} {planes} {compression} {tile}"
        yield (
            name,
            _tiff(
                data,
                photometric=photometric,
                compression=compression,
                predictor=predicted or None,
                tile=tile,
                byteorder=order,
                **({"planarconfig": planes} if count > 1 else {}),
                **({"extrasamples": extra} if extra else {}),
            ),
            _shown(values.astype(float), photometric, extra),
        )
    for bits, photometric in itertools.product((1, 2, 4, 12), ("minisblack", "miniswhite")):
        values = generator.integers(0, 2**bits, (33, 37))
        data = values.astype(bool if bits == 1 else np.uint8 if bits < 8 else np.uint16)
        gray = np.repeat(values[..., None] * 255 / (2**bits - 1), 3, axis=-1)
        made = _tiff(data, photometric=photometric, bitspersample=bits)
        yield f"tiff {bits} bits {photometric}", made, 255 - gray if photometric == "miniswhite" else gray


def _tiff(data: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, data, **options)
    return stream.getvalue()


def _shown(values: np.ndarray, photometric: str, extra: tuple[str, ...]) -> np.ndarray:
    if photometric == "separated":
        return (255 - values[..., :3]) * (255 - values[..., 3:]) / 255
    gray = np.repeat(values[..., :1], 3, axis=-1)
    if photometric == "miniswhite":
        return 255 - gray
    colour = gray if photometric == "minisblack" else values[..., :3]
    if not extra:
        return colour
    alpha = values[..., -1] / 255
    return colour + 255 * (1 - alpha[..., None]) if extra == ("assocalpha",) else on_white(colour, alpha)
