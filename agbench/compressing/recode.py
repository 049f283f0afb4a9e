"""One image, compressed in memory, with what a viewer needs beside its pixels."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import ExifTags, Image, ImageCms

from agbench import images
from agbench.images import UnreadableImageError
from agbench.preprocess import codec
from agbench.preprocess.codec import Codec, Metadata

EXIF, XMP, PROFILE = "EXIF", "XMP", "colour profile"
MORE_PICTURES = "further pictures in one file (MPO)"

_PREFIX = b"Exif\0\0"
_MPO = "MPO"
_PIXELS_OF_PROFILE = {b"GRAY": "L", b"RGB ": "RGB"}
_GRAY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I")
_OF_A_TIFF = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Orientation,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.ExifOffset,
    ExifTags.Base.GPSInfo,
)
"""What a TIFF says of the picture; its other tags are about where its own bytes lie."""

_BLOCKS = (ExifTags.Base.ExifOffset, ExifTags.Base.GPSInfo)


@dataclass(frozen=True)
class Recipe:
    """How images are compressed.

    Parameters
    ----------
    codec : str
        A name in `agbench.preprocess.codec.CODECS`.
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
    width, height : int
        In pixels.
    data : bytes
        The compressed file; empty for an animation, and where the codec can't write it.
    problem : str
        Why the codec can't.
    dropped : tuple of str
        What the compressed file lacks beside the pixels' precision.
    in_srgb : bool
        Whether its pixels were converted to sRGB, as it has no profile any more.
    """

    width: int
    height: int
    data: bytes = b""
    problem: str = ""
    dropped: tuple[str, ...] = ()
    in_srgb: bool = False


def recode(path: Path, recipe: Recipe) -> Recoded:
    """Compress an image.

    Parameters
    ----------
    path : Path
        The file.
    recipe : Recipe
        How.

    Returns
    -------
    Recoded

    Raises
    ------
    UnreadableImageError
        If it can't be decoded whole, or not be shown faithfully.
    """
    writer = codec.find(recipe.codec)
    with images.opened(path) as image:
        frames = _frames(image)
        if frames > 1 and image.format != _MPO:
            return Recoded(*image.size)
        try:
            coloured = _coloured(image, keep=not recipe.strip and "icc" in writer.keeps)
        except UnreadableImageError:
            raise
        # Pillow has modes that it doesn't convert, and says so in several ways.
        except Exception as error:
            raise UnreadableImageError(f"pixels of mode {image.mode}: {error}") from error
        found = _metadata(image)
    kept, dropped = _kept(found, writer, recipe.strip)
    kept = replace(kept, icc=coloured.profile)
    lost = (*dropped, *coloured.dropped, *([MORE_PICTURES] if frames > 1 else []))
    if recipe.strip:
        coloured.pixels.info.clear()  # some of Pillow's writers keep a comment that they find there
    result = Recoded(*coloured.pixels.size, dropped=lost, in_srgb=coloured.in_srgb)
    try:
        return replace(result, data=_encoded(writer, coloured.pixels, recipe.quality, kept))
    except _CantEncodeError as error:
        refused = replace(result, problem=str(error))
    # Some writers read the metadata, which may be damaged, or too much of it.
    bare = replace(Metadata.of_orientation(_orientation_in(kept.exif)), icc=kept.icc)
    try:
        data = _encoded(writer, coloured.pixels, recipe.quality, bare)
    except _CantEncodeError:
        return refused
    gone = [name for name, block in ((EXIF, kept.exif), (XMP, kept.xmp)) if block]
    return replace(result, data=data, dropped=tuple(dict.fromkeys((*lost, *gone))))


class _CantEncodeError(Exception):
    """The codec doesn't take the image; the message says why."""


def _encoded(writer: Codec, pixels: Image.Image, quality: int, metadata: Metadata) -> bytes:
    stream = io.BytesIO()
    try:
        writer.encode(pixels, stream, quality, metadata)
    # As many kinds of errors as there are libraries; they are about this image, as nothing touches a disk.
    except Exception as error:
        raise _CantEncodeError(str(error) or type(error).__name__) from error
    return stream.getvalue()


def _frames(image: Image.Image) -> int:
    with suppress(Exception):  # damaged after the first, which is whole
        return int(getattr(image, "n_frames", 1))
    return 1


def _metadata(image: Image.Image) -> Metadata:
    """Read what the file says beside its pixels; the profile goes with them."""
    return Metadata(exif=_exif(image), xmp=_bytes(image.info.get("xmp")))


def _exif(image: Image.Image) -> bytes:
    orientation = images.orientation(image)
    raw = _bytes(image.info.get("exif"))
    if image.format == "TIFF":
        raw = _exif_of_tiff(image)
    if raw:
        raw = raw if raw.startswith(_PREFIX) else _PREFIX + raw
        exif = Image.Exif()
        with suppress(Exception):  # what is damaged there, is kept as it is
            exif.load(raw)
            if exif.get(images.ORIENTATION, 1) != orientation:
                exif[images.ORIENTATION] = orientation
                return exif.tobytes()
    return raw or Metadata.of_orientation(orientation).exif


def _exif_of_tiff(image: Image.Image) -> bytes:
    exif = Image.Exif()
    with suppress(Exception):  # damaged: Pillow's reader has no common error
        tags = image.getexif()
        for tag in _OF_A_TIFF:
            if value := tags.get_ifd(tag) if tag in _BLOCKS else tags.get(tag):
                exif[tag] = value
        return exif.tobytes() if len(exif) else b""
    return b""


def _kept(found: Metadata, writer: Codec, strip: bool) -> tuple[Metadata, tuple[str, ...]]:
    longest = writer.longest_block
    dropped = []
    for field, name in (("exif", EXIF), ("xmp", XMP)):
        block = getattr(found, field)
        too_long = longest is not None and len(block) > longest
        if block and (strip or too_long or field not in writer.keeps):
            turned = Metadata.of_orientation(_orientation_in(block)).exif if field == "exif" else b""
            found = replace(found, **{field: turned})
            if turned != block:
                dropped.append(name)
    return found, tuple(dropped)


def _orientation_in(exif: bytes) -> int:
    tags = Image.Exif()
    with suppress(Exception):  # damaged: upright, as a viewer has it
        tags.load(exif)
        return int(tags.get(images.ORIENTATION, 1))
    return 1


@dataclass(frozen=True)
class _Coloured:
    pixels: Image.Image
    profile: bytes = b""
    dropped: tuple[str, ...] = ()
    in_srgb: bool = False


def _coloured(image: Image.Image, keep: bool) -> _Coloured:
    """Give the pixels and a profile that is about them: gray or RGB, as they are."""
    pixels, profile = images.faithful(image), _bytes(image.info.get("icc_profile"))
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


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b""
