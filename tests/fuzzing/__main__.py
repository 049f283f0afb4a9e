"""Fuzz one reader: ``python -m tests.fuzzing READER SECONDS [SEED]``.

What it should not have raised is printed with the input, which is kept in a file; it goes on, and a place in the
package that has failed once is not told of again. Ends with status 1 where anything failed.
"""

from __future__ import annotations

import faulthandler
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.fuzzing import seeds
from tests.fuzzing.mutations import Mutator
from tests.fuzzing.readers import READERS, check

LONGEST_SECONDS = 10
MEMORY = 4 << 30
"""Bytes of address space, at most, beyond what is taken before the first input."""


class TooSlowError(BaseException):
    """A reader took too long; not an ``Exception``, so that no reader takes it for a file's fault."""


def main(name: str, seconds: float, seed: int = 0) -> int:
    """Fuzz a reader, and return the exit status."""
    _quiet_libraries()
    signal.signal(signal.SIGPROF, _too_slow)
    reader, seen = READERS[name], set[str]()
    begin = [*reader.seeds(), *(file.read_bytes() for file in seeds.once_found(name))]
    made = Mutator(begin, reader.tokens, random.Random(seed), reader.longest).inputs()
    home = Path(tempfile.mkdtemp(prefix=f"fuzzing-{name}-"))
    count, until = 0, time.monotonic() + seconds
    with _little_memory():
        while time.monotonic() < until:
            content, count = next(made), count + 1
            # There before it is read: a crash of the whole process leaves it, too.
            (home / "input").write_bytes(content)
            try:
                with tempfile.TemporaryDirectory(dir=home) as folder, _in_time():
                    check(reader, content, Path(folder))
            except (Exception, TooSlowError) as error:  # noqa: BLE001 # whatever it is, it is a finding
                where = _place(error)
                if where not in seen:
                    seen.add(where)
                    kept = home / sha256(content).hexdigest()[:12]
                    kept.write_bytes(content)
                    print(f"{kept} ({len(content):,} bytes): {where}\n{''.join(_said(error))}", flush=True)
    print(f"{name}: {count:,} inputs in {seconds:g} s from seed {seed}, {len(seen)} kinds of failures", flush=True)
    if not seen:
        shutil.rmtree(home)
    return bool(seen)


def _quiet_libraries() -> None:
    """Let a crash alone reach the terminal: libtiff and others write of every damaged file."""
    faulthandler.enable(os.fdopen(os.dup(2), "w"))
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)


def _said(error: BaseException) -> list[str]:
    return [line[:2000] for line in traceback.format_exception(error, limit=-6, chain=False)]


def _place(error: BaseException) -> str:
    """The kind of an error, and the last line of the package, or of its tests, that it came through."""
    ours = [one for one in traceback.extract_tb(error.__traceback__) if "site-packages" not in one.filename]
    ours = [one for one in ours if "agbench" in one.filename and not one.filename.endswith("__main__.py")]
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else repr(error)


def _too_slow(*_: Any) -> None:
    raise TooSlowError(f"more than {LONGEST_SECONDS} s")


@contextmanager
def _in_time() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)  # of computing: the machine may be busy
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def _little_memory() -> Iterator[None]:
    """Have what asks for very much memory fail, rather than the machine."""
    pages = Path("/proc/self/statm")
    if not pages.exists():
        yield
        return
    taken = int(pages.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:4])))
