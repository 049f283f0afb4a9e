"""One image, compressed in memory, with what a viewer needs beside its pixels."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, replace

from PIL import Image, ImageCms

from agbench.compression import metadata
from agbench.compression.metadata import PROFILE, as_bytes
from agbench.core import codec, images
from agbench.core.codec import Codec, Metadata
from agbench.core.errors import UnreadableImageError

MORE_PICTURES = "further pictures in one file (MPO)"

_MPO = "MPO"
_PIXELS_OF_PROFILE = {b"GRAY": "L", b"RGB ": "RGB"}
_GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What a viewer does at an EXIF orientation."""


@dataclass(frozen=True)
class EncodeSettings:
    """How images are compressed.

    Parameters
    ----------
    codec : str
        A name in `agbench.core.codec.CODECS`.
    quality : int
        1 to 99, on its scale.
    strip : bool
        Whether metadata is dropped, but for the orientation.
    """

    codec: str
    quality: int
    strip: bool


@dataclass(frozen=True)
class Recoded:
    """What came of an image.

    Parameters
    ----------
    size : tuple of int
        Width and height of the source in pixels.
    data : bytes
        The compressed file; empty for an animation, and where the codec can't write it.
    new_size : tuple of int
        Its width and height; those of the source, but where it is turned upright.
    problem : str
        Why the codec can't.
    dropped : tuple of str
        What the compressed file lacks beside the pixels' precision.
    in_srgb : bool
        Whether its pixels were converted to sRGB, as it has no profile any more.
    """

    size: tuple[int, int]
    data: bytes = b""
    new_size: tuple[int, int] = (0, 0)
    problem: str = ""
    dropped: tuple[str, ...] = ()
    in_srgb: bool = False


def recode(data: bytes, recipe: EncodeSettings) -> Recoded:
    """Compress an image.

    Parameters
    ----------
    data : bytes
        The file.
    recipe : EncodeSettings
        Codec, quality, and whether metadata is dropped.

    Returns
    -------
    Recoded

    Raises
    ------
    UnreadableImageError
        If it can't be decoded whole, or not be shown faithfully.
    """
    writer = codec.find_codec(recipe.codec)
    with images.opened(io.BytesIO(data)) as image:
        size, frames = image.size, _frames(image)
        if frames > 1 and image.format != _MPO:
            return Recoded(size)
        try:
            coloured = _coloured(image, keep=not recipe.strip and "icc" in writer.keeps)
        except (UnreadableImageError, MemoryError):
            raise
        # Pillow has modes that it doesn't convert, and says so in several ways.
        except Exception as error:
            raise UnreadableImageError(f"pixels of mode {image.mode}: {error}") from error
        said, lacking = metadata.found(image), metadata.lacking(image, data)
    kept, dropped = metadata.kept(said, writer, recipe.strip)
    pixels = coloured.pixels
    turn = _TURNS.get(metadata.orientation_in(kept.exif))
    if turn is not None and not writer.turned_by_exif:
        pixels, kept = pixels.transpose(turn), replace(kept, exif=metadata.turned(kept.exif, 1))
    pixels.info.clear()  # some of Pillow's writers keep what they find there
    kept = replace(kept, icc=coloured.profile)
    more = [MORE_PICTURES] if frames > 1 else []
    result = Recoded(
        size,
        new_size=pixels.size,
        dropped=(*dropped, *coloured.dropped, *lacking, *more),
        in_srgb=coloured.in_srgb,
    )
    try:
        return replace(result, data=_encoded(writer, pixels, recipe.quality, kept))
    except _CantEncodeError as error:
        refused = replace(result, problem=str(error))
    # Some writers read the metadata, which may be damaged, or too much of it.
    least, left_out = metadata.bare(kept)
    try:
        data = _encoded(writer, pixels, recipe.quality, least)
    except _CantEncodeError:
        return refused
    return replace(result, data=data, dropped=tuple(dict.fromkeys((*result.dropped, *left_out))))


class _CantEncodeError(Exception):
    """The codec doesn't take the image; the message says why."""


def _encoded(writer: Codec, pixels: Image.Image, quality: int, beside: Metadata) -> bytes:
    stream = io.BytesIO()
    try:
        writer.encode(pixels, stream, quality, beside)
    except MemoryError:
        raise
    # As many kinds of errors as there are libraries; they are about this image, as nothing touches a disk.
    except Exception as error:
        raise _CantEncodeError(str(error) or type(error).__name__) from error
    return stream.getvalue()


def _frames(image: Image.Image) -> int:
    with suppress(Exception):  # damaged after the first, which is whole
        return int(getattr(image, "n_frames", 1))
    return 1


@dataclass(frozen=True)
class _Coloured:
    pixels: Image.Image
    profile: bytes = b""
    dropped: tuple[str, ...] = ()
    in_srgb: bool = False


def _coloured(image: Image.Image, keep: bool) -> _Coloured:
    """Return the pixels and a profile that is about them: gray or RGB, as they are."""
    pixels, profile = images.faithful(image), as_bytes(image.info.get("icc_profile"))
    if not profile:
        return _Coloured(pixels)
    space = profile[16:20]
    if space == b"CMYK" and image.mode == "CMYK":
        # Plain arithmetic gives other colours than the inks that the profile describes.
        return _in_srgb(image, profile) or _Coloured(pixels, dropped=(PROFILE,))
    if space == b"GRAY" and image.mode in _GRAY:
        pixels = pixels.convert("L")  # laid on white, it came as RGB
    if _PIXELS_OF_PROFILE.get(space) != pixels.mode:
        return _Coloured(pixels, dropped=(PROFILE,))
    if keep:
        return _Coloured(pixels, profile)
    return _in_srgb(pixels, profile) or _Coloured(pixels, dropped=(PROFILE,))


def _in_srgb(image: Image.Image, profile: bytes) -> _Coloured | None:
    """Convert to the colours that a viewer takes pixels without a profile for; nothing where that fails."""
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    if converted is None:
        return None
    return _Coloured(converted.convert("L") if image.mode == "L" else converted, dropped=(PROFILE,), in_srgb=True)
