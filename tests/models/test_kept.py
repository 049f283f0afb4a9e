from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agbench.core import environment
from agbench.core.condition import Budget
from agbench.models import features, kept, tabular

BUDGET = Budget(learners=("KNN",))


class Counted:
    """A computation of two values of a file: its length, and its first byte by three."""

    def __init__(self):
        self.asked = []

    def __call__(self, paths):
        self.asked.append(len(paths))
        return np.array([[len(one.read_bytes()), one.read_bytes()[0] / 3] for one in paths], np.float32)


@pytest.fixture
def images(tmp_path):
    """Files of two variants, and one that is the data set's own."""
    made = []
    for name, content in {
        "variants/a/1": b"xx",
        "variants/a/2": b"yyy",
        "variants/b/1": b"zzzz",
        "own/1": b"q",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        made.append(path)
    return made


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "variants" / "features"


def ask(folder, images, compute, maker=("length",), cpus=2, gpus=0):
    return kept.compute_once(folder, maker, images, compute, cpus, gpus)


def test_values_are_computed_once_and_come_in_the_order_that_is_asked_for(images, folder):
    first, second = Counted(), Counted()
    before = ask(folder, images, first)
    after = ask(folder, images[::-1], second)
    assert before.values[:, 0].tolist() == [2, 3, 4, 1]
    assert np.array_equal(after.values[::-1], before.values)
    assert (before.before, after.before) == (0, 4)
    assert first.asked == [2, 1, 1], "the images of each variant for themselves"
    assert second.asked == []
    assert after.seconds == before.seconds, "as if they had been computed now"
    assert after.note == "4 of 4 images"


def test_a_variant_that_is_tested_by_several_models_is_computed_once(images, folder):
    ask(folder, images[:2], Counted())
    compute = Counted()
    done = ask(folder, images[:3], compute)
    assert (done.before, compute.asked) == (2, [1])


def test_other_hardware_computes_again_as_its_seconds_are_others(images, folder, monkeypatch):
    ask(folder, images, Counted())
    assert ask(folder, images, Counted(), cpus=1).before == 0
    assert ask(folder, images, Counted(), gpus=1).before == 0
    monkeypatch.setattr(environment, "processor", lambda: "another")
    assert ask(folder, images, Counted()).before == 0


def test_other_bytes_another_maker_and_other_versions_are_other_values(images, folder, monkeypatch):
    ask(folder, images, Counted())
    another = Counted()
    assert ask(folder, images, another, maker=("length", "32 pixels")).before == 0
    images[0].write_bytes(b"longer")
    changed = ask(folder, images, another)
    assert changed.values[0, 0] == 6
    assert changed.before == 2, "those of the other variant, and the data set's own"
    monkeypatch.setattr(environment, "software", lambda: {"numpy": "9"})
    assert ask(folder, images, another).before == 0


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", b"nonsense"])
def test_a_damaged_file_is_computed_anew(images, folder, damage):
    ask(folder, images, Counted())
    for file in folder.glob("*.npz"):
        file.write_bytes(damage or file.read_bytes()[:-40])
    compute = Counted()
    assert ask(folder, images, compute).values[:, 0].tolist() == [2, 3, 4, 1]
    assert sum(compute.asked) == 4
    assert ask(folder, images, Counted()).before == 4


def test_a_changed_value_in_a_file_is_noticed(images, folder):
    ask(folder, images[2:3], Counted())
    (file,) = folder.glob("*.npz")
    content = bytearray(file.read_bytes())
    content[content.index(np.float32(4).tobytes())] ^= 1
    file.write_bytes(content)
    assert ask(folder, images[2:3], Counted()).before == 0


def test_where_nothing_can_be_written_values_are_computed_each_time(images, folder):
    folder.write_text("in the way")
    for _ in range(2):
        done = ask(folder, images, Counted())
        assert (done.before, done.values[:, 0].tolist()) == (0, [2, 3, 4, 1])
    assert ask(None, images, Counted()).before == 0


def test_equal_images_are_computed_once_and_each_gets_its_row(tmp_path, folder):
    paths = [tmp_path / name for name in "abc"]
    for path, content in zip(paths, (b"x", b"yy", b"x"), strict=True):
        path.write_bytes(content)
    compute = Counted()
    assert ask(folder, paths, compute).values[:, 0].tolist() == [1, 2, 1]
    assert compute.asked == [2]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2), min_size=1, max_size=4))
def test_values_come_back_to_the_bit(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("kept")
    paths = [folder / str(number) for number in range(len(rows))]
    for path in paths:
        path.write_bytes(path.name.encode())
    wanted = np.array(rows, np.float32)

    def compute(some):
        return wanted[[int(path.name) for path in some]]

    for _ in range(2):
        done = ask(folder / "variants" / "features", paths, compute)
        assert done.values.tobytes() == wanted.tobytes()
    assert done.before == len(rows)


def test_both_kinds_of_features_are_read_by_a_model_of_both(make_task, tmp_path):
    def accuracy(variant, seed):
        task = make_task(variant=variant, seed=seed, kept=tmp_path / "variants" / "features", budget=BUDGET)
        fitted = tabular.fit_predict(task)
        return fitted.predictions[0].probabilities, fitted.notes[kept.COMPUTED_BEFORE]

    assert accuracy("pixels", 0)[1] == "0 of 40 images"
    assert accuracy("dct", 1)[1] == "0 of 40 images"
    both, note = accuracy("pixels+dct", 2)
    assert note == "40 of 40 images, 40 of 40 images"
    alone = tabular.fit_predict(make_task(variant="pixels+dct", seed=3, budget=BUDGET))
    assert alone.notes[kept.COMPUTED_BEFORE] == "0 of 40 images, 0 of 40 images"
    assert alone.notes["features"] == str(sum(len(one.names) for one in features.EXTRACTORS.values()))
    assert both.shape == alone.predictions[0].probabilities.shape
