"""The paper's six data sets, from a server to a report, on small archives in their true layout."""

from __future__ import annotations

import re

import pytest

from tests.data import published
from tests.data.conftest import server  # noqa: F401

DEEP = {"dtd": ("automm:efficientnet_lite0,tabular:dct", "--epochs", "1", "--image-size", "32")}


@pytest.mark.parametrize("name", published.ALL)
def test_one_command_downloads_prepares_and_runs(name, agbench, on_cluster, tmp_path, server):  # noqa: F811
    archive = published.ALL[name][0](tmp_path / "archives")
    address = server.put(archive.name, archive.read_bytes())
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / f"{name}.yaml").write_text(published.card(name, archive, address))
    server.cut = [len(archive.read_bytes()) // 2]
    models = DEEP.get(name, ("tabular:dct",))
    command = ("run", "--dataset", name, "--quick", "--levels", "0.3", "--learners", "XT", "--models", *models)
    done = on_cluster("--workspace", tmp_path, *command)
    assert done.returncode == 0, done.stderr
    made = agbench("--workspace", tmp_path, "report", "--dataset", name)
    assert made.returncode == 0, made.stderr
    page = (tmp_path / "reports" / name / "report.md").read_text()
    _, classes, images = published.ALL[name]
    assert f"{classes} classes" in page
    assert f"verified by its checksum (`md5:{published.md5(archive)}`)" in page
    (accuracy,) = re.findall(r"tabular:dct, seed 0: accuracy (\d\.\d+)", done.stderr)
    assert float(accuracy) >= 0.75, "images of a class are alike: labels and images are in step"
    bad = int(name == "sun397")
    assert f"Bytes are those of all {images - bad} images' files" in page
    if bad:
        assert "sun_bhenjvsvrtumjuri.jpg" in page
    assert "## The paper's numbers" in page
    if name == "cifar10":
        assert "either the accuracy is 0.9435" in page
