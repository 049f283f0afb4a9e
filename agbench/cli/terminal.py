"""What a command writes on the terminal."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ERRORS = 2
"""Descriptor of the standard error output."""


@contextmanager
def without_lines_of_libraries() -> Iterator[None]:
    """Keep what libraries below Python write off the terminal: libtiff, libjpeg and gRPC write to the descriptor.

    Matplotlib tells by Python's logging where it keeps its fonts where the home folder can't be written.

    What Python writes to ``sys.stderr`` is shown as before. Processes that are started within the block write to
    nowhere, as those of a pool give their errors back as exceptions.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    before = sys.stderr
    try:
        is_descriptor = before.fileno() == _ERRORS
    except (AttributeError, OSError, ValueError):
        is_descriptor = False  # a notebook's, a test's, or none
    if not is_descriptor:
        yield
        return
    before.flush()
    kept = os.dup(_ERRORS)
    with open(kept, "w", buffering=1, encoding=before.encoding, errors=before.errors) as shown:  # noqa: PTH123
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), _ERRORS)
        sys.stderr = shown
        try:
            yield
        finally:
            sys.stderr = before
            shown.flush()
            os.dup2(kept, _ERRORS)
