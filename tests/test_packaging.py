"""What a newcomer installs: the lock, the wheel, and run.sh."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_lock_names_exact_versions_and_no_addresses():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", " "))]
    assert packages
    for line in packages:
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ /]+( ; .+)?", line), line
        assert "://" not in line


def test_torch_and_torchvision_fit(tmp_path):
    code = "import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    code = "import setuptools.build_meta as build; build.build_wheel('..')"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_brings_cards_templates_and_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "agbench/cards/patches.yaml",
        "agbench/reporting/templates/report.md.j2",
        "agbench/py.typed",
        "agbench/cli/main.py",
    ):
        assert wanted in names
    assert not [name for name in names if name.endswith(".png") or name.startswith("tests")]


def test_the_wheel_works_without_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from pathlib import Path\n"
        "from agbench.data import catalogue\n"
        "assert Path(catalogue.__file__).is_relative_to(sys.path[0]), catalogue.__file__\n"
        "print(catalogue.Catalogue(Path('none')).names())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"patches", "dtd", "sun397"} <= set(ast.literal_eval(done.stdout))


def test_every_command_of_the_wheel_runs_where_no_editable_install_can_help(wheel, tmp_path, plain_images):
    """In an interpreter without site: it has the packages of the lock, and of agbench the wheel alone."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    packages = sysconfig.get_paths()["purelib"]
    folders = [str(site), packages, sysconfig.get_paths()["platlib"]]

    def run(*arguments: object) -> str:
        command = [sys.executable, "-S", "-m", "agbench", "--workspace", str(tmp_path / "w"), *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    code = "import agbench, sys; print(agbench.__file__)"
    imported = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(imported.stdout.strip()).is_relative_to(site)
    assert "patches" in run("datasets")
    assert "tabular:dct" in run("models")
    assert "jpeg" in run("codecs")
    assert "digits is ready" in run("prepare", "--dataset", "digits")
    grid = ("--dataset", "digits", "--models", "tabular:dct", "--levels", "1.0,0.3", "--learners", "XT")
    run("run", *grid, "--name", "one")
    run("run", *grid, "--name", "two")
    assert "report.md" in run("report", "--show")
    assert "one" in run("list")
    assert "same predictions" in run("compare", "one", "two")
    run("export", tmp_path / "all.csv")
    run("compress", plain_images, "--level", "0.5", "--out", tmp_path / "small")
    assert "recommendation.md" in run("recommend", plain_images, "--image-size", "32", "--budget", "5s")
    assert "nightly-" in run("nightly", *grid)


def test_run_sh_hands_its_arguments_to_agbench_from_any_folder(tmp_path):
    done = subprocess.run(
        [ROOT / "run.sh", "run", "--dataset", "nope, really"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no data set called 'nope, really'" in done.stderr
    assert "installing" not in done.stderr


def test_the_readme_shows_the_samples_claims():
    sample = (ROOT / "reports" / "sample" / "patches" / "report.md").read_text()
    claims = sample.split("## The paper's claims\n\n")[1].split("\n\n")[0]
    assert claims.startswith("| claim ")
    assert claims in (ROOT / "README.md").read_text()
