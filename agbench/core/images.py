"""Reading an image strictly, and as a viewer would show it.

AutoMM reads with ``convert("RGB")``, takes a black image for one it can't read, and lets half a file pass
for a whole one. What goes through here does none of that.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageFile

from agbench.core import pixels, truncation
from agbench.core.codec import LOSSLESS, Codec, codecs, teach_pillow
from agbench.core.errors import UnreadableImageError

# An error here, and threads share their filters.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Of metadata that Pillow can't read: nothing depends on them, or their reader says so.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_WORDLESS = "Generic Error."
"""How the decoder of JPEG XL begins what it says of any error."""

_TOO_MUCH_TEXT = "MAX_TEXT"
"""What Pillow's error names where a PNG has too much text."""

_TIFF_SIGNATURE = re.compile(rb"II\*\0|MM\0\*")
_RAW_PROFILE = "Raw profile type exif"
_UPRIGHT = 1
_PHOTOMETRIC = 262
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True)
class _OnlyRead:
    """A format that images may come in, but are not written in."""

    pillow_format: str
    suffix: str
    other_suffixes: tuple[str, ...] = ()
    signature: bytes = b""


# Pillow's other decoders are not for files of strangers: that of EPS starts Ghostscript.
_ONLY_READ = (
    _OnlyRead("BMP", ".bmp", signature=rb"BM.{4}\0{4}"),
    _OnlyRead("GIF", ".gif", signature=rb"GIF8[79]a"),
    _OnlyRead("TIFF", ".tiff", (".tif",)),
)


@cache
def _read() -> tuple[Codec | _OnlyRead, ...]:
    return (*codecs().values(), LOSSLESS, *_ONLY_READ)


@cache
def formats() -> tuple[str, ...]:
    """Return the formats that are read, in Pillow's names: those of all codecs that Pillow knows, and a few more.

    Examples
    --------
    >>> "JPEG" in formats()
    True
    """
    teach_pillow()
    Image.init()
    return tuple(one.pillow_format for one in _read() if one.pillow_format in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """Return what images are called, in lower case; which format it is, a file's content tells.

    Examples
    --------
    >>> ".jpeg" in suffixes()
    True
    """
    return frozenset(suffix for one in _read() for suffix in (one.suffix, *one.other_suffixes))


@cache
def _signatures() -> re.Pattern[bytes]:
    return re.compile(b"|".join(one.signature for one in _read() if one.signature), re.DOTALL)


def looks_like_one(path: Path) -> bool:
    """Return whether a file is called like an image, or begins like one.

    Examples
    --------
    >>> looks_like_one(Path("a.JPG"))
    True
    """
    if path.suffix.lower() in suffixes():
        return True
    with path.open("rb") as stream:
        head = stream.read(16)
    # Cameras' raw files are TIFFs too, with a thumbnail where the image should be: those go by their names.
    return bool(_signatures().match(head) or (not path.suffix and _TIFF_SIGNATURE.match(head)))


@contextmanager
def strictly() -> Iterator[None]:
    """Keep Pillow from taking half a file for a whole one, in all threads of the process."""
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


@contextmanager
def opened(file: Path | IO[bytes]) -> Iterator[Image.Image]:
    """Open an image and decode all of its first frame, or say why that can't be done.

    Parameters
    ----------
    file : Path or binary stream
        Its content decides what it is, not its name.

    Yields
    ------
    PIL.Image.Image
        The decoded image in the file's own mode.

    Raises
    ------
    UnreadableImageError
        If it is no image, truncated, damaged, or a decompression bomb.
    MemoryError
        If memory runs out, which says nothing of the image.

    Examples
    --------
    >>> from io import BytesIO
    >>> stream = BytesIO()
    >>> Image.new("RGB", (4, 2)).save(stream, "PNG")
    >>> with opened(stream) as image:
    ...     image.size
    (4, 2)
    """
    try:
        with strictly():
            image = Image.open(file, formats=formats())
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise Image.DecompressionBombError(f"a decompression bomb? {image.width}x{image.height} pixels")
            pixels.check(image)
            with truncation.checked(image):
                pixels.load(image)
    except (MemoryError, UnreadableImageError):
        raise
    # Pillow's decoders have no common error: OSError, SyntaxError, ValueError, struct.error ... are all seen.
    except Exception as error:
        words = " ".join(str(error).replace(str(file), file.name if isinstance(file, Path) else "").split())
        if words.startswith(_WORDLESS):
            words = "damaged, or truncated"
        if _TOO_MUCH_TEXT in words:
            words = "more text beside its pixels than Pillow reads: 64 MB in all, 1 MB in a compressed chunk"
        raise UnreadableImageError(words or type(error).__name__) from error
    with image:
        yield image


def glimpse(path: Path, side: int) -> Image.Image:
    """Return the pixels of an image that was decoded strictly before, as viewers show them, perhaps smaller.

    Parameters
    ----------
    path : Path
        Image file.
    side : int
        Least side in pixels that is wanted: a JPEG is decoded at a half, a quarter or an eighth of its size, as
        long as no side becomes less.

    Returns
    -------
    PIL.Image.Image
        In mode ``"RGB"``, not turned.

    Raises
    ------
    UnreadableImageError
        If it can't be read any more.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.jpg"
    >>> Image.new("RGB", (4000, 3000)).save(path)
    >>> glimpse(path, 192).size
    (500, 375)
    """
    try:
        with strictly(), Image.open(path, formats=formats()) as image:
            image.draft(None, (side, side))
            pixels.load(image)
            return faithful(image).convert("RGB")
    except (MemoryError, UnreadableImageError):
        raise
    except Exception as error:  # as in `opened`
        raise UnreadableImageError(f"{path.name}: {error}") from error


def reads_faithfully(image: Image.Image) -> bool:
    """Return whether AutoMM's ``convert("RGB")`` gives what a viewer would show.

    It doesn't for 16-bit images (all white), floating point, and where alpha hides colour.

    Examples
    --------
    >>> reads_faithfully(Image.new("RGB", (2, 2))), reads_faithfully(Image.new("I;16", (2, 2)))
    (True, False)
    """
    if image.mode in (*_SIXTEEN_BIT_MODES, "F"):
        return False
    return not has_transparency(image)


def faithful(image: Image.Image) -> Image.Image:
    """Return the pixels as a viewer would show them, gray or RGB, not turned.

    Parameters
    ----------
    image : PIL.Image.Image
        A decoded image in any mode.

    Returns
    -------
    PIL.Image.Image
        In mode ``"L"`` where the image is gray, otherwise ``"RGB"``; same size. Transparency is
        laid on white, 16-bit gray is scaled to 8 bits.

    Raises
    ------
    UnreadableImageError
        If the mode has no agreed meaning as a picture (floating point, 32-bit integers).

    Examples
    --------
    >>> faithful(Image.new("RGBA", (2, 2))).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels have no agreed range; store 8 or 16 bits")
    if image.mode in _SIXTEEN_BIT_MODES:
        values = np.asarray(image).astype(np.int64)
        if image.mode == "I" and image.format == "TIFF":
            raise UnreadableImageError("32-bit and signed pixels have no agreed range; store 8 or 16 bits")
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UnreadableImageError("32-bit pixels have no agreed range; store 8 or 16 bits")
        if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:  # type: ignore[attr-defined]
            raise UnreadableImageError("16-bit gray with white as zero, which Pillow does not turn round")
        top = 2 ** pixels.bits(image) - 1
        hidden = image.info.get("transparency")
        if isinstance(hidden, int):
            values[values == hidden] = top
        return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
    if has_transparency(image):
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where the EXIF block is damaged, as viewers have it.

    An orientation in XMP alone, which Pillow takes for one of EXIF, turns the image in no browser.

    Examples
    --------
    >>> orientation(Image.new("RGB", (2, 2)))
    1
    """
    value = _UPRIGHT
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return value  # its codestream has an orientation of its own, which the decoder has followed
    with suppress(Exception):  # Pillow's reader has no common error either
        if image.format == "TIFF":
            value = image.tag_v2.get(ExifTags.Base.Orientation, _UPRIGHT)  # type: ignore[attr-defined]
        else:
            tags = Image.Exif()
            tags.load(exif_block(image))
            value = tags.get(ExifTags.Base.Orientation, _UPRIGHT)
    return value if value in range(1, 9) else _UPRIGHT


def exif_block(image: Image.Image) -> bytes:
    """Return the EXIF block of an image that is not a TIFF, damaged or not; empty where there is none.

    Examples
    --------
    >>> exif_block(Image.new("RGB", (2, 2)))
    b''
    """
    block = image.info.get("exif")
    if block is None and isinstance(written := image.info.get(_RAW_PROFILE), str):
        try:
            block = bytes.fromhex("".join(written.split("\n")[3:]))  # as ImageMagick wrote it into PNGs
        except ValueError:
            block = written.encode()  # there, but damaged
    return block if isinstance(block, bytes) else b""


def has_transparency(image: Image.Image) -> bool:
    """Return whether any of its pixels is transparent.

    Examples
    --------
    >>> has_transparency(Image.new("RGBA", (2, 2))), has_transparency(Image.new("RGBA", (2, 2), "red"))
    (True, False)
    """
    if not image.has_transparency_data:
        return False
    if image.mode in _SIXTEEN_BIT_MODES:
        return bool((np.asarray(image) == image.info["transparency"]).any())
    return bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)
