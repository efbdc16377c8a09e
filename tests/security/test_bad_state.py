"""A state directory that is damaged, or was never ours: one line, and nobody is killed, whoever it names."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy.errors import OcipyError
from ocipy.runtime import Runtime, process
from ocipy.runtime.store import Store
from tests.conftest import bundle, need
from tests.kernel.box import until
from tests.runtime.states import state
from tests.security.nonsense import ANYTHING, places, with_at

VERBS = (
    ("state",),
    ("start",),
    ("kill", "KILL"),
    ("delete", "--force"),
    ("exec", "true"),
    ("ps",),
    ("pause",),
)
NAME = f"badstate-{os.getpid()}"


def said(done):
    """The one line of a failed verb, which knows what it failed of."""
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("ocipy: ")
    assert "internal error" not in done.stderr
    return done.stderr


@pytest.fixture
def stranger():
    """A process that has nothing to do with it."""
    with subprocess.Popen(["sleep", "1000"]) as running:
        yield running
        assert running.poll() is None
        running.kill()


@pytest.fixture
def entry(tmp_path):
    return Store(str(tmp_path / "state")).create("c1")


HOOKS = {"poststop": [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}]}
FULL = state(annotations={"a": "b"}, ocipy={"hooks": HOOKS, "agent": {"path": "/a", "metadata": ""}})


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_document_says_it_is_read_or_refused_in_words(entry, data):
    path = data.draw(st.sampled_from(list(places(FULL))), "place")
    document = with_at(FULL, path, data.draw(ANYTHING, "value"))
    entry.save(document, durable=False)
    runtime = Runtime(root=os.path.dirname(entry.path))
    with suppress(OcipyError):
        container = runtime.load("c1")
        container.state()
        container.cgroup.procs()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | ANYTHING.map(lambda v: json.dumps(v).encode())
)
def test_whatever_bytes_are_there_they_are_read_or_refused_in_words(entry, content):
    entry.write("state.json", content, durable=False)
    entry.write("config.json", content, durable=False)
    with suppress(OcipyError):
        Runtime(root=os.path.dirname(entry.path)).load("c1")
    entry.save(FULL, durable=False)
    with suppress(OcipyError):
        _ = Runtime(root=os.path.dirname(entry.path)).load("c1").config


# ---------------------------------------------------------------- files that are none


def fifo(path):
    os.mkfifo(path, 0o600)


def directory(path):
    os.mkdir(path)


def sparse(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def device(path):
    os.mknod(path, 0o020600, os.makedev(1, 5))


def link(path):
    os.symlink("/dev/zero", path)


def deep(path):
    with open(path, "w", encoding="ascii") as file:
        file.write("[" * 1_000_000)


def strangers(path):
    with open(path, "w", encoding="ascii") as file:
        json.dump(FULL, file)
    os.chown(path, 12345, 12345)


def writable(path):
    with open(path, "w", encoding="ascii") as file:
        json.dump(FULL, file)
    os.chmod(path, 0o666)


@pytest.mark.kernel
@pytest.mark.parametrize("kind", [fifo, directory, sparse, device, link, deep, strangers, writable])
def test_what_is_no_file_of_ours_is_refused_at_once(ocipy, state_root, kind):
    entry = Store(str(state_root)).create("c1")
    entry.unlock()
    kind(f"{entry.path}/state.json")
    try:
        for verb, *args in VERBS:
            said(ocipy(verb, "c1", *args, status=None, timeout=20))
        assert "c1" in ocipy("list").stderr
    finally:
        shutil.rmtree(entry.path)


def link_to_a_directory(path):
    os.rename(path, path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.kernel
@pytest.mark.parametrize("hide", [None, link_to_a_directory])
def test_a_directory_that_is_not_of_our_making_loses_nothing(ocipy, state_root, hide):
    """One of the host's that the state root leads to, or a --root that was meant to be another."""
    path = state_root / "c1"
    (path / "sub").mkdir(parents=True)
    for name in ("precious", "sub/file"):
        (path / name).write_text("precious")
    if hide:
        hide(path)
    before = sorted(state_root.rglob("*")), sorted(path.glob("**/*"))
    try:
        for verb, *args in VERBS:
            said(ocipy(verb, "c1", *args, status=None, timeout=20))
        assert (sorted(state_root.rglob("*")), sorted(path.glob("**/*"))) == before
    finally:
        shutil.rmtree(state_root)


@pytest.mark.kernel
def test_one_damaged_container_does_not_hide_the_others(ocipy, state_root):
    for name, content in (("bad", b"{"), ("c1", json.dumps(FULL).encode())):
        entry = Store(str(state_root)).create(name)
        entry.write("state.json", content)
        entry.unlock()
    done = ocipy("list", "-q")
    assert done.stdout == "c1\n"
    assert done.stderr.startswith("ocipy: warning: bad: ")
    shutil.rmtree(state_root / "bad")


# ---------------------------------------------------------------- strangers


@pytest.mark.kernel
@pytest.mark.parametrize("started", [None, 1, "true"])
def test_a_pid_that_means_a_stranger_means_nobody(ocipy, state_root, stranger, started):
    """The pid is in use again, by a process that started at another time, or none is known."""
    entry = Store(str(state_root)).create("c1")
    entry.save(state(pid=stranger.pid, ocipy={"started": started}))
    entry.unlock()
    for verb, *args in (("kill", "KILL"), ("exec", "true"), ("pause",)):
        said(ocipy(verb, "c1", *args, status=None))
    ocipy("delete", "--force", "c1", status=None)
    shutil.rmtree(entry.path, ignore_errors=True)


@pytest.mark.parametrize("pid", [-1, 0, 1, 2**22 + 1, 2**31, 2**64, True, 1.5, "1", None])
def test_no_pid_means_everybody_or_the_first_process(entry, pid):
    entry.save(state(pid=pid), durable=False)
    with suppress(OcipyError):
        assert Runtime(root=os.path.dirname(entry.path)).load("c1").pid == 0


@pytest.fixture
def strangers_cgroup(stranger):
    """A cgroup with the stranger in it, and its path for state."""
    hierarchy = next(
        (h for h in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(f"{h}/cgroup.procs")), ""
    )
    need(hierarchy and os.access(hierarchy, os.W_OK), "needs a hierarchy of cgroups", kernel=True)
    path = f"{hierarchy}/{NAME}"
    os.mkdir(path)
    try:
        with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(stranger.pid))
        yield {"pids" if hierarchy.endswith("pids") else "": path}
    finally:
        with open(f"{hierarchy}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(stranger.pid))
        until(lambda: not removed_unless_busy(path))


def removed_unless_busy(path):
    with suppress(OSError):
        os.rmdir(path)
    return os.path.exists(path)


@pytest.mark.kernel
@pytest.mark.parametrize("verb", [("delete", "--force"), ("kill", "--all", "KILL"), ("pause",)])
def test_a_cgroup_that_was_made_anew_is_not_the_containers(ocipy, state_root, strangers_cgroup, verb):
    """Its name is in use again, as a pid can be: by its inode it is another one."""
    (path,) = strangers_cgroup.values()
    kept = {"paths": strangers_cgroup, "made": [path], "rootless": False, "inodes": {path: 7}}
    entry = Store(str(state_root)).create("c1")
    entry.save(state(ocipy={"cgroup": kept}))
    entry.unlock()
    name, *args = verb
    ocipy(name, *(args[:1] if args[:1] == ["--all"] else ()), "c1", *args[name == "kill" :], status=None)
    with open(f"{path}/cgroup.procs", encoding="ascii") as file:
        assert file.read() != ""


@pytest.mark.kernel
def test_a_whole_hierarchy_is_nobodys_cgroup(ocipy, state_root, strangers_cgroup):
    """All processes of the host are in it, or below."""
    ((name, path),) = strangers_cgroup.items()
    kept = {"paths": {name: os.path.dirname(path)}, "made": [], "rootless": False, "inodes": {}}
    entry = Store(str(state_root)).create("c1")
    entry.save(state(ocipy={"cgroup": kept, "phase": "creating"}))
    entry.unlock()
    container = Runtime(root=str(state_root)).load("c1")
    assert container.cgroup.procs() == []
    ocipy("delete", "--force", "c1")


@pytest.mark.kernel
def test_directories_of_the_host_are_no_cgroups(ocipy, state_root, tmp_path):
    """What is removed as a cgroup must be one."""
    precious = tmp_path / "precious"
    precious.mkdir()
    kept = {"paths": {"": str(precious)}, "made": [str(precious)], "rootless": False, "inodes": {}}
    entry = Store(str(state_root)).create("c1")
    entry.save(state(ocipy={"cgroup": kept, "phase": "creating"}))
    entry.unlock()
    ocipy("delete", "--force", "c1")
    assert precious.is_dir()


@pytest.mark.kernel
def test_hooks_that_a_stranger_has_written_are_not_run(ocipy, state_root, tmp_path):
    hook = {"path": "/bin/touch", "args": ["touch", str(tmp_path / "ran")]}
    entry = Store(str(state_root)).create("c1")
    entry.save(state(ocipy={"hooks": {"poststop": [hook]}}))
    entry.unlock()
    os.chown(f"{entry.path}/state.json", 12345, 12345)
    assert "not trusted" in said(ocipy("delete", "--force", "c1", status=None))
    assert not (tmp_path / "ran").exists()
    shutil.rmtree(entry.path)


@pytest.mark.kernel
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"process": 5}', b"\xff", b'{"ociVersion": "1.0.0"}']
)
def test_a_damaged_configuration_of_a_running_container_harms_nobody(ocipy, tmp_path, state_root, content):
    ocipy("run", "-d", "-b", bundle(tmp_path, ("sleep", "1000")), NAME)
    path = state_root / NAME / "config.json"
    path.write_bytes(content)
    if content != b'{"ociVersion": "1.0.0"}':
        said(ocipy("exec", NAME, "true", status=None))
    (state_root / NAME / "resources.json").write_bytes(content)
    (state_root / NAME / "resources.json").chmod(0o600)
    said(ocipy("update", "--pids-limit", "50", NAME, status=None))
    pid = json.loads(ocipy("state", NAME).stdout)["pid"]
    ocipy("kill", NAME, "KILL")
    until(lambda: process.start_time(pid) is None)
    ocipy("delete", NAME)


def test_a_signal_goes_to_the_process_that_was_held():
    """Between looking and killing nothing can come in between: a pidfd names one process for ever."""
    with subprocess.Popen(["sleep", "1000"]) as first:
        held = process.hold(first.pid, process.start_time(first.pid))
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert process.signal(held, signal.SIGKILL) is False
    os.close(held)
