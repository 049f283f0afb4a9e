"""The six published layouts, from archives with their true oddities."""

from __future__ import annotations

import pickle
import tarfile
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agbench.core.errors import UserError
from agbench.data.source import FILES
from tests.data import published

LABELS = {
    "dtd": {"banded", "crosshatched", "waffled"},
    "pets": {"Abyssinian", "american_pit_bull_terrier", "Egyptian_Mau"},
    "caltech256": {"001.ak47", "056.dog", "198.spider", "257.clutter"},
    "sun397": {"a/abbey", "a/apse/indoor", "c/church/indoor", "c/church/outdoor"},
    "cifar10": set(published.CIFAR10_NAMES),
    "cifar100": {"apple", "aquarium_fish", "baby"},
}


@pytest.fixture
def small(tmp_path):
    """Make a set's small archive, and its card in the test's workspace."""

    def make(name, maker=None):
        archive = (maker or published.ALL[name][0])(tmp_path / "archives")
        (tmp_path / f"{name}.yaml").write_text(published.card(name, archive))
        return archive

    return make


@pytest.mark.parametrize("name", published.ALL)
def test_each_set_has_its_classes_and_images_and_no_junk(name, small, prepared):
    small(name)
    dataset = prepared(name)
    _, classes, images = published.ALL[name]
    assert set(dataset.classes) == LABELS[name]
    assert len(dataset.classes) == classes
    assert len(dataset.index) + len(dataset.quarantined) == images
    assert dataset.source.state == "verified by its checksum"
    assert (dataset.index[["width", "height"]] > 0).all(axis=None)


def test_the_known_bad_scene_is_quarantined_by_name(small, prepared):
    small("sun397")
    dataset = prepared("sun397")
    assert dataset.quarantined["image_id"].tolist() == [published.SUN_BAD.removeprefix("SUN397/")]
    assert any("1 image left out, unreadable" in remark for remark in dataset.remarks())


def test_dtd_may_be_a_plain_tar_under_its_name(tmp_path, prepared):
    archive = published.dtd(tmp_path / "archives", mode="w")
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", archive))
    assert len(prepared("dtd").index) == 30


@pytest.mark.parametrize("name", published.ALL)
def test_an_unpacked_folder_is_the_same_data_set(name, small, prepared, tmp_path):
    archive = small(name)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "by hand", filter="data")
    from_archive = prepared(name)
    (inside,) = (tmp_path / "by hand").iterdir() if name != "dtd" else ((tmp_path / "by hand" / "dtd"),)
    for number, place in enumerate((tmp_path / "by hand", inside)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"{name}.yaml").write_text((tmp_path / f"{name}.yaml").read_text())
        assert prepared(name, folder, source=str(place)).fingerprint == from_archive.fingerprint


def test_a_folder_with_the_archive_in_it_will_do(small, prepared):
    archive = small("dtd")
    assert prepared("dtd", source=str(archive.parent)).source.origin == str(archive)


def test_cifar_pixels_are_those_of_the_records(small, prepared):
    small("cifar10")
    dataset = prepared("cifar10").index.set_index("image_id")
    labels, values = published._cifar10_batch(2)
    for number in (0, 7, 19):
        row = dataset.loc[f"data_batch_3/{number:05d}.png"]
        pixels = np.asarray(Image.open(row["image"]))
        assert np.array_equal(pixels, values[number].reshape(3, 32, 32).transpose(1, 2, 0))
        assert row["label"] == published.CIFAR10_NAMES[labels[number]]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_python_archive_is_the_same_data_set(protocol, small, prepared, tmp_path):
    small("cifar10")
    binary = prepared("cifar10")
    (tmp_path / "python").mkdir()
    archive = published.cifar10_python(tmp_path / "python", protocol)
    (tmp_path / "python" / "cifar10.yaml").write_text(published.card("cifar10", archive))
    assert prepared("cifar10", tmp_path / "python").fingerprint == binary.fingerprint


class Malicious:
    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return (open, (str(self.proof), "w"))


def test_a_pickle_that_runs_code_is_refused_before_it_does(tmp_path, prepared):
    proof = tmp_path / "proof"
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}))
    (folder / "data_batch_1").write_bytes(pickle.dumps(Malicious(proof)))
    with pytest.raises(UserError, match=r"io\.open"):
        prepared("cifar10", source=str(folder))
    assert not proof.exists()
    assert not (tmp_path / "cifar10").exists()


@pytest.mark.parametrize("damage", ["short", "label", "missing", "names"])
def test_damaged_records_are_refused(damage, small, prepared, tmp_path):
    with tarfile.open(small("cifar10")) as tar:
        tar.extractall(tmp_path / "hand", filter="data")
    folder = tmp_path / "hand" / "cifar-10-batches-bin"
    batch = folder / "data_batch_2.bin"
    if damage == "short":
        batch.write_bytes(batch.read_bytes()[:-1])
    elif damage == "label":
        batch.write_bytes(b"\x0a" + batch.read_bytes()[1:])
    elif damage == "missing":
        batch.unlink()
    else:
        (folder / "batches.meta.txt").unlink()
    with pytest.raises(UserError, match=r"data_batch_2|names of the classes"):
        prepared("cifar10", source=str(tmp_path / "hand"))
    assert not (tmp_path / "cifar10").exists()


@pytest.mark.parametrize(
    ("name", "other"), [("dtd", "caltech256"), ("caltech256", "sun397"), ("pets", "dtd"), ("cifar10", "cifar100")]
)
def test_the_wrong_data_set_is_refused_even_unverified(name, other, tmp_path, prepared):
    archive = published.ALL[other][0](tmp_path / "archives")
    with pytest.raises(UserError) as caught:
        prepared(name, source=str(archive), accept_unverified=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / name).exists()


def test_what_was_unpacked_in_vain_is_not_left(tmp_path, prepared):
    archive = published.caltech256(tmp_path / "archives")
    with pytest.raises(UserError):
        prepared("dtd", source=str(archive), accept_unverified=True)
    assert not list(tmp_path.rglob(FILES))


def test_the_label_of_a_record_may_be_any_byte_of_its_classes(small, prepared):
    small("cifar100")
    assert Counter(prepared("cifar100").index["label"]) == {"apple": 14, "aquarium_fish": 14, "baby": 12}


ENDLESS: list[Any] = []
for _ in range(64):
    ENDLESS = [ENDLESS, ENDLESS]
"""A list of few bytes as a pickle, and of more members than there is memory."""


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("batches.meta", {b"num": 3}),
        ("batches.meta", {b"label_names": 7}),
        ("batches.meta", {b"label_names": [b"a", b"a"]}),
        ("batches.meta", [1]),
        ("data_batch_1", {b"labels": 5, b"data": np.zeros((1, 3072), np.uint8)}),
        ("data_batch_1", {b"labels": [[1]], b"data": np.zeros((1, 3072), np.uint8)}),
        ("data_batch_1", {b"labels": [1.7], b"data": np.zeros((1, 3072), np.uint8)}),
        ("data_batch_1", {b"labels": [1], b"data": np.zeros((1, 3072), np.float32)}),
        ("data_batch_1", {b"labels": [1], b"data": np.zeros((2, 3072), np.uint8)}),
        ("data_batch_1", {b"labels": [1]}),
        ("data_batch_1", {"\ud800": 1}),
        ("data_batch_1", {b"labels": np.array(["2026-01-01"], "M8[D]"), b"data": 0}),
        ("data_batch_1", {b"labels": np.zeros(1, [("a", "u1")]), b"data": 0}),
        ("data_batch_1", {b"labels": np.array([None]), b"data": 0}),
        ("data_batch_1", {b"labels": ENDLESS, b"data": 0}),
        ("batches.meta", {b"label_names": [ENDLESS]}),
    ],
)
def test_pickles_of_something_else_are_refused_by_name(tmp_path, prepared, file, content):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}))
    (folder / "data_batch_1").write_bytes(pickle.dumps({b"labels": [], b"data": np.zeros((0, 3072), np.uint8)}))
    (folder / file).write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=rf"{file}|same name"):
        prepared("cifar10", source=str(folder))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # memory for two thousand million objects
        b"\x80\x02}U\x06labelscnumpy\nndarray\nJ\xff\xff\xff\x7f\x85Rs.",  # an array of as many numbers
    ],
)
def test_a_pickle_takes_no_more_memory_than_its_bytes(tmp_path, prepared, content):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}))
    (folder / "data_batch_1").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UserError, match="data_batch_1 is refused"):
        prepared("cifar10", source=str(folder))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e8
