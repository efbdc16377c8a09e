"""A container as a systemd unit: its name, and linux.resources as properties."""

import copy

import pytest

from ocipy.errors import ConfigError
from ocipy.plan import steps
from ocipy.plan.compile import compile
from ocipy.plan.systemd_properties import (
    INFINITY,
    Property,
    changed,
    of_annotations,
    of_resources,
    scope_properties,
)
from ocipy.plan.systemd_unit import Unit, expand, unit_of
from ocipy.plan.update import compile_update
from tests.plan.hosts import EXAMPLES, HOSTS, OPTIONS, V1, V2

MIB = 1024 * 1024


def values(properties):
    return {prop.name: prop.value for prop in properties if not prop.name.startswith("Device")}


# ---------------------------------------------------------------- the unit


@pytest.mark.parametrize(
    ("path", "rootless", "unit"),
    [
        ("", False, Unit("ocipy-web.scope", "system.slice")),
        ("", True, Unit("ocipy-web.scope", "user.slice")),
        ("machine.slice:libpod:abc", False, Unit("libpod-abc.scope", "machine.slice")),
        (":docker:abc", False, Unit("docker-abc.scope", "system.slice")),
        (":docker:abc", True, Unit("docker-abc.scope", "user.slice")),
        ("a.slice::abc", False, Unit("abc.scope", "a.slice")),
        ("-.slice:x:abc", False, Unit("x-abc.scope", "-.slice")),
        (":x:a+b", False, Unit(r"x-a\x2bb.scope", "system.slice")),
    ],
)
def test_the_scope_of_a_container_is_named_by_its_cgroups_path(path, rootless, unit):
    assert unit_of(path, "web", rootless) == unit


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/libpod_parent/web", "is not slice:prefix:name"),
        ("web", "is not slice:prefix:name"),
        ("a.slice:web", "is not slice:prefix:name"),
        ("a.slice:x:", "is not slice:prefix:name"),
        ("a.slice:x:y:z", "is not slice:prefix:name"),
        ("a.slice:x:../y", "is not slice:prefix:name"),
        ("a:x:y", '"a" is not the name of a slice'),
        ("a--b.slice:x:y", "is not the name of a slice"),
        ("a.slice:x:y.slice", '"y.slice" is a slice, which has no processes'),
        (":x:" + "y" * 300, "the scope's name has 308 characters, systemd takes 255"),
    ],
)
def test_a_path_that_names_no_scope_is_refused(path, why):
    with pytest.raises(ConfigError) as caught:
        unit_of(path, "web")
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.rule) == ("/linux/cgroupsPath", "systemd-unit")
    assert why in problem.message


def test_a_slice_is_in_those_that_its_name_begins_with():
    assert expand("a-b-c.slice") == "/a.slice/a-b.slice/a-b-c.slice"
    assert Unit("x.scope", "-.slice").path == "/x.scope"


@pytest.mark.parametrize("name", ["memory.scope", "_x.scope", "cgroup.scope"])
def test_a_cgroup_has_no_name_that_a_file_of_the_kernel_could_have(name):
    assert Unit(name, "a.slice").path == f"/a.slice/_{name}"


# ---------------------------------------------------------------- limits

RESOURCES = [
    ({}, {}, {}),
    (
        {"memory": {"limit": 8 * MIB, "swap": 12 * MIB, "reservation": 4 * MIB}},
        {"MemoryLimit": 8 * MIB},
        {"MemoryMax": 8 * MIB, "MemorySwapMax": 4 * MIB, "MemoryLow": 4 * MIB},
    ),
    (
        {"memory": {"limit": -1}},
        {"MemoryLimit": INFINITY},
        {"MemoryMax": INFINITY, "MemorySwapMax": INFINITY},
    ),
    ({"memory": {"limit": 8 * MIB, "swap": 8 * MIB}}, None, {"MemoryMax": 8 * MIB, "MemorySwapMax": 0}),
    ({"cpu": {"shares": 1024}}, {"CPUShares": 1024}, {"CPUWeight": 100}),
    ({"cpu": {"shares": 1024, "idle": 1}}, {"CPUShares": 1024}, {"CPUWeight": 0}),
    ({"cpu": {"idle": 0}}, {}, {"CPUWeight": INFINITY}),
    ({"cpu": {"quota": 20000}}, {"CPUQuotaPerSecUSec": 200_000}, {"CPUQuotaPerSecUSec": 200_000}),
    ({"cpu": {"quota": 12345}}, None, {"CPUQuotaPerSecUSec": 130_000}),
    (
        {"cpu": {"quota": 5000, "period": 50000}},
        None,
        {"CPUQuotaPeriodUSec": 50000, "CPUQuotaPerSecUSec": 100_000},
    ),
    ({"cpu": {"quota": -1}}, None, {"CPUQuotaPerSecUSec": INFINITY}),
    ({"cpu": {"period": 50000}}, None, {"CPUQuotaPeriodUSec": 50000, "CPUQuotaPerSecUSec": INFINITY}),
    (
        {"cpu": {"cpus": "0-1,8", "mems": "0"}},
        {"AllowedCPUs": b"\x03\x01", "AllowedMemoryNodes": b"\x01"},
        {"AllowedCPUs": b"\x03\x01", "AllowedMemoryNodes": b"\x01"},
    ),
    ({"cpu": {"cpus": "nonsense"}}, {}, {}),
    ({"pids": {"limit": 10}}, {"TasksMax": 10}, {"TasksMax": 10}),
    ({"pids": {"limit": -1}}, {"TasksMax": INFINITY}, {"TasksMax": INFINITY}),
    ({"pids": {"limit": 0}}, {"TasksMax": 1}, {"TasksMax": 1}),
    ({"blockIO": {"weight": 100}}, {"BlockIOWeight": 100}, {"IOWeight": 910}),
    ({"blockIO": {"weight": 5}}, {}, {}),
    (
        {
            "memory": {"limit": 8 * MIB},
            "unified": {"memory.max": "max", "memory.high": "5", "pids.max": "7", "io.max": "8:0 rbps=1"},
        },
        None,
        {"MemoryMax": INFINITY, "MemoryHigh": 5, "TasksMax": 7},
    ),
    (
        {"unified": {"cpu.max": "max 50000", "cpu.weight": "30"}},
        None,
        {"CPUQuotaPeriodUSec": 50000, "CPUQuotaPerSecUSec": INFINITY, "CPUWeight": 30},
    ),
    (
        {"unified": {"cpu.max": "5000"}},
        None,
        {"CPUQuotaPeriodUSec": 100_000, "CPUQuotaPerSecUSec": 50_000},
    ),
    ({"unified": {"cpu.idle": "1", "cpu.weight": "30"}}, None, {"CPUWeight": 0}),
    ({"unified": {"cpuset.cpus": "1", "memory.zswap.max": "0"}}, None, None),
    ({"unified": {"cpu.max": "much", "memory.max": "-5", "cpuset.cpus": "x"}}, None, {}),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 5}], "rdma": {"a": {"hcaHandles": 1}}}, {}, {}),
]


@pytest.mark.parametrize(("resources", "v1", "v2"), RESOURCES)
def test_limits_are_properties_as_far_as_systemd_has_some(resources, v1, v2):
    for layout, expected in ((V1, v1), (V2, v2)):
        if expected is not None:
            assert values(of_resources(resources, layout)) == expected


def test_what_only_newer_versions_have_says_so():
    resources = {"cpu": {"idle": 1}, "unified": {"memory.zswap.max": "0", "cpuset.mems": "0"}}
    since = {prop.name: prop.since for prop in of_resources(resources, V2)}
    assert since["CPUWeight"] == 252
    assert since["MemoryZSwapMax"] == 253
    assert since["AllowedMemoryNodes"] == 0


def device_properties(entries, **how):
    return [prop for prop in of_resources({"devices": entries}, V2, **how) if prop.name.startswith("Dev")]


def test_devices_are_allowed_by_number_major_or_type():
    entries = [
        {"allow": False},
        {"allow": True, "type": "b", "major": 8, "access": "r"},
        {"allow": True, "type": "b", "major": 8, "minor": 1, "access": "rw"},
        {"allow": True, "type": "c", "minor": 9, "access": "r"},
    ]
    policy, nothing, allow = device_properties(entries)
    assert (policy.value, nothing.value) == ("strict", [])
    allowed = dict(allow.value)
    assert allowed["block-8"] == "r"
    assert allowed["/dev/block/8:1"] == "rw"
    assert allowed["char-*"] == "rm"  # a superset: beside the default rule for mknod
    assert allowed["/dev/char/1:3"] == "rwm"


def test_who_may_use_every_device_has_no_policy_and_rootless_there_is_none():
    assert [str(prop) for prop in device_properties([{"allow": True}])] == [
        "DevicePolicy=auto",
        "DeviceAllow=",
    ]
    assert device_properties([], rootless=True) == []


# ---------------------------------------------------------------- the scope


def test_a_scope_is_delegated_and_leaves_nothing_behind():
    made = values(scope_properties({}, "web", V2))
    assert made["Delegate"] is True
    assert made["DefaultDependencies"] is False
    assert made["CollectMode"] == "inactive-or-failed"
    assert made["IOAccounting"]
    assert "BlockIOAccounting" in values(scope_properties({}, "web", V1))


def test_killing_all_at_once_is_a_policy():
    config = {"linux": {"resources": {"unified": {"memory.oom.group": "1"}}}}
    assert values(scope_properties(config, "web", V2))["OOMPolicy"] == "kill"


@pytest.mark.parametrize(
    ("name", "text", "made"),
    [
        ("CollectMode", "'inactive'", ("CollectMode", "s", "inactive")),
        ("TimeoutStopSec", "uint64 5", ("TimeoutStopUSec", "t", 5_000_000)),
        ("TimeoutStopSec", "1.5", ("TimeoutStopUSec", "t", 1_500_000)),
        ("TimeoutStopUSec", "uint64 5", ("TimeoutStopUSec", "t", 5)),
        ("After", "['a.service']", ("After", "as", ["a.service"])),
    ],
)
def test_an_annotation_is_a_property(name, text, made):
    annotations = {f"org.systemd.property.{name}": text, "org.systemd": "x", "other": "y"}
    assert of_annotations(annotations) == [Property(*made)]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("Collect Mode", "'x'", '"Collect Mode" is not the name of a property'),
        ("X", "'x'", '"X" is not the name of a property'),
        ("CollectMode", "inactive", '"inactive" is no value: text needs quotes'),
        ("TimeoutStopSec", "'5'", "'5' is not a number of seconds"),
        ("TimeoutStopSec", "-5", "-5 is not a number of seconds"),
    ],
)
def test_an_annotation_that_is_none_is_refused_where_it_is(name, text, why):
    config = copy.deepcopy(EXAMPLES["minimal"])
    config["annotations"] = {f"org.systemd.property.{name}": text}
    with pytest.raises(ConfigError) as caught:
        compile(config, OPTIONS.replace(systemd=True), HOSTS["v2"])
    (problem,) = caught.value.problems
    assert problem.pointer == f"/annotations/org.systemd.property.{name}"
    assert problem.message == why
    compile(config, OPTIONS, HOSTS["v2"])  # who does not ask systemd does not mind


# ---------------------------------------------------------------- updates


def test_an_update_tells_systemd_when_the_kernel_has_agreed_and_can_take_it_back():
    current = {"memory": {"limit": 8 * MIB}, "cpu": {"quota": 20000}}
    made = compile_update({"cpu": {"quota": 12345}, "pids": {"limit": 5}}, current, V2, unit="x.scope")
    (told,) = [step for step in made.steps if isinstance(step, steps.SetProperties)]
    assert values(told.properties) == {"CPUQuotaPerSecUSec": 130_000, "TasksMax": 5}
    assert values(told.undone().properties) == {"CPUQuotaPerSecUSec": 200_000, "TasksMax": INFINITY}
    again = made.steps[made.steps.index(told) + 1 :]
    assert [str(step) for step in again] == ["write 12345 100000 to cpu.max", "write 5 to pids.max"]


def test_limits_that_were_not_there_before_are_none_again():
    change = {"memory": {"limit": 5, "reservation": 5}, "cpu": {"cpus": "0"}, "devices": [{"allow": False}]}
    new, old = changed(change, {"devices": [{"allow": True}]}, V2)
    assert {prop.name for prop in new} == {prop.name for prop in old}
    was = {prop.name: prop.value for prop in old}
    assert was == {
        "MemoryMax": INFINITY,
        "MemoryLow": 0,
        "AllowedCPUs": b"",
        "DevicePolicy": "auto",
        "DeviceAllow": [],
    }


def test_what_systemd_knows_nothing_of_is_only_written():
    made = compile_update({"hugepageLimits": [{"pageSize": "2MB", "limit": 4}]}, {}, V2, unit="x.scope")
    assert not any(isinstance(step, steps.SetProperties) for step in made.steps)
    made = compile_update({"pids": {"limit": 5}}, {}, V2)
    assert not any(isinstance(step, steps.SetProperties) for step in made.steps)
