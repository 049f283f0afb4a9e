"""What a newcomer installs: the lock, the wheel, and run.sh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import agbench

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


@dataclass(frozen=True)
class Archives:
    source: Path
    wheel: Path


def build(kind, source, folder):
    """Build a "wheel" or an "sdist" of a source tree into a folder, as pip does; return its path."""
    code = f"import setuptools.build_meta as build; print(build.build_{kind}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True, text=True)
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive of what git has, and the wheel that is built from this archive."""
    folder = tmp_path_factory.mktemp("archives")
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    checkout = folder / "checkout"
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_bytes((ROOT / name).read_bytes())
    source = build("sdist", checkout, folder)
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    return Archives(source, build("wheel", folder / source.name.removesuffix(".tar.gz"), folder))


@pytest.fixture(scope="module")
def wheel(archives):
    return archives.wheel


@pytest.fixture(scope="module")
def installed(archives, tmp_path_factory):
    """Python of a fresh environment, with the wheel and the lock's packages, but no editable agbench."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, archives.wheel], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A folder that is named in a .pth file has its own .pth files left unread: so the editable install stays out.
    (site / "lock.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def test_the_archives_can_be_uploaded(archives):
    twine = [sys.executable, "-m", "twine", "check", "--strict", archives.source, archives.wheel]
    done = subprocess.run(twine, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_the_source_archive_has_what_a_contributor_needs(archives):
    with tarfile.open(archives.source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in (
        "run.sh",
        "requirements.lock",
        "conftest.py",
        "tests/conftest.py",
        "docs/index.md",
        "mkdocs.yml",
    ):
        assert wanted in names
    assert {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "examples/own_images.py"} <= names
    assert "agbench/api.py" in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_all_that_names_the_version_names_the_same(archives):
    version = agbench.__version__
    assert archives.source.name == f"agbench-{version}.tar.gz"
    assert archives.wheel.name.startswith(f"agbench-{version}-")
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == version


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


def test_every_command_of_the_wheel_runs_in_a_fresh_environment(installed, tmp_path, plain_images):
    def run(*arguments: object) -> str:
        command = [installed.with_name("agbench"), "--workspace", tmp_path / "w", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    code = "import agbench; print(agbench.__file__)"
    imported = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(imported.stdout.strip()).is_relative_to(installed.parent.parent)
    listed = run("datasets")
    assert all(name in listed for name in ("patches", "dtd", "sun397"))
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


@pytest.fixture
def clone(tmp_path):
    """A clone to be installed by a made-up Python and uv: these write down what they are asked for."""
    for name in ("run.sh", "requirements.lock", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path / name)
    asked = tmp_path / "asked"
    asked.mkdir()
    programs = {
        "python": f'case $1 in -m) mkdir -p "$3/bin" ;; *) exec {sys.executable} "$@" ;; esac',
        "uv": f"""case "$*" in *--editable*)
            printf '#!/bin/sh\necho agbench "$@"\n' >{tmp_path}/.venv/bin/agbench
            chmod +x {tmp_path}/.venv/bin/agbench; exit ;; esac
            case "$*" in *--torch-backend\\ [!c]*) exit 2 ;; esac
            number=$(($(ls {asked} | wc -l) / 2))
            echo "$*" >{asked}/$number.arguments
            cat >{asked}/$number.packages""",
    }
    for name, script in programs.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run_sh(clone, status=0, **variables):
    """Return what `./run.sh models` writes to standard error; it ends with a status."""
    path = f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ours = {name: value for name, value in os.environ.items() if name != "AGBENCH_TORCH"}
    done = subprocess.run(
        [clone / "run.sh", "models"],
        env=ours | {"PATH": path, "PYTHON": "python"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert done.stdout == ("" if status else "agbench models\n")
    return done.stderr


def test_run_sh_installs_the_lock_once(clone):
    assert "installing" in run_sh(clone)
    assert run_sh(clone) == ""
    (arguments,) = (clone / "asked").glob("*.arguments")
    assert "--torch-backend" not in arguments.read_text()
    assert (clone / "asked" / "0.packages").read_text() == (ROOT / "requirements.lock").read_text()


def test_run_sh_leaves_out_cuda_for_another_build_of_torch(clone):
    """Nothing else is left out; with another choice it installs anew, and without one it keeps what there is."""
    for choice in ({}, {"AGBENCH_TORCH": "cpu"}, {"AGBENCH_TORCH": "cpu"}, {}, {"AGBENCH_TORCH": ""}, {}):
        run_sh(clone, **choice)
    asked = [path.read_text() for path in sorted((clone / "asked").glob("*.arguments"))]
    assert ["--torch-backend cpu" in one for one in asked] == [False, True, False]
    chosen = (clone / "asked" / "1.packages").read_text().splitlines()
    left_out = {*(ROOT / "requirements.lock").read_text().splitlines()} - {*chosen}
    named = {line.split("==")[0] for line in left_out}
    assert {"triton", "nvidia-cublas", "cuda-toolkit"} <= named
    assert {name.split("-")[0] for name in named} == {"triton", "nvidia", "cuda"}
    assert "nvidia-ml-py3" not in named, "AutoGluon needs it everywhere"


def test_an_installation_that_fails_leaves_the_environment_as_it_was(clone):
    run_sh(clone)
    for refused in ("gpu", "none", " cpu"):
        run_sh(clone, 2, AGBENCH_TORCH=refused)
        assert run_sh(clone) == ""
    assert not (clone / ".venv.old").exists()
