"""The result of a copy: its files, their sizes, and how it is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

from rich.filesize import decimal

from agbench.compression import one_file
from agbench.compression.manifest import Made
from agbench.compression.target import Target
from agbench.core import images
from agbench.data.folder import as_text

NAMED = 20
"""Maximum number of files of each kind that are named; the others are counted."""


@dataclass(frozen=True)
class Compressed:
    """A compressed copy of a folder of images.

    Parameters
    ----------
    out : Path
        Folder of the copy.
    codec : str
        Codec of its compressed images.
    quality : int
        Quality on the codec's scale, 1 to 99.
    files : tuple of Made
        Every file of the source, with what became of it.
    skipped : tuple of (str, str)
        Path and reason of what else lies in the source and was left out.
    orphaned : int
        Number of files of the copy whose sources no longer exist.
    libraries : tuple of str
        Encoders that wrote the copy, with versions; several where it was continued with another one.
    read_back : int
        Number of images of the copy that were decoded, where that was asked for.
    damaged : tuple of (str, str)
        Path and reason of the images of the copy that can't be decoded, where that was asked for.
    target : str, optional
        Size that was asked for in the place of a level.
    stripped : bool
        Whether metadata was dropped.
    verified : bool
        Whether the copy was read back.
    """

    out: Path
    codec: str
    quality: int
    files: tuple[Made, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    orphaned: int = 0
    libraries: tuple[str, ...] = ()
    read_back: int = 0
    damaged: tuple[tuple[str, str], ...] = ()
    target: str | None = None
    stripped: bool = False
    verified: bool = False

    @property
    def images(self) -> tuple[Made, ...]:
        """The images among the files."""
        return tuple(made for made in self.files if made.state in one_file.IMAGE_STATES)

    @property
    def before(self) -> int:
        """Bytes of all images in the source."""
        return sum(made.before for made in self.images)

    @property
    def after(self) -> int:
        """Bytes of all images in the copy."""
        return sum(made.after for made in self.images)

    @property
    def saved(self) -> int:
        """Bytes that the copy needs less."""
        return self.before - self.after

    @property
    def lost(self) -> tuple[Made, ...]:
        """Files that could not be read from the disk, and are not in the copy."""
        return self.of(one_file.LOST)

    def of(self, *states: str) -> tuple[Made, ...]:
        """Return the files in one of these states (names in `agbench.compression.one_file`)."""
        return tuple(made for made in self.files if made.state in states)

    def dropped(self) -> Counter[str]:
        """Return the number of files that lost metadata or pages, by what was lost."""
        return Counter(name for made in self.of(one_file.COMPRESSED) for name in made.dropped)

    def text(self) -> str:
        """Return what ``agbench compress`` prints: bytes saved, and what became of the files, as lines."""
        return "\n".join([*_summary(self), as_text(str(self.out))])

    def exceptions(self) -> list[str]:
        """Return one line for each file that was not compressed as asked; at most `NAMED` of each kind."""
        unreadable = [
            (made.source, f"unreadable, {'copied' if made.name else 'left out'}: {made.note}")
            for made in self.of(one_file.UNREADABLE)
        ]
        unfit = [(made.source, f"copied as it is: {made.note}") for made in self.of(one_file.UNFIT)]
        lost = [(made.source, f"not copied: {made.note}") for made in self.lost]
        skipped = [(path, f"left out: {reason}") for path, reason in self.skipped]
        lines = []
        for kind in (unreadable, unfit, lost, skipped, [*self.damaged]):
            lines += [f"{as_text(path)}: {words}" for path, words in kind[:NAMED]]
            if len(kind) > NAMED:
                lines.append(f"... and {len(kind) - NAMED:,} more")
        return lines

    def problem(self) -> str:
        """Return why the copy can't be relied on, in a line; empty where it can."""
        out = as_text(str(self.out))
        if self.lost:
            return f"could not be read, and not in {out}: {_files(len(self.lost))}"
        if self.damaged:
            return f"can't be read back, so delete and run again: {_files(len(self.damaged))} in {out}"
        return ""

    def _repr_html_(self) -> str:
        """Return the copy for a notebook: its summary, and the files that were not compressed as asked."""
        lines = [*_summary(self), as_text(str(self.out)), *([self.problem()] if self.problem() else [])]
        text = "".join(f"<p>{escape(line.strip())}</p>" for line in lines)
        others = "".join(f"<li>{escape(line)}</li>" for line in self.exceptions())
        return text + (f"<ul>{others}</ul>" if others else "")


def _summary(done: Compressed) -> Iterator[str]:
    share = done.saved / done.before if done.before else 0
    yield f"{decimal(done.before)} before, {decimal(done.after)} after: {decimal(done.saved)} saved ({share:.1%})"
    states = {
        "copied, as they would grow": one_file.GROWN,
        "copied, as they move or have pages": one_file.ANIMATION,
        "copied, as the codec can't hold them": one_file.UNFIT,
        "unreadable": one_file.UNREADABLE,
    }
    compressed = done.of(one_file.COMPRESSED)
    counts = [f"{len(done.of(state)):,} {words}" for words, state in states.items() if done.of(state)]
    yield "  images: " + ", ".join(
        [f"{len(compressed):,} compressed ({done.codec}, quality {done.quality})", *counts]
    )
    if left_out := [made for made in done.images if not made.name]:
        size = decimal(sum(made.before for made in left_out))
        yield f"  left out as unreadable: {_files(len(left_out))}, whose {size} count as saved"
    if done.target is not None:
        yield _reached(done, done.target)
    # A file without a suffix gets one; only those that keep their old suffix, too, avoid another's name.
    avoiding = [made for made in compressed if made.name.startswith(made.source + ".")]
    if renamed := [made for made in avoiding if PurePosixPath(made.source).suffix.lower() in images.suffixes()]:
        yield (
            f"  names: {_files(len(renamed))} with the old suffix before the new one, "
            f"as another has the short name: {as_text(renamed[0].name)}"
        )
    for made in done.of(one_file.TABLE):
        yield f"  {as_text(made.source)}: {made.note}"
    if others := done.of(one_file.OTHER):
        size = decimal(sum(made.after for made in others))
        yield f"  other files: {len(others):,} copied as they are ({size})"
    for what, count in sorted(done.dropped().items()):
        yield f"  dropped: {what}, from {_files(count)}"
    if in_srgb := sum(made.in_srgb for made in done.files):
        yield f"  colours: converted to sRGB where the profile could not stay, in {_files(in_srgb)}"
    copied = [made for made in done.images if made.name and made.state != one_file.COMPRESSED]
    if done.stripped and copied:
        yield f"  metadata was not dropped from what was copied as it is: {_files(len(copied))}"
    if done.orphaned:
        yield f"  left in the copy, though their sources are gone: {_files(done.orphaned)}"
    if done.verified:
        all_images = sum(bool(made.name) for made in done.images)
        unread = sum(bool(made.name) for made in done.of(one_file.UNREADABLE))
        rest = f"; unreadable in the source, and copied as they are: {_files(unread)}" if unread else ""
        yield f"  read back: {done.read_back:,} of {all_images:,} images{rest}"
    if len(done.libraries) > 1:
        yield f"  written by several encoders, as it went on under another: {'; '.join(done.libraries)}"


def _reached(done: Compressed, target: str) -> str:
    limit = Target.of(target).limit(done.before)
    share = done.after / done.before if done.before else 0
    words = f"reaches {done.after:,} bytes ({share:.4f}), within {limit:,}"
    if done.after > limit:
        words = f"was chosen before the source changed: {done.after:,} bytes are more than {limit:,}"
    return f"  target {target}: quality {done.quality} {words}"


def _files(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"
