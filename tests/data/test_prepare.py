from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from agbench.core.errors import UserError
from agbench.data import dataset as module
from agbench.data.catalogue import DOWNLOADS, Catalogue
from agbench.data.dataset import load_prepared
from agbench.data.prepare import prepare
from agbench.data.source import STAMP, UNPACKED
from tests.conftest import environment
from tests.data import published
from tests.data.test_folder import several


@pytest.fixture
def digits(prepared):
    return prepared("digits")


def test_a_data_set_is_prepared_once(digits, prepared):
    assert len(digits.index) == 1797
    assert digits.classes == [str(digit) for digit in range(10)]
    assert digits.parts == {"train": 1078, "test": 360, "validation": 359}
    assert len(digits.quarantined) == 0
    assert all(Path(path).is_file() for path in digits.index["image"])
    before = (digits.folder / module.INDEX).stat().st_mtime_ns
    again = prepared("DIGITS")
    assert again.fingerprint == digits.fingerprint
    assert (digits.folder / module.INDEX).stat().st_mtime_ns == before


def test_the_index_says_what_each_image_is(digits):
    row = digits.index.iloc[3]
    assert Path(row["image"]).stat().st_size == row["bytes"]
    assert (row["width"], row["height"], row["mode"]) == (8, 8, "L")
    assert len(row["sha256"]) == 64


def test_a_data_set_that_is_not_prepared_says_how(tmp_path):
    with pytest.raises(UserError, match="agbench prepare --dataset digits"):
        load_prepared("digits", tmp_path)


def test_a_changed_image_is_refused_by_name(digits, tmp_path):
    row = digits.index.iloc[7]
    path = Path(row["image"])
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match=row["image_id"]):
        load_prepared("digits", tmp_path)


def test_a_missing_image_is_refused_by_name_and_mended_by_preparing_anew(digits, tmp_path, prepared):
    Path(digits.index.iloc[3]["image"]).unlink()
    with pytest.raises(UserError, match=digits.index.iloc[3]["image_id"]):
        load_prepared("digits", tmp_path)
    assert prepared("digits", fresh=True).fingerprint == digits.fingerprint


def test_a_copied_workspace_is_the_same_data_set(digits, tmp_path):
    for path in digits.index["image"]:
        os.utime(path, ns=(1, 1))
    assert load_prepared("digits", tmp_path).fingerprint == digits.fingerprint


def test_other_images_than_the_card_says_leave_nothing_behind(tmp_path, prepared):
    card = "title: a\nlayout: digits\nclasses: 10\nimages: 1798\nlicence: x\ncitation: y\n"
    (tmp_path / "mine.yaml").write_text(card)
    with pytest.raises(UserError, match="1,797 images, but its card says 10 and 1,798"):
        prepared("mine")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    accepted = prepared("mine", accept_unverified=True)
    assert "not as its card says: it has 10 classes and 1,797 images" in accepted.remarks()[0]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, prepared):
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "precious").write_text("x")
    with pytest.raises(UserError, match="move it away"):
        prepared("digits", fresh=True)
    assert (tmp_path / "digits" / "precious").read_text() == "x"


def test_an_index_that_was_changed_is_refused(digits, tmp_path):
    path = digits.folder / module.INDEX
    index = pd.read_parquet(path)
    index["label"] = index["label"].to_numpy()[::-1]
    index.to_parquet(path)
    with pytest.raises(UserError, match="damaged"):
        load_prepared("digits", tmp_path)


@pytest.mark.parametrize("name", [module.INDEX, module.MARKER])
def test_a_damaged_index_is_refused_and_mended_by_preparing_anew(digits, tmp_path, name, prepared):
    (digits.folder / name).write_text("junk")
    with pytest.raises(UserError, match="damaged"):
        load_prepared("digits", tmp_path)
    assert prepared("digits", fresh=True).fingerprint == digits.fingerprint


# Archives


@pytest.fixture
def dtd(tmp_path):
    return published.dtd(tmp_path / "archives")


def test_the_first_address_that_gives_the_archive_is_taken(dtd, tmp_path, server, prepared):
    wrong = server.put("a/dtd.tar.gz", b"<html>moved</html>")
    right = server.put("b/dtd.tar.gz", dtd.read_bytes())
    dead, gone = f"{server.address}/dead/dtd.tar.gz", str(tmp_path / "gone.tar.gz")
    addresses = (dead, wrong, gone, f"{right}?token=secret")
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd, *addresses))
    dataset = prepared("dtd")
    assert (dataset.source.origin, dataset.source.state) == (right, "verified by its checksum")
    assert dataset.source.checksum == f"md5:{published.md5(dtd)}"
    assert (tmp_path / DOWNLOADS / "dtd" / "dtd.tar.gz").read_bytes() == dtd.read_bytes()


def test_where_no_address_works_each_says_why(dtd, tmp_path, server, prepared):
    html = server.put("b/dtd.tar.gz", b"<html>moved</html>")
    addresses = (f"{server.address}/dead/dtd.tar.gz", html)
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd, *addresses))
    with pytest.raises(UserError) as caught:
        prepared("dtd")
    said = str(caught.value)
    assert "HTTP 404" in said
    assert published.md5(dtd) in said
    assert "--source FILE" in said
    assert "\n" not in said
    assert not (tmp_path / "dtd").exists()


def test_a_wrong_sum_names_all_keeps_the_file_and_can_be_accepted(tmp_path, dtd, server, prepared):
    other = published.dtd(tmp_path / "other", each=12)
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd, server.put("dtd.tar.gz", other.read_bytes())))
    with pytest.raises(UserError) as caught:
        prepared("dtd")
    kept = tmp_path / DOWNLOADS / "dtd" / "dtd.tar.gz.unverified"
    for part in (str(kept), published.md5(dtd), published.md5(other), "--accept-unverified"):
        assert part in str(caught.value)
    assert kept.read_bytes() == other.read_bytes()
    requests = len(server.seen)
    dataset = prepared("dtd", accept_unverified=True)
    assert len(server.seen) == requests, "what was kept is not downloaded again"
    assert len(dataset.index) == 36
    assert "accepted unverified" in dataset.source.state
    assert any("NOT the archive" in remark for remark in dataset.remarks())
    assert any("3 classes and 36 images" in remark for remark in dataset.remarks())


def test_a_wrong_sum_of_a_file_on_disk_is_refused_and_leaves_it(tmp_path, dtd, prepared):
    with pytest.raises(UserError, match="expected md5:fff73e5086ae6bdbea199a49dfb8a4c1"):
        prepared("dtd", source=str(dtd))
    assert dtd.is_file()
    assert not (tmp_path / "dtd").exists()
    assert len(prepared("dtd", source=str(dtd), accept_unverified=True).index) == 30


def test_half_a_folder_is_not_a_smaller_data_set(tmp_path, dtd, prepared):
    with tarfile.open(dtd) as tar:
        tar.extractall(tmp_path / "hand", filter="data")
    with pytest.raises(UserError, match="3 classes and 30 images, but its card says 47 and 5,640"):
        prepared("dtd", source=str(tmp_path / "hand"))


def test_another_source_is_not_ignored(tmp_path, dtd, prepared):
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd))
    first = prepared("dtd", source=str(dtd))
    other = published.dtd(tmp_path / "other", each=12)
    assert prepared("dtd", source=str(dtd)).fingerprint == first.fingerprint
    with pytest.raises(UserError, match=r"prepared already, from .*--fresh"):
        prepared("dtd", source=str(other), accept_unverified=True)
    assert len(prepared("dtd", source=str(other), accept_unverified=True, fresh=True).index) == 36


def test_killed_in_the_middle_of_a_download_the_next_call_goes_on(tmp_path, server):
    archive = published.dtd(tmp_path / "large", extra=os.urandom(20_000_000))
    card = published.card("dtd", archive, server.put("dtd.tar.gz", archive.read_bytes()))
    workspace = tmp_path / "work"
    (workspace / "datasets").mkdir(parents=True)
    (workspace / "datasets" / "dtd.yaml").write_text(card)
    command = [sys.executable, "-m", "agbench", "--workspace", str(workspace), "prepare", "--dataset", "dtd"]
    server.cut = [10_000_000, 0, 0, 0, 0, 0]
    running = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = workspace / "datasets" / DOWNLOADS / "dtd" / "dtd.tar.gz.unverified.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (workspace / "datasets" / "dtd").exists()
    server.cut = []
    server.seen.clear()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert server.seen[0][1].startswith("bytes="), "it went on where it had stopped"
    assert "dtd is ready: 3 classes, 30 images" in done.stdout


@pytest.mark.parametrize("step", ["unpacking", "listing", "checking"])
def test_stopped_in_any_step_nothing_is_ready_and_the_next_call_goes_on(tmp_path, dtd, prepared, step):
    class StoppedError(BaseException):
        pass

    def stop(seen):
        if seen.what.startswith(step):
            raise StoppedError

    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd))
    with pytest.raises(StoppedError):
        prepare(Catalogue(tmp_path).find("dtd"), tmp_path, on_progress=stop)
    assert not (tmp_path / "dtd").exists()
    steps = []
    known = Catalogue(tmp_path).find("dtd")
    assert len(prepare(known, tmp_path, on_progress=lambda seen: steps.append(seen.what)).index) == 30
    assert any(what.startswith("unpacking") for what in steps) is (step == "unpacking")
    assert not (tmp_path / DOWNLOADS).exists(), "what was unpacked has become the data set"


def test_killed_while_the_images_were_moved_the_next_call_unpacks_again(tmp_path, dtd, prepared):
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd))
    first = prepared("dtd")
    shutil.rmtree(tmp_path / "dtd")
    home = tmp_path / DOWNLOADS / "dtd" / UNPACKED
    home.mkdir(parents=True)
    (home / STAMP).write_text(json.dumps({"archive": dtd.name, "md5": published.md5(dtd)}))
    assert prepared("dtd").fingerprint == first.fingerprint


def test_what_was_accepted_once_is_not_accepted_for_ever(tmp_path, dtd, server, prepared):
    other = published.dtd(tmp_path / "other", each=12)
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd, server.put("dtd.tar.gz", other.read_bytes())))
    prepared("dtd", accept_unverified=True)
    with pytest.raises(UserError, match="--accept-unverified takes it"):
        prepared("dtd", fresh=True)
    assert len(load_prepared("dtd", tmp_path).index) == 36, "what was ready is still there"


def test_a_web_page_is_not_taken_for_the_archive_where_another_address_has_it(tmp_path, dtd, server, prepared):
    page, right = server.put("a/dtd.tar.gz", b"<html>moved</html>"), server.put("b/dtd.tar.gz", dtd.read_bytes())
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd, page, right))
    assert prepared("dtd", accept_unverified=True).source.state == "verified by its checksum"


def test_a_bad_answer_to_an_own_address_does_not_stick(tmp_path, server, prepared):
    several(tmp_path / "pics", "a", "b")
    with tarfile.open(tmp_path / "pics.tar", "w") as archive:
        archive.add(tmp_path / "pics", "pics")
    address = server.put("pics.tar", b"<html>busy</html>")
    known = Catalogue(tmp_path).own_archive(address, "mine")
    with pytest.raises(UserError, match="a web page"):
        prepared(known)
    server.put("pics.tar", (tmp_path / "pics.tar").read_bytes())
    server.tag = '"2"'
    assert len(prepared(known).index) == 10


def test_preparing_anew_from_nowhere_leaves_what_was_ready(digits, tmp_path, dtd, prepared):
    (tmp_path / "dtd.yaml").write_text(published.card("dtd", dtd))
    before = prepared("dtd").fingerprint
    with pytest.raises(UserError, match="no file or folder"):
        prepared("dtd", source=str(tmp_path / "nowhere.tar"), fresh=True)
    assert load_prepared("dtd", tmp_path).fingerprint == before


# A user's own images


@pytest.fixture
def own(tmp_path, prepared):
    """Prepare a folder as a user's own."""

    def one(root, **request):
        return prepared(Catalogue(tmp_path / "work").own_folder(root), tmp_path / "work", **request)

    return one


def test_a_folder_is_used_where_it_is(tmp_path, own):
    dataset = own(several(tmp_path / "My Photos!", "cat", "dog"))
    assert dataset.name == "my-photos"
    assert dataset.parts == {"train": 6, "test": 2, "validation": 2}
    assert dataset.index["image"].str.startswith(str(tmp_path / "My Photos!")).all()
    assert load_prepared("my-photos", tmp_path / "work").fingerprint == dataset.fingerprint


@pytest.mark.parametrize("change", ["added", "removed", "moved to another class"])
def test_a_folder_that_changed_is_refused_until_prepared_anew(tmp_path, own, change):
    root = several(tmp_path / "root", "cat", "dog")
    before = own(root).fingerprint
    if change == "added":
        (root / "cat" / "new.jpg").write_bytes(published.encoded(99))
    elif change == "removed":
        (root / "cat" / "1.jpg").unlink()
    else:
        (root / "cat" / "1.jpg").rename(root / "dog" / "new.jpg")
    with pytest.raises(UserError, match="since root was prepared"):
        own(root)
    assert own(root, fresh=True).fingerprint != before


def test_unreadable_images_are_quarantined_by_name(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog", each=8)
    half = (root / "cat" / "3.jpg").read_bytes()
    (root / "cat" / "3.jpg").write_bytes(half[: len(half) // 2])
    dataset = own(root)
    assert dataset.quarantined["image_id"].tolist() == ["cat/3.jpg"]
    assert "runcated" in (dataset.folder / module.QUARANTINE).read_text()
    assert len(dataset.index) == 15


def test_an_unreadable_image_that_was_mended_is_noticed(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog", each=8)
    good = (root / "cat" / "3.jpg").read_bytes()
    (root / "cat" / "3.jpg").write_bytes(good[:-200])
    assert len(own(root).quarantined) == 1
    (root / "cat" / "3.jpg").write_bytes(good)
    with pytest.raises(UserError, match=r"cat/3\.jpg is gone or changed"):
        own(root)


def test_no_readable_image_at_all_is_an_error(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog")
    for path in root.rglob("*.jpg"):
        path.write_text("no image")
    with pytest.raises(UserError, match=r"none of the 10 images can be read; the first, 'cat/0.jpg'"):
        own(root)


def test_small_classes_are_named_or_left_out(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog", each=6)
    several(root, "emu", each=2)
    (root / "fox").mkdir()
    (root / "fox" / "1.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"'fox' \(0\).*--drop-small-classes"):
        own(root)
    dataset = own(root, drop_small_classes=True)
    assert dataset.classes == ["cat", "dog"]
    assert dataset.dropped == {"fox": 0, "emu": 2}
    assert any("2 classes left out" in remark for remark in dataset.remarks())


def test_copies_share_a_side_and_are_said(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog", each=10)
    for number in range(4):
        (root / "cat" / f"copy{number}.jpg").write_bytes((root / "cat" / f"{number}.jpg").read_bytes())
    (root / "dog" / "cat.jpg").write_bytes((root / "cat" / "9.jpg").read_bytes())
    dataset = own(root)
    sides = dataset.index.groupby("sha256")["split"].nunique()
    assert sides.max() == 1
    said = " ".join(dataset.remarks())
    assert "5 exact copies" in said
    assert "'cat/9.jpg' and 'dog/cat.jpg'" in said


def test_a_result_keeps_what_is_to_be_known(tmp_path, own):
    facts = own(several(tmp_path / "root", "cat", "dog")).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["source"]["state"] == "a folder, used where it is"


def test_what_was_left_aside_is_counted(tmp_path, own):
    root = several(tmp_path / "root", "cat", "dog")
    (root / "README.txt").write_text("x")
    assert Counter(own(root).skipped) == {"not an image": 1}
