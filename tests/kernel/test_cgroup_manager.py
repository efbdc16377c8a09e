"""What every cgroup manager promises, on whatever layout this machine has; v2's turn comes in a VM."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from ocipy.linux._syscall import SYS_clone3, call

from ocipy.cgroups import from_paths, open_manager
from ocipy.cgroups.layout import detect
from ocipy.cgroups.v1 import inherit_cpuset
from ocipy.errors import ContainerError, StepError
from ocipy.plan.cgroup_layout import Layout
from ocipy.plan.steps import WriteCgroup

pytestmark = pytest.mark.kernel
PREFIX = f"ocipytest-{os.getpid()}"
CLONE_INTO_CGROUP = 0x200000000


@pytest.fixture
def layout():
    return detect()


@pytest.fixture
def manager(layout):
    """A manager of a cgroup below one that is absent too; what it made is gone at the end."""
    manager = open_manager(layout, f"/{PREFIX}/web", "web")
    yield manager
    manager.kill()
    manager.remove()
    for _, point, _ in layout.mounts:
        assert not os.path.exists(f"{point}/{PREFIX}")


@pytest.fixture
def sleeper(manager):
    """Start a process in the cgroup: sleeper() -> Popen; all are dead and reaped at the end."""
    started = []

    def start(*command, how="files"):
        process = in_cgroup(manager, command or ("sleep", "600"), how)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def in_cgroup(manager, command, how="files"):
    """A program that joins before it is executed: by itself, or moved from outside."""
    fds = manager.join_files() if how == "files" else ()
    cgroup_fd = manager.join_fd() if how == "files" else None

    def join():
        for fd in fds:
            os.write(fd, b"0")

    try:
        process = subprocess.Popen(command, preexec_fn=join if fds else None)
        if how == "pid":
            manager.join(process.pid)
        elif cgroup_fd is not None:
            # subprocess can't clone3(CLONE_INTO_CGROUP): see test_clone_into_cgroup.
            with open(os.open("cgroup.procs", os.O_WRONLY, dir_fd=cgroup_fd), "w") as file:
                file.write(str(process.pid))
        return process
    finally:
        for fd in fds:
            os.close(fd)
        if cgroup_fd is not None:
            os.close(cgroup_fd)


def cgroups_of(pid):
    with open(f"/proc/{pid}/cgroup") as file:
        return [line.split(":", 2)[1:] for line in file.read().splitlines()]


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.002)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


# ---------------------------------------------------------------- make and remove


def test_make_creates_a_directory_in_every_hierarchy_and_remove_takes_them_all_away(manager, layout):
    before = manager.paths
    assert set(before) == {name for name, _, _ in layout.mounts}
    manager.make()
    assert manager.paths == before
    assert all(os.path.isdir(path) for path in manager.paths.values())
    assert manager.exists()
    manager.remove()
    assert not any(os.path.exists(path) for path in manager.made)
    assert not manager.exists()


def test_remove_works_from_what_state_keeps(manager):
    manager.make()
    again = from_paths(manager.paths, list(manager.made))
    again.remove()
    assert not any(os.path.exists(path) for path in manager.made)


def test_remove_tolerates_what_is_gone(manager):
    manager.make()
    os.rmdir(next(iter(manager.paths.values())))
    manager.remove()
    manager.remove()


def test_remove_leaves_a_parent_that_somebody_uses(manager, layout):
    manager.make()
    neighbour = open_manager(layout, f"/{PREFIX}/db", "db")
    neighbour.make()
    manager.remove()
    assert neighbour.exists()
    neighbour.remove()
    assert not neighbour.exists()


def test_the_last_one_in_a_parent_that_was_made_for_them_removes_it(manager, layout):
    """Whoever made it may be gone already, and have left it because of the others."""
    manager.make()
    neighbour = open_manager(layout, f"/{PREFIX}/db", "db")
    neighbour.make()
    manager.remove()
    assert not any(path.endswith(PREFIX) for path in neighbour.made)
    neighbour.remove()
    assert not any(os.path.exists(f"{point}/{PREFIX}") for _, point, _ in layout.mounts)


def test_a_parent_that_somebody_else_made_stays(manager, layout):
    for _, point, _ in layout.mounts:
        os.makedirs(f"{point}/{PREFIX}", exist_ok=True)
    manager.make()
    manager.remove()
    for point in {point for _, point, _ in layout.mounts}:
        os.rmdir(f"{point}/{PREFIX}")  # it is there


def test_remove_takes_cgroups_that_the_container_made(manager):
    manager.make()
    for path in manager.paths.values():
        os.makedirs(f"{path}/a/b", exist_ok=True)
    manager.remove()
    assert not any(os.path.exists(path) for path in manager.made)


def test_a_directory_that_was_there_stays(manager):
    for path in dict.fromkeys(manager.paths.values()):
        os.makedirs(path)
    adopting = from_paths(manager._paths, None)
    adopting.make()
    assert adopting.made == ()
    assert adopting.exists()
    adopting.remove()
    assert adopting.exists()
    for path in adopting.paths.values():
        for directory in (path, os.path.dirname(path)):
            if os.path.isdir(directory):
                os.rmdir(directory)


def test_a_cgroup_with_processes_is_refused_and_nothing_stays(manager, sleeper, layout):
    manager.make()
    process = sleeper()
    second = open_manager(layout, f"/{PREFIX}/web", "web")
    with pytest.raises(ContainerError, match=r"container's cgroup is not empty: 1 process\(es\) found"):
        second.make()
    # What belongs to another container is not the second's to kill or remove.
    assert (second.paths, second.made) == ({}, ())
    second.kill()
    second.remove()
    assert process.poll() is None
    assert manager.exists()


def test_before_make_a_manager_answers_only_for_what_is_not_there(manager, sleeper, layout):
    assert from_paths(manager._paths, None).made == manager.made != ()
    manager.make()
    process = sleeper()
    crashed = open_manager(layout, f"/{PREFIX}/web", "web")
    found = from_paths(crashed.paths, crashed.made)
    found.kill()
    found.remove()
    assert process.poll() is None


def test_a_frozen_cgroup_is_refused(manager, layout):
    manager.make()
    manager.freeze()
    with pytest.raises(ContainerError, match="container's cgroup unexpectedly frozen"):
        open_manager(layout, f"/{PREFIX}/web", "web").make()
    manager.thaw()


def test_a_cgroup_below_a_frozen_one_is_refused_and_not_waited_in_for_ever(manager, layout):
    manager.make()
    manager.freeze()
    below = open_manager(layout, f"/{PREFIX}/web/inner", "web")
    with pytest.raises(ContainerError, match="container's cgroup unexpectedly frozen: .*/web/inner"):
        below.make()
    assert not any(os.path.exists(f"{path}/inner") for path in manager.paths.values())
    manager.thaw()


def test_what_was_made_is_gone_when_make_fails(manager):
    # The kernel refuses a line break, which would make /proc/PID/cgroup ambiguous; only in the last tree.
    paths = dict(manager._paths)
    paths[list(paths)[-1]] += "/a\nb"
    broken = from_paths(paths, None)
    with pytest.raises(OSError, match="mkdir") as caught:
        broken.make()
    assert caught.value.errno == errno.EINVAL
    assert not any(os.path.exists(os.path.dirname(path)) for path in manager._paths.values())


# ---------------------------------------------------------------- join


@pytest.mark.parametrize("how", ["files", "pid"])
def test_a_process_joins_every_hierarchy(manager, sleeper, layout, how):
    manager.make()
    process = sleeper(how=how)
    inside = {
        name
        for names, path in cgroups_of(process.pid)
        if path.endswith(f"/{PREFIX}/web")
        for name in names.split(",")
    }
    assert inside == {name for name, _, _ in layout.mounts}
    assert manager.procs() == [process.pid]


def test_clone_into_cgroup(manager):
    manager.make()
    cgroup_fd = manager.join_fd()
    if cgroup_fd is None:
        pytest.skip("this machine: no cgroup v2 beside v1")
    # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack and size, tls, set_tid twice
    words = [CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup_fd]
    pid = call(SYS_clone3, b"".join(word.to_bytes(8, sys.byteorder) for word in words), 88)
    if pid == 0:
        os.execv("/bin/sleep", ["sleep", "600"])
    os.close(cgroup_fd)
    assert pid > 0
    try:
        assert dict(cgroups_of(pid))[""].endswith(f"/{PREFIX}/web")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_process_in_a_user_namespace_joins_by_files_that_were_opened_outside(manager):
    manager.make()
    fds = manager.join_files()
    if not fds:
        pytest.skip("this machine: v2 is joined by clone3")
    code = "import os, sys\nfor fd in sys.argv[1:]: os.write(int(fd), b'0')\n"
    code += "print(open('/proc/self/cgroup').read())"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code, *map(str, fds)]
    done = subprocess.run(command, pass_fds=fds, capture_output=True, text=True, check=True)
    for fd in fds:
        os.close(fd)
    assert done.stdout.count(f"/{PREFIX}/web") == len(fds)


def test_a_sub_cgroup_is_joined_by_name_and_never_above(manager):
    manager.make()
    names = [name for name in manager.paths if name in ("pids", "")][:1]
    for path in dict.fromkeys(manager.paths.values()):
        os.mkdir(f"{path}/sub")
    assert manager.below(["sub"]).paths == {name: f"{path}/sub" for name, path in manager.paths.items()}
    only = manager.below([f"{names[0]}:/sub"])
    assert [name for name in only.paths if only.paths[name] != manager.paths[name]] == names
    assert manager.below(["/"]).paths == manager.paths
    for word in ("../..", "sub/../../x", "/..", f"{names[0]}:.."):
        with pytest.raises(ContainerError, match="the path leaves the container's cgroup"):
            manager.below([word])
    with pytest.raises(ContainerError, match="does not exist"):
        manager.below(["absent"])
    with pytest.raises(ContainerError, match="the container has no nonsense cgroup"):
        manager.below(["nonsense:sub"])


# ---------------------------------------------------------------- limits


def test_a_limit_is_what_the_kernel_then_says(manager, layout):
    if not layout.version("pids"):
        pytest.skip("this machine: no pids controller")
    manager.make()
    manager.apply(WriteCgroup("pids", "pids.max", "7", pointer="/linux/resources/pids/limit"))
    assert manager.read("pids", "pids.max") == "7\n"


def test_a_limit_is_felt(manager, layout):
    if not layout.version("pids"):
        pytest.skip("this machine: no pids controller")
    manager.make()
    manager.apply(WriteCgroup("pids", "pids.max", "1"))
    process = subprocess.Popen(
        ["sh", "-c", "read line; /bin/true; echo never"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    manager.join(process.pid)
    said, _ = process.communicate("go\n", timeout=20)
    assert (process.returncode, said) == (2, "")


def test_a_value_that_the_kernel_refuses_is_an_error_worded_as_the_write(manager, layout):
    if not layout.version("pids"):
        pytest.skip("this machine: no pids controller")
    manager.make()
    with pytest.raises(OSError, match=r'write\(".*/web/pids.max", "lots"\)') as caught:
        manager.apply(WriteCgroup("pids", "pids.max", "lots"))
    assert caught.value.errno == errno.EINVAL


def test_a_file_that_the_kernel_lacks_says_so_with_the_property(manager, layout):
    if not layout.version("memory"):
        pytest.skip("this machine: no memory controller")
    manager.make()
    step = WriteCgroup("memory", "memory.nonsense", "1", pointer="/linux/resources/unified/memory.nonsense")
    with pytest.raises(StepError, match="this kernel does not have it") as caught:
        manager.apply(step)
    assert caught.value.pointer == step.pointer


def test_what_may_be_absent_is_passed_over(manager, layout):
    manager.make()
    file = "hugetlb.3MB.rsvd.max" if layout.mode == "v2" else "hugetlb.3MB.rsvd.limit_in_bytes"
    manager.apply(WriteCgroup("hugetlb", file, "0"))


# ---------------------------------------------------------------- freeze, signal, kill


def test_freeze_stops_every_process_and_thaw_lets_it_run(manager, sleeper):
    manager.make()
    process = sleeper("sh", "-c", "while :; do :; done")
    wait_until(lambda: state_of(process.pid) == "R")
    assert not manager.frozen()
    manager.freeze()
    assert manager.frozen()
    before = os.times().elapsed, cpu_ticks(process.pid)
    wait_until(lambda: os.times().elapsed - before[0] > 0.1)
    assert cpu_ticks(process.pid) == before[1]
    manager.thaw()
    assert not manager.frozen()
    wait_until(lambda: cpu_ticks(process.pid) > before[1])


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_signal_reaches_every_process_also_in_sub_cgroups(manager, sleeper):
    manager.make()
    first, second = sleeper(), sleeper()
    for path in dict.fromkeys(manager.paths.values()):
        os.mkdir(f"{path}/sub")
    sub = manager.below(["sub"])
    if "cpuset" in sub.paths:
        inherit_cpuset(sub.paths["cpuset"])
    sub.join(second.pid)
    assert sorted(manager.procs()) == sorted([first.pid, second.pid])
    assert manager.signal(signal.SIGTERM) == 2
    assert (first.wait(10), second.wait(10)) == (-signal.SIGTERM, -signal.SIGTERM)


def test_a_signal_leaves_a_paused_container_paused(manager, sleeper):
    manager.make()
    process = sleeper()
    manager.freeze()
    manager.signal(signal.SIGUSR1)
    assert manager.frozen()
    manager.thaw()
    assert process.wait(10) == -signal.SIGUSR1


def test_kill_leaves_no_process_of_a_tree_that_keeps_forking(manager, sleeper):
    manager.make()
    sleeper("sh", "-c", "while :; do sleep 600 & sleep 0.01; done")
    wait_until(lambda: len(manager.procs()) > 5)
    manager.kill()
    assert manager.procs() == []


def test_kill_kills_what_is_frozen(manager, sleeper):
    manager.make()
    process = sleeper()
    manager.freeze()
    manager.kill()
    assert process.wait(10) == -signal.SIGKILL


def test_kill_of_nothing_is_fine(manager):
    manager.kill()
    manager.make()
    manager.kill()
    manager.remove()
    manager.kill()


# ---------------------------------------------------------------- without cgroups


def test_a_disabled_manager_does_nothing_and_refuses_limits_by_property(layout):
    manager = open_manager(layout, "/x", "web", manager="disabled")
    manager.make()
    assert (manager.paths, manager.made, manager.join_fd(), manager.join_files(), manager.procs()) == (
        {},
        (),
        None,
        (),
        [],
    )
    manager.apply(WriteCgroup("devices", "devices.deny", "a"))
    with pytest.raises(StepError, match="/linux/resources/pids/limit"):
        manager.apply(WriteCgroup("pids", "pids.max", "1", pointer="/linux/resources/pids/limit"))
    with pytest.raises(ContainerError, match="can't be paused"):
        manager.freeze()
    assert not manager.frozen()
    manager.kill()
    manager.remove()


def test_a_host_without_cgroups_has_the_disabled_manager():
    assert type(open_manager(Layout(), "", "web")).__name__ == "Disabled"


def test_without_permission_a_rootless_container_runs_without_cgroups_until_a_limit_is_asked(layout):
    code = f"""
import os, sys
os.setresuid(65534, 65534, 65534)
from ocipy.cgroups import open_manager
from ocipy.cgroups.layout import detect
from ocipy.cgroups.v1 import inherit_cpuset
from ocipy.plan.steps import LoadDevices, WriteCgroup
try:
    open_manager(detect(), "/{PREFIX}/web", "web").make()
except PermissionError as error:
    print("refused:", error.strerror.split("(")[0])
manager = open_manager(detect(), "/{PREFIX}/web", "web", rootless=True)
manager.make()
print(manager.paths, manager.made)
manager.apply(WriteCgroup("devices", "devices.deny", "a") if manager.version == 1 else LoadDevices(b""))
try:
    manager.apply(WriteCgroup("pids", "pids.max", "1", pointer="/linux/resources/pids/limit"))
except Exception as error:
    print(type(error).__name__, error)
manager.kill()
manager.remove()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/", env=env()
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["refused: mkdir", "{} ()"], done.stderr
    assert lines[2].startswith("StepError write 1 to pids.max (config.json /linux/resources/pids/limit): ")
    assert "mkdir(" in lines[2]
    assert lines[2].endswith(
        "(a rootless container gets limits only in a cgroup that was delegated to its user)"
    )


def env():
    return {
        **os.environ,
        "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    }
