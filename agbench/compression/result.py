"""What came of a copy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from agbench.compression import one_file
from agbench.compression.manifest import Made


@dataclass(frozen=True)
class Compressed:
    """A compressed copy.

    Parameters
    ----------
    out : Path
        Its folder.
    codec : str
        How its images are compressed.
    quality : int
        1 to 99, on the codec's scale.
    files : tuple of Made
        Every file of the source, and what became of it.
    skipped : tuple of (str, str)
        What else lies in the source and was left out, and why.
    orphaned : int
        Files of the copy whose sources aren't there any more.
    libraries : tuple of str
        Those that wrote it, with their versions; several where it went on under another.
    read_back : int
        Images of the copy that were read back; only where that was asked for.
    damaged : tuple of (str, str)
        Images of the copy that can't be read back, and why; only where that was asked for.
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

    @property
    def images(self) -> tuple[Made, ...]:
        """The images among the files."""
        return tuple(made for made in self.files if made.state in one_file.IMAGES)

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
        """Give the files that became one of these (see `agbench.compression.one_file`)."""
        return tuple(made for made in self.files if made.state in states)

    def dropped(self) -> Counter[str]:
        """Count the files that lost something beside pixels, by what that is."""
        return Counter(name for made in self.of(one_file.COMPRESSED) for name in made.dropped)
