"""How the trials of a sweep are executed."""

from __future__ import annotations

from dataclasses import dataclass

from agbench.core.arguments import checked
from agbench.core.errors import UserError


@dataclass(frozen=True)
class ExecutionConfig:
    """How the trials of a sweep are executed.

    Parameters
    ----------
    workers : int, optional
        Number of concurrent trials, 1 or more; by default as many as cores, GPUs and memory allow.
    address : str, optional
        Address of a Ray cluster: ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``; by default trials run on
        this machine.
    retries : int
        Maximum number of further attempts for a trial that crashed or ran out of memory, 0 or more. One that
        lacked memory on a GPU that it shared has the GPU for itself before that is counted.
    keep_models : bool
        Whether fitted models are kept in ``results/models``.
    per_gpu : int, optional
        Number of trials that share each GPU, 1 or more; by default as many as its memory and the cores allow,
        and one each on a cluster, whose cards are not asked for their memory.
    loaders : int, optional
        Number of processes per trial that decode images for a deep model, 0 or more; by default none without a
        GPU, and beside one as many as the trial has cores, at most 8. It changes no result.

    Raises
    ------
    UserError
        If a value is of another type or out of range.

    Examples
    --------
    >>> ExecutionConfig(workers=2).retries
    1
    """

    workers: int | None = None
    address: str | None = None
    retries: int = 1
    keep_models: bool = False
    per_gpu: int | None = None
    loaders: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and checked("workers", self.workers, int, "a whole number") < 1:
            raise UserError(f"{self.workers} trials at once are too few: use 1 or more")
        if self.address is not None and not checked("address", self.address, str, "the address of a Ray cluster"):
            raise UserError("--address is empty: use auto, HOST:PORT or ray://HOST:PORT, or leave it out")
        if checked("retries", self.retries, int, "a whole number") < 0:
            raise UserError(f"{self.retries} is not a number of retries: use 0 or more")
        checked("keep_models", self.keep_models, bool, "true or false")
        if self.per_gpu is not None and checked("per_gpu", self.per_gpu, int, "a whole number") < 1:
            raise UserError(f"{self.per_gpu} trials a GPU are too few: use 1 or more")
        if self.loaders is not None and checked("loaders", self.loaders, int, "a whole number") < 0:
            raise UserError(f"{self.loaders} is not a number of loaders: use 0 or more")
