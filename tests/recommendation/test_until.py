"""Rounds of trials until levels are decided: with made-up trials, and as a user types it."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest

from agbench.core.condition import Budget, Condition, Preprocessing
from agbench.core.environment import digest_of_software, software
from agbench.data.card import Card
from agbench.data.dataset import Dataset
from agbench.data.groups import INDEPENDENT
from agbench.data.source import Source
from agbench.recommendation.looks import MOST_LOOKS
from agbench.recommendation.until import run_until_decided
from agbench.runner import sweep
from agbench.runner.events import Ended
from agbench.store.metrics import Metrics
from agbench.store.outcome import Failure
from agbench.store.record import FLIPS, Record
from agbench.store.store import Store
from tests.reporting.made import record

NETWORK, TABLE = "automm:efficientnet_lite0", "tabular:dct"
IMAGES = 1500
DECIDED = "levels decided, each by itself and corrected for 4 looks"


@dataclass
class MadeUp:
    """A store, and a sweep that runs each trial at once: models are right for all images.

    Some fail, and some are refused, as a sweep refuses what would end too late.
    """

    folder: Path
    fails: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    kept: list[Record] = field(default_factory=list)
    rounds: list[list[Condition]] = field(default_factory=list)
    planned: dict[str, int] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def records(self, dataset=None):
        return list(self.kept)

    def plan_looks(self, run_ids, looks):
        self.planned |= dict.fromkeys(run_ids, looks)

    def name(self, run_ids, name, started):
        self.named |= dict.fromkeys(run_ids, name)

    @contextmanager
    def on_demand(self, *known, deadline):
        yield self.running

    def running(self, todo):
        self.rounds.append(list(todo))
        for number, one in enumerate(todo, 1):
            if one.model in self.fails:
                yield Ended(one, number, len(todo), Failure("as it was told to"), None)
            elif one.model not in self.refused:
                self.kept.append(trial(self.folder, one))
                yield Ended(one, number, len(todo), None, None)


def trial(folder, condition):
    made = record(folder, condition, np.ones(IMAGES * (condition.budget.folds or 1), dtype=bool))
    seconds = {TABLE: 1.0, NETWORK: 100.0}[condition.model]
    metrics = cast(Metrics, {**made.metrics, "seconds_total": seconds})
    return replace(made, software=digest_of_software(software()), metrics=metrics)


def conditions(*models):
    return [
        Condition("birds", "f", Preprocessing.at(level), model, Budget())
        for model in models
        for level in (1.0, 0.5)
    ]


@pytest.fixture
def decide(monkeypatch, tmp_path):
    """Run conditions with a made-up store until they are decided."""
    number = 5 * IMAGES
    splits = np.where(np.arange(number) % 5, "train", "test")
    index = pd.DataFrame({"label": "a", "group": [str(one) for one in range(number)], "split": splits})
    card = Card(title="Birds", layout="class-folders")
    dataset = Dataset("birds", card, tmp_path, index, pd.DataFrame(), "f", Source("", ""), grouped_by=INDEPENDENT)

    def run(made, *models, deadline=math.inf, names=None):
        monkeypatch.setattr(sweep, "on_demand", made.on_demand)
        return run_until_decided(
            dataset, None, made, conditions(*models), 0.01, made.records, None, names, deadline
        )

    return run


def test_what_is_decided_is_left_alone(decide, tmp_path):
    made = MadeUp(tmp_path)
    done = decide(made, NETWORK, TABLE, names={"mine": 1})
    assert [[one.model for one in todo] for todo in made.rounds] == [[NETWORK] * 2 + [TABLE] * 2, [NETWORK] * 2]
    assert done.text().splitlines() == [
        f"{NETWORK} jpeg 0.5: not inferior (1 seed, 5 folds)",
        f"{TABLE} jpeg 0.5: not inferior (1 seed)",
        f"2 of 2 {DECIDED}; nothing is left to decide",
    ]
    runs = {one.run_id for one in made.kept}
    assert set(made.named) == set(made.planned) == runs
    assert set(made.planned.values()) == {MOST_LOOKS}
    again = decide(made, NETWORK, TABLE)
    assert again.text() == done.text()
    assert len(made.rounds) == 2, "nothing is run twice"


def test_the_rest_goes_on_where_a_model_fails_or_takes_too_long(decide, tmp_path):
    done = decide(MadeUp(tmp_path, fails=(TABLE,)), NETWORK, TABLE)
    assert done.text().splitlines()[1:] == [
        f"{TABLE} jpeg 0.5: no result",
        f"1 of 2 {DECIDED}; 2 of the trials failed",
    ]
    made = MadeUp(tmp_path, refused=(NETWORK,))
    done = decide(made, NETWORK, TABLE)
    assert done.text().splitlines() == [
        f"{NETWORK} jpeg 0.5: no result; next: 1 seed",
        f"{TABLE} jpeg 0.5: not inferior (1 seed)",
        f"1 of 2 {DECIDED}; the budget of time holds no more: the same command goes on",
    ]
    assert len(made.rounds) == 1


def test_after_the_deadline_nothing_is_run(decide, tmp_path):
    made = MadeUp(tmp_path)
    done = decide(made, NETWORK, deadline=time.monotonic())
    assert len(made.rounds) == 1, "of which a sweep begins nothing that would end too late"
    assert (
        "not inferior (this training) (1 seed): another training would tell more; next: 1 seed, 5 folds"
        in done.text()
    )


LOOKED = ("run", "--dataset", "digits", "--quick", "--learners", "XT", "--models", TABLE, "--levels", "1.0,0.9")


def test_a_table_of_features_is_followed_until_it_is_decided(on_cluster, agbench, tmp_path):
    command = ("--workspace", tmp_path, *LOOKED, "--until-decided", "5%", "--name", "mine")
    done = on_cluster(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "tabular:dct jpeg 0.9: not inferior (1 seed)"
    assert "360 images can exclude a loss of 1.71 points at best" in done.stderr
    compressed = [one for one in Store(tmp_path / "results").records() if not one.condition.train.is_original]
    assert all((one.folder / FLIPS).exists() for one in compressed)
    again = on_cluster(*command)
    assert again.stdout == done.stdout
    assert "begins" not in again.stderr
    report = agbench("--workspace", tmp_path, "report", "--name", "mine", "--format", "md")
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "reports" / "sweeps" / "mine" / "digits" / "report.md").read_text()
    assert "with at most 4 looks at each" in page


def test_the_budget_of_time_is_kept_by_what_comes_before_the_trials(agbench, tmp_path):
    place = ("--workspace", tmp_path)
    early = agbench(*place, *LOOKED, "--budget", "0.001s")
    assert early.returncode == 2
    assert early.stderr.splitlines()[-1].startswith(
        "agbench: nothing is known yet: the budget of time ended while"
    )
    assert agbench(*place, "prepare", "--dataset", "digits").returncode == 0
    late = agbench(*place, *LOOKED, "--budget", "0.001s")
    assert late.returncode == 0, late.stderr
    assert "the budget of time holds no more, 2 conditions are left" in late.stderr
    assert "begins" not in late.stderr
    answer = agbench(*place, "recommend", "--dataset", "digits", "--margin", "0.05", "--budget", "0.001s")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0] == (
        "The budget of time ended after 0 of at most 4 levels: no level is shown to be safe yet; the same command "
        "goes on"
    )
