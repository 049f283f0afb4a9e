"""Events sent by workers to the scheduler, and by the scheduler to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agbench.core.condition import Condition
from agbench.store.outcome import Failure, Result, Usage


@dataclass(frozen=True)
class Began:
    """A worker begins with a trial.

    Parameters
    ----------
    node : str
        Ray's id of the node.
    host : str
        Its machine.
    log : str
        Path of the trial's log there.
    environment : dict
        As `agbench.core.environment.describe` gives it.
    """

    node: str
    host: str
    log: str
    environment: dict[str, Any]


@dataclass(frozen=True)
class Phase:
    """A trial has come to its next phase: ``"load"``, ``"features"``, ``"fit"``, ``"predict"``."""

    name: str


@dataclass(frozen=True)
class Epoch:
    """A training has ended an epoch, with a validation accuracy from 0 to 1."""

    number: int
    accuracy: float


@dataclass(frozen=True)
class Measured:
    """What a trial has taken so far."""

    usage: Usage


TrialEvent = Began | Phase | Epoch | Measured


@dataclass(frozen=True)
class Preparing:
    """Something that trials need is made first, as `what` says."""

    what: str


@dataclass(frozen=True)
class Started:
    """A trial begins, the `number`-th of `total` to do so.

    Parameters
    ----------
    condition : Condition
        What is run; the first of those that share its training.
    number, total : int
        Its place in the sweep.
    attempt : int
        1, and more where it is tried again.
    host : str
        The machine; empty where it is this one.
    """

    condition: Condition
    number: int
    total: int
    attempt: int = 1
    host: str = ""


@dataclass(frozen=True)
class Advanced:
    """A running trial, known by its first condition's number, has come to a phase or ended an epoch."""

    number: int
    step: Phase | Epoch


@dataclass(frozen=True)
class Retried:
    """A trial did not end well and is tried again."""

    condition: Condition
    number: int
    total: int
    failure: Failure


@dataclass(frozen=True)
class Ended:
    """A trial has ended for good.

    Parameters
    ----------
    condition : Condition
        Condition that was run.
    number, total : int
        Its place in the sweep.
    outcome : Result or Failure
        Result, or why there is none.
    seconds_left : float or None
        What the rest will take, by the mean of like trials; ``None`` where there were none.
    """

    condition: Condition
    number: int
    total: int
    outcome: Result | Failure
    seconds_left: float | None


@dataclass(frozen=True)
class Noted:
    """Something that the user should know, as `what` says."""

    what: str


SweepEvent = Preparing | Started | Advanced | Retried | Ended | Noted
