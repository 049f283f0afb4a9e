"""Files that appear whole or not at all, and that are known when they change."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agbench.core.errors import UserError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What a file held when it was last looked at.

    Parameters
    ----------
    bytes : int
        Its size.
    modified : int
        Its time of modification in nanoseconds.
    sha256 : str
        Hash of its bytes.
    """

    bytes: int
    modified: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read a file's."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, digests(path, ["sha256"])["sha256"])

    def is_exactly_that_of(self, path: Path) -> bool:
        """Return whether a file still holds this, by its bytes: a disk's fault changes neither size nor time."""
        try:
            return path.stat().st_size == self.bytes and digests(path, ["sha256"])["sha256"] == self.sha256
        except FileNotFoundError:
            return False

    def is_that_of(self, path: Path) -> bool:
        """Return whether a file still holds this; its bytes are only read where its size or time differ."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        if (status.st_size, status.st_mtime_ns) == (self.bytes, self.modified):
            return True
        return status.st_size == self.bytes and Content.of(path).sha256 == self.sha256


def read(path: str | Path) -> tuple[Content, bytes]:
    """Read a file that fits into memory once, for what it holds and for its bytes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.txt"
    >>> write(path, "hello")
    >>> content, data = read(path)
    >>> data
    b'hello'
    """
    # Not Path.open: it takes a while where there are a million files.
    with open(path, "rb") as stream:  # noqa: PTH123
        data, modified = stream.read(), os.fstat(stream.fileno()).st_mtime_ns
    return Content(len(data), modified, hashlib.sha256(data).hexdigest()), data


def write_bytes(path: str, data: bytes) -> int:
    """Write a file, and give its time of modification in nanoseconds.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.bin"
    >>> write_bytes(str(path), b"hello") == path.stat().st_mtime_ns
    True
    """
    with open(path, "wb") as stream:  # noqa: PTH123
        stream.write(data)
        stream.flush()
        return os.fstat(stream.fileno()).st_mtime_ns


@contextmanager
def in_memory() -> Iterator[IO[bytes]]:
    """Open a file that is nowhere but in memory; where the system has such ones, with a descriptor."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("agbench"), "w+b", buffering=0) as stream:
            yield stream
    else:
        with io.BytesIO() as stream:
            yield stream


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path that a user typed, with the home folder that a ``~`` at its beginning stands for.

    Raises
    ------
    UserError
        If there is no such user.

    Examples
    --------
    >>> expanded("~/photos") == Path.home() / "photos"
    True
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: there is no such user; for a folder that is called so, use ./{path}") from error


def digests(
    path: Path, algorithms: Iterable[str], on_progress: Callable[[int], None] = lambda done: None
) -> dict[str, str]:
    """Hash a file.

    Parameters
    ----------
    path : Path
        The file.
    algorithms : iterable of str
        `hashlib`'s names.
    on_progress : callable
        Called with the bytes done so far.

    Returns
    -------
    dict of str to str
        Hexadecimal digest by algorithm.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.txt"
    >>> write(path, "hello")
    >>> digests(path, ["md5"])
    {'md5': '5d41402abc4b2a76b9719d911017c592'}
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for one in hashes.values():
                one.update(block)
            on_progress(stream.tell())
    return {name: one.hexdigest() for name, one in hashes.items()}


@contextmanager
def atomic_dir(folder: Path, replacing: bool = False) -> Iterator[Path]:
    """Fill a folder under another name, and give it its own when that has ended well.

    Parameters
    ----------
    folder : Path
        Its parent is made. The caller holds a lock on it: what an earlier process left half made is removed.
    replacing : bool
        Whether it may exist, and is then replaced as a whole. Otherwise it must not exist yet.

    Yields
    ------
    Path
        An empty folder beside it. It is removed where the block raises.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> parent = TemporaryDirectory()
    >>> folder = Path(parent.name) / "made"
    >>> with atomic_dir(folder) as unfinished:
    ...     (unfinished / "a.txt").touch()
    ...     folder.exists()
    False
    >>> folder.exists()
    True
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The random part has no dot in it: ".a.b.xyz" is not a leftover of "a".
    leftovers = re.compile(rf"\.{re.escape(folder.name)}\.[^.]+")
    for leftover in folder.parent.iterdir():
        if leftovers.fullmatch(leftover.name) and leftover.is_dir():
            shutil.rmtree(leftover)
    half_made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield half_made
        half_made.chmod(0o777 & ~_umask())
        if replacing and folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            folder.rename(old / folder.name)
            half_made.rename(folder)
            shutil.rmtree(old)
        else:
            half_made.rename(folder)
    except BaseException:
        shutil.rmtree(half_made, ignore_errors=True)
        raise


def write(path: Path, text: str) -> None:
    """Write a text file that others see whole or not at all.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.txt"
    >>> write(path, "hello")
    >>> path.read_text()
    'hello'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as half_made:
        half_made.write_text(text, encoding="utf-8")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Fill a file under another name, and give it its own when that has ended well, in place of an older one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name) / "a.txt"
    >>> with atomic_file(path) as unfinished:
    ...     unfinished.write_text("hello")
    5
    >>> path.read_text()
    'hello'
    """
    half_made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield half_made
        half_made.replace(path)
    finally:
        half_made.unlink(missing_ok=True)


def _umask() -> int:
    # The only portable way to read it; no other thread of ours makes files while a folder appears.
    mask = os.umask(0)
    os.umask(mask)
    return mask
