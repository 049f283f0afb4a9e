"""The process that trials run in: warm between them, its chatter in their logs, gone with its sweep."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from agbench.condition import Budget, Condition
from agbench.errors import UserError
from agbench.models import registry
from agbench.record import LOG
from agbench.results import Result
from agbench.trial import Resources, run_trials

MODEL = "model"


@dataclass(frozen=True)
class Failure:
    """Why a trial has no result.

    Parameters
    ----------
    reason : str
        One line.
    """

    reason: str


def start() -> None:
    """Silence a fresh process: what it prints between trials is nobody's."""
    with Path(os.devnull).open("w") as nowhere:
        _redirect(nowhere)


def look_around(models: list[tuple[str, Budget]]) -> int:
    """Check that models can work on this machine, and count its GPUs.

    Parameters
    ----------
    models : list of (str, Budget)
        Names of models, and what they may spend.

    Returns
    -------
    int
        How many GPUs there are.

    Raises
    ------
    UserError
        If a model can't work here.
    """
    for model, budget in models:
        family, variant = registry.find(model)
        family.check(variant, budget)
    import torch

    return int(torch.cuda.device_count())


def work(
    conditions: tuple[Condition, ...], datasets: Path, folder: Path, resources: Resources
) -> list[Result] | Failure:
    """Run trials that share a fit in a folder of their own, with everything that is printed in the folder's log.

    Parameters
    ----------
    conditions : tuple of Condition
        What to run; equal but for their test images.
    datasets : Path
        The workspace's ``datasets`` folder, absolute.
    folder : Path
        Scratch space, absolute; it holds ``log.txt`` and ``model`` afterwards.
    resources : Resources
        What the trial may use.

    Returns
    -------
    list of Result, or Failure
        The failure is that of all of them.
    """
    import torch

    torch.set_num_threads(resources.cpus)
    with (folder / LOG).open("w", buffering=1, encoding="utf-8") as log:
        _redirect(log)
        os.chdir(folder)
        for condition in conditions:
            print(f"{condition}\ncondition {condition.id}: {condition.budget}", flush=True)
        try:
            results = run_trials(conditions, datasets, folder, resources)
            for result in results:
                images = len(result.predictions)
                tested = result.condition.test_preprocessing
                print(f"accuracy {result.accuracy:.4f} on {images} test images ({tested})", flush=True)
            return results
        except (UserError, registry.ModelError) as error:
            print(f"failed: {error}", flush=True)
            return Failure(str(error))
        # AutoGluon's own errors have no common base, and one trial's must not end the sweep.
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
        finally:
            os.chdir(datasets)


def _redirect(target: TextIO) -> None:
    # Below Python too: LightGBM and the loaders' processes write to the descriptors themselves.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(target.fileno(), stream.fileno())


def keep_model(folder: Path, home: Path) -> None:
    """Move a trial's fitted model out of its scratch space."""
    if (folder / MODEL).exists():
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / MODEL, home)
