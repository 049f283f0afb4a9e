"""What several tests share: the command as a user types it, and one sweep that many tests read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import settings
from PIL import Image
from xdist.scheduler import LoadScopeScheduling

from agbench.core.environment import available_cpus
from agbench.core.workspace import Workspace
from agbench.store.store import Store
from tests import faulty

# A slow machine is no fault.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

SWEEP = ["run", "--dataset", "digits", "--quick", "--epochs", "2", "--image-size", "32", "--learners", "XT"]
SWEEP += ["--levels", "1.0,0.3", "--models", "automm:efficientnet_lite0,tabular:dct"]
"""Four trials of seconds, deep and tabular."""

LAUNCHED = {
    **{"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "1", "SLURM_PROCID": "0"},
    **{"SLURM_LOCALID": "0", "SLURM_NODELIST": "n1", "SLURM_NTASKS_PER_NODE": "4"},
    **{"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1"},
}
"""The variables of a job of SLURM or torchrun, in which each trial trains alone all the same."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure() -> None:
    """Give each of pytest's processes as many cores: a training rounds otherwise on one more.

    Its threads spin where they share cores with those of another: on one core each there are none.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(psutil.Process, "cpu_affinity"):
        cores = psutil.Process().cpu_affinity()
        each = max(len(cores) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]), 1)
        first = int(worker.removeprefix("gw")) * each % len(cores)
        psutil.Process().cpu_affinity(cores[first : first + each])


SLOW_FIXTURES = {"agbench", "on_cluster", "swept", "example", "built_site"}
"""They start the command, a whole sweep, or MkDocs, in processes of their own."""

SLOW_MODULES = {
    "analysis/test_error_rates.py",
    "analysis/test_paper.py",
    "compression/test_compress.py",
    "compression/test_manifest.py",
    "compression/test_metadata.py",
    "models/test_multimodal.py",
    "models/test_tabular.py",
    "models/test_weights.py",
    "recommendation/test_recommendation.py",
    "reporting/test_build.py",
    "reporting/test_recomputed.py",
    "reporting/tables/test_claims.py",
    "reporting/tables/test_per_codec.py",
    "runner/test_executor.py",
    "runner/test_faults.py",
    "runner/test_sweep.py",
    "runner/test_trial.py",
    "test_older_store.py",
    "test_packaging.py",
    "test_sample.py",
}
"""They train, simulate, or write whole reports."""


SHARING_A_SWEEP = {
    "tests/cli/test_nightly.py": "nights",
    "tests/reporting/tables/test_treatments.py": "studied",
    "tests/reporting/test_build.py": "swept",
    "tests/reporting/test_commands.py": "swept",
    "tests/reporting/test_recomputed.py": "swept",
    "tests/reporting/test_report.py": "swept",
    "tests/runner/test_sweep.py": "swept",
    "tests/test_examples.py": "example",
}
"""Modules by the sweep that their tests read. One process runs all of these, and so makes the sweep once."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over what `./run.sh test --quick` leaves out: importing AutoGluon takes longer than most tests."""
    module = collection_path.relative_to(Path(__file__).parent).as_posix()
    return True if module in SLOW_MODULES and config.getoption("markexpr") == "not slow" else None


class Grouped(LoadScopeScheduling):  # type: ignore[misc] # mypy does not follow xdist
    """Sends tests to pytest's processes one by one, but those that share a sweep together."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARING_A_SWEEP.get(nodeid.split("::")[0], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped | None:
    """Take the scheduler above for `./run.sh test`."""
    return Grouped(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `./run.sh test --quick` leaves out, and begin with what takes long in one test."""
    here = Path(__file__).parent
    for item in items:
        is_here = item.path.is_relative_to(here)
        module = item.path.relative_to(here).as_posix() if is_here else ""
        fixtures = getattr(item, "fixturenames", ())
        if module in SLOW_MODULES or SLOW_FIXTURES & set(fixtures):
            item.add_marker(pytest.mark.slow)
    # At the end, one process would wait for it.
    items.sort(key=lambda item: item.path.name != "test_packaging.py")


def environment() -> dict[str, str]:
    """A user's environment, without a store or workspace of the developer's."""
    ours = {"AGBENCH_WORKSPACE", "MLFLOW_TRACKING_URI"}
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture(scope="session")
def agbench() -> Command:
    """Run ``agbench`` in a process of its own."""

    def command(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agbench", *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment() | extra,
            check=False,
        )

    return command


CLUSTER = """
import sys
import ray

ray.init(address="local", num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def on_cluster(agbench: Command) -> Iterator[Command]:
    """Run ``agbench`` on a Ray cluster that is there: for sweeps that test something else than Ray's start."""
    command = [sys.executable, "-c", CLUSTER, str(available_cpus())]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, env=environment(), **pipes) as cluster:
        address = cluster.stdout.readline().strip()
        yield lambda *arguments, **extra: agbench(*arguments, "--address", address, **extra)
        cluster.stdin.close()


@dataclass(frozen=True)
class Swept:
    workspace: Workspace
    stderr: str

    @property
    def store(self) -> Store:
        return Store(self.workspace.results)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, agbench: Command) -> Swept:
    """A workspace after a whole sweep that nothing disturbed, as a job of SLURM or torchrun."""
    folder = tmp_path_factory.mktemp("swept")
    done = agbench("--workspace", folder, *SWEEP, **LAUNCHED)
    assert done.returncode == 0, done.stderr
    return Swept(Workspace(folder), done.stderr)


@pytest.fixture
def photograph() -> Image.Image:
    """A real photograph, 96x64, RGB."""
    from skimage.data import astronaut

    return Image.fromarray(astronaut()).resize((96, 64), Image.Resampling.BICUBIC)


@pytest.fixture
def store_image(tmp_path: Path) -> Callable[..., Path]:
    """Save pixels or an image under a name."""

    def save(name: str, image: Image.Image | np.ndarray, **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return path

    return save


@pytest.fixture
def odd_images() -> list[tuple[str, Image.Image, dict]]:
    """Images that have cost somebody a wrong figure: name, image, and how it is saved."""
    generator = np.random.default_rng(0)
    frames = [Image.fromarray(generator.integers(0, 256, (30, 30, 3), dtype=np.uint8)) for _ in range(3)]
    turned = Image.Exif()
    turned[0x0112] = 6
    return [
        ("deep.png", Image.fromarray(generator.integers(0, 65536, (30, 30)).astype(np.uint16)), {}),
        ("alpha.PNG", Image.fromarray(generator.integers(0, 256, (30, 30, 4), dtype=np.uint8)), {}),
        ("palette.gif", frames[0].quantize(8), {"transparency": 3}),
        ("one.png", Image.new("RGB", (1, 1), "red"), {}),
        ("tall.bmp", Image.new("RGB", (1, 3000), "blue"), {}),
        ("wide.tif", Image.new("RGB", (3000, 1), "blue"), {}),
        ("ink.jpeg", frames[1].convert("CMYK"), {}),
        ("new.avif", frames[1], {}),
        ("new.WebP", frames[2], {}),
        ("moving.gif", frames[0], {"save_all": True, "append_images": frames[1:]}),
        ("pages.tiff", frames[1], {"save_all": True, "append_images": frames[:1]}),
        ("turned.jpg", frames[2], {"exif": turned}),
    ]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that is not there yet."""
    return Workspace(tmp_path / "w")


@pytest.fixture
def extra(tmp_path: Path) -> dict[str, str]:
    """The environment in which models that fail on purpose are found."""
    (tmp_path / "site").mkdir()
    return faulty.install(tmp_path / "site")


@pytest.fixture
def plain_images(tmp_path: Path) -> Path:
    """Sixty images of one colour each, in three classes."""
    for number in range(60):
        label = ("dark", "light", "middle")[number % 3]
        shade = {"dark": 40, "light": 210, "middle": 120}[label] + number % 20
        path = tmp_path / "photos" / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), (shade, shade, 255 - shade)).save(path)
    return tmp_path / "photos"
