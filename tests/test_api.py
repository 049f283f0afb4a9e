"""The public functions: what is public, what may be given to them, and what wrong values get."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import agbench as package
from agbench import api
from agbench.cli.main import main
from agbench.core.condition import Budget
from agbench.core.errors import UserError

PUBLIC = [
    "Budget",
    "UserError",
    "__version__",
    "compare",
    "compress",
    "load_dataset",
    "recommend",
    "report",
    "results",
    "run",
]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return package.load_dataset("digits", workspace=tmp_path_factory.mktemp("api"))


@pytest.fixture
def photos(tmp_path):
    for number in range(20):
        path = tmp_path / "photos" / ("dark" if number % 2 else "light") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 64), 20 + number).save(path)
    return tmp_path / "photos"


def test_what_is_public_and_no_more():
    assert dir(package) == PUBLIC == package.__all__
    for name in PUBLIC:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        package.compress_everything()
    assert package.__version__.count(".") == 2


@pytest.mark.parametrize("name", ["load_dataset", "run", "recommend", "compress", "compare", "report", "results"])
def test_every_function_is_typed_and_shows_an_example(name):
    function = getattr(package, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    documented = inspect.getdoc(function)
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.name in documented
    assert "Examples\n--------" in documented


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("run", {"codecs": "codec", "studies": "study"}),
        ("recommend", {"codecs": "codec"}),
        ("compare", {}),
        ("compress", {}),
        ("report", {"formats": "format"}),
    ],
)
def test_defaults_are_those_of_the_command_line(command, names):
    """Each argument that is an option, too, has the same default."""
    options = {option.name: option for option in main.commands[command].params}
    for name, parameter in inspect.signature(getattr(package, command)).parameters.items():
        option = options.get(name) or options.get(names.get(name, name))
        if option is None or parameter.default is inspect.Parameter.empty:
            continue
        shown = option.get_default(main.make_context("agbench", ["datasets"]))
        given = parameter.default

        def plain(value):
            one = value[0] if isinstance(value, tuple) and len(value) == 1 else value
            return None if one in ((), "UNSET", None) or "UNSET" in repr(one) else one

        if name == "seeds":
            assert int(plain(shown)) == given
        else:
            assert plain(shown) == plain(given), name


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("run", {"levels": float("nan")}, "nan is not a level"),
        ("run", {"levels": 2}, "2 is not a level"),
        ("run", {"levels": 10**400}, "inf is not a level"),
        ("run", {"levels": {"a": 1}}, "levels should be a number or a list of numbers"),
        ("run", {"levels": "0.3"}, "levels should be a number or a list of numbers, got '0.3'"),
        ("run", {"levels": [0.3, "x"]}, "got 'x' in it"),
        ("run", {"levels": []}, "levels is empty"),
        ("run", {"levels": True}, "levels should be a number"),
        ("run", {"models": 3}, "models should be a name or a list of names, got 3"),
        ("run", {"models": "automn"}, "did you mean 'automm'"),
        ("run", {"codecs": "wepb"}, "did you mean 'webp'"),
        ("run", {"studies": "tabluar"}, "did you mean 'tabular'"),
        ("run", {"studies": ""}, "studies should be a name or a list of names"),
        ("run", {"workers": 0}, "0 trials at once are too few"),
        ("run", {"workers": True}, "workers should be a whole number, got True"),
        ("run", {"retries": -1}, "-1 is not a number of retries"),
        ("run", {"noise": "yes"}, "noise should be true or false"),
        ("run", {"address": 3}, "address should be the address of a Ray cluster"),
        ("run", {"address": ""}, "--address is empty"),
        ("run", {"seeds": -1}, "-1 is not a seed"),
        ("run", {"seeds": 0.5}, "seeds should be a whole number"),
        ("run", {"budget": {"epochs": 3}}, r"budget should be an agbench.Budget"),
        ("run", {"name": "a b"}, "'a b' can't be the name of a sweep"),
        ("run", {"name": 3}, "3 can't be the name of a sweep"),
        ("run", {"until_decided": 2}, "2 is not a margin"),
        ("run", {"until_decided": "1%"}, "margin should be a number"),
        ("run", {"time_budget": "soon"}, "'soon' is not a duration"),
        ("run", {"time_budget": 0}, "0 is not a duration"),
        ("recommend", {"margin": 0}, "0 is not a margin"),
        ("recommend", {"margin": 10**400}, "inf is not a margin"),
        ("recommend", {"metric": "log_loss", "margin": 7}, "7 is not a margin: use nats between 0 and 6.9"),
        ("recommend", {"metric": "acc"}, "no metric called 'acc'"),
        ("report", {"metric": "auc"}, "no metric called 'auc': .*known: accuracy, balanced_accuracy"),
        ("report", {"metric": 3}, "metric should be a text"),
        ("recommend", {"budget": 10**400}, "inf is not a duration"),
        ("recommend", {"margin": "1%"}, "margin should be a number"),
        ("recommend", {"codecs": ["wepb"]}, "did you mean 'webp'"),
        ("recommend", {"codecs": None}, "at least one codec and one seed"),
        ("recommend", {"model": "automm"}, "can't predict images out of fold"),
        ("recommend", {"image_size": "big"}, "image_size should be a whole number of pixels"),
        ("recommend", {"image_size": 1}, "1 is too small an image_size"),
        ("recommend", {"confirm": "nope"}, "confirm should be true or false"),
        ("recommend", {"budget": "soon"}, "'soon' is not a duration"),
        ("recommend", {"budget": -1}, "-1 is not a duration"),
        ("report", {"formats": 3}, "formats should be a name or a list of names"),
        ("report", {"formats": "mdx"}, "no format called 'mdx'"),
        ("report", {"name": 3}, "name should be a text"),
    ],
)
def test_a_wrong_value_gets_a_sentence(digits, function, arguments, words):
    with pytest.raises(UserError, match=words) as caught:
        getattr(package, function)(digits, **arguments)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize("dataset", [None, 3, b"digits", "", ["digits"], "patchs"])
@pytest.mark.parametrize("function", ["run", "recommend", "report"])
def test_what_is_no_data_set_gets_a_sentence(tmp_path, function, dataset):
    with pytest.raises(UserError):
        getattr(package, function)(dataset, workspace=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": None}, "dataset should be the name of a data set"),
        ({"name": "digits", "nested": "x"}, "nested should be true or false"),
        ({"name": "digits", "source": 3}, "source should be a path"),
        ({"name": "digits", "image_column": 3}, "image_column should be a text"),
        ({"name": "digits", "label_column": ""}, "label_column should be a text"),
        ({"name": "digits", "fresh": 1}, "fresh should be true or false"),
        ({"name": "digits", "workspace": ["a"]}, "workspace should be the path of a folder"),
        ({"name": "digits", "workspace": __file__}, "can't be a workspace"),
    ],
)
def test_loading_with_a_wrong_value_gets_a_sentence(tmp_path, arguments, words):
    with pytest.raises(UserError, match=words):
        package.load_dataset(**{"workspace": tmp_path} | arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give either a level"),
        ({"level": "x"}, "level should be a number"),
        ({"level": 0.3, "codec": None}, "codec should be a text"),
        ({"level": 0.3, "unreadable": "x"}, 'unreadable should be "copy" or "skip"'),
        ({"level": 0.3, "workers": "x"}, "workers should be a whole number"),
        ({"level": 0.3, "workers": 0}, "0 processes are too few"),
        ({"target_bytes": [1]}, "target_bytes should be a share or an amount"),
        ({"level": 0.3, "source": 3}, "source should be a path"),
    ],
)
def test_compressing_with_a_wrong_value_gets_a_sentence(photos, tmp_path, arguments, words):
    with pytest.raises(UserError, match=words):
        package.compress(**{"source": photos, "out": tmp_path / "out"} | arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"base": 1, "new": "b"}, "base should be a text"),
        ({"base": "a", "new": ""}, "new should be a text"),
        ({"base": "a", "new": "b", "threshold": "x"}, "threshold should be a number"),
        ({"base": "a", "new": "b", "threshold": 0.5}, "0.5 is not a threshold"),
        ({"base": "a", "new": "b"}, "no sweep called 'b', and none has a name yet"),
    ],
)
def test_comparing_with_a_wrong_value_gets_a_sentence(tmp_path, arguments, words):
    with pytest.raises(UserError, match=words):
        package.compare(**arguments, workspace=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dataset": 3}, "dataset should be a Dataset or the name of one"),
        ({"name": 3}, "name should be a text"),
        ({"name": "monday"}, "no sweep called 'monday'"),
    ],
)
def test_results_with_a_wrong_value_get_a_sentence(tmp_path, arguments, words):
    with pytest.raises(UserError, match=words):
        package.results(**arguments, workspace=tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": True},
        {"learning_rate": -1},
        {"learning_rate": float("nan")},
        {"image_size": 8},
        {"time_limit": "1h"},
        {"time_limit": 10**400},
        {"epochs": 10**400},
        {"learners": 3},
        {"learners": []},
        {"preset": 1},
        {"folds": 1},
    ],
)
def test_a_budget_refuses_wrong_settings(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        Budget(**settings)


def test_a_budget_takes_one_learner_or_a_list():
    one, several = Budget(learners="RF"), Budget(learners=["RF"])  # type: ignore[arg-type]
    assert one == several == Budget(learners=("RF",))


def test_the_environment_names_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("AGBENCH_WORKSPACE", str(tmp_path / "named"))
    dataset = package.load_dataset("digits")
    assert dataset.workspace == tmp_path / "named"
    assert package.results().empty


def test_a_data_set_knows_its_workspace(digits, tmp_path):
    with pytest.raises(UserError, match="was prepared in the workspace"):
        package.run(digits, models="tabular:dct", workspace=tmp_path)
    with pytest.raises(UserError, match="no results of digits"):
        package.report(digits)


def test_a_folder_and_a_table_are_data_sets(photos, tmp_path):
    place = tmp_path / "w"
    by_name = package.load_dataset(str(photos), workspace=place)
    assert by_name.classes == ["dark", "light"]
    rows = [(path.relative_to(tmp_path), path.parent.name) for path in sorted(photos.rglob("*.png"))]
    pd.DataFrame(rows, columns=["file", "kind"]).to_csv(tmp_path / "mine.csv", index=False)
    by_table = package.load_dataset(
        tmp_path / "mine.csv", workspace=place, image_column="file", label_column="kind"
    )
    assert len(by_table.index) == len(by_name.index) == 20


def test_a_path_is_a_folder_also_where_a_data_set_has_its_name(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos.rename(tmp_path / "digits")
    with pytest.raises(UserError):
        package.load_dataset(Path("digits"), workspace=tmp_path / "w")  # its name is taken
    assert package.load_dataset("digits", workspace=tmp_path / "w").card.title != "digits"


def test_one_level_model_and_seed_are_taken_as_they_are(digits, monkeypatch):
    planned = []
    monkeypatch.setattr(api, "execute", lambda plan, say, deadline: planned.append(plan))
    package.run(digits, "quick", models="tabular:dct", levels=0.3, codecs="webp", seeds=1, quick=True)
    package.run(digits, ["quick"], models=["tabular:dct"], levels=(0.3,), codecs=["webp"], seeds=[1], quick=True)
    first, second = (one.conditions for one in planned)
    assert [str(one) for one in first] == ["digits, webp 0.3, tabular:dct, seed 1"]
    assert first == second


def test_an_image_that_the_codec_can_not_hold_is_named_before_anything_runs(digits):
    """As of a data set that was prepared before `prepare` left such images out."""
    wide = replace(digits, index=digits.index.assign(width=[20_000, *digits.index["width"][1:]]))
    name = re.escape(digits.index["image_id"].iloc[0])
    words = f"{name} has 20,000x8 pixels, and webp holds 16,383 a side .* --fresh --dataset digits` leaves it out"
    with pytest.raises(package.UserError, match=words):
        package.run(wide, models="tabular:dct", levels=[0.5], codecs="webp")


def test_a_data_set_shows_itself(digits):
    assert digits.text().startswith("digits is ready: 10 classes, 1,797 images (1,078 train, ")
    assert "<b>digits is ready" in digits._repr_html_()


def test_a_copy_shows_itself(photos, tmp_path):
    done = package.compress(photos, tmp_path / "small", level=0.3, workers=1)
    assert done.after < done.before
    assert done.text().splitlines()[-1] == str(tmp_path / "small")
    assert "20 compressed (jpeg, quality 30)" in done._repr_html_()
    assert done.exceptions() == []


def test_a_copy_of_a_broken_image_names_it_escaped(photos, tmp_path):
    (photos / "dark" / "<b>.png").write_bytes(b"\x89PNG nothing")
    done = package.compress(photos, tmp_path / "small", level=0.3, workers=1)
    (line,) = done.exceptions()
    assert line.startswith("dark/<b>.png: unreadable, copied: ")
    assert "<b>" not in done._repr_html_()
