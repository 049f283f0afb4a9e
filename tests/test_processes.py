from __future__ import annotations

import subprocess
import sys

import psutil

SCRIPT = """
import multiprocessing, sys, time
from agbench import processes

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
