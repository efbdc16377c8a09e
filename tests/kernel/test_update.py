"""``update`` of each limit, felt by a process of the container; a failing one leaves all as it was."""

import json
import os

import pytest

from ocipy.cgroups.layout import detect
from tests.conftest import need
from tests.kernel.limits import (
    MIB,
    allocates,
    control,
    counters,
    disk,
    fills,
    forks,
    is_throttled,
    may_be_realtime,
    opens,
    seconds_to_read,
    share,
    version,
)

pytestmark = [pytest.mark.kernel, pytest.mark.managers]

DENY_ALL = {"allow": False, "access": "rwm"}
LOOP_READ = {"allow": True, "type": "b", "major": 7, "access": "r"}


@pytest.fixture
def web(box):
    """A container that sleeps."""
    box.start("sleep", "1000")
    return box


def update(box, *flags, status=0, **change):
    """By flags, or by a document on standard input."""
    if not change:
        return box.ocipy("update", *flags, box.id, status=status)
    document = box.bundle / "change.json"
    document.write_text(json.dumps(change))
    with document.open() as stream:
        return box.ocipy("update", "-r", "-", box.id, status=status, stdin=stream)


# ---------------------------------------------------------------- memory


def test_a_memory_limit_is_felt_and_lifted(web):
    version("memory")
    assert allocates(web, 48 * MIB)
    update(web, "--memory", "16m", "--memory-swap", "16m")
    assert control(web, "memory", "memory.limit_in_bytes", "memory.max") == str(16 * MIB)
    assert not allocates(web, 48 * MIB)
    update(web, "--memory", str(64 * MIB), "--memory-swap", "64m")
    assert allocates(web, 48 * MIB)
    assert web.state()["status"] == "running"


def test_swap_counts_with_memory(web):
    version("memory")
    update(web, "--memory", "16m", "--memory-swap", "24m")
    expected = 24 if version("memory") == 1 else 8
    assert control(web, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max") == str(expected * MIB)
    update(web, "--memory-swap", "16m")
    expected = 16 if version("memory") == 1 else 0
    assert control(web, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max") == str(expected * MIB)
    assert not allocates(web, 24 * MIB)
    update(web, "--memory", "-1")
    assert allocates(web, 48 * MIB)


def test_memory_that_is_swapped_out_is_limited(web):
    version("memory")
    with open("/proc/meminfo", encoding="utf-8") as file:
        swap = next(int(line.split()[1]) for line in file if line.startswith("SwapTotal:"))
    need(swap > 64 * 1024, "no swap", kernel=True)
    update(web, "--memory", "16m", "--memory-swap", "80m")
    assert fills(web, 48 * MIB)
    update(web, "--memory-swap", "20m")
    assert not fills(web, 48 * MIB)


def test_a_reservation_is_set(web):
    version("memory")
    update(web, "--memory-reservation", "8m")
    assert control(web, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(8 * MIB)


def test_a_limit_below_use_is_refused_where_it_is_checked(box):
    version("memory")
    box.linux["resources"]["memory"] = {"limit": 64 * MIB, "checkBeforeUpdate": True}
    box.start("sleep", "1000")
    message = box.error(update(box, "--memory", "4k", status=1))
    assert "is at most 4096: " in message
    assert message.endswith(" bytes are in use")
    assert control(box, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)


# ---------------------------------------------------------------- processor time


def test_a_quota_is_felt_and_lifted(web):
    version("cpu")
    assert not is_throttled(web)
    update(web, "--cpu-quota", "5000", "--cpu-period", "50000")
    assert is_throttled(web)
    update(web, "--cpu-quota", "-1")
    assert not is_throttled(web)


def test_a_new_period_keeps_the_quota(web):
    version("cpu")
    update(web, "--cpu-quota", "20000")
    update(web, "--cpu-period", "50000")
    if version("cpu") == 2:
        assert control(web, "cpu", "", "cpu.max") == "20000 50000"
    else:
        assert control(web, "cpu", "cpu.cfs_quota_us", "") == "20000"
        assert control(web, "cpu", "cpu.cfs_period_us", "") == "50000"


def test_a_burst_is_set_within_the_quota(web):
    control_burst = ("cpu", "cpu.cfs_burst_us", "cpu.max.burst")
    assert control(web, *control_burst) == "0"
    update(web, "--cpu-quota", "20000", "--cpu-burst", "10000")
    assert control(web, *control_burst) == "10000"
    message = web.error(update(web, "--cpu-burst", "30000", status=1))
    assert message == "command line: /cpu/burst: 30000 us are more than cpu.quota, 20000 us"


@pytest.mark.parametrize("flags", [("--cpu-share", "16"), ("--cpu-idle", "1")])
def test_a_neighbour_gets_more_time(boxes, flags):
    version("cpu")
    version("cpuacct")
    heavy, light = boxes(), boxes()
    for box in (heavy, light):
        box.start("sleep", "1000")
    update(light, *flags)
    assert share(heavy, light) > 4


def test_what_is_idle_no_more_has_its_shares_again(web):
    control(web, "cpu", "cpu.idle", "cpu.idle")
    update(web, "--cpu-share", "512")
    before = control(web, "cpu", "cpu.shares", "cpu.weight")
    update(web, "--cpu-idle", "1")
    update(web, "--cpu-idle", "0")
    assert control(web, "cpu", "cpu.shares", "cpu.weight") == before


def test_realtime_has_to_be_granted(web):
    if version("cpu") == 2:
        message = web.error(update(web, "--cpu-rt-runtime", "5000", status=1))
        assert message == "command line: /cpu/realtimeRuntime: cgroup v2 has no realtime group scheduling"
        return
    assert not may_be_realtime(web)
    update(web, "--cpu-rt-period", "1000000", "--cpu-rt-runtime", "5000")
    assert may_be_realtime(web)
    # Too short a period for the old runtime.
    update(web, "--cpu-rt-period", "10000", "--cpu-rt-runtime", "2000")
    assert control(web, "cpu", "cpu.rt_runtime_us", "") == "2000"


def test_processors_and_memory_nodes_are_those_that_are_allowed(web):
    version("cpuset")
    need(len(os.sched_getaffinity(0)) > 1, "one processor", kernel=True)
    update(web, "--cpuset-cpus", "1", "--cpuset-mems", "0")
    status = web.exec("cat", "/proc/self/status")
    assert "Cpus_allowed_list:\t1\n" in status
    assert "Mems_allowed_list:\t0\n" in status


# ---------------------------------------------------------------- processes, disks, devices, unified


def test_a_limit_on_processes_is_felt_and_lifted(web):
    version("pids")
    assert forks(web, 8)
    update(web, "--pids-limit", "5")
    assert not forks(web, 8)
    update(web, "--pids-limit", "-1")
    assert forks(web, 8)


def test_a_weight_of_disk_access_is_set_or_refused_by_name(web):
    version("blkio")
    done = update(web, "--blkio-weight", "500", status=None)
    if done.returncode:
        assert "weight: " in web.error(done)
        assert web.error(done).endswith("(this kernel does not have it)")
    else:
        assert control(web, "blkio", "blkio.bfq.weight", "io.bfq.weight") in ("500", "default 500")


def test_a_limit_on_reading_a_disk_is_felt_and_lifted(box):
    version("blkio")
    file = box.script("data", bytes(MIB))
    os.sync()
    device = disk(box.root)
    box.start("sleep", "1000")
    update(box, blockIO={"throttleReadBpsDevice": [{**device, "rate": MIB // 2}]})
    assert seconds_to_read(box, file, MIB) > 1.6
    update(box, blockIO={"throttleReadBpsDevice": [{**device, "rate": 0}]})
    assert seconds_to_read(box, file, MIB) < 1.6


def test_devices_are_allowed_and_forbidden(web):
    assert not opens(web, "b", 7, 77)
    update(web, devices=[DENY_ALL, LOOP_READ])
    assert opens(web, "b", 7, 77)
    assert opens(web, "c", 1, 3)
    update(web, devices=[DENY_ALL])
    assert not opens(web, "b", 7, 77)
    update(web, devices=[{"allow": True}])
    assert opens(web, "b", 7, 77)


def test_any_file_of_cgroup_v2_can_be_set(web):
    if "memory" not in detect().unified:
        message = web.error(update(web, status=1, unified={"memory.high": "8388608"}))
        assert message.startswith("standard input: /unified/memory.high: needs ")
        return
    update(web, unified={"memory.high": "8388608"})
    assert allocates(web, 16 * MIB)
    assert counters(control(web, "memory", "", "memory.events"))["high"] > 0


# ---------------------------------------------------------------- all or nothing


def test_an_update_that_fails_leaves_every_limit_as_it_was(web):
    """What fails is the last step: a value that only the kernel can refuse."""
    version("memory")
    version("pids")
    update(web, "--memory", "64m", "--pids-limit", "50", "--cpu-share", "512")
    update(web, devices=[DENY_ALL, LOOP_READ])
    change = {
        "memory": {"limit": 8 * MIB},
        "pids": {"limit": 2},
        "cpu": {"shares": 2, "idle": 1, "quota": 1000},
        "devices": [DENY_ALL],
    }
    if version("memory") == 1:
        change["blockIO"] = {"throttleReadBpsDevice": [{"major": 77, "minor": 7, "rate": 5}]}
    else:
        change["unified"] = {"memory.high": "nonsense"}

    def limits():
        return [
            control(web, "memory", "memory.limit_in_bytes", "memory.max"),
            control(web, "pids", "pids.max", "pids.max"),
            control(web, "cpu", "cpu.shares", "cpu.weight"),
            control(web, "cpu", "cpu.idle", "cpu.idle"),
            control(web, "cpu", "cpu.cfs_quota_us", "cpu.max"),
        ]

    before = limits()
    message = web.error(update(web, status=1, **change))
    assert ": write(" in message
    assert "taking back" not in message
    assert limits() == before
    assert opens(web, "b", 7, 77)
    assert allocates(web, 32 * MIB)
    # Nor does a later one take it for what holds.
    update(web, "--cpu-period", "50000")
    assert limits()[:4] == before[:4]


def test_what_is_no_resource_is_refused_by_name(web):
    message = web.error(update(web, status=1, memory={"limit": "5", "max": 5}, disk=None, gpu={"x": 1}))
    assert message == (
        'standard input: /memory/limit: "5" is not an integer; '
        "/memory/max: is not a property of the standard; /gpu: is not a property of the standard"
    )


def test_a_paused_container_can_be_updated_and_a_stopped_one_not(web):
    version("pids")
    web.ocipy("pause", web.id)
    update(web, "--pids-limit", "9")
    assert control(web, "pids", "pids.max", "pids.max") == "9"
    web.ocipy("kill", web.id, "KILL")
    web.stopped()
    assert web.error(update(web, "--pids-limit", "9", status=1)).endswith("container not running")
