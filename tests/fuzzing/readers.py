"""The readers of strangers' files: what each is to give, and what it may refuse them with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from PIL import Image

from agbench.compression import manifest, metadata
from agbench.compression.tables import Copied, rewrite
from agbench.core import images
from agbench.core.codec import CODECS
from agbench.core.errors import UnreadableImageError, UserError
from agbench.data import cifar
from agbench.data.card import Card, Columns, read_card, write_card
from agbench.data.check import check_image
from agbench.data.folder import check_labels, table
from agbench.data.unpack import unpack
from agbench.studies.yaml_file import read_study
from tests.fuzzing import seeds

UNPACKED_LIMIT = 1_000_000


@dataclass(frozen=True)
class Reader:
    """One reader.

    Parameters
    ----------
    read : callable
        Takes bytes and an empty folder, reads a file of these bytes, and checks what it is given.
    seeds : callable
        Gives files to begin with.
    tokens : sequence of bytes
        What such files have in them.
    refusals : tuple of type
        What it may raise, by its docstring.
    longest : int
        Bytes of a file, at most: what takes long must be the reader's fault, not that of much to read.
    """

    read: Callable[[bytes, Path], None]
    seeds: Callable[[], list[bytes]]
    tokens: Sequence[bytes] = ()
    refusals: tuple[type[Exception], ...] = (UserError,)
    longest: int = 400_000


def check(reader: Reader, content: bytes, folder: Path) -> None:
    """Read bytes; raise whatever the reader should not."""
    try:
        reader.read(content, folder)
    except MemoryError:
        if MemoryError not in reader.refusals:
            raise
    except reader.refusals as error:
        _check_words(str(error))


def _check_words(said: str) -> None:
    assert said.strip(), "a refusal says why"
    assert said.count("\n") < 2, "a refusal is one or two lines"


def _stored(content: bytes, folder: Path, name: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def _read_image(content: bytes, folder: Path) -> None:
    with images.opened(_stored(content, folder, "image")) as image:
        assert image.width * image.height > 0
        assert images.orientation(image) in range(1, 9)
        assert isinstance(images.reads_faithfully(image), bool)
        shown = images.faithful(image)
        assert shown.mode in ("L", "RGB")
        assert shown.size == image.size


def _read_metadata(content: bytes, folder: Path) -> None:
    with images.opened(_stored(content, folder, "image")) as image:
        said, lacking = metadata.found(image), metadata.lacking(image, content)
    assert all(isinstance(one, str) for one in lacking)
    for writer in CODECS.values():
        for strip in (False, True):
            kept, _ = metadata.kept(said, writer, strip)
            assert isinstance(metadata.turned(kept.exif, 1), bytes)
    assert metadata.orientation_in(said.exif) in range(1, 9)
    metadata.bare(said)


def _read_card(content: bytes, folder: Path) -> None:
    file = _stored(content, folder, "card.yaml")
    card = read_card(file)
    assert Card.model_validate(yaml.safe_load(write_card(card))) == card
    for name in card.archives:
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert "\0" not in name
        assert not (folder / name).is_dir()


def _read_study(content: bytes, folder: Path) -> None:
    study = read_study(_stored(content, folder, "study.yaml"))
    assert study.models
    assert study.treatments
    for treatment in study.treatments:
        assert 0.01 <= treatment.train.level <= 1
        assert treatment.test is None or 0.01 <= treatment.test.level <= 1


def _read_table(content: bytes, folder: Path) -> None:
    listing = table(_stored(content, folder, "table.csv"), Columns(image="image", label="label"))
    assert listing.rows
    assert len(dict(listing.rows)) == len(listing.rows)
    for path, label in listing.rows:
        assert path
        assert label
        check_image(listing.root / path)


IMAGES = ("a.jpg", "b.jpg", "b/c d.png", "e,f.png", "g/h.png")


def _rewrite_table(content: bytes, folder: Path) -> None:
    names = {path: f"{path.rpartition('.')[0]}.webp" for path in IMAGES}
    for removed in ("", "b.jpg"):
        copied = Copied(folder, folder / "copy", {path: name * (path != removed) for path, name in names.items()})
        made = rewrite(content, "labels.csv", copied)
        assert made.is_changed or made.data == content


SMALL = replace(cifar.CIFAR10, batches=("test_batch",))
NAMES, BATCH, PICKLED_NAMES, PICKLED = seeds.small_cifar()


def _read_cifar(content: bytes, folder: Path) -> None:
    """Read a set with the bytes in the place of each of its files."""
    for place, files in enumerate(
        (
            {"batches.meta.txt": content, "test_batch.bin": BATCH},
            {"batches.meta.txt": NAMES, "test_batch.bin": content},
            {"batches.meta": content, "test_batch": PICKLED},
            {"batches.meta": PICKLED_NAMES, "test_batch": content},
        )
    ):
        for name, data in files.items():
            _stored(data, folder / str(place), name)
        out = folder / f"images{place}"
        try:
            rows = [*cifar.build(SMALL, folder / str(place), out)]
            check_labels(label for _, label in rows)
        except UserError as error:
            _check_words(str(error))
            continue
        assert sorted(out / path for path, _ in rows) == sorted(one for one in out.rglob("*") if one.is_file())
        for path, label in rows:
            assert isinstance(label, str)
            with Image.open(out / path) as image:
                assert (image.mode, image.size) == ("RGB", (32, 32))


def _read_archive(content: bytes, folder: Path) -> None:
    archive, out = _stored(content, folder, "archive"), folder / "cage" / "folder"
    out.mkdir(parents=True)
    before = {*folder.rglob("*")}
    try:
        unpack(archive, out, UNPACKED_LIMIT)
    finally:
        made = {*folder.rglob("*")} - before
        assert all(out in one.parents for one in made), "outside"
        assert archive.read_bytes() == content
        assert not any(one.is_symlink() or not (one.is_file() or one.is_dir()) for one in made)
        assert sum(one.stat().st_size for one in made if one.is_file()) <= UNPACKED_LIMIT


def _read_manifest(content: bytes, folder: Path) -> None:
    """Open a copy whose every file of memory holds the bytes; what isn't of the copy stays."""
    bystander = _stored(b"bystander", folder, "x")
    copy = folder / "copy"
    for name in ("files.jsonl", "settings.json", "measured.json"):
        _stored(content, copy / manifest.HOME, name)
    with manifest.opened(copy) as ledger:
        assert isinstance(ledger.settings(), dict)
        assert all(isinstance(size, int) for size in ledger.measured("a").values())
        for source, made in [*ledger.records.items()]:
            made.is_of(folder)
            made.is_in(copy)
            ledger.forget(source)
    assert bystander.exists()


READERS = {
    "images": Reader(_read_image, seeds.image_files, seeds.IMAGE_TOKENS, (UnreadableImageError, MemoryError)),
    "metadata": Reader(_read_metadata, seeds.image_files, seeds.IMAGE_TOKENS, (UnreadableImageError, MemoryError)),
    "cards": Reader(_read_card, seeds.cards, seeds.YAML_TOKENS, longest=20_000),
    "studies": Reader(_read_study, seeds.studies, seeds.YAML_TOKENS, longest=20_000),
    "tables": Reader(_read_table, seeds.tables, seeds.TABLE_TOKENS),
    "rewriting": Reader(_rewrite_table, seeds.tables, seeds.TABLE_TOKENS, (), longest=20_000),
    "cifar": Reader(_read_cifar, seeds.cifar_files, seeds.PICKLE_TOKENS),
    "archives": Reader(_read_archive, seeds.archives, seeds.TAR_TOKENS),
    "manifests": Reader(_read_manifest, seeds.manifests, seeds.JSON_TOKENS),
}
