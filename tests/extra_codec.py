"""A codec as another package would bring it: Sun's raster files, which are not compressed."""

from __future__ import annotations

from pathlib import Path

from agbench.preprocess.codec import Codec


def _encode(image, path, quality, metadata):
    image.save(path, format="PPM")


CODEC = Codec(
    suffix=".ppm",
    settings="Image.save(): no compression at all",
    library=lambda: "Pillow",
    encode=_encode,
    keeps=(),
    scale="no meaning: every quality is the same",
    pillow_format="PPM",
)


def install(folder: Path) -> dict[str, str]:
    """Install this module as a package of its own, and return the environment in which it is found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extra_codec.py").write_text(Path(__file__).read_text())
    info = folder / "extra_codec-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra_codec\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[agbench.codecs]\nppm = extra_codec:CODEC\n")
    return {"PYTHONPATH": str(folder)}
