"""Unpacking archives of strangers: nothing outside the folder, nothing without an end, all or nothing."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from agbench.core.errors import UserError
from agbench.core.step import OnProgress, Step, no_progress

_OUR_OWN_TROUBLES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE)

MOST_FILES = 1_000_000
LONGEST_READ = 1 << 24
"""Bytes that are read at once: a header that claims to be longer is a bomb."""

_COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


class BadArchiveError(UserError):
    """The archive is to blame, not this machine."""


def unpack(archive: Path, folder: Path, limit: int, on_progress: OnProgress = no_progress) -> None:
    """Unpack a tar archive, compressed or not, into a folder of its own.

    Its content, not its name, tells how it is compressed: DTD's ``.tar.gz`` has been served as a plain tar.

    Parameters
    ----------
    archive : Path
        The archive.
    folder : Path
        An empty folder; where an error is raised, what is in it is good for nothing.
    limit : int
        Bytes that it may unpack to.
    on_progress : callable
        Told of the bytes of the archive that are done.

    Raises
    ------
    BadArchiveError
        If it is no archive, ends early, is damaged or too large, or has anything in it but files and folders
        with plain relative names.
    UserError
        If the folder can't be written.
    """
    try:
        with _members(archive, limit, on_progress) as members:
            for member in members:
                member.mode = 0o755 if member.isdir() else 0o644
                members.archive.extract(member, folder)
    except OSError as error:
        if error.errno in _OUR_OWN_TROUBLES:
            raise UserError(f"{folder} can't be written: {error.strerror}") from error
        raise BadArchiveError(f"{archive} can't be unpacked: {error.strerror or error}") from error
    except MemoryError as error:
        raise BadArchiveError(f"{archive} can't be unpacked: it takes more memory than there is") from error
    except RecursionError as error:
        raise BadArchiveError(f"{archive} can't be unpacked: it is nested too deep") from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise BadArchiveError(f"{archive} can't be unpacked: {str(error) or type(error).__name__}") from error


class _Members:
    """An archive's members one after the other, each refused if a data set has no business with it."""

    def __init__(self, archive: tarfile.TarFile, stream: _Guarded, limit: int) -> None:
        self.archive, self._stream, self._limit = archive, stream, limit

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        total = 0
        count = 0
        while (member := self.archive.next()) is not None:
            count += 1
            total += member.size
            _check_member(member)
            if total > self._limit or count > MOST_FILES:
                raise tarfile.TarError(
                    f"it unpacks to more than {self._limit:,} bytes or {MOST_FILES:,} files; "
                    "if that is right, raise unpacked_limit in its card"
                )
            yield member
        # Where the next header is cut off or damaged, tarfile stops as if that were the end.
        self._stream.seek(self.archive.offset)
        if self._stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.TarError("it is damaged or cut off")
        # What a compression knows of damage stands behind its last byte.
        while self._stream.read(LONGEST_READ):
            pass


@contextmanager
def _members(path: Path, limit: int, on_progress: OnProgress) -> Iterator[_Members]:
    size = path.stat().st_size
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        head = raw.read(tarfile.BLOCKSIZE)
        raw.seek(0)
        stream: IO[bytes] = raw
        for magic, opener in _COMPRESSIONS.items():
            if head.startswith(magic):
                stream = stack.enter_context(opener(raw))

        def tell() -> None:
            on_progress(Step(f"unpacking {path.name}", raw.tell(), size, "bytes"))

        guarded = _Guarded(stream, 2 * limit + LONGEST_READ, tell)
        try:
            archive = stack.enter_context(tarfile.open(fileobj=guarded, mode="r:"))
        except tarfile.ReadError as error:
            is_page = head.lstrip().lower().startswith((b"<!doctype", b"<html"))
            hint = ": a web page was saved under its name" if is_page else ""
            raise tarfile.TarError(f"it is not a tar archive{hint}, or damaged") from error
        # The second lock on the door; Pythons before 3.10.12 and 3.11.4 have only the first, `_check_member`.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        yield _Members(archive, guarded, limit)


class _Guarded(io.RawIOBase):
    """A stream that gives neither too much at once nor too much in all."""

    def __init__(self, stream: IO[bytes], limit: int, tell: Callable[[], None]) -> None:
        self._stream, self._left, self._told = stream, limit, tell

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= LONGEST_READ:
            raise tarfile.TarError("a header in it claims to be many megabytes long")
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise tarfile.TarError("it unpacks to far more than it should")
        self._told()
        return block

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _check_member(member: tarfile.TarInfo) -> None:
    if not (member.isdir() or member.isreg()) or member.issparse() or member.size < 0:
        raise tarfile.TarError(f"{member.name!r} in it is neither a file nor a folder")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise tarfile.TarError(f"{member.name!r} in it lies outside")
