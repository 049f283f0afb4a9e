from __future__ import annotations

import gzip
import io
import random
import tarfile

import pytest

from agbench.core.errors import UserError
from agbench.data import unpack as module
from agbench.data.unpack import unpack

LIMIT = 1_000_000


def member(name, content=b"x", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(tmp_path, *members, mode="w:gz"):
    path = tmp_path / "some.tar.gz"
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def unpacked(path, tmp_path, limit=LIMIT):
    folder = tmp_path / "cage" / "folder"
    folder.mkdir(parents=True)
    unpack(path, folder, limit)
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_known_by_its_content(tmp_path, mode):
    path = archive(tmp_path, member("a/b.jpg", b"one"), member("a/c", b""), mode=mode)
    assert unpacked(path, tmp_path) == {"a/b.jpg": b"one", "a/c": b""}


def test_what_could_not_be_read_or_entered_again_is_made_so(tmp_path):
    path = archive(tmp_path, member("a", b"", type=tarfile.DIRTYPE, mode=0), member("a/b", b"x", mode=0))
    assert unpacked(path, tmp_path) == {"a/b": b"x"}


HOSTILE = {
    "traversal": (member("../escaped"), "outside"),
    "deep traversal": (member("a/../../escaped"), "outside"),
    "absolute": (member("/tmp/escaped"), "outside"),
    "symbolic link": (member("link", b"", type=tarfile.SYMTYPE, linkname="/etc"), "neither a file"),
    "link inside": (member("link", b"", type=tarfile.SYMTYPE, linkname="a"), "neither a file"),
    "hard link": (member("link", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "neither a file"),
    "device": (member("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "neither a file"),
    "pipe": (member("pipe", b"", type=tarfile.FIFOTYPE), "neither a file"),
}


@pytest.mark.parametrize(("hostile", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_members_are_refused_and_nothing_is_outside(tmp_path, hostile, said):
    path = archive(tmp_path, member("fine.jpg"), hostile, member("link/through"))
    with pytest.raises(UserError, match=said):
        unpacked(path, tmp_path)
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")}
    assert left <= {"some.tar.gz", "cage", "cage/folder", "cage/folder/fine.jpg"}


def test_a_bomb_is_refused_before_it_is_written(tmp_path):
    path = archive(tmp_path, member("zeros", bytes(LIMIT + 1)))
    with pytest.raises(UserError, match="more than 1,000,000 bytes"):
        unpacked(path, tmp_path)
    assert not any(one.is_file() for one in (tmp_path / "cage").rglob("*"))


def test_a_bomb_in_a_header_is_refused_unread(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    path = tmp_path / "some.tar.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16))
    with pytest.raises(UserError, match="many megabytes"):
        unpacked(path, tmp_path)


def test_a_negative_size_is_refused(tmp_path):
    info = tarfile.TarInfo("minus")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "some.tar.gz").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(UserError):
        unpacked(tmp_path / "some.tar.gz", tmp_path)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    with pytest.raises(UserError, match="3 files"):
        unpacked(archive(tmp_path, *(member(str(number)) for number in range(4))), tmp_path)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_that_is_cut_off_anywhere_is_refused(tmp_path, mode):
    contents = [random.Random(number).randbytes(3000) for number in range(6)]
    path = archive(tmp_path, *(member(f"{number}.jpg", one) for number, one in enumerate(contents)), mode=mode)
    whole = path.read_bytes()
    # Between two members too, where tarfile itself sees a proper end.
    between = 512 + 3072
    for cut in (0, 100, 700, between, 2 * between, 2 * between + 100, len(whole) // 2, int(len(whole) * 0.9)):
        if mode == "w" and cut >= 6 * between:
            continue
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="can't be unpacked"):
            unpacked(path, tmp_path / str(cut))


def test_a_damaged_header_in_the_middle_is_refused(tmp_path):
    path = archive(tmp_path, member("a", b"x" * 600), member("b"), member("c"), mode="w")
    content = bytearray(path.read_bytes())
    content[512 + 1024 + 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged or cut off"):
        unpacked(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"<html>", "web page"),
        (b"PK\3\4", "not a tar"),
        (b"", "not a tar"),
    ],
)
def test_what_is_no_archive_is_said(tmp_path, content, said):
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=said):
        unpacked(tmp_path / "x.tar.gz", tmp_path)


@pytest.mark.parametrize("damage", ["a byte inside", "the sum behind it", "the last bytes missing"])
def test_damage_that_only_the_compression_knows_of_is_refused(tmp_path, damage):
    path = archive(tmp_path, member("a.bmp", random.Random(0).randbytes(50_000)))
    content = bytearray(path.read_bytes())
    if damage == "a byte inside":
        content[len(content) // 2] ^= 0xFF
    elif damage == "the sum behind it":
        content[-8:] = bytes(8)
    else:
        del content[-4:]
    path.write_bytes(content)
    with pytest.raises(UserError, match="can't be unpacked"):
        unpacked(path, tmp_path)


def test_headers_and_folders_without_an_end_are_refused(tmp_path):
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1
    chain = archive(tmp_path, *((long_name, b"x") for _ in range(3000)))
    with pytest.raises(UserError, match="can't be unpacked"):
        unpacked(chain, tmp_path / "chain")
    deep = archive(tmp_path, member("a/" * 1500 + "b"))
    with pytest.raises(UserError, match="can't be unpacked"):
        unpacked(deep, tmp_path / "deep")


def test_an_archive_that_asks_for_all_memory_is_refused(tmp_path, monkeypatch):
    def without_memory(*_):
        raise MemoryError

    monkeypatch.setattr(module, "_check_member", without_memory)
    with pytest.raises(UserError, match="more memory than there is"):
        unpacked(archive(tmp_path, member("a")), tmp_path)
