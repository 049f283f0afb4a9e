"""What several tests share: the command as a user types it, and one sweep that many tests read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agbench.results import Store
from agbench.workspace import Workspace

SWEEP = ["run", "--dataset", "digits", "--quick", "--epochs", "2", "--image-size", "32", "--learners", "XT"]
SWEEP += ["--levels", "1.0,0.3", "--models", "automm:efficientnet_lite0,tabular:dct"]
"""Four trials of seconds, deep and tabular."""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


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


@dataclass(frozen=True)
class Swept:
    workspace: Workspace
    stderr: str

    @property
    def store(self) -> Store:
        return Store(self.workspace.results)


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory, agbench: Command) -> Swept:
    """A workspace after a whole sweep that nothing disturbed."""
    folder = tmp_path_factory.mktemp("swept")
    done = agbench("--workspace", folder, *SWEEP)
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

    def save(name: str, image: Image.Image | np.ndarray, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
        return path

    return save
