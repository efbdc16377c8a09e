"""cgroup v1 for real: limits read back and felt, and what its old age makes us do."""

import errno
import os
import subprocess
import time

import pytest

from ocipy.cgroups import open_manager
from ocipy.cgroups.layout import detect
from ocipy.cgroups.v1 import inherit_cpuset
from ocipy.errors import StepError
from ocipy.plan.resources import cgroup_steps

pytestmark = pytest.mark.kernel
PREFIX = f"ocipytest-v1-{os.getpid()}"
MIB = 1024 * 1024


@pytest.fixture
def layout():
    layout = detect()
    if layout.mode not in ("v1", "hybrid"):
        pytest.skip("this machine: has cgroup v2 alone")
    return layout


@pytest.fixture
def manager(layout):
    manager = open_manager(layout, f"/{PREFIX}/web", "web")
    manager.make()
    yield manager
    manager.kill()
    manager.remove()


def need_controller(layout, name):
    if layout.version(name) != 1:
        pytest.skip(f"this machine: no {name} controller on v1")


def apply(manager, layout, resources, **how):
    for step in cgroup_steps(resources, layout, **how):
        manager.apply(step)


def run(manager, script):
    """A shell script in the cgroup, joined by its own first act."""
    fds = manager.join_files()
    joins = "".join(f"echo 0 >&{fd}; " for fd in fds)
    try:
        return subprocess.run(
            ["bash", "-c", joins + script], pass_fds=fds, capture_output=True, text=True, check=False
        )
    finally:
        for fd in fds:
            os.close(fd)


def read(manager, controller, *files):
    return [manager.read(controller, file).strip() for file in files]


# ---------------------------------------------------------------- read back


def test_memory_and_swap_limits(manager, layout):
    need_controller(layout, "memory")
    apply(
        manager,
        layout,
        {"memory": {"limit": 32 * MIB, "swap": 64 * MIB, "reservation": 16 * MIB, "swappiness": 5}},
    )
    files = (
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.soft_limit_in_bytes",
        "memory.swappiness",
    )
    assert read(manager, "memory", *files) == [str(32 * MIB), str(64 * MIB), str(16 * MIB), "5"]


@pytest.mark.parametrize("first", [16 * MIB, 64 * MIB])
@pytest.mark.parametrize("second", [16 * MIB, 64 * MIB])
def test_an_update_of_memory_up_or_down_is_never_refused_for_its_order(manager, layout, first, second):
    need_controller(layout, "memory")
    for limit, update in ((first, False), (second, True)):
        apply(manager, layout, {"memory": {"limit": limit, "swap": limit}}, update=update)
    files = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
    assert read(manager, "memory", *files) == [str(second), str(second)]


def test_kernel_memory_which_the_kernel_no_longer_limits_is_passed_over(manager, layout):
    need_controller(layout, "memory")
    apply(manager, layout, {"memory": {"kernel": 16 * MIB, "kernelTCP": 8 * MIB}})


def test_unlimited_memory_is_unlimited_swap(manager, layout):
    need_controller(layout, "memory")
    apply(manager, layout, {"memory": {"limit": 32 * MIB, "swap": 32 * MIB}})
    apply(manager, layout, {"memory": {"limit": -1}}, update=True)
    limits = read(manager, "memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    assert all(int(limit) > 2**60 for limit in limits)


def test_processor_time_has_weight_quota_and_burst(manager, layout):
    need_controller(layout, "cpu")
    cpu = {"shares": 512, "quota": 20000, "period": 50000, "burst": 10000, "idle": 0}
    apply(manager, layout, {"cpu": cpu})
    files = "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.idle"
    assert read(manager, "cpu", *files) == ["512", "20000", "50000", "10000", "0"]
    # Each of these alone the kernel would refuse beside the old ones.
    apply(manager, layout, {"cpu": {"quota": 5000, "period": 10000, "burst": 5000}}, update=True)
    assert read(manager, "cpu", *files[1:4]) == ["5000", "10000", "5000"]
    apply(manager, layout, {"cpu": {"shares": 1024, "idle": 1}}, update=True)
    apply(manager, layout, {"cpu": {"shares": 256, "idle": 0}}, update=True)
    assert read(manager, "cpu", "cpu.shares", "cpu.idle") == ["256", "0"]


def test_a_cpuset_has_what_the_one_above_has_until_it_is_told(manager, layout):
    need_controller(layout, "cpuset")
    above = read(manager, "cpuset", "cpuset.cpus", "cpuset.mems")
    assert all(above)
    apply(manager, layout, {"cpu": {"cpus": "0", "mems": "0"}})
    assert read(manager, "cpuset", "cpuset.cpus", "cpuset.mems") == ["0", "0"]


def test_cpusets_above_that_are_empty_are_filled_too(manager, layout):
    need_controller(layout, "cpuset")
    deep = f"{manager.paths['cpuset']}/a/b"
    os.makedirs(deep)
    inherit_cpuset(deep)
    for directory in (deep, os.path.dirname(deep)):
        with open(f"{directory}/cpuset.cpus") as file:
            assert file.read().strip() == manager.read("cpuset", "cpuset.cpus").strip()


def test_a_cpu_that_the_cgroup_above_lacks_is_explained(manager, layout):
    need_controller(layout, "cpuset")
    with pytest.raises((OSError, StepError), match=r"cpuset.cpus.*9999"):
        apply(manager, layout, {"cpu": {"cpus": "9999"}})


def test_throttling_of_a_device(manager, layout):
    need_controller(layout, "blkio")
    root = os.stat("/")
    major, minor = os.major(root.st_dev), os.minor(root.st_dev)
    if not os.path.exists(f"/sys/dev/block/{major}:{minor}"):
        pytest.skip("this machine: / is on no block device")
    throttle = [{"major": major, "minor": minor, "rate": 1000000}]
    apply(
        manager, layout, {"blockIO": {"throttleReadBpsDevice": throttle, "throttleWriteIOPSDevice": throttle}}
    )
    files = "blkio.throttle.read_bps_device", "blkio.throttle.write_iops_device"
    assert read(manager, "blkio", *files) == [f"{major}:{minor} 1000000"] * 2


# ---------------------------------------------------------------- felt


def test_a_process_over_its_memory_limit_is_killed(manager, layout):
    need_controller(layout, "memory")
    apply(manager, layout, {"memory": {"limit": 8 * MIB, "swap": 8 * MIB}})
    done = run(manager, "exec python3 -I -S -c 'x = bytearray(1 << 26); print(len(x))'")
    assert (done.returncode, done.stdout) == (-9, "")
    assert "oom_kill 1" in manager.read("memory", "memory.oom_control")


def test_a_limit_below_what_is_used_says_how_much_that_is(manager, layout):
    need_controller(layout, "memory")
    code = "import sys; sys.stdin.readline(); x = bytearray(1 << 25); print(1, flush=True); sys.stdin.read()"
    held = subprocess.Popen(
        ["python3", "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        manager.join(held.pid)
        held.stdin.write("go\n")
        held.stdin.flush()
        assert held.stdout.readline() == "1\n"
        with pytest.raises(StepError, match=r"EBUSY|below what is in use: \d+ bytes, at most \d+") as caught:
            apply(manager, layout, {"memory": {"limit": MIB, "swap": MIB}})
        assert caught.value.cause.errno == errno.EBUSY
        with pytest.raises(StepError, match="bytes are in use"):
            apply(manager, layout, {"memory": {"limit": MIB, "checkBeforeUpdate": True}}, update=True)
    finally:
        held.kill()
        held.communicate()


def test_a_quota_is_felt(manager, layout):
    need_controller(layout, "cpu")
    apply(manager, layout, {"cpu": {"quota": 10000, "period": 100000}})
    began = time.monotonic()
    run(manager, "i=0; while ((i++ < 60000)); do :; done")
    assert time.monotonic() > began
    statistics = dict(line.split() for line in manager.read("cpu", "cpu.stat").splitlines())
    assert int(statistics["nr_throttled"]) > 0


def test_a_pids_limit_of_one_lets_a_program_run_but_not_fork(manager, layout):
    need_controller(layout, "pids")
    apply(manager, layout, {"pids": {"limit": 1}})
    assert run(manager, "exec echo here").stdout == "here\n"
    done = run(manager, "exec sh -c '/bin/true; echo never'")  # bash would try again for 15 s
    assert (done.returncode, done.stdout) == (2, "")
    assert "fork" in done.stderr


# ---------------------------------------------------------------- cost


def test_joining_by_files_waits_for_nothing(manager):
    """Joining is the longest part of a container's cgroup work when it is done from outside."""
    fds = manager.join_files()
    code = "import os, sys, time\nfds = map(int, sys.argv[1:])\nbegan = time.perf_counter()\n"
    code += "for fd in fds: os.write(fd, b'0')\nprint(time.perf_counter() - began)"
    times = []
    for _ in range(7):
        done = subprocess.run(
            ["python3", "-I", "-S", "-c", code, *map(str, fds)],
            pass_fds=fds,
            capture_output=True,
            text=True,
            check=True,
        )
        times.append(float(done.stdout))
    for fd in fds:
        os.close(fd)
    # 0.1 to 0.4 ms for nine; a machine that does much else can make some of them long, but not all.
    assert min(times) < 0.002, times
