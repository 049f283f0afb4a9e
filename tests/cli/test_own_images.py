"""A user's own images through the command line."""

from __future__ import annotations

import os
import tarfile

import pytest

from tests.data.published import encoded
from tests.data.test_folder import fill, several

QUICK = ("--quick", "--levels", "1.0,0.3", "--learners", "XT")


def run(agbench, workspace, *arguments):
    return agbench("--workspace", workspace, "run", *QUICK, *arguments)


def report_of(agbench, workspace, name):
    made = agbench("--workspace", workspace, "report", "--dataset", name)
    assert made.returncode == 0, made.stderr
    return (workspace / "reports" / name / "report.md").read_text()


def test_a_folder_of_odd_names_and_images_goes_through_to_a_report(agbench, on_cluster, tmp_path, odd_images):
    root = several(tmp_path / "My Pictures", "semi;colon", "None", "=1", "<b>", each=5)
    for name, image, options in odd_images:
        image.save(root / "None" / name, **options)
    (root / "=1" / "half.jpg").write_bytes(encoded(0)[:400])
    done = run(
        on_cluster, tmp_path / "w", "--dataset", root, "--models", "automm:efficientnet_lite0,tabular:pixels+dct",
        "--epochs", "1", "--image-size", "32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("accuracy 0.") + done.stderr.count("accuracy 1.") == 4
    page = report_of(agbench, tmp_path / "w", "my-pictures")
    assert "- 1 image left out, unreadable" in page
    assert r"| \=1/half.jpg |" in page or "| =1/half.jpg |" in page
    again = run(agbench, tmp_path / "w", "--dataset", "my-pictures", "--models", "tabular:pixels+dct")
    assert "nothing to run" in again.stderr


def test_a_table_is_a_data_set(agbench, tmp_path):
    several(tmp_path / "root", "x", "y", each=6)
    lines = ["file,kind", *(f"{kind}/{number}.jpg,{kind} = 1" for kind in "xy" for number in range(6))]
    (tmp_path / "root" / "labels.csv").write_text("\n".join(lines))
    own = ("--csv", tmp_path / "root" / "labels.csv", "--image-column", "file", "--label-column", "kind")
    assert "labels is ready: 2 classes, 12 images" in agbench("--workspace", tmp_path, "prepare", *own).stdout
    again = agbench("--workspace", tmp_path, "run", "--dataset", "labels", "--models", "tabular:dct", "--dry-run")
    assert "10 conditions: 0 done, 10 to run" in again.stdout


def test_an_archive_of_class_folders_becomes_a_data_set_of_its_own(agbench, tmp_path):
    several(tmp_path / "pics", "a", "b")
    with tarfile.open(tmp_path / "pics.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "pics", "pics")
    command = ("prepare", "--dataset", "mine", "--source", tmp_path / "pics.tar.xz")
    first = agbench("--workspace", tmp_path / "w", *command)
    assert "mine is ready: 2 classes, 10 images (6 train, 2 test, 2 validation)" in first.stdout
    assert "not verified" in first.stdout
    assert agbench("--workspace", tmp_path / "w", *command).stdout == first.stdout
    listed = agbench("--workspace", tmp_path / "w", "datasets").stdout
    assert "ready: 2 classes, 10 images (6 train, 2 test, 2 validation)" in listed


def test_nested_folders_are_classes_where_asked(agbench, tmp_path):
    root = fill(tmp_path / "root", *(f"a/{kind}/{number}.jpg" for kind in "xy" for number in range(5)), "b/1.jpg")
    done = agbench("--workspace", tmp_path / "w", "prepare", "--dataset", root, "--nested", "--drop-small-classes")
    assert "2 classes, 10 images" in done.stdout
    assert "1 class left out, too small to be split: 'b' (1 image)" in done.stdout


def test_a_dry_run_neither_downloads_nor_prepares(agbench, tmp_path):
    done = run(agbench, tmp_path, "--dataset", "sun397", "--dry-run", "--models", "tabular:dct")
    assert done.returncode == 0
    assert "2 conditions, all to run: sun397 is not prepared yet" in done.stdout
    assert not (tmp_path / "datasets" / "downloads").exists()


@pytest.fixture
def bad(tmp_path):
    (tmp_path / "empty").mkdir()
    several(tmp_path / "single", "cat")
    several(tmp_path / "unreadable", "cat", "dog")
    for path in (tmp_path / "unreadable").rglob("*.jpg"):
        path.write_text("no image")
    (tmp_path / "photo.jpg").write_bytes(encoded(0))
    os.mkfifo(tmp_path / "pipe.tar")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "{}/empty"), "no images in class folders"),
        (("--dataset", "{}/single"), "one class folder, 'cat'"),
        (("--dataset", "{}/unreadable"), "none of the 10 images can be read"),
        (("--dataset", "{}/photo.jpg"), "is not a folder"),
        (("--dataset", "{}/nowhere"), "there is no file or folder"),
        (("--dataset", "dttd"), "did you mean 'dtd'"),
        (("--dataset", "dtd", "--source", "{}/nowhere.tar.gz"), "there is no file or folder"),
        (("--dataset", "digits", "--source", "{}/photo.jpg"), "it takes no --source"),
        (("--dataset", "dtd", "--nested"), "--nested is for images of your own"),
        (("--csv", "{}/nowhere.csv"), "there is no file or folder"),
        (("--csv", "{}/photo.jpg"), "is not a CSV in UTF-8"),
        (("--csv", "{}/empty"), "is not a file"),
        ((), "which images?"),
        (("--dataset", "dtd", "--source", "{}/pipe.tar"), "is neither a file nor a folder"),
        (("--dataset", "dtd", "--source", ""), "is neither an address nor a path"),
        (("--dataset", "dtd", "--source", "http://[bad/x"), "is neither an address nor a path"),
    ],
)
@pytest.mark.parametrize("command", ["prepare", "run"])
def test_what_can_not_be_prepared_is_one_line_and_exit_status_two(agbench, bad, command, arguments, said):
    done = agbench("--workspace", bad / "w", command, *(one.format(bad) for one in arguments))
    assert done.returncode == 2
    progress = ("listing", "checking", "verifying")
    lines = [line for line in done.stderr.splitlines() if not line.startswith(progress)]
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
    assert not list((bad / "w" / "datasets").glob("*/dataset.json"))
