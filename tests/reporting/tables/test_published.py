from __future__ import annotations

from dataclasses import asdict

import pytest

from agbench.analysis import paper
from agbench.analysis.paper import TABLE_1, TABLE_2, TABLE_3
from agbench.data.catalogue import Catalogue


def test_the_cells_that_can_not_be_right_are_found_and_no_others():
    found = {(one.table, one.dataset, one.column) for one in paper.audit()}
    assert found == {
        ("II", "dtd", "compressed input, drop"),
        ("II", "pets", "small model, drop"),
        ("II", "caltech256", "small model, drop"),
        ("II", "cifar10", "small model, drop"),
        ("II", "cifar10", "large model, drop"),
        ("II", "sun397", "small model, drop"),
        ("III", "dtd", "relative performance"),
    }


def test_the_large_model_of_cifar10_has_two_readings():
    (one,) = [one for one in paper.audit() if (one.dataset, one.column) == ("cifar10", "large model, drop")]
    assert "0.9435" in one.remark


def test_the_two_tables_have_the_same_accuracies():
    for dataset, row in TABLE_2.items():
        assert (row.small, row.compressed) == (
            TABLE_3[dataset].original_accuracy,
            TABLE_3[dataset].compressed_accuracy,
        )


def test_the_cards_have_the_counts_of_table_1(tmp_path):
    catalogue = Catalogue(tmp_path)
    for name, row in TABLE_1.items():
        assert catalogue.card(name).paper.model_dump() == asdict(row)


def test_the_savings_are_the_65_to_86_percent_of_the_text():
    saved = [1 - row.relative_size for row in TABLE_3.values()]
    assert min(saved) == pytest.approx(0.65, abs=0.005)
    assert max(saved) == pytest.approx(0.86, abs=0.005)


def test_every_cell_of_a_row_is_given_and_none_of_other_data_sets():
    assert [len(paper.printed(name)) for name in ("dtd", "cifar100", "digits")] == [17, 11, 0]
