"""The command that writes a compressed copy of a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from agbench.core.errors import UserError

if TYPE_CHECKING:
    from agbench.compression.result import Compressed

NAMED = 20
"""Files that are named on the screen, of each kind; more are counted."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER|TABLE")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Of the copy.")
@click.option("--level", type=float, metavar="R", help="Quality 100 R on the codec's own scale: 0.01 to 0.99.")
@click.option(
    "--target-bytes",
    metavar="SIZE",
    help="Instead of a level: what all images may take, as a share (0.3) or an amount (5GB, 300MiB).",
)
@click.option("--codec", default="jpeg", show_default=True, metavar="NAME", help="jpeg, webp, avif or jxl.")
@click.option(
    "--strip-metadata",
    is_flag=True,
    help="Drop EXIF but for the orientation, XMP, and the colour profile; colours stay, as sRGB.",
)
@click.option(
    "--unreadable",
    type=click.Choice(["copy", "skip"]),
    default="copy",
    show_default=True,
    help="What to do with images that can't be decoded.",
)
@click.option("--verify", is_flag=True, help="Decode every image of the copy in the end.")
@click.option("--image-column", default="image", show_default=True, help="Of a table: the images' paths.")
@click.option("--label-column", default="label", show_default=True, help="Of a table: their labels.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes.  [default: one a core]")
def compress(
    folder: Path,
    out: Path,
    level: float | None,
    target_bytes: str | None,
    codec: str,
    strip_metadata: bool,
    unreadable: Literal["copy", "skip"],
    verify: bool,
    image_column: str,
    label_column: str,
    workers: int | None,
) -> None:
    """Write a compressed copy of a folder of images, or of the images that a table names.

    Same tree, same names with the codec's suffix; other files are copied. The same command again goes on where it
    was interrupted. The exit status is 2 where a file could not be read from the disk or not be read back.
    """
    from agbench.compression import compress as compressing
    from agbench.core.progress import Progress
    from agbench.data.card import Columns

    with Progress() as progress:
        done = compressing.compress(
            folder,
            out,
            level=level,
            target_bytes=target_bytes,
            codec=codec,
            strip_metadata=strip_metadata,
            unreadable=unreadable,
            verify=verify,
            columns=Columns(image=image_column, label=label_column),
            workers=workers,
            on_progress=progress.advance,
        )
    _name(done)
    for line in _summary(done, target_bytes, strip_metadata, verify):
        click.echo(line)
    if done.lost:
        raise UserError(f"could not be read, and not in {_shown(done.out)}: {_files(len(done.lost))}")
    if done.damaged:
        raise UserError(
            f"can't be read back, so delete and run again: {_files(len(done.damaged))} in {_shown(done.out)}"
        )


def _name(done: Compressed) -> None:
    """Name what needs a look, on standard error."""
    from agbench.compression import one_file

    unreadable = [
        (made.source, f"unreadable, {'copied' if made.name else 'left out'}: {made.note}")
        for made in done.of(one_file.UNREADABLE)
    ]
    unfit = [(made.source, f"copied as it is: {made.note}") for made in done.of(one_file.UNFIT)]
    lost = [(made.source, f"not copied: {made.note}") for made in done.lost]
    skipped = [(path, f"left out: {why}") for path, why in done.skipped]
    for kind in (unreadable, unfit, lost, skipped, [*done.damaged]):
        for path, words in kind[:NAMED]:
            click.echo(f"{_shown(path)}: {words}", err=True)
        if len(kind) > NAMED:
            click.echo(f"... and {len(kind) - NAMED:,} more", err=True)


def _summary(done: Compressed, target: str | None, strip: bool, verify: bool) -> list[str]:
    from rich.filesize import decimal

    from agbench.compression import one_file

    def counted(words: str, *states: str) -> list[str]:
        return [f"{len(found):,} {words}"] if (found := done.of(*states)) else []

    saved = done.saved / done.before if done.before else 0
    lines = [
        f"{decimal(done.before)} before, {decimal(done.after)} after: {decimal(done.saved)} saved ({saved:.1%})",
        "  images: "
        + ", ".join(
            [
                f"{len(done.of(one_file.COMPRESSED)):,} compressed ({done.codec}, quality {done.quality})",
                *counted("copied, as they would grow", one_file.GROWN),
                *counted("copied, as they move or have pages", one_file.ANIMATION),
                *counted("copied, as the codec can't hold them", one_file.UNFIT),
                *counted("unreadable", one_file.UNREADABLE),
            ]
        ),
    ]
    if skipped := [made for made in done.images if not made.name]:
        size = decimal(sum(made.before for made in skipped))
        lines.append(f"  left out as unreadable: {_files(len(skipped))}, whose {size} count as saved")
    if target is not None:
        lines.append(_reached(done, target))
    moved = [made for made in done.of(one_file.COMPRESSED) if made.name.startswith(made.source + ".")]
    if moved:
        lines.append(
            f"  names: {_files(len(moved))} with the old suffix before the new one, "
            f"as another has the short name: {_shown(moved[0].name)}"
        )
    for made in done.of(one_file.TABLE):
        lines.append(f"  {_shown(made.source)}: {made.note}")
    if others := done.of(one_file.OTHER):
        lines.append(
            f"  other files: {len(others):,} copied as they are ({decimal(sum(made.after for made in others))})"
        )
    for what, count in sorted(done.dropped().items()):
        lines.append(f"  dropped: {what}, from {_files(count)}")
    if in_srgb := sum(made.in_srgb for made in done.files):
        lines.append(f"  colours: converted to sRGB where the profile could not stay, in {_files(in_srgb)}")
    copied = [made for made in done.images if made.name and made.state != one_file.COMPRESSED]
    if strip and copied:
        lines.append(f"  metadata was not dropped from what was copied as it is: {_files(len(copied))}")
    if done.orphaned:
        lines.append(f"  left in the copy, though their sources are gone: {_files(done.orphaned)}")
    if verify:
        all_images = sum(bool(made.name) for made in done.images)
        unread = sum(bool(made.name) for made in done.of(one_file.UNREADABLE))
        rest = f"; unreadable in the source, and copied as they are: {_files(unread)}" if unread else ""
        lines.append(f"  read back: {done.read_back:,} of {all_images:,} images{rest}")
    if len(done.libraries) > 1:
        lines.append(f"  written by several encoders, as it went on under another: {'; '.join(done.libraries)}")
    return [*lines, _shown(done.out)]


def _reached(done: Compressed, target: str) -> str:
    from agbench.compression.target import Target

    limit = Target.of(target).limit(done.before)
    share = done.after / done.before if done.before else 0
    words = f"reaches {done.after:,} bytes ({share:.4f}), within {limit:,}"
    if done.after > limit:
        words = f"was chosen before the source changed: {done.after:,} bytes are more than {limit:,}"
    return f"  target {target}: quality {done.quality} {words}"


def _files(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"


def _shown(path: Any) -> str:
    from agbench.data.folder import as_text

    return as_text(str(path))
