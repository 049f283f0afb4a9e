"""How many trials run at once, and what each may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agbench.core import environment
from agbench.core.errors import UserError
from agbench.runner.config import ExecutionConfig
from agbench.runner.estimate import GpuMemory
from agbench.runner.trial import Resources

STORE_BYTES = 200_000_000
"""Of shared memory for what tasks are given and give back: indices and predictions."""

MEMORY = 4 * 2**30
"""Bytes that a trial may well need, beside those of its GPU."""

BESIDE_PYTORCH = 2**30
"""Bytes of a GPU that a process takes beside what PyTorch counts: CUDA's own, and what is cut in pieces."""

BESIDE_A_GPU = 4
"""Cores that a trial needs to decode images as fast as its share of a GPU takes them."""

MOST_LOADERS = 8
"""Loaders beyond which a training became no faster (14 beside 8, on 16 cores)."""


@dataclass(frozen=True)
class Machine:
    """What there is for trials on one machine.

    Parameters
    ----------
    cpus, gpus : int
        Cores and GPUs.
    memory : int
        Bytes.
    gpu_memory : int
        Bytes that are free on each GPU; 0 where that is not known.
    """

    cpus: int
    gpus: int
    memory: int
    gpu_memory: int = 0


def this_machine() -> Machine:
    """Return what there is on this machine, as a Ray that is started on it finds it.

    Examples
    --------
    >>> this_machine().cpus >= 1
    True
    """
    memory = max(environment.available_memory() - STORE_BYTES, 0)
    gpus, gpu_memory = environment.available_gpus(), environment.free_gpu_memory()
    return Machine(environment.available_cpus(), gpus, memory, gpu_memory)


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
        if gpu and self.resources.per_gpu > 1:
            gpu = f" and 1/{self.resources.per_gpu} of a GPU"
        return f"{at_once}, each with {each}{gpu} ({self.why})"


def allocate(
    machines: Sequence[Machine],
    config: ExecutionConfig | None = None,
    most: int | None = None,
    gpu_memory: GpuMemory | None = None,
) -> Allocation:
    """Divide machines among trials.

    Trials side by side use cores and GPUs better than the threads of one trial do (``benchmarks``,
    ``side_by_side``). Without GPUs, each gets a core, or more where memory is too small for as many trials as
    there are cores. With GPUs, each gets a share of one, as far as its memory goes and `BESIDE_A_GPU` cores are
    left for each share, and cores in proportion.

    Parameters
    ----------
    machines : sequence of Machine
        Machines of the cluster.
    config : ExecutionConfig, optional
        Its ``workers``, ``per_gpu`` and ``loaders`` take the place of the defaults.
    most : int, optional
        Upper bound on concurrent trials; spare cores are shared among them (CPU only).
    gpu_memory : GpuMemory, optional
        What a trial allocates on a GPU.

    Returns
    -------
    Allocation

    Raises
    ------
    UserError
        If more trials are wanted than there are cores, or shares of GPUs where there are any.

    Examples
    --------
    >>> print(allocate([Machine(cpus=16, gpus=2, memory=64 * 2**30)]))
    2 trials at once, each with 8 cores and a GPU (...; 16 cores, 2 GPUs, 64 GiB)
    >>> print(allocate([Machine(cpus=16, gpus=1, memory=64 * 2**30, gpu_memory=80 * 2**30)]))
    4 trials at once, each with 4 cores and 1/4 of a GPU (...; 16 cores, 1 GPU, 64 GiB)
    >>> allocate([Machine(cpus=2, gpus=0, memory=16 * 2**30)], ExecutionConfig(workers=3))
    Traceback (most recent call last):
    ...
    agbench.core.errors.UserError: --workers 3 is more than the 2 cores that there are
    """
    config = config or ExecutionConfig()
    cpus, gpus = sum(one.cpus for one in machines), sum(one.gpus for one in machines)
    cores = "1 core" if cpus == 1 else f"{cpus} cores"
    there = f"{cores}, {gpus or 'no'} GPU{'s' if gpus > 1 else ''}, {_gib(machines)} GiB"
    if len(machines) > 1:
        there += f" on {len(machines)} machines"
    fitting = [one for one in machines if one.cpus and (one.gpus or not gpus)]
    if not fitting:
        raise UserError(f"no machine has {'both a core and a GPU' if gpus else 'a core'} for a trial: {there}")
    if config.workers is not None:
        return _as_wanted(fitting, config.workers, config, there)
    if gpus:
        return _by_gpu(fitting, config, gpu_memory or GpuMemory(), there)
    room = [min(one.cpus, max(one.memory // MEMORY, 1), most or one.cpus) for one in fitting]
    each = min(one.cpus // trials for one, trials in zip(fitting, room, strict=True))
    workers = sum(min(one.cpus // each, trials) for one, trials in zip(fitting, room, strict=True))
    why = "one for each core that memory allows" if most is None else "as many as are asked for at once"
    return Allocation(workers, _resources(each, 0, 1, config), f"{why}; {there}")


def _as_wanted(machines: Sequence[Machine], workers: int, config: ExecutionConfig, there: str) -> Allocation:
    """Return an allocation with as many trials as are asked for, and as many cores for each as all can have."""
    cpus, gpus = sum(one.cpus for one in machines), sum(one.gpus for one in machines)
    shares = range(1, min(workers, cpus) + 1) if gpus and config.per_gpu is None else [config.per_gpu or 1]
    per_gpu = next((share for share in shares if _places(machines, 1, share) >= workers), shares[-1])
    each = next((each for each in range(cpus, 0, -1) if _places(machines, each, per_gpu) >= workers), 0)
    if not each:
        most = _places(machines, 1, per_gpu)
        what = "1 core" if most == 1 else f"{most} cores"
        if gpus:
            what += " beside GPUs" if config.per_gpu is None else f" beside GPUs, --per-gpu {per_gpu}"
        raise UserError(f"--workers {workers} is more than the {what} that there are")
    return Allocation(workers, _resources(each, min(gpus, 1), per_gpu, config), f"as asked for; {there}")


def _by_gpu(machines: Sequence[Machine], config: ExecutionConfig, needed: GpuMemory, there: str) -> Allocation:
    """Return an allocation with as much of a GPU for each trial as it needs, and its share of the cores."""
    cores = max(min(one.cpus // one.gpus for one in machines), 1)
    need = needed.bytes + BESIDE_PYTORCH
    by_memory = min(min(one.gpu_memory // need, one.memory // MEMORY // one.gpus) for one in machines)
    per_gpu = config.per_gpu or max(min(by_memory, cores // BESIDE_A_GPU), 1)
    each = max(cores // per_gpu, 1)
    workers = sum(min(one.gpus * per_gpu, one.cpus // each, max(one.memory // MEMORY, 1)) for one in machines)
    if config.per_gpu is not None:
        why = "as many a GPU as asked for"
    elif per_gpu == 1:
        why = "one for each GPU that cores and memory allow"
    else:
        why = f"{need / 2**30:.1f} GiB of a GPU for each, {'as measured' if needed.is_measured else 'an estimate'}"
    return Allocation(workers, _resources(each, 1, per_gpu, config), f"{why}; {there}")


def _resources(cpus: int, gpus: int, per_gpu: int, config: ExecutionConfig) -> Resources:
    loaders = config.loaders
    if loaders is None:
        # On a CPU they would take the cores that the network computes on.
        loaders = min(cpus, MOST_LOADERS) if gpus else 0
    return Resources(cpus, gpus, per_gpu, loaders)


def _places(machines: Sequence[Machine], each: int, per_gpu: int) -> int:
    """Count the trials that find room at once, each with so many cores, and its share of a GPU."""
    return sum(min(one.cpus // each, one.gpus * per_gpu or one.cpus) for one in machines)


def _gib(machines: Sequence[Machine]) -> int:
    return round(sum(one.memory for one in machines) / 2**30)
