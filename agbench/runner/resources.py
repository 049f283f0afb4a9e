"""How many trials run at once, and what each may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agbench.core import environment
from agbench.core.errors import UserError
from agbench.runner.trial import Resources

STORE_BYTES = 200_000_000
"""Of shared memory for what tasks are given and give back: indices and predictions."""

MEMORY = 4 * 2**30
"""Bytes that a trial may well need, beside those of its GPU."""


@dataclass(frozen=True)
class Machine:
    """What there is for trials on one machine.

    Parameters
    ----------
    cpus, gpus : int
        Cores and GPUs.
    memory : int
        Bytes.
    """

    cpus: int
    gpus: int
    memory: int


def this_machine() -> Machine:
    """Return what there is on this machine, as a Ray that is started on it finds it.

    Examples
    --------
    >>> this_machine().cpus >= 1
    True
    """
    memory = max(environment.available_memory() - STORE_BYTES, 0)
    return Machine(environment.available_cpus(), environment.available_gpus(), memory)


@dataclass(frozen=True)
class Allocation:
    """What each trial of a sweep gets.

    Parameters
    ----------
    workers : int
        Trials at once.
    resources : Resources
        Resources of each trial.
    why : str
        How that came about.
    """

    workers: int
    resources: Resources
    why: str

    def __str__(self) -> str:
        at_once = "one trial at a time" if self.workers == 1 else f"{self.workers} trials at once"
        each = f"{self.resources.cpus} cores" if self.resources.cpus > 1 else "1 core"
        gpu = " and a GPU" if self.resources.gpus else ""
        return f"{at_once}, each with {each}{gpu} ({self.why})"


def allocate(machines: Sequence[Machine], wanted: int | None, most: int | None = None) -> Allocation:
    """Divide machines among trials.

    Trials side by side use cores and GPUs better than the threads of one trial do (``benchmarks``,
    ``side_by_side``): each gets a GPU, and cores in proportion; without GPUs a core, or more where memory is too
    small for as many trials as there are cores.

    Parameters
    ----------
    machines : sequence of Machine
        Machines of the cluster.
    wanted : int, optional
        Number of concurrent trials on all machines together, in the place of the default.
    most : int, optional
        Upper bound on concurrent trials; spare cores are shared among them (CPU only).

    Returns
    -------
    Allocation

    Raises
    ------
    UserError
        If more trials are wanted than there are cores, or GPUs where there are any.

    Examples
    --------
    >>> print(allocate([Machine(cpus=16, gpus=2, memory=64 * 2**30)], None))
    2 trials at once, each with 8 cores and a GPU (...; 16 cores, 2 GPUs, 64 GiB)
    >>> allocate([Machine(cpus=2, gpus=0, memory=16 * 2**30)], wanted=3)
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: --workers 3 is more than the 2 cores that there are
    """
    cpus, gpus = sum(one.cpus for one in machines), sum(one.gpus for one in machines)
    cores = "1 core" if cpus == 1 else f"{cpus} cores"
    there = f"{cores}, {gpus or 'no'} GPU{'s' if gpus > 1 else ''}, {_gib(machines)} GiB"
    if len(machines) > 1:
        there += f" on {len(machines)} machines"
    fitting = [one for one in machines if one.cpus and (one.gpus or not gpus)]
    if not fitting:
        raise UserError(f"no machine has {'both a core and a GPU' if gpus else 'a core'} for a trial: {there}")
    if wanted is not None:
        if wanted < 1:
            raise UserError(f"{wanted} trials at once are too few: use 1 or more")
        each = next((each for each in range(cpus, 0, -1) if _places(fitting, each) >= wanted), 0)
        if not each:
            most = _places(fitting, 1)
            what = f"{most} GPUs with a core beside them" if gpus else f"{most} cores"
            raise UserError(f"--workers {wanted} is more than the {what} that there are")
        return Allocation(wanted, Resources(each, min(gpus, 1)), f"as asked for; {there}")
    if gpus:
        each = max(min(one.cpus // one.gpus for one in fitting), 1)
        workers = sum(min(one.gpus, one.cpus // each, max(one.memory // MEMORY, 1)) for one in fitting)
        return Allocation(workers, Resources(each, 1), f"one for each GPU that cores and memory allow; {there}")
    room = [min(one.cpus, max(one.memory // MEMORY, 1), most or one.cpus) for one in fitting]
    each = min(one.cpus // trials for one, trials in zip(fitting, room, strict=True))
    workers = sum(min(one.cpus // each, trials) for one, trials in zip(fitting, room, strict=True))
    why = "one for each core that memory allows" if most is None else "as many as are asked for at once"
    return Allocation(workers, Resources(each), f"{why}; {there}")


def _places(machines: Sequence[Machine], each: int) -> int:
    """Count the trials of so many cores that find room at once, each with a GPU where machines have any."""
    return sum(min(one.cpus // each, one.gpus or one.cpus) for one in machines)


def _gib(machines: Sequence[Machine]) -> int:
    return round(sum(one.memory for one in machines) / 2**30)
