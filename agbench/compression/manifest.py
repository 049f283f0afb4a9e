"""What a copy remembers: how it is made, and each of its files. It is how an interrupted one goes on.

A file is written under another name, then recorded, then renamed. So whatever has a name in the copy and no
record, or another size or time than recorded, is not ours, and is never touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from agbench.core import files
from agbench.core.errors import UserError

HOME = ".agbench-compress"
"""The folder of what is remembered, inside the copy."""

_SETTINGS, _RECORDS, _MEASURED, _HALF_MADE, _LOCK = (
    "settings.json",
    "files.jsonl",
    "measured.json",
    "half-made",
    "lock",
)


@dataclass(frozen=True)
class Made:
    """One file of the source, and what became of it.

    Parameters
    ----------
    source : str
        Its path in the source.
    state : str
        One of those in `agbench.compression.one_file`.
    before : int
        Its bytes.
    modified : int
        Its time of modification in nanoseconds.
    name : str
        Its path in the copy; empty where it was left out.
    after : int
        Bytes there.
    stamp : int
        Time of modification there, as the file system keeps it.
    size : tuple of int
        Width and height there of an image that can be read.
    note : str
        What else is to be said of it: why it was not compressed, what was done to a table.
    dropped : tuple of str
        What a compressed file lacks of its source's metadata.
    in_srgb : bool
        Whether its pixels were converted.
    """

    source: str
    state: str
    before: int = 0
    modified: int = 0
    name: str = ""
    after: int = 0
    stamp: int = 0
    size: tuple[int, ...] = ()
    note: str = ""
    dropped: tuple[str, ...] = ()
    in_srgb: bool = False

    def is_of(self, root: Path) -> bool:
        """Return whether the source is still what it was."""
        return stamp(root / self.source) == (self.before, self.modified)

    def is_in(self, out: Path) -> bool:
        """Return whether the copy still has the file as it was made."""
        path = out / self.name
        return not self.name or (stamp(path) == (self.after, self.stamp) and not path.is_symlink())


_MADE, _SIZES = TypeAdapter(Made), TypeAdapter(dict[int, int])


@dataclass(frozen=True)
class Ledger:
    """The memory of one copy, while no other process works on it.

    Parameters
    ----------
    out : Path
        The copy's folder.
    records : dict of str to Made
        By path in the source.
    """

    out: Path
    _stream: IO[str]
    records: dict[str, Made] = field(default_factory=dict)

    @property
    def half_made(self) -> Path:
        """Where files are written before they have their names."""
        return self.out / HOME / _HALF_MADE

    def settings(self) -> dict[str, Any]:
        """Return the settings of the copy; empty where no file of it was made."""
        return _read(self.out / HOME / _SETTINGS)

    def settle(self, settings: dict[str, Any]) -> None:
        """Keep how the copy is made."""
        files.write(self.out / HOME / _SETTINGS, json.dumps(settings, indent=2) + "\n")

    def measured(self, of: str) -> dict[int, int]:
        """Return the sizes that were measured of the same images, by quality."""
        try:
            return _SIZES.validate_python(_read(self.out / HOME / _MEASURED).get(of, {}))
        except ValidationError:  # damaged: they are measured again
            return {}

    def measure(self, of: str, sizes: dict[int, int]) -> None:
        """Keep sizes that were measured."""
        files.write(self.out / HOME / _MEASURED, json.dumps({of: sizes}) + "\n")

    def forget(self, source: str) -> None:
        """Take back what was made of a source; what somebody has changed since stays."""
        made = self.records.pop(source)
        if made.name and made.is_in(self.out):
            (self.out / made.name).unlink()

    def place(self, made: Made, half_made: Path | None) -> None:
        """Record a file, and give it its name.

        Parameters
        ----------
        made : Made
            What it is.
        half_made : Path or None
            Where it was written; ``None`` where it is left out of the copy.
        """
        self.records[made.source] = made
        self._stream.write(json.dumps(asdict(made)) + "\n")
        self._stream.flush()
        if half_made is not None:
            target = self.out / made.name
            check_place(target)
            half_made.rename(target)


def check_place(target: Path) -> None:
    """Refuse to take the place of a file that isn't ours."""
    if target.exists() or target.is_symlink():
        raise UserError(
            f"{target} is in the way: its source is gone, or it is not as this command made it; move it elsewhere"
        )


@contextmanager
def opened(out: Path) -> Iterator[Ledger]:
    """Open a copy's memory, or begin one in an empty folder.

    Parameters
    ----------
    out : Path
        The copy's folder; made where it isn't there.

    Yields
    ------
    Ledger

    Raises
    ------
    UserError
        If the folder holds anything else, or another process works on it.
    """
    home = out / HOME
    if out.exists() and not home.is_dir():
        if not out.is_dir():
            raise UserError(f"{out} is not a folder")
        if any(out.iterdir()):
            raise UserError(f"{out} is not empty, and not a copy of `agbench compress`: give an --out of its own")
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    try:
        with _locked(out, home) as ledger:
            yield ledger
    finally:
        if not (home / _SETTINGS).exists() and not _read_records(home / _RECORDS):
            # Refused before anything was made: it leaves nothing.
            shutil.rmtree(home, ignore_errors=True)
            if is_new:
                with suppress(OSError):
                    out.rmdir()


@contextmanager
def _locked(out: Path, home: Path) -> Iterator[Ledger]:
    lock = FileLock(home / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"another agbench compress works on {out}") from error
    with lock:
        half_made = home / _HALF_MADE
        if half_made.exists():
            shutil.rmtree(half_made)
        half_made.mkdir()
        records = _read_records(home / _RECORDS)
        # Written anew, so that a line that a kill has cut short doesn't spoil the next one.
        files.write(home / _RECORDS, "".join(json.dumps(asdict(made)) + "\n" for made in records.values()))
        try:
            with (home / _RECORDS).open("a", encoding="utf-8") as stream:
                yield Ledger(out, stream, records)
        finally:
            shutil.rmtree(half_made, ignore_errors=True)


def _read_records(path: Path) -> dict[str, Made]:
    records = {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            # By json: names whose bytes are not UTF-8 have lone surrogates, which pydantic's parser refuses.
            made = _MADE.validate_python(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if _is_inside(made.source) and _is_inside(made.name):
            records[made.source] = made
    return records


def _is_inside(path: str) -> bool:
    return not Path(path).is_absolute() and ".." not in Path(path).parts and "\0" not in path


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def stamp(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time of modification; nothing where it isn't there.

    Examples
    --------
    >>> stamp(Path("nowhere")) is None
    True
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
