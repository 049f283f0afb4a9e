"""A family of models that fail on purpose, as another package would bring it: see `install`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd

from agbench.models.registry import Family, Fitted, Prediction, Task

VARIANTS = ("fine", "slow", "boom", "die", "once", "hang", "eat")
FAMILY = Family("fails on purpose", VARIANTS, "", ("time_limit",), __name__)


def install(folder: Path) -> dict[str, str]:
    """Install this module as a package of its own, and give the environment in which it is found."""
    (folder / "faulty.py").write_text(Path(__file__).read_text())
    info = folder / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[agbench.models]\nfaulty = faulty:FAMILY\n")
    return {"PYTHONPATH": str(folder), "FAULTY": str(folder)}


def check(variant: str, budget: object) -> None:
    """All can work anywhere."""


def fit_predict(task: Task) -> Fitted:
    """Do what the variant's name says; else predict by the images' mean colour, the same each time."""
    task.on_phase("fit")
    print(f"{task.variant} fits", flush=True)
    task.on_epoch(1, 0.5)
    if task.variant == "boom":
        raise RuntimeError("the model's own fault")
    if task.variant == "die" or (task.variant == "once" and _is_first(task.variant)):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.variant == "hang":
        time.sleep(3600)
    if task.variant == "slow":
        time.sleep(3)
    eaten = []
    while task.variant == "eat":
        eaten.append(bytearray(100_000_000))
        time.sleep(0.02)
    task.on_phase("predict")
    labels = sorted(task.train["label"].unique())
    made = [Prediction(_guess(test["image"], labels, task.seed), 0.1) for test in task.tests]
    return Fitted(tuple(made), (0.5,), {"fit": 0.1}, {"threads": os.environ.get("OMP_NUM_THREADS", "")})


def _guess(images: pd.Series, labels: list[str], seed: int) -> pd.DataFrame:
    from PIL import Image

    rows = []
    for path in images:
        with Image.open(path) as image:
            mean = int(np.asarray(image.convert("L")).mean())
        rows.append(np.random.default_rng((mean, seed)).dirichlet(np.ones(len(labels))))
    return pd.DataFrame(rows, columns=labels)


def _is_first(name: str) -> bool:
    mark = Path(os.environ["FAULTY"]) / name
    first = not mark.exists()
    mark.touch()
    return first
