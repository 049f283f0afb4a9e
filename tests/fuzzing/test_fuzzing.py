"""Readers of strangers' files give a right value or refuse, whatever the bytes: see `tests.fuzzing.__main__`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import environment
from tests.fuzzing import seeds
from tests.fuzzing.readers import READERS, check

SECONDS = 7
"""For each reader. `python -m tests.fuzzing READER 600 SEED` looks longer, and elsewhere."""

HANGS = 300
"""Seconds after which a process that should have ended hangs, on however busy a machine."""

CASES = [(reader, file) for reader in READERS for file in seeds.once_found(reader)]


@pytest.mark.parametrize(("reader", "file"), CASES, ids=[f"{reader}-{file.name}" for reader, file in CASES])
def test_what_once_found_a_fault_finds_none(reader, file, tmp_path):
    check(READERS[reader], file.read_bytes(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_no_bytes_make_a_reader_fail_in_another_way_than_it_says(reader):
    # In a process of its own: a decoder could end it, and its memory is limited.
    command = [sys.executable, "-m", "tests.fuzzing", reader, str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=HANGS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
