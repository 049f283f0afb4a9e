from __future__ import annotations

import pytest

from agbench import study
from agbench.condition import Budget
from agbench.errors import UserError


def ids(*names, **arguments):
    studies = [study.STUDIES[name] for name in names]
    found = study.conditions(studies, "d", "f", arguments.pop("budget", study.STANDARD), **arguments)
    return [condition.id for condition in found]


def test_conditions_that_studies_share_are_run_once():
    together = ids("compression", "storage", "tabular")
    assert len(together) == len(set(together)) == 10 + 3 * 2
    assert set(ids("storage")) < set(ids("compression"))


def test_a_budget_changes_only_the_models_that_read_it():
    changed = ids("tabular", budget=Budget(epochs=11, loaders=2))
    kept = ids("tabular")
    assert [one == other for one, other in zip(changed, kept, strict=True)] == [False] * 2 + [True] * 6


def test_models_levels_seeds_and_noise_can_be_chosen():
    found = study.conditions(
        [study.STUDIES["quick"]], "d", "f", study.QUICK, (3, 4), ("tabular:dct",), (1.0, 0.25), noise=1.0
    )
    assert [(one.model, one.train.level, one.seed, one.train.noise) for one in found] == [
        ("tabular:dct", 1.0, 3, 1.0),
        ("tabular:dct", 1.0, 4, 1.0),
        ("tabular:dct", 0.25, 3, 1.0),
        ("tabular:dct", 0.25, 4, 1.0),
    ]


def test_a_local_checkpoint_is_part_of_the_condition(tmp_path, monkeypatch):
    for content in (b"a", b"b"):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        monkeypatch.chdir(tmp_path.parent)
        (condition,) = study.conditions(
            [study.STUDIES["quick"]], "d", "f", study.QUICK, models=(f"automm:{tmp_path.name}",), levels=(1.0,)
        )
        assert condition.model == f"automm:{tmp_path}"
        assert condition.weights is not None
        if content == b"a":
            first = condition.id
    assert condition.id != first


@pytest.mark.parametrize("arguments", [{"models": ("nope",)}, {"levels": (0.0,)}, {"seeds": (-1,)}])
def test_wrong_values_are_refused_before_anything_runs(arguments):
    with pytest.raises(UserError):
        ids("quick", **arguments)
