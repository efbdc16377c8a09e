"""``--systemd-cgroup``: a container is a scope, with its limits as properties, of which nothing stays.

What limits feel like in one, test_limits.py and test_update.py ask for every manager.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ocipy.cgroups.layout import detect
from tests.conftest import MANAGERS, TREE, need
from tests.kernel.box import until
from tests.kernel.limits import MIB, control, counters, version

pytestmark = [pytest.mark.kernel, pytest.mark.parametrize("manager", ["systemd"], indirect=True)]


@pytest.fixture(autouse=True)
def systemd():
    need("systemd" in MANAGERS, "no systemd", kernel=True)


def systemctl(*words):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=True).stdout


def shown(unit, *names):
    """Properties of a unit, as systemctl lists them."""
    text = systemctl("show", unit, *(f"--property={name}" for name in names))
    return dict(line.partition("=")[::2] for line in text.splitlines())


def is_loaded(unit):
    return shown(unit, "LoadState")["LoadState"] == "loaded"


@pytest.fixture
def scope(box):
    """The scope's name of a box that is yet to be made; at the end nothing may be left of it."""
    path = box.place("ocipytest")
    unit = path.rpartition("/")[2]
    yield unit
    box.ocipy("delete", "--force", box.id)
    until(lambda: not is_loaded(unit))
    assert [path for path, _, _ in os.walk("/sys/fs/cgroup") if unit in path] == []


# ---------------------------------------------------------------- what it is


def test_a_scope_has_the_limits_as_properties_and_in_its_files(box, scope):
    box.linux["resources"].update(
        memory={"limit": 32 * MIB, "swap": 48 * MIB, "reservation": 8 * MIB},
        cpu={"shares": 512, "quota": 12345, "period": 100000},
        pids={"limit": 20},
        blockIO={"weight": 500},
    )
    if version("cpu") == 1:
        del box.linux["resources"]["blockIO"]
    try:
        box.start("sleep", "1000")
    except AssertionError as error:
        # Neither BFQ nor iocost: it is said, and the rest is tried without.
        assert "blockIO/weight" in str(error), error
        del box.linux["resources"]["blockIO"]
        box.start("sleep", "1000")
    made = shown(scope, "Delegate", "CollectMode", "DefaultDependencies", "Slice", "ActiveState", "TasksMax",
                 "CPUQuotaPerSecUSec", "MemoryMax", "MemorySwapMax", "MemoryLow", "CPUWeight")  # fmt: skip
    assert made["Delegate"] == "yes"
    assert made["CollectMode"] == "inactive-or-failed"
    assert made["DefaultDependencies"] == "no"
    assert made["Slice"] == "ocipytest.slice"
    assert made["ActiveState"] == "active"
    assert made["TasksMax"] == "20"
    assert made["CPUQuotaPerSecUSec"] == "130ms"
    if detect().mode == "v2":  # of a hybrid host's cgroup2 systemd has no properties
        assert made["MemoryMax"] == str(32 * MIB)
        assert made["MemorySwapMax"] == str(16 * MIB)
        assert made["MemoryLow"] == str(8 * MIB)
        assert made["CPUWeight"] == "59"
    assert control(box, "memory", "memory.limit_in_bytes", "memory.max") == str(32 * MIB)
    assert control(box, "pids", "pids.max", "pids.max") == "20"
    if version("cpu") == 2:
        assert control(box, "cpu", "", "cpu.max") == "12345 100000"


def test_processors_and_devices_are_properties_too(box, scope):
    version("cpuset")
    box.linux["resources"]["cpu"] = {"cpus": "0", "mems": "0"}
    box.linux["resources"]["devices"] = [
        {"allow": False},
        {"allow": True, "type": "b", "major": 7, "access": "r"},
    ]
    box.start("sleep", "1000")
    made = shown(scope, "AllowedCPUs", "AllowedMemoryNodes")
    assert made == {"AllowedCPUs": "0", "AllowedMemoryNodes": "0"}


def test_devices_are_those_that_the_rules_allow(box, scope):
    rule = {"allow": True, "type": "b", "major": 7, "access": "r"}
    box.linux["resources"]["devices"] = [{"allow": False}, rule]
    box.start("sleep", "1000")
    listed = systemctl("show", scope, "--property=DevicePolicy", "--property=DeviceAllow").splitlines()
    assert "DevicePolicy=strict" in listed
    assert "DeviceAllow=block-7 r" in listed
    assert "DeviceAllow=/dev/char/1:3 rwm" in listed


TREE_OF_SLICES = "ocipytest.slice/ocipytest-a.slice/ocipytest-a-b.slice"


@pytest.mark.parametrize(
    ("path", "unit", "slice_"),
    [
        ("", "ocipy-{id}.scope", "system.slice"),
        ("ocipytest-a-b.slice:libpod:{id}", "libpod-{id}.scope", TREE_OF_SLICES),
        (":x:{id}+y", r"x-{id}\x2by.scope", "system.slice"),
    ],
)
def test_it_is_where_its_path_says(box, path, unit, slice_):
    box.linux["cgroupsPath"] = path.format(id=box.id)
    box.start("sleep", "1000")
    lines = dict(line.split(":", 2)[1:] for line in box.proc("cgroup").splitlines())
    place = lines.get("name=systemd") or lines[""]
    assert place == f"/{slice_}/{unit.format(id=box.id)}"
    box.delete("--force")
    until(lambda: not is_loaded(unit.format(id=box.id)))


def test_annotations_are_properties(box, scope):
    box.config["annotations"] = {
        "org.systemd.property.TimeoutStopSec": "uint64 7",
        "org.systemd.property.Description": "'a web server'",
    }
    box.start("sleep", "1000")
    made = shown(scope, "TimeoutStopUSec", "Description")
    assert made == {"TimeoutStopUSec": "7s", "Description": "a web server"}


# ---------------------------------------------------------------- its verbs


def test_later_verbs_need_no_flag(box, scope):
    box.start("sleep", "1000")
    launcher, root = box.ocipy.command

    def plain(*words):
        command = [launcher, "--root", root, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    box.exec("sleep", "1000", flags=["-d"])
    pids = json.loads(plain("ps", "--format", "json", box.id))
    assert len(pids) == 2
    assert len({box.proc("cgroup", pid) for pid in pids}) == 1
    plain("pause", box.id)
    assert json.loads(plain("state", box.id))["status"] == "paused"
    plain("resume", box.id)
    plain("update", "--pids-limit", "9", box.id)
    assert shown(scope, "TasksMax") == {"TasksMax": "9"}
    assert json.loads(plain("events", "--stats", box.id))["data"]["pids"]["limit"] == 9
    plain("kill", "--all", box.id, "KILL")
    box.stopped()
    plain("delete", box.id)


def test_one_that_has_ended_leaves_its_name_to_another(boxes):
    """And who deletes it then does not touch the other one."""
    first, second = boxes(), boxes()
    second.linux["cgroupsPath"] = first.place("ocipytest") and first.linux["cgroupsPath"]
    first.start("true")
    first.stopped()
    second.start("sleep", "1000")
    assert first.ocipy("ps", first.id).stdout.count("\n") <= 1
    first.delete()
    assert second.state()["status"] == "running"
    assert second.exec("echo", "here") == "here\n"


def test_a_name_that_is_taken_is_refused_and_its_owner_goes_on(boxes):
    first, second = boxes(), boxes()
    second.linux["cgroupsPath"] = first.place("ocipytest") and first.linux["cgroupsPath"]
    first.start("sleep", "1000")
    message = second.error(second.create("true", status=1))
    assert "container's cgroup is not empty" in message
    assert first.state()["status"] == "running"


def test_a_scope_that_has_failed_makes_room(box, scope):
    """A property keeps it until somebody resets it."""
    properties = ["--property=CollectMode=inactive", "--property=RuntimeMaxSec=1ms"]
    command = ["systemd-run", "--scope", f"--unit={scope}", *properties, "sleep", "100"]
    subprocess.run(command, capture_output=True, check=False)
    until(lambda: shown(scope, "ActiveState") == {"ActiveState": "failed"})
    box.start("sleep", "1000")
    assert shown(scope, "ActiveState") == {"ActiveState": "active"}


# ---------------------------------------------------------------- updates


def test_what_an_update_sets_systemd_knows(box, scope):
    version("memory")
    box.start("sleep", "1000")
    box.ocipy("update", "--memory", "64m", "--memory-swap", "64m", "--cpu-quota", "12345", box.id)
    assert shown(scope, "CPUQuotaPerSecUSec") == {"CPUQuotaPerSecUSec": "130ms"}
    # systemd writes all of them again.
    systemctl("set-property", "--runtime", scope, "TasksMax=50")
    assert control(box, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert control(box, "pids", "pids.max", "pids.max") == "50"


def test_an_update_that_fails_leaves_properties_and_files(box, scope):
    need(version("memory") == 2, "the last step is a file of cgroup v2", kernel=True)
    box.linux["resources"].update(memory={"limit": 64 * MIB}, pids={"limit": 50}, cpu={"quota": 12345})
    box.start("sleep", "1000")
    names = ("MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "CPUWeight")

    def all_of_it():
        files = ("memory.max", "pids.max", "cpu.max", "cpu.weight")
        return shown(scope, *names), [control(box, "memory", "", file) for file in files]

    before = all_of_it()
    change = {"memory": {"limit": 8 * MIB}, "pids": {"limit": 2}, "unified": {"memory.high": "nonsense"}}
    (box.bundle / "change.json").write_text(json.dumps(change))
    message = box.error(box.ocipy("update", "-r", box.bundle / "change.json", box.id, status=1))
    assert "memory.high" in message
    assert all_of_it() == before


def test_what_systemd_refuses_takes_back_what_the_kernel_took(box, scope):
    """The bus is out of reach: files come first, so there is something to take back."""
    version("pids")
    box.start("sleep", "1000")
    before = control(box, "pids", "pids.max", "pids.max")
    message = box.error(
        box.ocipy("update", "--pids-limit", "5", box.id, status=1, env={**os.environ, **NO_BUS})
    )
    assert "no way to systemd" in message
    assert control(box, "pids", "pids.max", "pids.max") == before


# ---------------------------------------------------------------- failures

NO_BUS = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}


def fails(box, **how):
    """The line of an error of create, after which nothing is there."""
    message = box.error(box.create("true", status=1, **how))
    root = Path(box.ocipy.command[1])
    assert not (root / box.id).exists()
    return message


def test_without_a_bus_it_says_so(box, scope):
    message = fails(box, env={**os.environ, **NO_BUS})
    assert message.endswith(
        "no way to systemd: D-Bus at unix:path=/nonexistent/bus: ENOENT: no such file or directory"
    )


def test_without_jeepney_it_says_so(box, scope, tmp_path):
    code = f"import sys; sys.path.insert(0, {TREE!r}); from ocipy.__main__ import run; run()"
    words = ["--root", tmp_path / "root", "--systemd-cgroup", "create", "-b", box.write(), box.id]
    done = subprocess.run(
        [sys.executable, "-ISc", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("needs the Python package jeepney, which is not installed\n")
    assert done.stderr.count("\n") == 1


def test_a_property_that_systemd_does_not_have_is_refused_by_it(box, scope):
    box.config["annotations"] = {"org.systemd.property.NoSuchThing": "'x'"}
    message = fails(box)
    assert f"start {scope} in ocipytest.slice" in message
    assert "NoSuchThing" in message


def test_a_limit_that_the_kernel_refuses_leaves_no_scope(box, scope):
    box.linux["resources"]["unified"] = {"memory.high": "nonsense"}
    if version("memory") == 1:
        box.linux["resources"] = {
            "blockIO": {"throttleReadBpsDevice": [{"major": 77, "minor": 7, "rate": 5}]}
        }
    assert "write" in fails(box)


def test_a_hook_that_fails_leaves_no_scope(box, scope):
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    assert "createRuntime" in fails(box)


def test_a_runtime_that_is_killed_leaves_no_scope(box, scope):
    """init ends with the runtime, and the scope with init."""
    (box.bundle / "ready").unlink(missing_ok=True)
    hook = f"touch {box.bundle}/ready; exec sleep 100"
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", hook]}]}
    launcher, root = box.ocipy.command
    command = [launcher, "--root", str(root), "--systemd-cgroup", "create", "-b", str(box.write()), box.id]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    until(lambda: (box.bundle / "ready").exists())
    assert is_loaded(scope)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not is_loaded(scope))


def test_kills_are_counted_where_the_scope_is(box, scope):
    need(version("memory") == 2, "counts on cgroup v1 are in another file", kernel=True)
    box.linux["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    box.start("sleep", "1000")
    box.exec("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", status=137)
    assert counters(control(box, "memory", "", "memory.events"))["oom_kill"] == 1
