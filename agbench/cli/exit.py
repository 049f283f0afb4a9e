"""The exit statuses of the commands."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit status of a command; the one of ``agbench nightly`` is that of its gravest complaint."""

    OK = 0
    REGRESSED = 1
    """``compare``, ``nightly``: something got worse."""
    USER_ERROR = 2
    """Something the user can mend: options, files, the machine."""
    FAILED_TRIALS = 3
    """``run``, ``nightly``: trials failed; ``recommend``: a trial that the answer needs failed."""
    NOTHING_MEASURED = 4
    """``nightly``: no trial finished."""
    INTERRUPTED = 130
    """Ctrl-C, or a signal to terminate."""
