from __future__ import annotations

import subprocess
import sys

import psutil
from hypothesis import given
from hypothesis import strategies as st

from agbench.core import processes

SCRIPT = """
import multiprocessing, sys, time
from agbench.core import processes

def work():
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    child.start()
    return child.pid

if __name__ == "__main__":
    print(processes.start(1).submit(work).result(), flush=True)
    time.sleep(600)
"""


def test_processes_and_their_children_end_with_the_one_that_started_them(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], stdout=subprocess.PIPE, text=True)
    grandchild = psutil.Process(int(parent.stdout.readline()))
    family = [*psutil.Process(parent.pid).children(recursive=True), grandchild]
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(family, timeout=30)[1] == []


OUTLIVED = """
import subprocess, sys, time
from agbench.core import processes

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
processes.outlive()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_what_a_script_without_a_main_guard_started_ends_with_it(tmp_path):
    (tmp_path / "script.py").write_text(OUTLIVED)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    assert psutil.wait_procs([child], timeout=30)[1] == [], "although nobody has waited for the parent yet"
    parent.wait()


@given(st.lists(st.integers()), st.integers(1, 4))
def test_results_come_in_the_order_of_tasks_however_many_there_are(numbers, workers):
    with processes.threads(workers) as pool:
        assert list(processes.in_order(pool, lambda number: number + 1, iter(numbers))) == [
            number + 1 for number in numbers
        ]


def test_tasks_are_not_taken_long_before_the_results():
    taken = []

    def tasks():
        for number in range(10 * processes.AHEAD):
            taken.append(number)
            yield number

    with processes.threads(2) as pool:
        for done, _ in enumerate(processes.in_order(pool, abs, tasks()), 1):
            assert len(taken) <= done + processes.AHEAD
