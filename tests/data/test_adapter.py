"""A data set of another package, installed for real and found by its entry point."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULE = """
from PIL import Image

from agbench.data.adapter import Adapter


def build(folder):
    for number in range(20):
        label = ("red", "blue")[number % 2]
        path = folder / f"{number}.png"
        Image.new("RGB", (8, 8), (number * 9, 0, 0) if label == "red" else (0, 0, number * 9 + 1)).save(path)
        yield path.relative_to(folder), label


colours = Adapter(title="Two colours", build=build, licence="CC0", citation="nobody", images=20)
broken = "no adapter"
"""

SETUP = """
[metadata]
name = agbench-colours
version = 1
[options]
py_modules = agbench_colours
[options.entry_points]
agbench.datasets =
    colours = agbench_colours:colours
    broken = agbench_colours:broken
    missing = agbench_colours.nowhere:colours
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "agbench_colours.py").write_text(MODULE)
    (source / "setup.cfg").write_text(SETUP)
    (source / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools"]\n')
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", site, source], check=True, capture_output=True)
    return site


def test_it_is_listed_and_prepared_like_any_other(site, agbench, tmp_path):
    listed = agbench("--workspace", tmp_path, "datasets", PYTHONPATH=str(site))
    assert "colours: Two colours" in listed.stdout
    assert "licence:  CC0" in listed.stdout
    done = agbench("--workspace", tmp_path, "prepare", "--dataset", "Colours", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert "colours is ready: 2 classes, 20 images (12 train, 4 test, 4 validation)" in done.stdout


@pytest.mark.parametrize(("name", "said"), [("broken", "not an agbench.data.adapter"), ("missing", "nowhere")])
def test_one_that_is_none_is_said_in_a_line(site, agbench, tmp_path, name, said):
    done = agbench("--workspace", tmp_path, "prepare", "--dataset", name, PYTHONPATH=str(site))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_package_the_name_is_unknown(agbench, tmp_path):
    done = agbench("--workspace", tmp_path, "prepare", "--dataset", "colours")
    assert done.returncode == 2
    assert "no data set called 'colours'" in done.stderr
