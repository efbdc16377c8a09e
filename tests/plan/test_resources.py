"""linux.resources as writes to cgroup files: every property on v1, v2 and hybrid hosts."""

import math

import pytest

from ocipy.errors import ConfigError
from ocipy.plan.cgroup_layout import Layout
from ocipy.plan.resources import CheckUsage, alternative, cgroup_steps, may_be_absent, needed
from ocipy.plan.resources.cpu import weight
from ocipy.plan.steps import LoadDevices

V1_CONTROLLERS = (
    "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio hugetlb pids rdma"
)
V1 = Layout("v1", tuple((name, f"/sys/fs/cgroup/{name}", "/") for name in V1_CONTROLLERS.split()))
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc")
V2 = Layout("v2", (("", "/sys/fs/cgroup", "/"),), (), V2_CONTROLLERS)
HYBRID = Layout(
    "hybrid",
    (("memory", "/sys/fs/cgroup/memory", "/"), ("devices", "/d", "/"), ("", "/sys/fs/cgroup/unified", "/")),
    (),
    ("hugetlb", "pids"),
)

EVERYTHING = {
    "memory": {
        "limit": 536870912,
        "reservation": 268435456,
        "swap": 1073741824,
        "kernel": 100000000,
        "kernelTCP": 50000000,
        "swappiness": 10,
        "disableOOMKiller": True,
        "useHierarchy": False,
    },
    "cpu": {
        "shares": 512,
        "quota": 50000,
        "period": 100000,
        "burst": 20000,
        "idle": 1,
        "realtimeRuntime": 950000,
        "realtimePeriod": 1000000,
        "cpus": "0-1",
        "mems": "0",
    },
    "pids": {"limit": 32},
    "blockIO": {
        "weight": 100,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 0}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 16, "rate": 300}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 200}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 209715200}, {"pageSize": "1048576KB", "limit": 0}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}, "mlx4_0": {"hcaObjects": 1000}},
}


def writes(resources, layout, **how):
    """The steps but for devices, as lines: file, value, pointer below /linux/resources."""
    steps = cgroup_steps(resources, layout, **how)
    return [
        f"{step.file} = {step.value}  [{step.pointer.removeprefix('/linux/resources/')}]"
        for step in steps
        if not isinstance(step, (LoadDevices, CheckUsage)) and step.controller != "devices"
    ]


def pairs(resources, layout, **how):
    return [line.partition("  [")[0] for line in writes(resources, layout, **how)]


def problems(resources, layout, **how):
    with pytest.raises(ConfigError) as caught:
        cgroup_steps(resources, layout, **how)
    return [
        (problem.pointer.removeprefix("/linux/resources"), problem.rule) for problem in caught.value.problems
    ]


# ---------------------------------------------------------------- everything at once


def test_everything_on_v1():
    assert writes(EVERYTHING, V1) == [
        "cpuset.cpus = 0-1  [cpu/cpus]",
        "cpuset.mems = 0  [cpu/mems]",
        "memory.limit_in_bytes = 536870912  [memory/limit]",
        "memory.memsw.limit_in_bytes = 1073741824  [memory/swap]",
        "memory.soft_limit_in_bytes = 268435456  [memory/reservation]",
        "memory.kmem.limit_in_bytes = 100000000  [memory/kernel]",
        "memory.kmem.tcp.limit_in_bytes = 50000000  [memory/kernelTCP]",
        "memory.swappiness = 10  [memory/swappiness]",
        "memory.oom_control = 1  [memory/disableOOMKiller]",
        "cpu.rt_period_us = 1000000  [cpu/realtimePeriod]",
        "cpu.rt_runtime_us = 950000  [cpu/realtimeRuntime]",
        "cpu.shares = 512  [cpu/shares]",
        "cpu.idle = 1  [cpu/idle]",
        "cpu.cfs_period_us = 100000  [cpu/period]",
        "cpu.cfs_burst_us = 20000  [cpu/burst]",
        "cpu.cfs_quota_us = 50000  [cpu/quota]",
        "pids.max = 32  [pids/limit]",
        "blkio.bfq.weight = 100  [blockIO/weight]",
        "blkio.bfq.weight_device = 8:0 500  [blockIO/weightDevice/0/weight]",
        "blkio.leaf_weight_device = 8:0 300  [blockIO/weightDevice/0/leafWeight]",
        "blkio.throttle.read_bps_device = 8:0 600  [blockIO/throttleReadBpsDevice/0]",
        "blkio.throttle.write_bps_device = 8:0 0  [blockIO/throttleWriteBpsDevice/0]",
        "blkio.throttle.read_iops_device = 8:16 300  [blockIO/throttleReadIOPSDevice/0]",
        "blkio.throttle.write_iops_device = 8:16 200  [blockIO/throttleWriteIOPSDevice/0]",
        "hugetlb.2MB.rsvd.limit_in_bytes = 209715200  [hugepageLimits/0]",
        "hugetlb.2MB.limit_in_bytes = 209715200  [hugepageLimits/0]",
        "hugetlb.1GB.rsvd.limit_in_bytes = 0  [hugepageLimits/1]",
        "hugetlb.1GB.limit_in_bytes = 0  [hugepageLimits/1]",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=10000  [rdma/mlx5_1]",
        "rdma.max = mlx4_0 hca_object=1000  [rdma/mlx4_0]",
        "net_cls.classid = 1048577  [network/classID]",
        "net_prio.ifpriomap = eth0 500  [network/priorities/0]",
    ]


def test_everything_on_v2():
    warnings = []
    assert writes(EVERYTHING | {"unified": {"memory.high": "300M"}}, V2, warnings=warnings) == [
        "cpuset.cpus = 0-1  [cpu/cpus]",
        "cpuset.mems = 0  [cpu/mems]",
        "memory.swap.max = 536870912  [memory/swap]",
        "memory.max = 536870912  [memory/limit]",
        "memory.low = 268435456  [memory/reservation]",
        "cpu.weight = 59  [cpu/shares]",
        "cpu.idle = 1  [cpu/idle]",
        "cpu.max.burst = 20000  [cpu/burst]",
        "cpu.max = 50000 100000  [cpu/quota]",
        "pids.max = 32  [pids/limit]",
        "io.bfq.weight = 100  [blockIO/weight]",
        "io.bfq.weight = 8:0 500  [blockIO/weightDevice/0/weight]",
        "io.max = 8:0 rbps=600  [blockIO/throttleReadBpsDevice/0]",
        "io.max = 8:0 wbps=max  [blockIO/throttleWriteBpsDevice/0]",
        "io.max = 8:16 riops=300  [blockIO/throttleReadIOPSDevice/0]",
        "io.max = 8:16 wiops=200  [blockIO/throttleWriteIOPSDevice/0]",
        "hugetlb.2MB.rsvd.max = 209715200  [hugepageLimits/0]",
        "hugetlb.2MB.max = 209715200  [hugepageLimits/0]",
        "hugetlb.1GB.rsvd.max = 0  [hugepageLimits/1]",
        "hugetlb.1GB.max = 0  [hugepageLimits/1]",
        "rdma.max = mlx5_1 hca_handle=3 hca_object=10000  [rdma/mlx5_1]",
        "rdma.max = mlx4_0 hca_object=1000  [rdma/mlx4_0]",
        "memory.high = 300M  [unified/memory.high]",
    ]
    ignored = [line.split(" ")[1].removeprefix("/linux/resources/") for line in warnings]
    assert ignored == [
        "memory/kernel",
        "memory/kernelTCP",
        "memory/swappiness",
        "memory/disableOOMKiller",
        "cpu/realtimePeriod",
        "cpu/realtimeRuntime",
        "blockIO/weightDevice/0/leafWeight",
        "network/classID",
        "network/priorities",
    ]


@pytest.mark.parametrize("layout", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize(
    "resources", [{}, {"memory": {}, "cpu": {}, "pids": {}, "blockIO": {}, "network": {}}]
)
def test_nothing_asked_is_nothing_written_but_the_device_rules(layout, resources):
    assert writes(resources, layout) == []
    assert len(cgroup_steps(resources, layout)) == (12 if layout is V1 else 1)


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize(
    ("memory", "v1", "v2"),
    [
        ({"limit": -1}, {"limit": -1, "memsw": -1}, {"swap.max": "max", "max": "max"}),
        ({"limit": 1000}, {"limit": 1000}, {"max": 1000}),
        ({"limit": 1000, "swap": 1000}, {"limit": 1000, "memsw": 1000}, {"swap.max": 0, "max": 1000}),
        ({"limit": 1000, "swap": 3000}, {"limit": 1000, "memsw": 3000}, {"swap.max": 2000, "max": 1000}),
        ({"limit": 1000, "swap": -1}, {"limit": 1000, "memsw": -1}, {"swap.max": "max", "max": 1000}),
        ({"swap": -1}, {"memsw": -1}, {"swap.max": "max"}),
        ({"limit": 0, "swap": 0, "reservation": 0, "kernel": 0}, {}, {}),
        ({"reservation": -1}, {"soft": -1}, {"low": "max"}),
    ],
)
def test_memory_and_swap(memory, v1, v2):
    names = {"memsw": "memsw.limit_in_bytes", "limit": "limit_in_bytes", "soft": "soft_limit_in_bytes"}
    assert pairs({"memory": memory}, V1) == [f"memory.{names[key]} = {value}" for key, value in v1.items()]
    assert pairs({"memory": memory}, V2) == [f"memory.{key} = {value}" for key, value in v2.items()]


@pytest.mark.parametrize("layout", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("memory", "problem"),
    [
        ({"swap": 1000}, ("/memory/swap", "swap-without-limit")),
        ({"limit": -1, "swap": 1000}, ("/memory/swap", "swap-without-limit")),
        ({"limit": 2000, "swap": 1000}, ("/memory/swap", "swap-below-limit")),
        ({"limit": -2}, ("/memory/limit", "limit-range")),
        ({"limit": 2**63}, ("/memory/limit", "limit-range")),
        ({"reservation": -5}, ("/memory/reservation", "limit-range")),
    ],
)
def test_impossible_memory(layout, memory, problem):
    assert problems({"memory": memory}, layout) == [problem]


def test_on_v1_an_update_lifts_the_sum_first_so_that_either_limit_fits():
    assert pairs({"memory": {"limit": 1000, "swap": 3000}}, V1, update=True) == [
        "memory.memsw.limit_in_bytes = -1",
        "memory.limit_in_bytes = 1000",
        "memory.memsw.limit_in_bytes = 3000",
    ]


@pytest.mark.parametrize(("layout", "usage"), [(V1, "memory.usage_in_bytes"), (V2, "memory.current")])
def test_check_before_update_is_a_step_of_its_own_and_of_updates_only(layout, usage):
    resources = {"memory": {"limit": 1000, "checkBeforeUpdate": True}}
    check, write = cgroup_steps(resources, layout, update=True)
    assert (check.file, check.most, check.pointer) == (usage, 1000, "/linux/resources/memory/limit")
    assert write.value == "1000"
    assert not any(isinstance(step, CheckUsage) for step in cgroup_steps(resources, layout))


def test_swappiness_is_checked_on_v1_and_minus_one_leaves_it_alone():
    assert problems({"memory": {"swappiness": 101}}, V1) == [("/memory/swappiness", "swappiness-range")]
    assert pairs({"memory": {"swappiness": 0}}, V1) == ["memory.swappiness = 0"]
    for unset in (-1, 2**64 - 1):
        assert pairs({"memory": {"swappiness": unset}}, V1) == []


# ---------------------------------------------------------------- cpu


@pytest.mark.parametrize(
    ("shares", "expected"),
    [(0, 0), (1, 1), (2, 1), (3, 2), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (300000, 10000)],
)
def test_weight_of_shares(shares, expected):
    assert weight(shares) == expected


def test_weight_never_falls_and_stays_in_its_range():
    weights = [weight(shares) for shares in range(2, 262145, 7)]
    assert weights == sorted(weights)
    assert (weights[0], weights[-1]) == (1, 10000)
    assert weight(1024) == 10 ** ((math.log2(1024) ** 2 + 1250) / 612 - 7 / 34)


@pytest.mark.parametrize(
    ("cpu", "v1", "v2"),
    [
        ({"quota": -1}, ["cfs_quota_us = -1"], ["max = max 100000"]),
        ({"quota": 5000}, ["cfs_quota_us = 5000"], ["max = 5000 100000"]),
        ({"period": 50000}, ["cfs_period_us = 50000"], ["max = max 50000"]),
        ({"shares": 0, "quota": 0, "period": 0}, [], []),
        ({"idle": 0, "shares": 1024}, ["idle = 0", "shares = 1024"], ["idle = 0", "weight = 100"]),
        ({"idle": 1, "shares": 1024}, ["shares = 1024", "idle = 1"], ["weight = 100", "idle = 1"]),
        ({"burst": 0}, ["cfs_burst_us = 0"], ["max.burst = 0"]),
    ],
)
def test_processor_time_is_written_so(cpu, v1, v2):
    assert pairs({"cpu": cpu}, V1) == [f"cpu.{line}" for line in v1]
    assert pairs({"cpu": cpu}, V2) == [f"cpu.{line}" for line in v2]


def test_on_v2_an_update_of_what_only_v1_has_is_refused():
    for memory in ({"swappiness": 0}, {"disableOOMKiller": True}, {"kernel": 1}):
        (name,) = memory
        assert pairs({"memory": memory}, V2) == []
        assert problems({"memory": memory}, V2, update=True) == [(f"/memory/{name}", "no-effect")]
    unset = {"swappiness": 2**64 - 1, "disableOOMKiller": False, "kernel": 0}
    assert pairs({"memory": unset}, V2, update=True) == []


def test_an_update_may_enable_the_oom_killer_again():
    file = "memory.oom_control"
    assert pairs({"memory": {"disableOOMKiller": True}}, V1) == [f"{file} = 1"]
    assert pairs({"memory": {"disableOOMKiller": False}}, V1) == []
    assert pairs({"memory": {"disableOOMKiller": False}}, V1, update=True) == [f"{file} = 0"]


def test_an_update_lifts_the_quota_first_so_that_period_and_burst_fit():
    cpu = {"quota": 20000, "period": 40000, "burst": 10000}
    assert pairs({"cpu": cpu}, V1, update=True) == [
        "cpu.cfs_quota_us = -1",
        "cpu.cfs_period_us = 40000",
        "cpu.cfs_burst_us = 10000",
        "cpu.cfs_quota_us = 20000",
    ]
    assert pairs({"cpu": cpu}, V2, update=True) == [
        "cpu.max = max",
        "cpu.max.burst = 10000",
        "cpu.max = 20000 40000",
    ]


def test_an_update_shrinks_the_realtime_runtime_first_so_that_any_period_fits():
    cpu = {"realtimePeriod": 10000, "realtimeRuntime": 5000}
    both = ["cpu.rt_period_us = 10000", "cpu.rt_runtime_us = 5000"]
    assert pairs({"cpu": cpu}, V1) == both
    assert pairs({"cpu": cpu}, V1, update=True) == ["cpu.rt_runtime_us = 1", *both]
    assert pairs({"cpu": {"realtimePeriod": 10000}}, V1, update=True) == both[:1]


@pytest.mark.parametrize("shares", [1, 262145])
def test_v1_has_no_such_shares(shares):
    """It would cut them to 2 and 262144; the range of v2 has an end for them."""
    assert problems({"cpu": {"shares": shares}}, V1) == [("/cpu/shares", "shares-range")]
    assert pairs({"cpu": {"shares": shares}}, V2) == [f"cpu.weight = {weight(shares)}"]


@pytest.mark.parametrize("layout", [V1, V2], ids=["v1", "v2"])
def test_impossible_cpu(layout):
    assert problems({"cpu": {"quota": 999, "period": 999}}, layout) == [
        ("/cpu/quota", "quota-range"),
        ("/cpu/period", "period-range"),
    ]
    assert problems({"cpu": {"period": 1000001}}, layout) == [("/cpu/period", "period-range")]
    assert problems({"cpu": {"quota": 1000, "burst": 2000, "idle": 2}}, layout) == [
        ("/cpu/burst", "burst-above-quota"),
        ("/cpu/idle", "idle-range"),
    ]


# ---------------------------------------------------------------- the others


@pytest.mark.parametrize(("limit", "value"), [(-1, "max"), (-7, "max"), (0, "0"), (1, "1")])
@pytest.mark.parametrize("layout", [V1, V2], ids=["v1", "v2"])
def test_processes_are_limited_so(layout, limit, value):
    assert pairs({"pids": {"limit": limit}}, layout) == [f"pids.max = {value}"]


def test_io_weight_of_where_there_is_only_iocost():
    assert alternative("io.bfq.weight", "10") == ("io.weight", "1")
    assert alternative("io.bfq.weight", "8:0 1000") == ("io.weight", "8:0 10000")
    assert alternative("io.max", "8:0 rbps=1") == ("", "")


def test_io_weight_out_of_range():
    assert problems({"blockIO": {"weight": 5}}, V2) == [("/blockIO/weight", "weight-range")]


@pytest.mark.parametrize("size", ["2M", "MB", "-2MB", "2.5MB", "0MB", "2TB", ""])
def test_a_page_size_that_is_none(size):
    resources = {"hugepageLimits": [{"pageSize": size, "limit": 1}]}
    assert problems(resources, V2) == [("/hugepageLimits/0/pageSize", "huge-page-size")]


def test_unified_writes_a_line_at_a_time_after_everything_else():
    resources = {
        "unified": {"io.max": "8:0 rbps=1\n8:16 rbps=2\n", "cgroup.max.depth": "3"},
        "pids": {"limit": 1},
    }
    assert writes(resources, V2) == [
        "pids.max = 1  [pids/limit]",
        "io.max = 8:0 rbps=1  [unified/io.max]",
        "io.max = 8:16 rbps=2  [unified/io.max]",
        "cgroup.max.depth = 3  [unified/cgroup.max.depth]",
    ]


@pytest.mark.parametrize(
    ("layout", "name", "rule"),
    [
        (V2, "perf_event.x", "cgroup-controller-missing"),
        (V2, "../../pids.max", "unified-name"),
        (V2, "memory", "unified-name"),
        (V2, ".max", "unified-name"),
        (V2, "cgroup.freeze", "unified-name"),
        (V2, "cgroup.procs", "unified-name"),
        (V1, "memory.high", "unified-without-v2"),
        (HYBRID, "memory.high", "cgroup-controller-missing"),
    ],
)
def test_impossible_unified(layout, name, rule):
    pointer = "/unified/" + name.replace("/", "~1")
    assert problems({"unified": {name: "1"}}, layout) == [(pointer, rule)]


# ---------------------------------------------------------------- hosts


def test_a_controller_that_is_not_there_is_an_error_for_each_property():
    bare = Layout("v2", (("", "/sys/fs/cgroup", "/"),), (), ("pids",))
    resources = {"memory": {"limit": 1000, "swap": 2000, "reservation": 10}, "pids": {"limit": 1}}
    assert problems(resources, bare) == [
        ("/memory/swap", "cgroup-controller-missing"),
        ("/memory/limit", "cgroup-controller-missing"),
        ("/memory/reservation", "cgroup-controller-missing"),
    ]
    assert problems({"network": {"classID": 1}}, HYBRID) == [
        ("/network/classID", "cgroup-controller-missing")
    ]


def test_what_changes_nothing_needs_no_controller():
    bare = Layout("v2", (("", "/sys/fs/cgroup", "/"),), (), ())
    assert pairs({"cpu": {"idle": 0, "burst": 0}}, bare) == []


def test_on_a_hybrid_host_each_controller_is_written_where_it_lives():
    resources = {
        "memory": {"limit": 1000},
        "pids": {"limit": 5},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 7}],
        "unified": {"pids.max": "6"},
    }
    assert pairs(resources, HYBRID) == [
        "memory.limit_in_bytes = 1000",
        "pids.max = 5",
        "hugetlb.2MB.rsvd.max = 7",
        "hugetlb.2MB.max = 7",
        "pids.max = 6",
    ]


def test_device_rules_go_to_v1s_files_or_into_a_program():
    assert all(step.controller == "devices" for step in cgroup_steps({}, HYBRID))
    (program,) = cgroup_steps({}, V2)
    assert isinstance(program, LoadDevices)
    without = HYBRID.replace(mounts=HYBRID.mounts[2:])
    assert isinstance(cgroup_steps({}, without)[0], LoadDevices)


def test_a_host_without_cgroups_is_refused_but_for_rootless_containers_and_by_request():
    assert problems({}, Layout()) == [("/devices", "cgroup-missing")]
    assert cgroup_steps({}, Layout(), rootless=True) == ()
    assert cgroup_steps({}, V2, disabled=True) == ()
    assert problems({"pids": {"limit": 1}}, V2, disabled=True) == [
        ("/pids/limit", "cgroup-controller-missing")
    ]


def test_an_update_touches_devices_only_when_asked():
    assert cgroup_steps({}, V2, update=True) == ()
    assert len(cgroup_steps({"devices": [{"allow": True}]}, V2, update=True)) == 1


def test_all_problems_are_reported_at_once():
    hole = [{"allow": True, "type": "b", "major": 8}, {"allow": False, "type": "b", "major": 8, "minor": 1}]
    assert [pointer for pointer, _ in problems({"devices": hole, "memory": {"swap": 1}}, V1)] == [
        "/devices/1",
        "/memory/swap",
    ]
    resources = {
        "memory": {"swap": 1},
        "cpu": {"idle": 3},
        "hugepageLimits": [{"pageSize": "x", "limit": 1}],
        "unified": {"x": "1"},
    }
    assert [pointer for pointer, _ in problems(resources, V2)] == [
        "/memory/swap",
        "/cpu/idle",
        "/hugepageLimits/0/pageSize",
        "/unified/x",
    ]


@pytest.mark.parametrize(
    ("file", "value", "absent"),
    [
        ("memory.swap.max", "0", True),
        ("memory.swap.max", "max", True),
        ("memory.swap.max", "4096", False),
        ("memory.memsw.limit_in_bytes", "-1", True),
        ("memory.max", "max", False),
        ("hugetlb.2MB.rsvd.max", "1", True),
        ("hugetlb.2MB.max", "1", False),
        ("cpu.max.burst", "0", True),
        ("cpu.max.burst", "10", False),
        ("memory.kmem.limit_in_bytes", "1", True),
    ],
)
def test_may_be_absent(file, value, absent):
    assert may_be_absent(file, value) is absent


def test_needed_controllers():
    steps = cgroup_steps({"memory": {"limit": 1}, "unified": {"io.max": "x", "cgroup.max.depth": "0"}}, V2)
    assert needed(steps) == ("memory", "io")
