"""The script that brings photographs of clothes writes them from a package, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[1] / "examples" / "fashion.py"
DATA = "./usr/share/datasets/fashion-mnist/"
LABELS = np.array([9, 0, 9, 1, 9], np.uint8)
IMAGES = np.arange(5 * 28 * 28).reshape(5, 28, 28).astype(np.uint8)


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("fashion", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packed(**members):
    """Return an ar archive."""
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        header = f"{name.replace('_', '.'):16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        parts += [header, content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


@pytest.fixture
def package(tmp_path, monkeypatch, script):
    """Makes a package of the same form, which the script takes for the right one."""

    def make(**others):
        tree = {
            f"{DATA}t10k-labels-idx1-ubyte.gz": gzip.compress(bytes(8) + LABELS.tobytes()),
            f"{DATA}t10k-images-idx3-ubyte.gz": gzip.compress(bytes(16) + IMAGES.tobytes()),
            "./usr/share/doc/dataset-fashion-mnist/copyright": b"License: Expat\n",
        }
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:xz") as tar:
            for name, content in (tree | others).items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        path = tmp_path / "package.deb"
        path.write_bytes(packed(debian_binary=b"2.0\n", control_tar=b"odd", data_tar_xz=data.getvalue()))
        monkeypatch.setattr(script, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
        return path

    return make


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_images_are_written_by_class_and_as_they_are(script, package, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "PER_CLASS", 2)
    script.main([str(tmp_path / "here"), "--source", str(package())])
    wanted = ["LICENCE.txt", "boot/0000.png", "boot/0002.png", "t-shirt/0001.png", "trouser/0003.png"]
    assert files(tmp_path / "here") == wanted
    with Image.open(tmp_path / "here" / "boot" / "0002.png") as picture:
        assert (picture.mode, np.asarray(picture).tolist()) == ("L", IMAGES[2].tolist())
    assert capsys.readouterr().out.startswith("4 images in ")
    assert {*tmp_path.iterdir()} == {tmp_path / "here", tmp_path / "package.deb"}


def test_a_file_that_leads_elsewhere_leaves_nothing(script, package, tmp_path):
    source = package(**{"./../outside": b"x"})
    with pytest.raises(SystemExit, match="lies outside"):
        script.main([str(tmp_path / "here"), "--source", str(source)])
    assert [*tmp_path.iterdir()] == [source]


def test_another_file_is_refused(script, package, tmp_path):
    source = package()
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(SystemExit, match="its SHA-256 differs"):
        script.main([str(tmp_path / "here"), "--source", str(source)])
    with pytest.raises(SystemExit, match="is no file"):
        script.main([str(tmp_path / "here"), "--source", str(tmp_path / "none.deb")])
    with pytest.raises(SystemExit, match="exists already"):
        script.main([str(tmp_path), "--source", str(source)])
    assert [*tmp_path.iterdir()] == [source]


def test_a_package_without_data_is_refused(script):
    with pytest.raises(SystemExit, match=r"has no data\.tar"):
        script.member(packed(debian_binary=b"2.0\n"), "data.tar")
