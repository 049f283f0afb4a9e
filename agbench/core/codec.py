"""The codecs: how an image is written at a quality, and how its files are known."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import PIL
from PIL import ExifTags, Image, features

from agbench.core import plugins
from agbench.core.errors import UserError, look_up


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels.

    Parameters
    ----------
    exif : bytes
        The EXIF block as it stands in a JPEG, with its six bytes ``Exif`` first; empty where there is none.
    icc : bytes
        The colour profile; empty where there is none.
    xmp : bytes
        The XMP packet; empty where there is none.
    dpi : tuple of float
        Pixels an inch, in both directions; empty where that is not said.
    comment : bytes
        Of a JPEG or GIF; empty where there is none.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, ...] = ()
    comment: bytes = b""

    @classmethod
    def of_orientation(cls, orientation: int) -> Metadata:
        """Return the metadata by which a viewer turns the copy as the original; empty where that is upright."""
        if orientation == 1:
            return cls()
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        return cls(exif=exif.tobytes())

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments for ``Image.save``."""
        some = {"xmp": self.xmp, "dpi": self.dpi, "comment": self.comment}
        # Left out, those of the image that it was made from would be kept by some of Pillow's writers.
        return {"exif": self.exif, "icc_profile": self.icc, **{name: kept for name, kept in some.items() if kept}}


Encode = Callable[[Image.Image, "str | Path | IO[bytes]", int, Metadata], None]


@dataclass(frozen=True)
class Codec:
    """One way of writing images.

    Parameters
    ----------
    suffix : str
        Suffix of its files, with the dot, in lower case.
    pillow_format : str
        Pillow's name of its files' format. Files are read in this format only where Pillow knows it.
    settings : str
        What it does beside the quality, in words for the manifest.
    library : callable
        Gives name and version of the library at work.
    encode : callable
        Writes a faithful image (mode ``"L"`` or ``"RGB"``) to a path or a stream at a quality, 1 to 99 on the
        codec's own scale, with what is to be kept of its metadata.
    scale : str
        What a level r means to it, in words for who chooses one; empty where it has no quality.
    signature : bytes
        Regular expression that matches the beginning of its files, and of no others: a file without a suffix is
        known by it. Empty where there is none.
    other_suffixes : tuple of str
        Suffixes that its files may have, too.
    plugin : str
        Import package that teaches Pillow the format; empty where Pillow knows it, and where loading the codec
        teaches it.
    package : str
        What to install where Pillow can't write the format.
    is_there : callable
        Whether Pillow can write the format here.
    keeps : tuple of str
        The fields of `Metadata` that its files can hold.
    turned_by_exif : bool
        Whether viewers turn its files by the orientation in their EXIF block.
    longest_side : int, optional
        Pixels of an image's width or height, at most, that its files hold, where there is such a limit.
    longest_block : int, optional
        Bytes that its files hold of an EXIF block or an XMP packet at most, where there is such a limit.
    """

    suffix: str
    pillow_format: str
    settings: str
    library: Callable[[], str]
    encode: Encode
    scale: str = ""
    signature: bytes = b""
    other_suffixes: tuple[str, ...] = ()
    plugin: str = ""
    package: str = "a Pillow from PyPI: this one is built without it"
    is_there: Callable[[], bool] = lambda: True
    keeps: tuple[str, ...] = ("exif", "icc", "xmp")
    turned_by_exif: bool = True
    longest_side: int | None = None
    longest_block: int | None = None

    def missing(self) -> str:
        """Return what to install before it can be used; empty where it can be used."""
        return "" if self.is_there() else self.package


def _pillow(format_: str, **settings: Any) -> Encode:
    def encode(image: Image.Image, path: str | Path | IO[bytes], quality: int, metadata: Metadata) -> None:
        image.save(path, format=format_, quality=quality, **settings, **metadata.options())

    return encode


def _encode_png(image: Image.Image, path: str | Path | IO[bytes], quality: int, metadata: Metadata) -> None:
    image.save(path, format="PNG", **metadata.options())


def _encode_jxl(image: Image.Image, path: str | Path | IO[bytes], quality: int, metadata: Metadata) -> None:
    teach_pillow()
    # Left to itself, the plug-in keeps the coefficients of an image that came from a JPEG, at any quality.
    image.save(path, format="JXL", quality=quality, num_threads=1, lossless_jpeg=False, **metadata.options())


def _pillow_with(library: str, version_of: Callable[[], str | None]) -> Callable[[], str]:
    return lambda: f"Pillow {PIL.__version__}, {library} {version_of()}"


def _jpeg_library() -> str:
    turbo = features.check_feature("libjpeg_turbo")
    library = "libjpeg-turbo" if turbo else "libjpeg"
    found = features.version_feature("libjpeg_turbo") if turbo else features.version_codec("jpg")
    return f"Pillow {PIL.__version__}, {library} {found}"


def _jxl_library() -> str:
    return f"Pillow {PIL.__version__}, pillow-jxl-plugin {version('pillow-jxl-plugin')}"


def _built_with(module: str) -> Callable[[], bool]:
    return lambda: features.check_module(module)


def _knows_jxl() -> bool:
    teach_pillow()
    return "JXL" in Image.SAVE


CODECS = {
    "jpeg": Codec(
        suffix=".jpg",
        pillow_format="JPEG",
        settings="Image.save(quality=q): baseline, 4:2:0, standard Huffman tables",
        library=_jpeg_library,
        encode=_pillow("JPEG"),
        scale="quality 100 r, which scales the standard's quantisation tables: 50 takes them as they are",
        signature=rb"\xff\xd8\xff",
        other_suffixes=(".jpeg",),
        keeps=("exif", "icc", "xmp", "dpi", "comment"),
        longest_side=65_500,
        longest_block=65_504,  # a segment of a JPEG, less what names it
    ),
    "webp": Codec(
        suffix=".webp",
        pillow_format="WEBP",
        settings="Image.save(quality=q): lossy, 4:2:0, method 4",
        library=_pillow_with("libwebp", lambda: features.version_module("webp")),
        encode=_pillow("WEBP"),
        scale="quality 100 r on libwebp's own scale",
        signature=rb"RIFF.{4}WEBP",
        longest_side=16_383,
        is_there=_built_with("webp"),
    ),
    "avif": Codec(
        suffix=".avif",
        pillow_format="AVIF",
        settings="Image.save(quality=q): 4:2:0, speed 6, one thread",
        library=_pillow_with("libavif", lambda: features.version_module("avif")),
        encode=_pillow("AVIF", max_threads=1),
        scale="quality 100 r on libavif's own scale: AV1's quantiser, turned round",
        signature=rb".{4}ftypavi[fs]",
        longest_side=32_768,
        is_there=_built_with("avif"),
    ),
    "jxl": Codec(
        suffix=".jxl",
        pillow_format="JXL",
        settings="Image.save(quality=q): lossy, effort 7, one thread",
        library=_jxl_library,
        encode=_encode_jxl,
        scale="quality 100 r, which libjxl turns into a distance from the original: 90 is 1.0, hardly visible",
        plugin="pillow_jxl",
        package="pillow-jxl-plugin",
        is_there=_knows_jxl,
        keeps=("exif", "xmp"),
        turned_by_exif=False,
    ),
}
"""By name. Pillow's ``save(quality=q)`` with its defaults, but for threads where they change the bytes, is the
definition of a level, for each codec on its own scale: the same level of two codecs is neither the same quality
nor the same size."""

LOSSLESS = Codec(
    suffix=".png",
    pillow_format="PNG",
    settings="Image.save(): lossless",
    library=_pillow_with("zlib", lambda: features.version_codec("zlib")),
    encode=_encode_png,
    signature=rb"\x89PNG\r\n\x1a\n",
)
"""How pixels are kept that no file of the data set holds: noisy ones, and faithful copies."""


def _others() -> plugins.Plugins[Codec]:
    return plugins.load(plugins.CODEC_PLUGINS, Codec)


def codecs() -> dict[str, Codec]:
    """Return all codecs by name: agbench's own, and those of other packages.

    Examples
    --------
    >>> [*codecs()][:2]
    ['jpeg', 'webp']
    """
    return _others().beside(CODECS)


def too_large_for(name: str, width: int, height: int) -> str:
    """Return why a codec can't hold an image; empty where it can.

    Parameters
    ----------
    name : str
        Name of one of `codecs`.
    width, height : int
        Size of the image in pixels.

    Examples
    --------
    >>> too_large_for("webp", 16_400, 20)
    '16,400x20 pixels, and webp holds 16,383 a side at most'
    """
    limit = look_up("codec", name, codecs()).longest_side
    if limit is None or max(width, height) <= limit:
        return ""
    return f"{width:,}x{height:,} pixels, and {name} holds {limit:,} a side at most"


def broken_codecs() -> dict[str, str]:
    """Return why codecs of other packages can't be used, by name.

    Examples
    --------
    >>> broken_codecs()
    {}
    """
    return _others().broken


def find_codec(name: str) -> Codec:
    """Return a codec that can be used here.

    Parameters
    ----------
    name : str
        Name of one of `codecs`.

    Returns
    -------
    Codec

    Raises
    ------
    UserError
        If there is none of that name, or what it needs is not installed.

    Examples
    --------
    >>> find_codec("jpeg").suffix
    '.jpg'
    """
    if name not in CODECS:
        _others().check("codec", name)
    codec = look_up("codec", name, codecs())
    if wanted := codec.missing():
        raise UserError(f"the codec {name} is not available: install {wanted}")
    return codec


@cache
def teach_pillow() -> None:
    """Teach Pillow, in this process, all formats that a codec brings.

    Whoever reads files by Pillow alone, as AutoMM does, calls this first.

    Examples
    --------
    >>> teach_pillow()
    >>> "AVIF" in Image.registered_extensions().values()
    True
    """
    for codec in codecs().values():
        if codec.plugin:
            with suppress(ImportError):
                importlib.import_module(codec.plugin)
