"""A codec as another package would bring it: a format that no Pillow knows, in which nothing is compressed."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image, ImageFile

from agbench.core.codec import Codec

MAGIC = b"PLAIN\0"
FORMAT = "PLAIN"


class _PlainImage(ImageFile.ImageFile):
    format = FORMAT
    format_description = "uncompressed pixels"

    def _open(self):
        head = self.fp.read(len(MAGIC) + 5)
        channels, *size = struct.unpack("<BHH", head[len(MAGIC) :])
        self._mode, self._size = {1: "L", 3: "RGB"}[channels], tuple(size)
        self.tile = [ImageFile._Tile("raw", (0, 0, *size), len(head), self._mode)]


Image.register_open(FORMAT, _PlainImage, lambda head: head.startswith(MAGIC))


def _encode(image, path, quality, metadata):
    data = MAGIC + struct.pack("<BHH", len(image.getbands()), *image.size) + image.tobytes()
    if isinstance(path, str | Path):
        Path(path).write_bytes(data)
    else:
        path.write(data)


CODEC = Codec(
    suffix=".plain",
    pillow_format=FORMAT,
    settings="no compression at all",
    library=lambda: "extra_codec 1.0",
    encode=_encode,
    scale="no meaning: every quality is the same",
    signature=MAGIC,
    keeps=(),
    turned_by_exif=False,
)


def install(folder: Path, entry_points: str = "[agbench.codecs]\nplain = extra_codec:CODEC\n") -> dict[str, str]:
    """Install this module as a package of its own, and return the environment in which it is found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extra_codec.py").write_text(Path(__file__).read_text())
    info = folder / "extra_codec-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra_codec\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    return {"PYTHONPATH": str(folder)}
