from __future__ import annotations

import pytest

from agbench import study, study_file
from agbench.condition import Budget
from agbench.errors import UserError
from agbench.trial import fit_of


def ids(*names, **arguments):
    studies = [study.STUDIES[name] for name in names]
    if arguments.pop("offline", False):
        studies = [one.without_hub() for one in studies]
    found = study.conditions(studies, "d", "f", arguments.pop("budget", study.STANDARD), **arguments)
    return [condition.id for condition in found]


def test_conditions_that_studies_share_are_run_once():
    together = ids("compression", "storage", "tabular")
    assert len(together) == len(set(together)) == 10 + 2 + 3 * 2
    assert set(ids("convergence")) == set(ids("compression"))
    without = ids("compression", "storage", "tabular", offline=True)
    assert len(without) == 10 + 3 * 2
    assert set(ids("storage", offline=True)) < set(ids("compression", offline=True))


def test_without_the_model_hub_other_backbones_stand_in_for_the_papers():
    for name, one in study.STUDIES.items():
        models = one.without_hub().models
        assert not any(model == "automm" or model.startswith("automm:efficientnet_b") for model in models)
        assert one.without_hub().treatments == one.treatments, name
    assert study.STUDIES["quick"].without_hub() == study.STUDIES["quick"]


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


def read(name):
    (found,) = study_file.find(str(name))
    return study.conditions([found], "d", "f", study.QUICK)


def test_the_papers_studies_together_run_shared_conditions_once():
    together = ids(*study.PAPER)
    assert len(together) == len(set(together)) == 10 + 5 * 2 + 2 + 3 * 2
    assert len(ids(*study.PAPER, offline=True)) == 10 + 2 * 2 + 2 + 3 * 2
    assert [one.summary for one in study_file.find("paper")] == [study.STUDIES[one].summary for one in study.PAPER]


def test_noise_is_compared_clean_noisy_and_compressed():
    found = study.conditions([study.STUDIES["noise"]], "d", "f", study.QUICK)
    assert [(one.train.noise, one.train.level, one.test) for one in found] == [
        (None, 1.0, None),
        (1.0, 1.0, None),
        (1.0, 0.3, None),
    ]


def test_transfer_crosses_four_trainings_with_four_tests():
    found = study.conditions([study.STUDIES["transfer"]], "d", "f", study.QUICK)
    assert len(found) == 16
    assert len({fit_of(one) for one in found}) == 4
    assert {one.id for one in found} > set(ids("quick", budget=study.QUICK, models=("automm",)))


def test_a_study_of_ones_own_is_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "summary: mine\nmodels: [tabular:dct]\nlevels: [1.0, 0.25]\n"
        "treatments:\n  - {level: 1.0, test_level: 0.25}\n  - {level: 0.5, noise: 0.1}\n"
    )
    assert [str(one) for one in read(tmp_path / "mine.yaml")] == [
        "d, original, tabular:dct, seed 0",
        "d, jpeg 0.25, tabular:dct, seed 0",
        "d, original (tested on jpeg 0.25), tabular:dct, seed 0",
        "d, noise 0.1 + jpeg 0.5, tabular:dct, seed 0",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: [tabular:dct]\n", "mine.yaml: the file: it needs levels, or treatments"),
        ("models: []\nlevels: [1.0]\n", "mine.yaml: models: "),
        ("levels: [1.0]\n", "mine.yaml: models: "),
        (
            "models: [tabular:dtc]\nlevels: [1.0]\n",
            "mine.yaml: models.0: no model called 'tabular:dtc'",
        ),
        ("models: [tabular:dct]\nlevels: [1.5]\n", "mine.yaml: levels.0: 1.5 is not a level"),
        ("models: [tabular:dct]\nlevel: [1.0]\n", "mine.yaml: level: "),
        ("models: [tabular:dct]\ntreatments: [{noise: -1}]\n", "mine.yaml: treatments.0.noise: "),
        ("[", "mine.yaml is not YAML"),
        (
            "models: [tabular:dct]\nlevels: [1.0]\nlevels: [0.3]\n",
            "mine.yaml is not YAML: the key 'levels' stands",
        ),
        ("models: [tabular:dct]\nlevels: [true]\n", "mine.yaml: levels.0: it should be a number, got True"),
        ("models: [tabular:dct]\ntreatments: [{noise: .inf}]\n", "mine.yaml: treatments.0.noise: "),
        ("models: tabular:dct\nlevels: [1.0]\n", "mine.yaml: models: it should be a list, got 'tabular:dct'"),
        ("[1]", "mine.yaml: the file: it should be a mapping of keys to values"),
        ("model: [a]\nlevels: [2]\n", "mine.yaml: models: it is missing"),
    ],
)
def test_a_wrong_study_is_one_line_with_file_and_key(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        study_file.find(str(tmp_path / "mine.yaml"))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_study_that_is_not_there_is_said():
    with pytest.raises(UserError, match="did you mean 'noise'"):
        study_file.find("nosie")
    with pytest.raises(UserError, match="can't be read"):
        study_file.find("nowhere.yaml")


def test_all_that_is_wrong_is_said_with_what_would_be_right(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: [a]\nmodels: [tabular:dct]\nlevels: [2]\n")
    with pytest.raises(UserError, match=r"levels\.0: 2 is not a level.*; model: .*did you mean 'models'"):
        study_file.find(str(tmp_path / "mine.yaml"))


def test_levels_do_not_silently_replace_noise_or_test_levels():
    for name in ("noise", "transfer"):
        with pytest.raises(UserError, match="levels alone"):
            ids(name, levels=(1.0, 0.3))
