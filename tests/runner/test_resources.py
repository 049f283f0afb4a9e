from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agbench.core.errors import UserError
from agbench.runner.config import ExecutionConfig
from agbench.runner.estimate import GpuMemory
from agbench.runner.resources import Allocation, Machine, allocate
from agbench.runner.trial import Resources

GIB = 2**30


def machine(cpus, gpus=0, memory=64, gpu_memory=0):
    return Machine(cpus, gpus, memory * GIB, gpu_memory * GIB)


def asked(workers, per_gpu=None, loaders=None):
    return ExecutionConfig(workers, per_gpu=per_gpu, loaders=loaders)


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
    share = allocate(machines, asked(wanted, loaders=0))
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
    share = allocate(machines, asked(None, loaders=0), most)
    assert (share.workers, share.resources) == (workers, resources)


@pytest.mark.parametrize(("machines", "wanted"), [([machine(2)], 3), ([machine(16, 1)], 17)])
def test_more_than_there_is_is_refused(machines, wanted):
    with pytest.raises(UserError, match=f"--workers {wanted} is more than"):
        allocate(machines, asked(wanted))


@pytest.mark.parametrize("wanted", [0, -1])
def test_no_trials_at_once_are_refused(wanted):
    with pytest.raises(UserError, match="use 1 or more"):
        allocate([machine(2)], asked(wanted))


@pytest.mark.parametrize("machines", [[machine(0)], [machine(0, 1)], [machine(0, 1), machine(8)]])
def test_machines_without_a_place_for_a_trial_are_refused(machines):
    with pytest.raises(UserError, match="no machine has"):
        allocate(machines)


@given(
    st.lists(st.builds(machine, st.integers(0, 64), st.integers(0, 8)), min_size=1), st.integers(1, 64) | st.none()
)
def test_all_trials_of_a_share_find_room_at_once(machines, wanted):
    try:
        share = allocate(machines, asked(wanted))
    except UserError:
        return
    cores, gpus, per_gpu = share.resources.cpus, share.resources.gpus, share.resources.per_gpu
    assert share.workers <= sum(
        min(one.cpus // cores, one.gpus * per_gpu if gpus else one.cpus) for one in machines
    )
    assert per_gpu * share.resources.gpu_share <= 1


@given(st.lists(st.builds(machine, st.integers(1, 64), st.integers(0, 8), st.integers(1, 512)), min_size=1))
def test_no_trial_gets_what_no_machine_has(machines):
    share: Allocation = allocate(machines)
    fitting = [
        min(one.cpus // share.resources.cpus, one.gpus if share.resources.gpus else one.cpus) for one in machines
    ]
    assert share.resources.cpus >= 1
    assert 1 <= share.workers <= max(sum(fitting), 1)


@pytest.mark.parametrize(
    ("machines", "config", "seen", "workers", "resources"),
    [
        # As many as the cores allow: four for each trial.
        ([machine(16, 1, gpu_memory=80)], asked(None), 0, 4, Resources(4, 1, 4, 4)),
        # As many as the card's memory allows, estimated, and measured.
        ([machine(64, 1, gpu_memory=24)], asked(None), 0, 3, Resources(21, 1, 3, 8)),
        ([machine(64, 1, gpu_memory=24)], asked(None), 1, 12, Resources(5, 1, 12, 5)),
        ([machine(64, 1, gpu_memory=4)], asked(None), 0, 1, Resources(64, 1, 1, 8)),
        # As many as the machine's memory allows.
        ([machine(64, 1, memory=12, gpu_memory=80)], asked(None), 0, 3, Resources(21, 1, 3, 8)),
        ([machine(32, 2, gpu_memory=80)], asked(None), 0, 8, Resources(4, 1, 4, 4)),
        # Each card holds as many as the smallest one, as a trial may be sent to any.
        (
            [machine(16, 1, gpu_memory=80), machine(16, 1, gpu_memory=10)],
            asked(None),
            0,
            2,
            Resources(16, 1, 1, 8),
        ),
        ([machine(16, 1)], asked(None, per_gpu=2), 0, 2, Resources(8, 1, 2, 8)),
        ([machine(2, 1)], asked(None, per_gpu=4), 0, 2, Resources(1, 1, 4, 1)),
        ([machine(16, 1)], asked(2), 0, 2, Resources(8, 1, 2, 8)),
        ([machine(16, 2)], asked(3), 0, 3, Resources(5, 1, 2, 5)),
        # The smaller of two machines holds four at most.
        ([machine(4, 1), machine(16, 1)], asked(10), 0, 10, Resources(1, 1, 6, 1)),
        ([machine(16, 1)], asked(2, per_gpu=4, loaders=1), 0, 2, Resources(8, 1, 4, 1)),
        # Without a GPU, nothing is shared.
        ([machine(2)], asked(None, per_gpu=4, loaders=3), 0, 2, Resources(1, 0, 1, 3)),
    ],
)
def test_a_gpu_is_shared(machines, config, seen, workers, resources):
    share = allocate(machines, config, gpu_memory=GpuMemory(seen * GIB, True) if seen else None)
    assert (share.workers, share.resources) == (workers, resources)


def test_a_share_of_a_gpu_is_said_with_its_reason():
    card = [machine(16, 1, gpu_memory=80)]
    assert "each with 4 cores and 1/4 of a GPU (8.0 GiB of a GPU for each, an estimate;" in str(allocate(card))
    assert "(3.0 GiB of a GPU for each, as measured;" in str(allocate(card, gpu_memory=GpuMemory(2 * GIB, True)))
    assert "(as many a GPU as asked for;" in str(allocate(card, asked(None, per_gpu=2)))
    with pytest.raises(
        UserError, match="--workers 3 is more than the 2 cores beside GPUs, --per-gpu 2 that there"
    ):
        allocate(card, asked(3, per_gpu=2))
