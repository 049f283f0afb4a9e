"""A GPU: AutoGluon's calls by their defaults, agbench by its own, and the network alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

import agbench
from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.core.environment import available_cpus, available_gpus
from agbench.core.workspace import Workspace
from agbench.data.dataset import Dataset
from agbench.data.splits import TRAIN
from agbench.models import probe, tabular
from agbench.models.registry import Task
from agbench.runner import sweep
from agbench.runner.events import Ended, Preparing, Retried
from agbench.store.outcome import Result
from agbench.store.store import Store
from benchmarks import bare, photographs
from benchmarks.row import Row

GPU_LEARNER = "TABM"
"""A learner that AutoGluon trains on a GPU where there is one (``default_num_gpus``)."""

LEFT = 300_000_000
"""Bytes of the card that another process leaves: too few for a training."""

HOLDER = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(free - int(sys.argv[1]), 0), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Size:
    """How much is done.

    Parameters
    ----------
    images, image_size, batch, epochs : int
        Photographs, the side in pixels that a network sees, images a step, and epochs.
    trials : int
        Trials of agbench, which run at once as far as it lets them.
    steps : int
        Steps of the network alone.
    options : tuple of str
        Further options of the run of a bundled data set.
    """

    images: int
    image_size: int
    batch: int
    epochs: int
    trials: int
    steps: int
    options: tuple[str, ...] = ()

    @property
    def budget(self) -> Budget:
        """The budget of each training."""
        return Budget(epochs=self.epochs, learning_rate=1e-3, batch_size=self.batch, image_size=self.image_size)


WHOLE = Size(images=1140, image_size=224, batch=32, epochs=4, trials=8, steps=60)
SMALL = Size(
    images=60,
    image_size=32,
    batch=8,
    epochs=1,
    trials=2,
    steps=2,
    options=("--models", "tabular:dct", "--levels", "0.3"),
)


def rows() -> Iterator[Row]:
    """Measure where there is a GPU; nothing where there is none."""
    if available_gpus():
        yield from measured(WHOLE, 1)


def measured(size: Size, gpus: int) -> Iterator[Row]:
    """Measure each part; without a GPU, those that need none, to see that they work."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dataset = _dataset(folder, size)
        bare_rate = _automm(dataset, folder / "bare", size, gpus)
        together, how = _agbench(dataset, folder, size)
        yield Row(
            f"{size.trials} trainings of {bare.BACKBONE}, {size.images} photographs, {size.image_size} pixels, "
            f"{size.epochs} epochs; {how}",
            f"{together:.0f} images/s together",
            f"AutoMM alone by its defaults: {bare_rate:.0f} images/s",
            together / bare_rate,
            "at least 5",
        )
        alone = _network(size, gpus)
        yield Row(
            "the same trainings",
            f"{together:.0f} images/s together",
            f"the network alone, one batch after the other: {alone:.0f} images/s",
            together / alone,
            "what the card allows",
        )
        yield _probe(dataset, folder / "probe", size, gpus)
        yield _tabular(dataset, folder / "tabular", gpus)
        if gpus:
            yield _beside_another(dataset, folder, size)
        yield _whole(folder / "whole", size)


def _dataset(folder: Path, size: Size) -> Dataset:
    paths = photographs.write(folder / "photographs", size.images)
    kinds = len(photographs.photographs())
    table = pd.DataFrame(
        {"image": [str(path) for path in paths], "label": [f"p{number % kinds}" for number in range(size.images)]}
    )
    table.to_csv(folder / "photographs.csv", index=False)
    return agbench.load_dataset(folder / "photographs.csv", workspace=folder / "workspace")


def _parts(dataset: Dataset) -> dict[str, pd.DataFrame]:
    rows = dataset.index
    return {part: rows.loc[rows["split"] == part, ["image", "label"]] for part in rows["split"].unique()}


def _automm(dataset: Dataset, folder: Path, size: Size, gpus: int) -> float:
    """Train once by AutoMM's own calls, with its own number of loaders; return images/s."""
    settings = bare.hyperparameters(folder, size.budget) | {"env.num_gpus": gpus}
    for name in ("env.num_workers", "env.num_workers_inference"):
        del settings[name]
    seconds, _ = bare.called(_parts(dataset), settings, 0, folder / "model")
    return dataset.parts[TRAIN] * size.epochs / seconds


def _conditions(dataset: Dataset, size: Size, seeds: range) -> list[Condition]:
    return [bare.condition(dataset, Preprocessing(), size.budget, seed) for seed in seeds]


def _agbench(dataset: Dataset, folder: Path, size: Size) -> tuple[float, str]:
    """Train by agbench's defaults, in warm workers; return images/s of all together, and how it ran them."""
    workspace = Workspace(folder / "workspace")
    store = Store(workspace.results)
    with sweep.opened(dataset, workspace, store) as running:
        told = [one for one in running(_conditions(dataset, size, range(100, 101))) if isinstance(one, Preparing)]
        started = time.perf_counter()
        for event in running(_conditions(dataset, size, range(size.trials))):
            if isinstance(event, Ended) and not isinstance(event.outcome, Result):
                raise RuntimeError(f"a trial failed: {event.outcome.reason}")
        seconds = time.perf_counter() - started
    return size.trials * dataset.parts[TRAIN] * size.epochs / seconds, told[0].what


def _network(size: Size, gpus: int) -> float:
    """Train on a tensor that is there already; return images/s."""
    import timm
    import torch

    device = "cuda" if gpus else "cpu"
    network = timm.create_model("tf_efficientnet_lite0", num_classes=10).train().to(device)
    images = torch.randn(size.batch, 3, size.image_size, size.image_size, device=device)
    labels = torch.arange(size.batch, device=device) % 10
    optimiser = torch.optim.AdamW(network.parameters())

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device, torch.float16 if gpus else torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimiser.step()
        if gpus:
            torch.cuda.synchronize()

    step()
    started = time.perf_counter()
    for _ in range(size.steps):
        step()
    return size.steps * size.batch / (time.perf_counter() - started)


def _task(dataset: Dataset, folder: Path, budget: Budget, variant: str, gpus: int) -> Task:
    folder.mkdir(parents=True)
    parts = _parts(dataset)
    return Task(
        variant=variant,
        train=parts["train"],
        validation=parts["validation"],
        tests=(parts["test"],),
        budget=budget,
        seed=0,
        folder=folder,
        cpus=available_cpus(),
        gpus=gpus,
    )


def _probe(dataset: Dataset, folder: Path, size: Size, gpus: int) -> Row:
    task = _task(dataset, folder, Budget(image_size=size.image_size), bare.BACKBONE, gpus)
    seconds = probe.fit_predict(task).seconds
    return Row(
        f"a probe of {bare.BACKBONE} on {len(dataset.index)} photographs, {size.image_size} pixels",
        f"{seconds['features']:.1f} s for embeddings, {seconds['fit']:.1f} s for the linear model",
        f"{len(dataset.index) / seconds['features']:.0f} images/s",
        seconds["fit"] / seconds["features"],
        "what a look takes",
    )


def _tabular(dataset: Dataset, folder: Path, gpus: int) -> Row:
    """Fit a learner that uses a GPU, with one and without."""
    seconds = []
    for number, there in enumerate((0, gpus)):
        task = _task(dataset, folder / f"{number}", Budget(learners=(GPU_LEARNER,)), "dct", there)
        seconds.append(tabular.fit_predict(task).seconds["fit"])
    return Row(
        f"TabularPredictor's {GPU_LEARNER} on statistics of the DCT of {len(dataset.index)} photographs",
        f"{seconds[1]:.1f} s",
        f"without the GPU: {seconds[0]:.1f} s",
        seconds[1] / seconds[0],
        "it runs",
    )


def _beside_another(dataset: Dataset, folder: Path, size: Size) -> Row:
    """Train while another process holds nearly all of the card."""
    workspace = Workspace(folder / "workspace")
    with _held(), sweep.opened(dataset, workspace, Store(workspace.results)) as running:
        events = list(running(_conditions(dataset, replace(size, epochs=1), range(200, 201))))
    retried = [event.failure.reason for event in events if isinstance(event, Retried)]
    (ended,) = [event.outcome for event in events if isinstance(event, Ended)]
    said = "finished" if isinstance(ended, Result) else f"{ended.ending}: {ended.reason[:80]}"
    return Row(
        f"a training while another process leaves {LEFT / 1e6:.0f} MB of the card",
        said,
        f"tried again {len(retried)} times, with half the batch",
        float(len(retried)),
        "it ends, and says why",
    )


@contextmanager
def _held() -> Iterator[None]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(LEFT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield
    finally:
        holder.communicate("")


def _whole(folder: Path, size: Size) -> Row:
    """Run the bundled data set as a user does."""
    command: list[Any] = [sys.executable, "-m", "agbench", "--workspace", folder, "run"]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--dataset", bare.DATASET, "--quick", *size.options], check=True, capture_output=True
    )
    seconds = time.perf_counter() - started
    done = agbench.results(workspace=folder)
    trained = float(done["seconds_total"].sum())
    return Row(
        f"`agbench run --dataset {bare.DATASET} --quick`: {len(done)} trials",
        f"{seconds:.0f} s",
        f"its trials one after the other: {trained:.0f} s",
        seconds / trained,
        "less than 1",
    )
