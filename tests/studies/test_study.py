from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.codec import CODECS
from agbench.core.condition import Budget
from agbench.core.errors import UserError
from agbench.studies import conditions, study, yaml_file


def ids(*names, **arguments):
    studies = [study.STUDIES[name] for name in names]
    if arguments.pop("offline", False):
        studies = [one.without_hub() for one in studies]
    found = conditions.make_conditions(studies, "d", "f", arguments.pop("budget", study.STANDARD), **arguments)
    return [condition.id for condition in found]


def test_conditions_that_studies_share_are_run_once():
    together = ids("compression", "storage", "tabular")
    assert len(together) == len(set(together)) == 2 * 10 + 2 + 3 * 2
    assert set(ids("convergence")) < set(ids("compression"))
    without = ids("compression", "storage", "tabular", offline=True)
    assert len(without) == 2 * 10 + 3 * 2
    assert set(ids("storage", offline=True)) < set(ids("compression", offline=True))


def test_without_the_model_hub_other_backbones_stand_in_for_the_papers():
    for name, one in study.STUDIES.items():
        models = one.without_hub().models
        assert not any(model == "automm" or model.startswith("automm:efficientnet_b") for model in models)
        assert one.without_hub().treatments == one.treatments, name
    assert study.STUDIES["quick"].without_hub() == study.STUDIES["quick"]


def test_a_budget_changes_only_the_models_that_read_it():
    changed = ids("tabular", budget=Budget(epochs=11))
    kept = ids("tabular")
    assert [one == other for one, other in zip(changed, kept, strict=True)] == [False] * 2 + [True] * 8


def test_models_levels_seeds_and_noise_can_be_chosen():
    found = conditions.make_conditions(
        [study.STUDIES["quick"]], "d", "f", study.QUICK, (3, 4), ("tabular:dct",), (1.0, 0.25), noise=1.0
    )
    assert [(one.model, one.train.level, one.seed, one.train.noise) for one in found] == [
        ("tabular:dct", 1.0, 3, 1.0),
        ("tabular:dct", 1.0, 4, 1.0),
        ("tabular:dct", 0.25, 3, 1.0),
        ("tabular:dct", 0.25, 4, 1.0),
    ]


LEVELS = st.lists(st.integers(1, 100).map(lambda level: level / 100), min_size=1, max_size=5, unique=True)


@pytest.mark.slow
@given(LEVELS, st.lists(st.sampled_from([*CODECS]), min_size=1, unique=True), st.sampled_from([None, 1.0]))
def test_every_codec_has_every_level_and_all_share_the_original(levels, codecs, noise):
    def found(*names):
        grid = {"levels": tuple(levels), "models": ("tabular:dct",), "noise": noise, "codecs": names or None}
        return conditions.make_conditions([study.STUDIES["quick"]], "d", "f", study.QUICK, **grid)

    below = [level for level in levels if level < 1]
    written = Counter((one.train.codec, one.train.level, one.train.noise) for one in found(*codecs))
    expected = [(codec, level, noise) for codec in codecs for level in below]
    assert written == Counter(expected + [(None, 1.0, noise)] * (1.0 in levels))
    assert [one.id for one in found("jpeg")] == [one.id for one in found()], "what was run before still counts"


def test_a_codec_goes_with_noise_and_with_other_levels_for_testing():
    noisy, crossed = (
        [
            str(one)
            for one in conditions.make_conditions([study.STUDIES[name]], "d", "f", study.QUICK, codecs=("avif",))
        ]
        for name in ("noise", "transfer")
    )
    assert [one.split(", ")[1] for one in noisy] == ["original", "noise", "noise + avif 0.3"]
    assert "d, original (tested on avif 0.3), automm, seed 0" in crossed
    assert len(crossed) == 16
    assert not any("jpeg" in one for one in crossed)


def test_a_condition_without_a_codecs_name_is_still_the_same():
    grid = {"models": ("tabular:dct",), "levels": (1.0, 0.3)}
    assert ids("quick", budget=study.QUICK, **grid) == ["7b576de5d76f3e66", "3900e734fd888ed2"]


def test_a_local_checkpoint_is_part_of_the_condition(tmp_path, monkeypatch):
    for content in (b"a", b"b"):
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        monkeypatch.chdir(tmp_path.parent)
        (condition,) = conditions.make_conditions(
            [study.STUDIES["quick"]], "d", "f", study.QUICK, models=(f"automm:{tmp_path.name}",), levels=(1.0,)
        )
        assert condition.model == f"automm:{tmp_path}"
        assert condition.weights is not None
        if content == b"a":
            first = condition.id
    assert condition.id != first


@pytest.mark.parametrize(
    "arguments", [{"models": ("nope",)}, {"codecs": ("nope",)}, {"levels": (0.0,)}, {"seeds": (-1,)}]
)
def test_wrong_values_are_refused_before_anything_runs(arguments):
    with pytest.raises(UserError):
        ids("quick", **arguments)


def read(name):
    (found,) = yaml_file.find_studies(str(name))
    return conditions.make_conditions([found], "d", "f", study.QUICK)


def test_the_papers_studies_together_run_shared_conditions_once():
    together = ids(*study.PAPER)
    assert len(together) == len(set(together)) == 2 * 10 + 5 * 2 + 2 + 3 * 2
    assert len(ids(*study.PAPER, offline=True)) == 2 * 10 + 2 * 2 + 2 + 3 * 2
    assert [one.summary for one in yaml_file.find_studies("paper")] == [
        study.STUDIES[one].summary for one in study.PAPER
    ]


def test_noise_is_compared_clean_noisy_and_compressed():
    found = conditions.make_conditions([study.STUDIES["noise"]], "d", "f", study.QUICK)
    assert [(one.train.noise, one.train.level, one.test) for one in found] == [
        (None, 1.0, None),
        (1.0, 1.0, None),
        (1.0, 0.3, None),
    ]


def test_transfer_crosses_four_trainings_with_four_tests():
    found = conditions.make_conditions([study.STUDIES["transfer"]], "d", "f", study.QUICK)
    assert len(found) == 16
    assert len({one.training for one in found}) == 4
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


def test_a_study_of_ones_own_has_its_codecs(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "models: [tabular:dct]\nlevels: [1.0, 0.3]\ncodecs: [jpeg, webp]\n"
        "treatments:\n  - {level: 0.3, noise: 1.0, codec: avif}\n  - {level: 0.5}\n"
    )
    written = ["original", "jpeg 0.3", "webp 0.3", "noise + avif 0.3", "jpeg 0.5"]
    assert [str(one).split(", ")[1] for one in read(tmp_path / "mine.yaml")] == written
    (found,) = yaml_file.find_studies(str(tmp_path / "mine.yaml"))
    others = conditions.make_conditions([found], "d", "f", study.QUICK, codecs=("jxl",))
    assert {one.train.codec for one in others} == {None, "jxl"}


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
        ("models: [tabular:dct]\nlevels: [0.3]\ncodecs: [wepb]\n", "mine.yaml: codecs.0: no codec called 'wepb'"),
        ("models: [tabular:dct]\nlevels: [0.3]\ncodecs: []\n", "mine.yaml: codecs: "),
        (
            "models: [tabular:dct]\ncodecs: [webp]\ntreatments: [{level: 0.3}]\n",
            "mine.yaml: the file: codecs are those of levels, and it has none",
        ),
        (
            "models: [tabular:dct]\ntreatments: [{codec: wepb}]\n",
            "mine.yaml: treatments.0.codec: no codec called 'wepb': did you mean 'webp'?",
        ),
        ("[", "mine.yaml is not YAML"),
        ("models: ['tabular:dct']\nlevels: [1.0e+308]\n", "mine.yaml: levels.0: 1e+308 is not a level"),
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
        yaml_file.find_studies(str(tmp_path / "mine.yaml"))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_a_study_that_is_not_there_is_said():
    with pytest.raises(UserError, match="did you mean 'noise'"):
        yaml_file.find_studies("nosie")
    with pytest.raises(UserError, match="can't be read"):
        yaml_file.find_studies("nowhere.yaml")


def test_all_that_is_wrong_is_said_with_what_would_be_right(tmp_path):
    (tmp_path / "mine.yaml").write_text("model: [a]\nmodels: [tabular:dct]\nlevels: [2]\n")
    with pytest.raises(UserError, match=r"levels\.0: 2 is not a level.*; model: .*did you mean 'models'"):
        yaml_file.find_studies(str(tmp_path / "mine.yaml"))


def test_levels_do_not_silently_replace_noise_or_test_levels():
    for name in ("noise", "transfer"):
        with pytest.raises(UserError, match="levels alone"):
            ids(name, levels=(1.0, 0.3))
