"""Small valid files of every kind, and a few that are odd but right."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from agbench.core import images
from agbench.data.catalogue import shipped
from agbench.data.cifar import PIXELS
from tests.core import every_kind

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that once found a fault, in a folder for each reader."""

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
TABLE = ("image", "label")


def once_found(reader: str) -> list[Path]:
    """The corpus of a reader."""
    return sorted((CORPUS / reader).glob("*"))


def image_files() -> list[bytes]:
    kinds = [*every_kind.pngs()][::5] + [*every_kind.tiffs()][::9]
    return [*_saved(), *(content for _, content, _ in kinds)]


def _saved() -> Iterator[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (17, 19, 4), dtype=np.uint8)
    rgba = Image.fromarray(noise)
    rgb, gray, palette = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(9)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    beside: dict[str, Any] = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "xmp": XMP,
        "dpi": (300, 300),
    }
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif.tobytes()):8}\n{exif.tobytes().hex()}\n")
    text.add_text("dpi", "72")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    wanted: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {"comment": b"a comment", **beside}),
        (gray, "JPEG", {"progressive": True}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "MPO", {"save_all": True, "append_images": [rgb]}),
        (rgb, "PNG", {"pnginfo": text}),
        (rgba, "PNG", {key: beside[key] for key in ("exif", "icc_profile", "dpi")}),
        (rgb, "PNG", {"transparency": (1, 2, 3)}),
        (palette, "PNG", {"transparency": bytes(range(9))}),
        (rgb, "PNG", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (deep, "PNG", {"transparency": 257}),
        (palette, "GIF", {"transparency": 3, "comment": b"a comment"}),
        (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(90)], "duration": 9}),
        (rgb, "TIFF", {**beside, "compression": "tiff_lzw"}),
        (rgb.convert("LAB"), "TIFF", {}),
        (deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (gray, "TIFF", {"save_all": True, "append_images": [gray], "compression": "packbits"}),
        (rgb, "TIFF", {"compression": "jpeg"}),
        (gray.convert("1"), "TIFF", {"compression": "group4"}),
        (gray.convert("F"), "TIFF", {}),
        (rgba, "WEBP", {"lossless": True, **{key: beside[key] for key in ("exif", "icc_profile", "xmp")}}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgb.rotate(90)]}),
        (rgba, "AVIF", {"speed": 10, **{key: beside[key] for key in ("exif", "icc_profile", "xmp")}}),
        (rgb, "BMP", {}),
        (palette, "BMP", {}),
        (rgb, "JXL", {}),
    ]
    for image, kind, options in wanted:
        if kind in (*images.formats(), "MPO"):
            stream = io.BytesIO()
            image.save(stream, kind, **options)
            yield stream.getvalue()


CARD = """\
# A card with all of its keys.
title: "Some: images"
layout: csv
addresses: ["https://example.org/data/a.tar.gz?x=1", /data/a.csv]
checksums:
  - md5:c32a1d4ab5d03f1284b67883e8d87530
unpacked_limit: 3 GB
columns: {image: image, label: label}
classes: 257
images: 30607
paper: &counts {classes: 257, images: 30592, train: 18356, test: 6119, validation: 6117}
licence: CC BY 4.0
citation: >-
  G. Griffin, A. Holub and P. Perona
note: !!str A note.
"""

STUDY = """\
summary: "mine"
models: ['tabular:dct', automm, probe:efficientnet_lite0]
levels: [1.0, 0.3, 5.0e-1]
codecs: [jpeg, webp]
treatments:
  - &one {level: 0.3, noise: 1.0, test_level: 0.5, codec: avif}
  - {level: 0.1}
  - *one
"""


def cards() -> list[bytes]:
    short = [f"title: a\nlayout: folders\n{line}\n" for line in CARD.splitlines()[3:]]
    return [CARD.encode(), (shipped() / "pets.yaml").read_bytes(), *(one.encode() for one in short)]


def studies() -> list[bytes]:
    return [STUDY.encode(), yaml.safe_dump(yaml.safe_load(STUDY)).encode()]


def tables() -> list[bytes]:
    rows = [TABLE, ("a.jpg", "cat"), ("b/c d.png", 'a "dog"'), ("e,f.png", "01"), ("g\\h.png", "line\nbreak")]
    written = ("\r\n".join(mark.join(_quoted(cell) for cell in row) for row in rows) for mark in ",;\t")
    plain = b"label,image,more\ncat,a.jpg,1\ndog,b.jpg,2\n"
    return [*(one.encode() for one in written), plain, b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-16")]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def cifar_files() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (2, PIXELS), dtype=np.uint8)
    shared: list[Any] = [0, 1]
    for _ in range(5):
        shared = [shared, shared]
    dictionaries: list[Any] = [
        {b"label_names": [b"cat", b"dog"]},
        {"label_names": ("cat", "h\xf6ren"), b"num_vis": 3072, "x": {1.5: None, True: frozenset((1, 2))}},
        {b"labels": [0, 1], b"data": pixels, b"filenames": [b"a.png", b"b.png"]},
        {"labels": np.array([1, 0], ">i8"), "data": np.asfortranarray(pixels), "batch_label": "of 1"},
        {b"labels": shared, b"label_names": shared, b"data": np.array([{}, 2**70], dtype=object)},
        {b"labels": np.zeros(2, [("a", "u1"), ("b", "S3")]), b"data": bytearray(b"bytes")},
        {b"labels": np.array(["2026-01-01"], "M8[D]"), b"data": 1.0},
    ]
    pickles = [pickle.dumps(one, protocol) for one in dictionaries for protocol in (2, 3, 5)]
    return [*pickles, b"\1" + pixels[0].tobytes() + b"\0" + pixels[1].tobytes(), b"cat\ndog\n"]


def archives() -> list[bytes]:
    plain = [_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../a", b"x")
    packed = [gzip.compress(plain[1], mtime=0), bz2.compress(plain[0]), lzma.compress(plain[2])]
    return [*plain, _sparse_tar(), *packed, stream.getvalue()]


def _tar(form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in (
            ("a", None),
            ("a/b.jpg", b"one"),
            ("a/h\xf6" + "x" * 60, b""),
            ("c d/" * 30, b"two"),
        ):
            info = tarfile.TarInfo(name)
            info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
            if content is None:
                info.type = tarfile.DIRTYPE
            elif len(name) > 99 and form == tarfile.USTAR_FORMAT:
                continue
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue().rstrip(b"\0") + bytes(2048)


def _sparse_tar() -> bytes:
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a",
        "GNU.sparse.realsize": "9",
    }
    info = tarfile.TarInfo("a")
    info.size, info.pax_headers = 512, records
    return info.tobuf(tarfile.PAX_FORMAT) + b"1\n0\n9\n".ljust(512, b"\0") + bytes(1024)


IMAGE_TOKENS = (
    *(
        struct.pack("<HHII", tag, kind, 1, value)
        for tag in (258, 259, 262, 277, 284)
        for kind, value in ((3, 8), (7, 0))
    ),
    *(b"tEXt" + key + b"\0x" for key in (b"transparency", b"exif", b"icc_profile", b"xmp", b"comment", b"gamma")),
    b"transparency\0",
    b"Raw profile type exif\0\n\n\nxyz",
    b"\xff\xda",
    b"\xff\xd9",
    b"\xff\x00",
    b"tRNS",
    b"Exif\0\0",
)
YAML_TOKENS = (
    *(
        f" !!{tag} ".encode()
        for tag in ("int", "float", "bool", "timestamp", "binary", "set", "map", "omap", "seq")
    ),
    *(
        one.encode()
        for one in (" &a ", " *a ", " <<: *a\n", "? ", " - ", ": ", "{", "}", "[", "]", "\n---\n", "|\n ")
    ),
    *(one.encode() for one in (" .inf ", " -.inf ", " .nan ", " 1.0e+308 ", " 2026-13-45 ", " 0b2 ", " 1:99:99 ")),
    *(
        one.encode()
        for one in ("1e400 GB", '"\\ud800"', '"\\0"', "https://h/..", "http://[", "https://h/%00", "true", "~")
    ),
)
PICKLE_TOKENS = (
    *(bytes([code]) for code in (*b"(0123]}):)ahjqrsbRu.NKMJIFVUX\x85\x86\x87\x88\x89\x8a\x93\x94\x95\x81",)),
    b"r\xff\xff\xff\x7f",
    b"j\xff\xff\xff\x7f",
    b"B\xff\xff\xff\x7f",
    b"cnumpy\nndarray\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.numeric\n_frombuffer\n",
    b"c_codecs\nencode\n",
    b"cos\nsystem\n",
)
TAR_TOKENS = (
    *(
        f"{len(one) + 3} {one}\n".encode()
        for one in ("size=-512", "path=../x", "mtime=1e999", "mtime=nan", "size=99999")
    ),
    *(
        f"{len(one) + 3} {one}\n".encode()
        for one in ("GNU.sparse.map=0,1,x", "GNU.sparse.size=-1", "hdrcharset=BINARY")
    ),
    *(bytes([kind]) for kind in b"0123456789xgLKSND"),
    b"\x80\0\0\0\0\0\0\0\xff\xff\xff\xff",
    b"\xff" * 12,
    b"../../x",
)
TABLE_TOKENS = (
    b",",
    b";",
    b"\t",
    b'"',
    b'""',
    b"\r",
    b"\n",
    b"\r\n",
    b"image",
    b"label",
    b"\xef\xbb\xbf",
    b"x" * 5_000,
    b"/",
    b"a.jpg",
)
MANIFEST = (
    b'{"source": "a.png", "state": "compressed", "before": 9, "modified": 1, "name": "a.jpg", "after": 5, '
    b'"stamp": 2, "size": [4, 2], "note": "", "dropped": ["EXIF"], "in_srgb": false}\n'
)
JSON_TOKENS = (
    b"null",
    b"[",
    b"]",
    b"{",
    b"}",
    b"-1",
    b"1e999",
    b"NaN",
    b'"\\ud800"',
    b'"../x"',
    b"true",
    b'{"a": 1}',
)


def manifests() -> list[bytes]:
    return [MANIFEST * 2, b'{"codec": "jpeg", "quality": 50}\n', b'{"a": {"50": 123, "60": 456}}\n']


def small_cifar() -> tuple[bytes, bytes, bytes, bytes]:
    """Names and a batch of the binary archive, and of the Python one: two classes, two images."""
    pixels = np.zeros((2, PIXELS), np.uint8)
    batch = b"".join(bytes([number]) + row.tobytes() for number, row in enumerate(pixels))
    names = pickle.dumps({b"label_names": [b"cat", b"dog"]})
    return b"cat\ndog\n", batch, names, pickle.dumps({b"labels": [0, 1], b"data": pixels})
