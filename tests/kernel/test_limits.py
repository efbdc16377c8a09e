"""``linux.resources`` at create: each limit is felt by the container's own process, on cgroup v1 and v2."""

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
    huge_pages,
    is_throttled,
    maps_huge,
    may_be_realtime,
    opens,
    seconds_to_read,
    share,
    version,
)

pytestmark = [pytest.mark.kernel, pytest.mark.managers]

DENY_ALL = {"allow": False, "access": "rwm"}


def started(box, **resources):
    """A container that sleeps, with these in linux.resources."""
    box.linux["resources"].update(resources)
    box.start("sleep", "1000")
    return box


def test_memory_is_limited(box):
    version("memory")
    assert not allocates(started(box, memory={"limit": 16 * MIB, "swap": 16 * MIB}), 48 * MIB)
    assert allocates(box, 8 * MIB)


def test_memory_may_go_to_swap_as_far_as_that_is_allowed(box):
    version("memory")
    with open("/proc/meminfo", encoding="utf-8") as file:
        swap = next(int(line.split()[1]) for line in file if line.startswith("SwapTotal:"))
    need(swap > 64 * 1024, "no swap", kernel=True)
    started(box, memory={"limit": 16 * MIB, "swap": 64 * MIB})
    assert fills(box, 32 * MIB)
    assert not fills(box, 96 * MIB)


def test_a_soft_limit_is_set(box):
    version("memory")
    started(box, memory={"reservation": 8 * MIB})
    assert control(box, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(8 * MIB)


def test_processor_time_is_limited(box):
    version("cpu")
    assert is_throttled(started(box, cpu={"quota": 5000, "period": 50000}))


@pytest.mark.parametrize("cpu", [{"shares": 16}, {"idle": 1}])
def test_processor_time_is_shared_by_weight(boxes, cpu):
    version("cpu")
    version("cpuacct")
    heavy, light = started(boxes(), cpu={"shares": 1024}), started(boxes(), cpu=cpu)
    assert share(heavy, light) > 4


def test_realtime_is_granted(box):
    need(version("cpu") == 1, "cgroup v2 has no realtime group scheduling", kernel=True)
    assert may_be_realtime(started(box, cpu={"realtimePeriod": 1_000_000, "realtimeRuntime": 5000}))


def test_processors_are_those_that_are_allowed(box):
    version("cpuset")
    last = max(os.sched_getaffinity(0))
    status = started(box, cpu={"cpus": str(last), "mems": "0"}).exec("cat", "/proc/self/status")
    assert f"Cpus_allowed_list:\t{last}\n" in status
    assert "Mems_allowed_list:\t0\n" in status


def test_processes_are_limited(box):
    version("pids")
    assert forks(started(box, pids={"limit": 5}), 1)
    assert not forks(box, 8)


def test_reading_a_disk_is_limited(box):
    version("blkio")
    file = box.script("data", bytes(MIB))
    os.sync()
    started(box, blockIO={"throttleReadBpsDevice": [{**disk(box.root), "rate": MIB // 2}]})
    assert seconds_to_read(box, file, MIB) > 1.6


def test_huge_pages_are_limited(box):
    version("hugetlb")
    started(box, hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}])
    assert control(box, "hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max") == str(4 * MIB)
    with huge_pages(4):
        assert maps_huge(box, 2)
        assert not maps_huge(box, 3)


def test_devices_are_those_that_are_allowed(box):
    rule = {"allow": True, "type": "b", "major": 7, "access": "r"}
    started(box, devices=[DENY_ALL, rule])
    assert opens(box, "b", 7, 77)
    assert not opens(box, "b", 8, 77)
    assert not opens(box, "c", 1, 1)
    assert opens(box, "c", 1, 3)


def test_any_file_of_cgroup_v2_can_be_set(box):
    need("memory" in detect().unified, "no memory controller of cgroup v2", kernel=True)
    started(box, unified={"memory.high": "8388608", "cgroup.max.depth": "3"})
    assert allocates(box, 16 * MIB)
    assert counters(control(box, "memory", "", "memory.events"))["high"] > 0


# ---------------------------------------------------------------- exec


def test_exec_joins_the_containers_cgroups_and_their_limits(box):
    started(box)
    box.exec("sleep", "1000", flags=["-d"])
    pids = box.ocipy("ps", "-f", "json", box.id).stdout.strip("[]\n").split(",")
    assert len(pids) == 2
    assert len({box.proc("cgroup", pid) for pid in pids}) == 1


def sub_cgroup(box, controller, name):
    """A cgroup that the container, say, has made below its own."""
    from tests.kernel.limits import directory

    path = directory(box, controller) / name
    path.mkdir()
    return path


def test_exec_joins_a_cgroup_below_that_is_asked_for(box):
    started(box)
    inner = sub_cgroup(box, "pids", "inner")
    word = "pids:inner" if detect().mode != "v2" else "/inner/"
    box.exec("sleep", "1000", flags=["-d", "--cgroup", word])
    assert len((inner / "cgroup.procs").read_text().split()) == 1


@pytest.mark.parametrize("word", ["..", "../..", "inner/../..", "absent"])
def test_exec_joins_no_cgroup_outside_the_containers(box, word):
    started(box)
    message = box.error(box.exec("true", flags=["--cgroup", word], status=255))
    assert f"cgroup {word}: " in message
    assert message.endswith("does not exist" if word == "absent" else "leaves the container's cgroup")


def test_exec_follows_the_first_process_where_the_containers_own_cgroup_takes_none(box):
    """The "no internal processes" rule of cgroup v2: what systemd in a container does to its own cgroup."""
    need(detect().mode == "v2", "has cgroup v1", kernel=True)
    version("memory")
    started(box)
    inner = sub_cgroup(box, "memory", "init.scope")
    (inner / "cgroup.procs").write_text(str(box.pid))
    (inner.parent / "cgroup.subtree_control").write_text("+memory")
    assert box.exec("cat", "/proc/self/cgroup").endswith("init.scope\n")


def test_exec_runs_on_the_processors_that_it_is_to_begin_and_to_go_on_with(box):
    need(len(os.sched_getaffinity(0)) > 1, "one processor", kernel=True)
    started(box)
    affinity = {"initial": "0", "final": "1"}
    command = ["grep", "Cpus_allowed_list", "/proc/self/status"]
    assert box.exec_process(args=command, execCPUAffinity=affinity) == "Cpus_allowed_list:\t1\n"
    assert box.exec_process(args=command, execCPUAffinity={"initial": "0"}) == "Cpus_allowed_list:\t0\n"


# ---------------------------------------------------------------- whose it is

# Of a user's own cgroup: below it one more, with processes and a controller.
DELEGATED = """\
cd /sys/fs/cgroup && mkdir init && for pid in 1 $$; do echo $pid >init/cgroup.procs; done &&
echo +pids >cgroup.subtree_control && mkdir more && echo 7 >more/pids.max && cat more/pids.max"""


def with_cgroup_mount(box, *options):
    """The container's own part of the tree at /sys/fs/cgroup, for the root of a user namespace."""
    need(detect().mode == "v2", "has cgroup v1", kernel=True)
    box.namespace("cgroup")
    box.own_root()
    box.user_namespace()
    mounts = [mount for mount in box.config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": list(options)}
    box.config["mounts"] = [*mounts, mount]
    box.process["args"] = ["sleep", "1000"]
    return box


def test_a_writable_cgroup_belongs_to_the_containers_user(box):
    with_cgroup_mount(box, "rw", "nosuid", "noexec", "nodev").start("sleep", "1000")
    assert box.exec("stat", "-c", "%u", "/sys/fs/cgroup/cgroup.procs") == "0\n"
    assert box.exec("stat", "-c", "%u", "/sys/fs/cgroup/pids.max") == "65534\n"
    assert box.exec("sh", "-c", DELEGATED) == "7\n"
    # Its own limits stay out of its reach.
    assert "ermission denied" in box.exec("sh", "-c", "echo max >/sys/fs/cgroup/pids.max", status=1)


def test_a_read_only_one_stays_the_hosts(box):
    with_cgroup_mount(box, "ro").start("sleep", "1000")
    assert box.exec("stat", "-c", "%u", "/sys/fs/cgroup/cgroup.procs") == "65534\n"


# ---------------------------------------------------------------- at the very limit


@pytest.mark.parametrize("limit", [0, 1])
def test_a_container_that_may_not_fork_runs_and_can_be_entered(box, limit):
    version("pids")
    started(box, pids={"limit": limit})
    assert box.exec("echo", "here") == "here\n"
    assert "can't fork" in box.exec("sh", "-c", "true & wait", status=2)
