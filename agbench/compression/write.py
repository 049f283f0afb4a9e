"""Making the files of a copy, each recorded as it gets its name; and reading them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from agbench.compression import manifest, one_file, tables
from agbench.compression.manifest import Ledger
from agbench.compression.names import fits
from agbench.compression.one_file import CopyTask
from agbench.compression.scan import Tree
from agbench.core.errors import UserError
from agbench.core.step import OnProgress, Step

FILES_A_TASK = 8
"""Images a task: few, as Ctrl-C waits for those that are begun."""

T = TypeVar("T")


def make(task: CopyTask, found: Tree, memory: Ledger, pool: ProcessPoolExecutor, on_progress: OnProgress) -> None:
    """Make all of a copy that isn't made.

    Parameters
    ----------
    task : CopyTask
        Settings of the copy.
    found : Tree
        The source.
    memory : Ledger
        The copy's; every file is recorded there.
    pool : ProcessPoolExecutor
        Does the work.
    on_progress : callable
        Told of every image.

    Raises
    ------
    UserError
        If something that isn't ours is in the way.
    """
    names = found.images | {path: path for path in (*found.tables, *found.others)}
    for source, made in [*memory.records.items()]:
        if source in names and not (
            made.is_of(found.root)
            and made.is_in(memory.out)
            and made.state != one_file.LOST
            and made.name in ("", source, names[source])
        ):
            memory.forget(source)
    todo = [path for path in names if path not in memory.records]
    for path in todo:
        for name in {path, names[path]}:
            if fits(name):
                manifest.check_place(memory.out / name)
    _make_folders(memory.out, todo, names, found.empty)
    pictures = [path for path in todo if path in found.images]
    new_names = [found.images[path] for path in pictures]
    pairs = pool.map(partial(one_file.make_image, task), pictures, new_names, chunksize=FILES_A_TASK)
    for made, half_made in with_progress(
        pairs, f"compressing at quality {task.recipe.quality}", len(pictures), on_progress
    ):
        memory.place(made, half_made)
    rest = [path for path in found.others if path not in memory.records]
    for made, half_made in pool.map(partial(one_file.make_other, task), rest, chunksize=FILES_A_TASK):
        memory.place(made, half_made)
    copied = tables.Copied(found.root, memory.out, {path: memory.records[path].name for path in found.images})
    for path in found.tables:
        _make_table(path, task, copied, memory)


def _make_folders(out: Path, todo: Sequence[str], names: dict[str, str], empty: Iterable[str]) -> None:
    files = [out / names[path] for path in todo] + [out / path / "any" for path in empty]
    folders = {folder for file in files for folder in file.parents if out in folder.parents}
    for folder in sorted(folders):
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise UserError(f"{folder} is a link, and may lead out of the copy: move it elsewhere")


def _make_table(path: str, task: CopyTask, copied: tables.Copied, memory: Ledger) -> None:
    """Write a table anew where it would say something else: it depends on what became of the images."""
    try:
        data = (task.root / path).read_bytes()
    except OSError:
        data = b""
    rewritten = tables.rewrite(data, path, copied)
    if path in memory.records:
        if (memory.out / path).read_bytes() == rewritten.data:
            return
        memory.forget(path)
    made = one_file.looked_at(task, path, one_file.TABLE if rewritten.words() else one_file.OTHER)
    made = replace(made, note=rewritten.words()) if made.state == one_file.TABLE else made
    memory.place(*one_file.written(made, task, rewritten.data if rewritten.is_changed else None))


def verify_copy(
    found: Tree, memory: Ledger, pool: ProcessPoolExecutor, on_progress: OnProgress
) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Decode every image of a copy strictly, but for those that can't be in the source either.

    Parameters
    ----------
    found, memory, pool, on_progress
        As for `make`.

    Returns
    -------
    int
        How many were read back.
    tuple of (str, str)
        Those that can't be read, or have other dimensions than their source, and why.
    """
    readable = [made for path in found.images if (made := memory.records[path]).size]
    paths = [memory.out / made.name for made in readable]
    problems = pool.map(one_file.check_copy, paths, readable, chunksize=FILES_A_TASK)
    told = with_progress(problems, "reading back", len(readable), on_progress)
    bad = tuple((made.name, problem) for made, problem in zip(readable, told, strict=True) if problem)
    return len(readable) - len(bad), bad


def with_progress(results: Iterable[T], what: str, total: int, on_progress: OnProgress) -> Iterator[T]:
    """Yield results as they come, and report the progress."""
    for done, result in enumerate(results, 1):
        on_progress(Step(what, done, total, "images"))
        yield result
