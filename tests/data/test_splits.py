from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.errors import UserError
from agbench.data.splits import TEST, TRAIN, VALIDATION, split

class_sizes = st.lists(st.integers(4, 60), min_size=2, max_size=8)


def labelled(sizes):
    return pd.Series([f"class {place}" for place, size in enumerate(sizes) for _ in range(size)])


def all_different(labels):
    return pd.Series([str(row) for row in range(len(labels))])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([120] * 47, (3384, 1128, 1128), id="DTD"),
        pytest.param([6000] * 10, (36000, 12000, 12000), id="CIFAR10"),
        pytest.param([600] * 100, (36000, 12000, 12000), id="CIFAR100"),
        pytest.param([200] * 37, (4440, 1480, 1480), id="the 7,400 pets of the paper"),
    ],
)
def test_table_one_comes_out_exactly(sizes, expected):
    labels = labelled(sizes)
    counts = split(labels, all_different(labels)).value_counts()
    assert (counts[TRAIN], counts[TEST], counts[VALIDATION]) == expected


def test_table_one_comes_out_exactly_on_the_true_classes_of_sun397():
    counts = pd.read_csv(Path(__file__).parent / "counts" / "sun397.csv")
    assert (len(counts), counts["images"].sum()) == (397, 108_754)
    labels = counts["class"].repeat(counts["images"].tolist()).reset_index(drop=True)
    found = split(labels, all_different(labels)).value_counts()
    assert (found[TRAIN], found[TEST], found[VALIDATION]) == (65_251, 21_751, 21_752)


@given(class_sizes, st.integers(0, 5))
def test_every_class_is_cut_at_60_and_80_percent(sizes, seed):
    labels = labelled(sizes)
    parts = split(labels, all_different(labels), seed)
    for label, size in zip(labels.unique(), sizes, strict=True):
        found = parts[labels == label].value_counts()
        assert found[TRAIN] == round(0.6 * size)
        assert found[TRAIN] + found[TEST] == round(0.8 * size)
        assert found.sum() == size


@given(class_sizes)
def test_the_split_depends_on_its_seed_alone(sizes):
    labels = labelled(sizes)
    assert split(labels, all_different(labels), 3).equals(split(labels, all_different(labels), 3))


def test_another_seed_is_another_split():
    labels = labelled([50, 50])
    assert not split(labels, all_different(labels), 0).equals(split(labels, all_different(labels), 1))


@given(st.data())
def test_no_content_is_on_two_sides(data):
    labels = labelled([30, 30, 30])
    contents = pd.Series(data.draw(st.lists(st.integers(0, 60), min_size=90, max_size=90))).astype(str)
    try:
        parts = split(labels, contents)
    except UserError:
        return  # a class that duplicates have emptied is refused by name
    assert (parts.groupby(contents).nunique() == 1).all()


def test_copies_leave_the_counts_as_they_are():
    labels = labelled([50, 50])
    contents = all_different(labels)
    contents[[3, 17, 60]] = contents[[4, 18, 5]].to_numpy()  # two pairs within a class, one across
    counts = split(labels, contents).value_counts()
    assert (counts[TRAIN], counts[TEST], counts[VALIDATION]) == (60, 20, 20)


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(UserError, match=r"1 of 2 classes \('class 1' \(3\)\)"):
        split(labelled([10, 3]), all_different(labelled([10, 3])))


def test_one_class_is_no_classification():
    with pytest.raises(UserError, match="two classes"):
        split(labelled([10]), all_different(labelled([10])))
