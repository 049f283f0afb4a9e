from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.errors import UserError
from agbench.runner.resources import Allocation, Machine, allocate
from agbench.runner.trial import Resources

GIB = 2**30


def machine(cpus, gpus=0, memory=64):
    return Machine(cpus, gpus, memory * GIB)


@pytest.mark.parametrize(
    ("machines", "wanted", "workers", "resources"),
    [
        ([machine(2)], None, 2, Resources(1, 0)),
        ([machine(2, memory=6)], None, 1, Resources(2, 0)),
        ([machine(16, memory=16)], None, 4, Resources(4, 0)),
        ([machine(1, memory=1)], None, 1, Resources(1, 0)),
        ([machine(16)], 4, 4, Resources(4, 0)),
        ([machine(3)], 2, 2, Resources(1, 0)),
        ([machine(16, 1)], None, 1, Resources(16, 1)),
        ([machine(32, 8)], None, 8, Resources(4, 1)),
        ([machine(32, 8, memory=12)], None, 3, Resources(4, 1)),
        ([machine(32, 4)], 2, 2, Resources(16, 1)),
        ([machine(4), machine(8)], None, 12, Resources(1, 0)),
        ([machine(4), machine(8, memory=16)], None, 8, Resources(1, 0)),
        ([machine(8, 2), machine(8)], None, 2, Resources(4, 1)),
        ([machine(4), machine(4)], 2, 2, Resources(4, 0)),
        ([machine(4), machine(4)], 1, 1, Resources(4, 0)),
        ([machine(4), machine(1, 1)], 1, 1, Resources(1, 1)),
        ([machine(0), machine(64)], None, 16, Resources(4, 0)),
        ([machine(0, 1), machine(4, 1)], None, 1, Resources(4, 1)),
    ],
)
def test_machines_are_divided(machines, wanted, workers, resources):
    share = allocate(machines, wanted)
    assert (share.workers, share.resources) == (workers, resources)
    assert str(share).startswith("one trial at a time" if workers == 1 else f"{workers} trials at once")
    assert re.search(r"; (1 core|\d+ cores), ", share.why)


@pytest.mark.parametrize(
    ("machines", "most", "workers", "resources"),
    [
        ([machine(2)], 1, 1, Resources(2, 0)),
        ([machine(16)], 3, 3, Resources(5, 0)),
        ([machine(2)], 3, 2, Resources(1, 0)),
        ([machine(16, memory=8)], 3, 2, Resources(8, 0)),
        ([machine(16, 2)], 1, 2, Resources(8, 1)),
    ],
)
def test_few_trials_share_all_cores(machines, most, workers, resources):
    share = allocate(machines, None, most)
    assert (share.workers, share.resources) == (workers, resources)


@pytest.mark.parametrize(("machines", "wanted"), [([machine(2)], 3), ([machine(16, 1)], 2)])
def test_more_than_there_is_is_refused(machines, wanted):
    with pytest.raises(UserError, match=f"--workers {wanted} is more than"):
        allocate(machines, wanted)


@pytest.mark.parametrize("wanted", [0, -1])
def test_no_trials_at_once_are_refused(wanted):
    with pytest.raises(UserError, match="use 1 or more"):
        allocate([machine(2)], wanted)


@pytest.mark.parametrize("machines", [[machine(0)], [machine(0, 1)], [machine(0, 1), machine(8)]])
def test_machines_without_a_place_for_a_trial_are_refused(machines):
    with pytest.raises(UserError, match="no machine has"):
        allocate(machines, None)


@given(
    st.lists(st.builds(machine, st.integers(0, 64), st.integers(0, 8)), min_size=1), st.integers(1, 64) | st.none()
)
def test_all_trials_of_a_share_find_room_at_once(machines, wanted):
    try:
        share = allocate(machines, wanted)
    except UserError:
        return
    cores, gpus = share.resources.cpus, share.resources.gpus
    assert share.workers <= sum(min(one.cpus // cores, one.gpus if gpus else one.cpus) for one in machines)


@given(st.lists(st.builds(machine, st.integers(1, 64), st.integers(0, 8), st.integers(1, 512)), min_size=1))
def test_no_trial_gets_what_no_machine_has(machines):
    share: Allocation = allocate(machines, None)
    fitting = [
        min(one.cpus // share.resources.cpus, one.gpus if share.resources.gpus else one.cpus) for one in machines
    ]
    assert share.resources.cpus >= 1
    assert 1 <= share.workers <= max(sum(fitting), 1)
