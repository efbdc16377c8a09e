"""A container's life on a real kernel: what a state means, what a crash leaves, what can't be touched."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from tests.conftest import bundle, need

pytestmark = pytest.mark.kernel

SLEEP = ("sleep", "60")
NAME = f"state-{os.getpid()}"  # its cgroup has the name too, and others run tests at the same time


def state(ocipy, id):
    return json.loads(ocipy("state", id).stdout)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def created(ocipy, tmp_path):
    """A created container and its init's pid."""
    ocipy("create", "-b", bundle(tmp_path, SLEEP), NAME)
    return state(ocipy, NAME)["pid"]


def test_the_states_of_a_life(ocipy, created):
    assert state(ocipy, NAME)["status"] == "created"
    ocipy("start", NAME)
    assert state(ocipy, NAME)["status"] == "running"
    ocipy("kill", NAME, "KILL")
    wait_for(lambda: state(ocipy, NAME)["status"] == "stopped")
    assert state(ocipy, NAME)["pid"] == 0
    ocipy("delete", NAME)
    assert "container does not exist" in ocipy("state", NAME, status=1).stderr


def test_what_init_executes_can_not_be_written(created):
    """CVE-2019-5736: the file behind /proc/PID/exe is a sealed copy."""
    exe = f"/proc/{created}/exe"
    assert os.readlink(exe) == "/memfd:ocipy-init (deleted)"
    with pytest.raises(OSError, match="Text file busy|Operation not permitted"):
        os.open(exe, os.O_WRONLY)
    fd = os.open(exe, os.O_RDONLY)
    try:
        # The seals are the file's, not the mount's: no remount, no later open can take them back.
        import fcntl

        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        assert seals == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    finally:
        os.close(fd)


def test_a_config_that_changes_after_create_does_not_matter(ocipy, tmp_path):
    made = bundle(tmp_path, ("cat", "/etc/hostname"), hostname="before")
    ocipy("create", "-b", made, NAME)
    config = json.loads((made / "config.json").read_text())
    config["process"]["args"] = ["false"]
    (made / "config.json").write_text(json.dumps(config))
    ocipy("start", NAME)
    wait_for(lambda: state(ocipy, NAME)["status"] == "stopped")


def test_a_second_create_of_an_id_fails_and_leaves_the_first_alone(ocipy, tmp_path, created):
    done = ocipy("create", "-b", tmp_path / "bundle", NAME, status=1)
    assert done.stderr.strip().endswith("container with given ID already exists")
    assert state(ocipy, NAME) | {"pid": created, "status": "created"} == state(ocipy, NAME)


def test_start_twice_is_refused(ocipy, created):
    ocipy("start", NAME)
    assert "cannot start an already running container" in ocipy("start", NAME, status=1).stderr


def test_of_two_starts_at_once_one_wins(ocipy, created):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(ocipy("start", NAME, status=None))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.returncode for r in results) == [0, 1, 1, 1]


def test_a_running_container_is_deleted_only_by_force(ocipy, created):
    ocipy("start", NAME)
    assert "it is running" in ocipy("delete", NAME, status=1).stderr
    ocipy("delete", "--force", NAME)
    ocipy("delete", "--force", NAME)  # one that is gone is no error


def test_a_created_container_can_be_deleted(ocipy, created):
    ocipy("delete", NAME)
    assert not os.path.exists(f"/proc/{created}") or "Z" in open(f"/proc/{created}/stat").read()


def test_a_recycled_pid_is_no_container(ocipy, created, state_root):
    """A state that names a stranger's pid never leads to a signal for the stranger."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        path = state_root / NAME / "state.json"
        document = json.loads(path.read_text())
        document["pid"] = stranger.pid
        path.write_text(json.dumps(document))
        assert state(ocipy, NAME)["status"] == "stopped"
        assert "container not running" in ocipy("kill", NAME, "KILL", status=1).stderr
        ocipy("delete", "--force", NAME)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        os.kill(created, signal.SIGKILL)


def test_the_pid_file_is_there_when_create_returns(ocipy, tmp_path):
    ocipy("create", "-b", bundle(tmp_path, SLEEP), "--pid-file", tmp_path / "pid", NAME)
    assert int((tmp_path / "pid").read_text()) == state(ocipy, NAME)["pid"]


def cgroups_named(id):
    return [path for path, names, _ in os.walk("/sys/fs/cgroup") for name in names if name == id]


@pytest.mark.parametrize("delay_ms", range(5, 65, 4))
def test_a_runtime_killed_during_create_leaves_what_delete_force_removes(
    launcher, ocipy, tmp_path, state_root, delay_ms
):
    made = bundle(tmp_path, SLEEP)
    id = f"crash-{delay_ms}-{os.getpid()}"
    before = open("/proc/self/mountinfo").read()
    runtime = subprocess.Popen(
        [launcher, "--root", state_root, "create", "-b", made, id], stdin=subprocess.DEVNULL
    )
    time.sleep(delay_ms / 1000)  # not a wait for anything: the moment of the crash
    runtime.kill()
    runtime.wait()
    ocipy("delete", "--force", id)
    assert not (state_root / id).exists()
    assert cgroups_named(id) == []
    assert open("/proc/self/mountinfo").read() == before
    wait_for(lambda: not inits(made))


def inits(made):
    """Live inits whose root or working directory is this bundle's, or that still have nothing else to do."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if (
                open(f"/proc/{pid}/comm").read() == "ocipy:[INIT]\n"
                and "State:\tZ" not in open(f"/proc/{pid}/status").read()
            ):
                mounts = open(f"/proc/{pid}/mountinfo").read()
                if str(made) in mounts:
                    found.append(pid)
        except OSError:
            continue
    return found


def test_a_container_starts_under_a_memory_limit_of_512_kib(ocipy, tmp_path):
    parent = "/sys/fs/cgroup/memory"
    need(os.path.isdir(parent), "cgroup v1 memory controller", kernel=True)
    name = f"ocipy-test-{os.getpid()}"
    os.mkdir(f"{parent}/{name}")
    try:
        with open(f"{parent}/{name}/memory.limit_in_bytes", "w") as file:
            file.write("524288")
        made = bundle(tmp_path, ("true",), linux__cgroupsPath=f"/{name}/{NAME}")
        ocipy("run", "-b", made, NAME)
    finally:
        os.rmdir(f"{parent}/{name}")
        for path in cgroups_named(name):
            os.rmdir(f"{path}/{name}")


def test_no_python_opens_a_file_of_the_container_after_the_pivot(launcher, tmp_path, state_root):
    made = bundle(tmp_path, ("true",))
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2,execve,pivot_root"]
    try:
        done = subprocess.run([*words, launcher, "--root", state_root, "run", "-b", made, NAME], check=False)
    except FileNotFoundError:
        need(False, "strace")
    assert done.returncode == 0
    lines = trace.read_text().splitlines()
    executed, pivoted, opened = {}, False, []
    for line in lines:
        pid, call = line.split(None, 1)
        if call.startswith("execve("):
            executed[pid] = call
        pivoted = pivoted or call.startswith("pivot_root(")
        if pivoted and call.startswith("open") and pid not in executed and " = -1 " not in call:
            opened.append(call)
        if pivoted and call.startswith("open") and "python" in executed.get(pid, "") and " = -1 " not in call:
            opened.append(call)
    assert pivoted
    inside = [call for call in opened if str(made / "rootfs") in call or '"rootfs' in call]
    assert inside == []
