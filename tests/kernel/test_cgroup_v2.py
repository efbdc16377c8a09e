"""cgroup v2 for real: limits read back and felt, controllers enabled on the way down, delegation."""

import errno
import os
import subprocess
import time

import pytest

from ocipy.cgroups import from_paths, open_manager, v2
from ocipy.cgroups.layout import detect
from ocipy.errors import ContainerError, StepError
from ocipy.plan.resources import cgroup_steps, needed
from ocipy.plan.steps import WriteCgroup

pytestmark = pytest.mark.kernel
PREFIX = f"ocipytest-v2-{os.getpid()}"
MIB = 1024 * 1024


@pytest.fixture
def layout():
    layout = detect()
    if layout.mode != "v2":
        pytest.skip("this machine: has cgroup v1")
    return layout


@pytest.fixture
def manager(layout):
    manager = open_manager(layout, f"/{PREFIX}/web", "web")
    manager.make()
    yield manager
    manager.kill()
    manager.remove()
    assert not os.path.exists(f"/sys/fs/cgroup/{PREFIX}")


def need_controller(layout, name):
    if name not in layout.unified:
        pytest.skip(f"this machine: no {name} controller")


def apply(manager, layout, resources, **how):
    for step in cgroup_steps(resources, layout, **how):
        manager.apply(step)


def run(manager, *command):
    """A program that is moved into the cgroup before it is let go."""
    process = subprocess.Popen(
        ["sh", "-c", 'read go; exec "$@"', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    manager.join(process.pid)
    process.stdout_text, process.stderr_text = process.communicate("go\n", timeout=60)
    return process


def read(manager, *files):
    return [manager.read("", file).strip() for file in files]


# ---------------------------------------------------------------- read back


def test_every_controller_reaches_the_cgroup(manager, layout):
    assert set(read(manager, "cgroup.controllers")[0].split()) == set(layout.unified)


def test_memory_is_limited_in_three_ways(manager, layout):
    need_controller(layout, "memory")
    apply(manager, layout, {"memory": {"limit": 32 * MIB, "swap": 48 * MIB, "reservation": 16 * MIB}})
    assert read(manager, "memory.max", "memory.low") == [str(32 * MIB), str(16 * MIB)]
    if os.path.exists(f"{manager.path}/memory.swap.max"):
        assert read(manager, "memory.swap.max") == [str(16 * MIB)]
    apply(manager, layout, {"memory": {"limit": -1}}, update=True)
    assert read(manager, "memory.max") == ["max"]


def test_processor_time_has_weight_quota_and_burst(manager, layout):
    need_controller(layout, "cpu")
    apply(manager, layout, {"cpu": {"shares": 1024, "quota": 20000, "period": 50000, "burst": 10000}})
    assert read(manager, "cpu.weight", "cpu.max", "cpu.max.burst") == ["100", "20000 50000", "10000"]
    apply(manager, layout, {"cpu": {"quota": 5000, "period": 10000, "burst": 5000}}, update=True)
    assert read(manager, "cpu.max", "cpu.max.burst") == ["5000 10000", "5000"]
    apply(manager, layout, {"cpu": {"shares": 512, "idle": 1}}, update=True)
    apply(manager, layout, {"cpu": {"shares": 256, "idle": 0}}, update=True)
    assert read(manager, "cpu.idle", "cpu.weight") == ["0", "35"]


def test_processors_and_nodes_are_set(manager, layout):
    need_controller(layout, "cpuset")
    apply(manager, layout, {"cpu": {"cpus": "0", "mems": "0"}})
    assert read(manager, "cpuset.cpus", "cpuset.mems.effective") == ["0", "0"]


def test_pids_and_unified(manager, layout):
    need_controller(layout, "pids")
    apply(manager, layout, {"pids": {"limit": 9}, "unified": {"pids.max": "7", "cgroup.max.depth": "3"}})
    assert read(manager, "pids.max", "cgroup.max.depth") == ["7", "3"]


def test_huge_pages_are_limited(manager, layout):
    need_controller(layout, "hugetlb")
    apply(manager, layout, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}]})
    assert read(manager, "hugetlb.2MB.rsvd.max", "hugetlb.2MB.max") == [str(4 * MIB)] * 2


def test_io_of_a_device(manager, layout):
    need_controller(layout, "io")
    disks = [name for name in os.listdir("/sys/block") if not name.startswith(("ram", "zram"))]
    if not disks:
        pytest.skip("this machine: no disk")
    with open(f"/sys/block/{disks[0]}/dev") as file:
        major, minor = map(int, file.read().split(":"))
    throttle = [{"major": major, "minor": minor, "rate": 1000000}]
    apply(
        manager, layout, {"blockIO": {"throttleReadBpsDevice": throttle, "throttleWriteIOPSDevice": throttle}}
    )
    assert read(manager, "io.max") == [f"{major}:{minor} rbps=1000000 wbps=max riops=max wiops=1000000"]
    apply(manager, layout, {"blockIO": {"throttleReadBpsDevice": [throttle[0] | {"rate": 0}]}}, update=True)
    assert "rbps=max" in read(manager, "io.max")[0]


def test_io_weight_is_written_to_the_file_that_there_is(manager, layout):
    need_controller(layout, "io")
    found = [name for name in ("io.bfq.weight", "io.weight") if os.path.exists(f"{manager.path}/{name}")]
    if not found:
        pytest.skip("this machine: neither BFQ nor iocost")
    apply(manager, layout, {"blockIO": {"weight": 500}})
    assert read(manager, found[0]) == ["default 500" if found[0] == "io.bfq.weight" else "default 4950"]


# ---------------------------------------------------------------- felt


def test_a_process_over_its_memory_limit_is_killed(manager, layout):
    need_controller(layout, "memory")
    apply(manager, layout, {"memory": {"limit": 8 * MIB, "swap": 8 * MIB}})
    done = run(manager, "python3", "-I", "-S", "-c", "x = bytearray(1 << 26); print(len(x))")
    assert (done.returncode, done.stdout_text) == (-9, "")
    assert "oom_kill 1" in read(manager, "memory.events")[0]


def test_a_quota_is_felt(manager, layout):
    need_controller(layout, "cpu")
    apply(manager, layout, {"cpu": {"quota": 10000, "period": 100000}})
    run(manager, "python3", "-I", "-S", "-c", "for i in range(2000000): pass")
    statistics = dict(line.split() for line in read(manager, "cpu.stat")[0].splitlines())
    assert int(statistics["nr_throttled"]) > 0


def test_a_pids_limit_is_felt(manager, layout):
    need_controller(layout, "pids")
    apply(manager, layout, {"pids": {"limit": 1}})
    assert run(manager, "echo", "here").stdout_text == "here\n"
    done = run(manager, "sh", "-c", "/bin/true; echo never")
    assert (done.returncode, done.stdout_text) == (2, "")


def test_check_before_update_refuses_what_would_kill(manager, layout):
    need_controller(layout, "memory")
    process = subprocess.Popen(
        [
            "sh",
            "-c",
            "read go; exec python3 -I -S -c 'x = bytearray(1 << 25); print(1, flush=True); input()'",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        manager.join(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "1\n"
        with pytest.raises(
            StepError, match=r"check that memory.current is at most 1048576.*bytes are in use"
        ):
            apply(manager, layout, {"memory": {"limit": MIB, "checkBeforeUpdate": True}}, update=True)
        assert read(manager, "memory.max") == ["max"]
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- the tree


def test_a_controller_that_a_parent_can_not_enable_is_named(manager, layout):
    """A cgroup with processes can't give controllers to its children (the "no internal processes" rule)."""
    need_controller(layout, "memory")
    parent = f"{manager.path}/busy"
    os.mkdir(parent)
    process = subprocess.Popen(["sleep", "600"])
    try:
        from_paths({"": parent}).join(process.pid)
        below = from_paths({"": f"{parent}/web"}, None)
        below.make()
        with pytest.raises(
            StepError, match="the memory controller is not available to this cgroup"
        ) as caught:
            below.apply(WriteCgroup("memory", "memory.max", "1", pointer="/linux/resources/memory/limit"))
        assert below.read("", "cgroup.type") == "domain\n"
        assert caught.value.cause.errno == errno.EBUSY
        below.remove()
    finally:
        process.kill()
        process.wait()


def test_a_controller_that_the_kernel_does_not_know_is_one_of_the_failures(manager):
    assert list(v2.enable(manager.path, ["nonsense"])) == ["nonsense"]


def test_below_a_threaded_cgroup_only_threaded_controllers_can_be_had(manager, layout):
    need_controller(layout, "pids")
    parent = f"{manager.path}/threads"
    os.mkdir(parent)
    with open(f"{parent}/cgroup.type", "w") as file:
        file.write("threaded")
    below = from_paths({"": f"{parent}/web"}, None)
    memory = cgroup_steps({"memory": {"limit": MIB}}, layout)
    with pytest.raises(ContainerError, match=r"cannot use memory limits: cgroup .* is in an invalid state"):
        below.make(needed(memory))
    assert not os.path.exists(f"{parent}/web")
    below = from_paths({"": f"{parent}/web"}, None)
    below.make(needed(cgroup_steps({"pids": {"limit": 3}}, layout)))
    assert below.read("", "cgroup.type") == "threaded\n"
    below.remove()


def test_the_processes_of_a_threaded_cgroup_are_known_and_killed(manager):
    """It does not list them itself, nor does it take cgroup.kill."""
    parent = f"{manager.path}/threads"
    os.mkdir(parent)
    with open(f"{parent}/cgroup.type", "w") as file:
        file.write("threaded")
    below = from_paths({"": f"{parent}/web"}, None)
    below.make()
    process = subprocess.Popen(["sleep", "600"])
    try:
        manager.join(process.pid)  # threads move within one domain
        below.join(process.pid)
        assert below.procs() == [process.pid]
        below.kill()
        assert process.wait(10) == -9
        assert below.procs() == []
        below.remove()
    finally:
        process.kill()
        process.wait()


def test_a_delegated_cgroup_belongs_to_the_user_with_the_files_that_the_kernel_lists(manager):
    manager.chown(65534)
    owners = {name: os.stat(f"{manager.path}/{name}").st_uid for name in os.listdir(manager.path)}
    assert {owners[name] for name in ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")} == {65534}
    assert owners["cgroup.type"] == 0
    assert os.stat(manager.path).st_uid == 65534


def test_exec_follows_the_first_process_into_a_sub_cgroup(manager):
    process = subprocess.Popen(["sleep", "600"])
    try:
        manager.join(process.pid)
        assert manager.at_process(process.pid).path == manager.path
        os.mkdir(f"{manager.path}/init.scope")
        manager.below(["init.scope"]).join(process.pid)
        assert manager.at_process(process.pid).path == f"{manager.path}/init.scope"
        assert manager.at_process(os.getpid()) is manager
    finally:
        process.kill()
        process.wait()


def test_two_hundred_cgroups_come_and_go_without_a_trace(layout):
    durations = []
    for number in range(200):
        began = time.monotonic()
        manager = open_manager(layout, f"/{PREFIX}/{number}", "web")
        manager.make()
        manager.remove()
        durations.append(time.monotonic() - began)
    assert not os.path.exists(f"/sys/fs/cgroup/{PREFIX}")
    assert sorted(durations[150:])[25] < 5 * sorted(durations[:50])[25]
