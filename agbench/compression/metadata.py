"""What an image's file says beside its pixels: what of it a compressed one keeps, and what it lacks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from PIL import ExifTags, Image

from agbench.core import images
from agbench.core.codec import Codec, Metadata

EXIF, XMP, PROFILE, COMMENT, DPI = "EXIF", "XMP", "colour profile", "comment", "pixels an inch"
IPTC, TEXT, ALPHA, DEPTH = "IPTC", "text of a PNG", "transparency (laid on white)", "bits beyond 8 a channel"
DAMAGED = "EXIF (damaged)"

_NAMES = {"exif": EXIF, "xmp": XMP, "comment": COMMENT, "dpi": DPI}
_PREFIX = b"Exif\0\0"
_XMP_OF_PNG = "XML:com.adobe.xmp"
_DEPTH_IN_PNG = 24
"""The byte of a PNG that says how many bits a channel has."""

_IPTC_OF_TIFF = (33723, 34377)
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


def found(image: Image.Image) -> Metadata:
    """Read what a file says of its image; the profile goes with the pixels."""
    return Metadata(
        exif=_exif(image),
        xmp=as_bytes(image.info.get("xmp")),
        dpi=_dpi(image),
        comment=as_bytes(image.info.get("comment")),
    )


def kept(said: Metadata, writer: Codec, strip: bool) -> tuple[Metadata, tuple[str, ...]]:
    """Return the metadata that the codec can store, and the names of the fields dropped.

    Parameters
    ----------
    said : Metadata
        Metadata of the source.
    writer : Codec
        Of the file.
    strip : bool
        Whether nothing is to be kept but the orientation.

    Returns
    -------
    Metadata
    tuple of str
    """
    dropped = []
    for field, name in _NAMES.items():
        block = getattr(said, field)
        too_long = field != "dpi" and writer.longest_block is not None and len(block) > writer.longest_block
        if block and (strip or too_long or field not in writer.keeps):
            left = Metadata.of_orientation(orientation_in(block)).exif if field == "exif" else type(block)()
            said = replace(said, **{field: left})  # type: ignore[arg-type]
            if left != block:
                dropped.append(name)
    return said, tuple(dropped)


def bare(said: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Return the orientation and the colour profile alone, and the names of the fields dropped.

    Examples
    --------
    >>> bare(Metadata(xmp=b"<x/>", icc=b"profile"))
    (Metadata(exif=b'', icc=b'profile', xmp=b'', dpi=(), comment=b''), ('XMP',))
    """
    least = replace(Metadata.of_orientation(orientation_in(said.exif)), icc=said.icc)
    return least, tuple(name for field, name in _NAMES.items() if getattr(said, field))


def lacking(image: Image.Image, data: bytes) -> tuple[str, ...]:
    """Name what an image has that no compressed one keeps.

    Parameters
    ----------
    image : PIL.Image.Image
        Decoded, in its own mode.
    data : bytes
        Its file.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> lacking(Image.new("RGBA", (2, 2)), b"")
    ('transparency (laid on white)',)
    """
    tags = getattr(image, "tag_v2", {})
    is_deep = image.format == "PNG" and data[_DEPTH_IN_PNG] > 8
    if image.format == "TIFF":
        with suppress(Exception):  # damaged tags, that no pixel depends on
            is_deep = max(tags.get(ExifTags.Base.BitsPerSample, (8,))) > 8
    has = {
        IPTC: "photoshop" in image.info or any(tag in tags for tag in _IPTC_OF_TIFF),
        TEXT: bool(getattr(image, "text", {}).keys() - {_XMP_OF_PNG}),
        ALPHA: images.has_transparency(image),
        DEPTH: is_deep,
        DAMAGED: not _is_sound(_exif_as_stored(image)),
    }
    return tuple(name for name, there in has.items() if there)


def orientation_in(exif: bytes) -> int:
    """Return the orientation in an EXIF block, 1 to 8.

    Examples
    --------
    >>> orientation_in(Metadata.of_orientation(6).exif)
    6
    >>> orientation_in(b"damaged")
    1
    """
    tags = Image.Exif()
    with suppress(Exception):  # damaged: upright, as a viewer has it
        tags.load(exif)
        return int(tags.get(ExifTags.Base.Orientation, 1))
    return 1


def turned(exif: bytes, orientation: int) -> bytes:
    """Return an EXIF block with another orientation; one that is damaged is kept as it is.

    Examples
    --------
    >>> orientation_in(turned(Metadata.of_orientation(6).exif, 3))
    3
    """
    exif = exif if exif.startswith(_PREFIX) else _PREFIX + exif
    tags = Image.Exif()
    with suppress(Exception):
        tags.load(exif)
        if tags.get(ExifTags.Base.Orientation, 1) != orientation:
            tags[ExifTags.Base.Orientation] = orientation
            if orientation == 1:
                del tags[ExifTags.Base.Orientation]
            return tags.tobytes() if len(tags) else b""
    return exif


def as_bytes(value: object) -> bytes:
    """Return bytes of what Pillow gives as bytes or text; none where it gives neither.

    Examples
    --------
    >>> as_bytes("text"), as_bytes(b"bytes"), as_bytes(7)
    (b'text', b'bytes', b'')
    """
    return value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b""


def _exif(image: Image.Image) -> bytes:
    orientation = images.orientation(image)
    raw = _exif_as_stored(image)
    return turned(raw, orientation) if raw and _is_sound(raw) else Metadata.of_orientation(orientation).exif


def _exif_as_stored(image: Image.Image) -> bytes:
    return _exif_of_tiff(image) if image.format == "TIFF" else images.exif_block(image)


def _is_sound(block: bytes) -> bool:
    """Return whether Pillow, and who turns a copy with it, can read and write an EXIF block."""
    tags = Image.Exif()
    with suppress(Exception):  # Pillow's reader has no common error
        tags.load(block)
        for place in _BLOCKS:
            tags.get_ifd(place)
        tags.tobytes()
        return True
    return False


def _exif_of_tiff(image: Image.Image) -> bytes:
    exif = Image.Exif()
    with suppress(Exception):  # damaged: Pillow's reader has no common error
        tags = image.getexif()
        for tag in _OF_A_TIFF:
            if value := tags.get_ifd(tag) if tag in _BLOCKS else tags.get(tag):
                exif[tag] = value
        return exif.tobytes() if len(exif) else b""
    return b""


def _dpi(image: Image.Image) -> tuple[float, ...]:
    with suppress(Exception):  # damaged, or no numbers
        across, down = map(float, image.info.get("dpi", ()))
        # Pillow makes some up: 72 of a JPEG with EXIF, 1 of a TIFF.
        is_said = image.info.get("jfif_unit") in (1, 2) if image.format == "JPEG" else (across, down) != (1, 1)
        if is_said and 0 < across < 65_536 and 0 < down < 65_536:
            return across, down
    return ()
