"""An update: what is written, what holds afterwards, what is refused, and how it is taken back."""

import pytest
from hypothesis import given

from ocipy.errors import ConfigError
from ocipy.plan.devices import v1, v1_change
from ocipy.plan.resources import CheckUsage
from ocipy.plan.resources.undo import undo
from ocipy.plan.steps import LoadDevices
from ocipy.plan.update import compile_update
from tests.plan.test_devices import DENY_ALL, KernelV1, entries
from tests.plan.test_resources import HYBRID, V1, V2

MIB = 1024 * 1024
LOOP = {"allow": True, "type": "b", "major": 7, "access": "r"}


def writes(change, current, layout, **how):
    steps = compile_update(change, current, layout, **how).steps
    return [f"{step.file} = {step.value}" for step in steps]


def problems(change, current, layout, **how):
    with pytest.raises(ConfigError) as caught:
        compile_update(change, current, layout, **how)
    return [f"{problem.pointer}: {problem.message}" for problem in caught.value.problems]


def holds(change, current, layout=V2):
    return compile_update(change, current, layout).resources


# ---------------------------------------------------------------- what is written


def test_what_an_update_does_not_speak_of_is_not_written():
    current = {"memory": {"limit": MIB}, "cpu": {"shares": 512, "quota": 5000}, "devices": [DENY_ALL]}
    assert writes({"pids": {"limit": 7}}, current, V1) == ["pids.max = 7"]


def test_an_update_that_says_nothing_writes_nothing():
    # As dockerd sends it.
    change = {
        "memory": {"limit": 0, "reservation": 0, "kernel": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""},
        "blockIO": {"weight": 0},
        "devices": [],
    }
    current = {"memory": {"limit": MIB, "swap": MIB}, "cpu": {"quota": 5000}}
    for layout in (V1, V2):
        assert writes(change, current, layout) == []
    assert holds(change, current) == {**current, "blockIO": {}}


def test_a_new_period_keeps_the_quota_and_a_new_quota_the_period():
    current = {"cpu": {"quota": 20000, "period": 100000}}
    assert writes({"cpu": {"period": 50000}}, current, V2) == ["cpu.max = max", "cpu.max = 20000 50000"]
    assert writes({"cpu": {"quota": 10000}}, current, V2) == ["cpu.max = max", "cpu.max = 10000 100000"]
    assert writes({"cpu": {"period": 50000}}, current, V1) == [
        "cpu.cfs_quota_us = -1",
        "cpu.cfs_period_us = 50000",
        "cpu.cfs_quota_us = 20000",
    ]


def test_a_new_memory_limit_keeps_the_sum_of_memory_and_swap():
    current = {"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}
    change = {"memory": {"limit": 32 * MIB}}
    assert writes(change, current, V2) == [
        f"memory.swap.max = {64 * MIB}",
        f"memory.max = {32 * MIB}",
    ]
    assert writes(change, current, V1) == [
        "memory.memsw.limit_in_bytes = -1",
        f"memory.limit_in_bytes = {32 * MIB}",
        f"memory.memsw.limit_in_bytes = {96 * MIB}",
    ]


def test_a_new_swap_limit_is_reckoned_with_the_memory_limit_that_holds():
    current = {"memory": {"limit": 64 * MIB}}
    assert writes({"memory": {"swap": 80 * MIB}}, current, V2) == [
        f"memory.swap.max = {16 * MIB}",
        f"memory.max = {64 * MIB}",
    ]


def test_unlimited_memory_is_unlimited_swap_as_well():
    current = {"memory": {"limit": MIB, "swap": MIB}}
    change = {"memory": {"limit": -1}}
    assert writes(change, current, V2) == ["memory.swap.max = max", "memory.max = max"]
    assert holds(change, current) == {"memory": {"limit": -1}}


def test_a_limit_is_checked_against_use_if_the_container_was_made_so():
    current = {"memory": {"limit": 64 * MIB, "checkBeforeUpdate": True}}
    steps = compile_update({"memory": {"limit": MIB}}, current, V2).steps
    assert isinstance(steps[0], CheckUsage)
    steps = compile_update({"memory": {"limit": MIB, "checkBeforeUpdate": False}}, current, V2).steps
    assert not any(isinstance(step, CheckUsage) for step in steps)


def test_a_cgroup_that_is_idle_no_more_gets_its_shares_back():
    current = {"cpu": {"shares": 512, "idle": 1}}
    assert writes({"cpu": {"idle": 0}}, current, V1) == ["cpu.idle = 0", "cpu.shares = 512"]


def test_entries_about_the_same_device_replace_each_other_in_what_holds():
    sda, sdb = {"major": 8, "minor": 0}, {"major": 8, "minor": 16}
    current = {"blockIO": {"throttleReadBpsDevice": [{**sda, "rate": 1}, {**sdb, "rate": 2}]}}
    change = {"blockIO": {"throttleReadBpsDevice": [{**sda, "rate": 5}]}}
    assert writes(change, current, V2) == ["io.max = 8:0 rbps=5"]
    assert holds(change, current)["blockIO"]["throttleReadBpsDevice"] == [
        {**sda, "rate": 5},
        {**sdb, "rate": 2},
    ]


def test_every_kind_of_property_can_be_updated():
    change = {
        "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
        "network": {"classID": 5, "priorities": [{"name": "eth0", "priority": 2}]},
        "rdma": {"mlx5_1": {"hcaHandles": 3}},
    }
    assert writes(change, {}, V1) == [
        "hugetlb.2MB.rsvd.limit_in_bytes = 0",
        "hugetlb.2MB.limit_in_bytes = 0",
        "rdma.max = mlx5_1 hca_handle=3",
        "net_cls.classid = 5",
        "net_prio.ifpriomap = eth0 2",
    ]
    assert writes({"unified": {"memory.high": "5"}}, {}, V2) == ["memory.high = 5"]


# ---------------------------------------------------------------- what is refused


def test_what_would_have_no_effect_is_refused_by_name():
    assert problems({"memory": {"swappiness": 5, "kernel": 9}}, {}, V2) == [
        "/memory/kernel: cgroup v2 has nothing like it",
        "/memory/swappiness: cgroup v2 has nothing like it",
    ]
    assert problems({"cpu": {"realtimeRuntime": 5}}, {}, V2) == [
        "/cpu/realtimeRuntime: cgroup v2 has no realtime group scheduling"
    ]
    # What the container was made with is nothing new.
    assert writes({"pids": {"limit": 1}}, {"memory": {"swappiness": 5}}, V2) == ["pids.max = 1"]


def test_all_that_is_wrong_is_said_at_once():
    change = {"memory": {"limit": 9}, "cpu": {"shares": 3}, "devices": [LOOP], "unified": {"x": "1"}}
    current = {"memory": {"limit": 5, "swap": 6}, "cpu": {"idle": 1}}
    assert problems(change, current, V2, rootless=True) == [
        "/cpu/shares: an idle cgroup has no shares: set idle to 0 as well",
        "/devices: a rootless container has no device rules",
        "/memory/swap: 6 bytes of memory and swap are less than memory.limit, 9",
        '/unified/x: "x" is not the name of a cgroup file',
    ]


def test_swap_without_memory_is_refused():
    assert problems({"memory": {"swap": 5}}, {}, V1) == [
        "/memory/swap: can't be limited without memory.limit"
    ]


# ---------------------------------------------------------------- devices


def test_on_v2_the_device_program_is_replaced_and_can_be_brought_back():
    update = compile_update({"devices": [DENY_ALL, LOOP]}, {"devices": [DENY_ALL]}, V2)
    (new,), (old,) = update.steps, update.devices
    assert isinstance(new, LoadDevices)
    assert isinstance(old, LoadDevices)
    assert new.program != old.program
    assert compile_update({"devices": [DENY_ALL]}, {"devices": [LOOP]}, V2).steps[0].program == old.program


def test_on_v1_only_what_differs_is_written():
    current = {"devices": [DENY_ALL, {**LOOP, "access": "w"}]}
    for layout in (V1, HYBRID):
        assert writes({"devices": [DENY_ALL, LOOP]}, current, layout) == [
            "devices.allow = b 7:* r",
            "devices.deny = b 7:* w",
        ]


def test_when_the_default_turns_all_rules_are_written():
    update = compile_update({"devices": [{"allow": True}]}, {"devices": [DENY_ALL]}, V1)
    assert [f"{step.file} = {step.value}" for step in update.steps] == ["devices.allow = a"]
    assert update.devices == v1([DENY_ALL], "")


@given(entries, entries)
def test_the_change_leads_where_writing_anew_leads(old, new):
    try:
        kernel, expected = KernelV1(v1(old, "")), KernelV1(v1(new, ""))
        steps = v1_change(old, new, "")
    except ConfigError:  # what v1 can't express
        return
    for step in steps:
        kernel.write(step.file == "devices.allow", step.value)
    assert (kernel.allow, kernel.exceptions) == (expected.allow, expected.exceptions)


# ---------------------------------------------------------------- back


@pytest.mark.parametrize(
    ("file", "value", "text", "back"),
    [
        ("memory.max", "5", "max\n", "max"),
        ("cpu.max", "5000 10000", "max 100000\n", "max 100000"),
        ("cpuset.cpus", "0", "\n", "\n"),
        ("io.max", "8:16 rbps=5", "8:0 rbps=9 wbps=max riops=max wiops=max\n", None),
        ("blkio.throttle.read_bps_device", "8:0 5", "", "8:0 0"),
        ("blkio.throttle.read_bps_device", "8:0 5", "8:0 77\n8:16 1\n", "8:0 77"),
        ("blkio.bfq.weight", "5", "100\n", "100"),
        ("io.bfq.weight", "5", "default 100\n", "default 100"),
        ("rdma.max", "a hca_handle=2", "a hca_handle=3 hca_object=max\n", "a hca_handle=3 hca_object=max"),
        ("net_prio.ifpriomap", "eth0 5", "lo 0\neth0 2\n", "eth0 2"),
        ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "0"),
        ("hugetlb.2MB.max", "0", "max\n", "max"),
    ],
)  # fmt: skip
def test_what_a_file_said_tells_how_to_take_a_write_back(file, value, text, back):
    assert undo(file, value, text) == (back or "8:16 rbps=max wbps=max riops=max wiops=max")


def test_a_file_that_says_more_than_it_takes_can_not_be_taken_back():
    assert undo("memory.numa_stat", "1", "anon N0=1\nfile N0=2\n") is None
