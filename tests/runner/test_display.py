from __future__ import annotations

import sys

import pytest

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.runner.display import Display
from agbench.runner.events import Advanced, Epoch, Phase, Started

CONDITION = Condition("patches", "f", Preprocessing.at(0.3), "automm:efficientnet_lite0", Budget(epochs=6))


class Screen:
    """Standard error that takes itself for a terminal."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_phase_epoch_and_accuracy_however_narrow(monkeypatch, columns):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")
    with Display(3) as display:
        display.show(Started(CONDITION, 1, 3))
        display.show(Advanced(1, Phase("fit")))
        display.show(Advanced(1, Epoch(4, 0.81251)))
    assert "fit, epoch 4, validation accuracy 0.8125 · [1/3] patches" in screen.written
    assert "0/3" in screen.written
