"""The command ``agbench compress``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
import cloup

from agbench.core.errors import UserError


@cloup.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER|TABLE")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Of the copy.")
@click.option("--level", type=float, metavar="R", help="Quality 100 R on the codec's own scale: 0.01 to 0.99.")
@click.option(
    "--target-bytes",
    metavar="SIZE",
    help="Instead of a level: what all images may take, as a share (0.3) or an amount (5GB, 300MiB).",
)
@click.option("--codec", default="jpeg", show_default=True, metavar="NAME", help="As `agbench codecs` lists them.")
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
    """Write a compressed copy of a folder, or of the images of a table.

    Same tree, same names with the codec's suffix; other files are copied. The same command again goes on where it
    was interrupted. The exit status is 2 where a file could not be read from the disk or not be read back.
    """
    from agbench.compression.compress import compress_folder
    from agbench.core.progress import Progress

    with Progress() as progress:
        done = compress_folder(
            folder,
            out,
            level=level,
            target_bytes=target_bytes,
            codec=codec,
            strip_metadata=strip_metadata,
            unreadable=unreadable,
            verify=verify,
            image_column=image_column,
            label_column=label_column,
            workers=workers,
            on_progress=progress.advance,
        )
    for line in done.exceptions():
        click.echo(line, err=True)
    click.echo(done.text())
    if done.problem():
        raise UserError(done.problem())
