"""Namespaces: made, joined, entered by a child that is the runtime's own."""

import os
import subprocess

import pytest

from tests.conftest import need
from tests.init.driver import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    DEADLINE,
    MS_PRIVATE,
    MS_SHARED,
)

pytestmark = pytest.mark.kernel

FLAGS = {
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mnt": CLONE_NEWNS,
    "net": CLONE_NEWNET,
    "uts": CLONE_NEWUTS,
}


def map_root(init, uid=100000, size=65536):
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{init.pid}/{name}", "w", encoding="ascii") as file:
            file.write(f"0 {uid} {size}\n")


def test_unshare_makes_each_namespace(init):
    init.run(("UNSHARE", sum(FLAGS.values())))
    for name in FLAGS:
        assert init.namespace(name) != os.readlink(f"/proc/self/ns/{name}")


def test_unshare_says_which_namespaces_it_could_not_make(init):
    wrong = CLONE_NEWNET | CLONE_NEWUTS | 1 << 12
    assert init.failure(("UNSHARE", wrong)) == ("EINVAL", "unshare(CLONE_NEWNET|CLONE_NEWUTS|0x1000)")


@pytest.mark.parametrize("name", FLAGS)
def test_join_enters_a_namespace_of_the_type(start, name):
    owner, init = start(), start()
    owner.run(("UNSHARE", FLAGS[name]))
    fd = os.open(f"/proc/{owner.pid}/ns/{name}", os.O_RDONLY)
    init.run(("JOIN", 0, FLAGS[name]), fds=(fd,))
    os.close(fd)
    assert init.namespace(name) == owner.namespace(name)


def test_join_refuses_a_namespace_of_another_type(init):
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    name, text = init.failure(("JOIN", 0, CLONE_NEWNET), fds=(fd,))
    os.close(fd)
    assert name == "EINVAL"
    assert text.endswith(", CLONE_NEWNET): the namespace is of type CLONE_NEWUTS")


def test_join_refuses_what_is_no_namespace(init, tmp_path):
    (tmp_path / "file").touch()
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    name, text = init.failure(("JOIN", 0, CLONE_NEWNET), fds=(fd,))
    os.close(fd)
    assert (name, text[:6], text[-14:]) == ("ENOTTY", "ioctl(", "NS_GET_NSTYPE)")


def test_join_process_enters_several_namespaces_at_once(start):
    owner, init = start(), start()
    owner.run(("UNSHARE", CLONE_NEWUTS | CLONE_NEWNET))
    init.run(("JOIN_PROCESS", 0, CLONE_NEWUTS | CLONE_NEWNET), fds=(owner.pidfd,))
    assert [init.namespace(name) for name in ("uts", "net")] == [
        owner.namespace(name) for name in ("uts", "net")
    ]


def test_join_process_refuses_what_is_no_process(init):
    name, text = init.failure(("JOIN_PROCESS", 0, CLONE_NEWNET), fds=(init.socket.fileno(),))
    assert (name, text[:6]) == ("EINVAL", "setns(")


def test_clone_makes_a_first_process_that_is_the_child_of_the_runtime(init):
    stage = init.pid
    init.clone(CLONE_NEWPID)
    assert init.pid != stage
    assert init.status("NSpid").split()[-1] == "1"
    assert int(init.status("PPid")) == os.getpid()
    init.run("SETSID")
    init.socket.close()
    assert init.wait() == 1


def test_clone_says_what_it_could_not_do(init):
    assert init.failure(("CLONE", CLONE_NEWNET | 0x800, -1)) == ("EINVAL", "clone3(CLONE_NEWNET|0x800)")


def test_clone_makes_a_time_namespace_with_offsets(init):
    init.run(("UNSHARE", CLONE_NEWTIME))
    proc = os.open("/proc", os.O_PATH)
    init.run(("WRITE", 0, "self/timens_offsets", "monotonic 86400 0"), fds=(proc,))
    os.close(proc)
    init.clone(0)
    assert init.namespace("time") != os.readlink("/proc/self/ns/time")
    assert init.read("timens_offsets").split()[:2] == ["monotonic", "86400"]


def test_clone_starts_the_child_in_a_cgroup(init):
    path = f"/sys/fs/cgroup/unified/ocipy-init-test-{os.getpid()}"
    need(os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"), "needs a cgroup2 mount", kernel=True)
    os.mkdir(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        init.clone(CLONE_NEWPID, cgroup=fd)
        os.close(fd)
        with open(path + "/cgroup.procs", encoding="ascii") as file:
            assert file.read().split() == [str(init.pid)]
        init.socket.close()
        assert init.wait() == 1
    finally:
        os.rmdir(path)


def test_the_mapped_root_of_a_user_namespace_has_its_capabilities(init):
    init.run(("UNSHARE", CLONE_NEWUSER))
    map_root(init)
    init.run(
        "BECOME_ROOT", ("UNSHARE", CLONE_NEWUTS | CLONE_NEWNET), ("SETHOSTNAME", "inside"), "LOOPBACK_UP"
    )
    assert init.status("Uid").split() == ["100000"] * 4
    assert init.status("Gid").split() == ["100000"] * 4
    init.clone(CLONE_NEWPID)
    assert init.status("NSpid").split()[-1] == "1"


def test_become_root_needs_a_mapping(init):
    init.run(("UNSHARE", CLONE_NEWUSER))
    assert init.failure("BECOME_ROOT") == ("EINVAL", "setresgid(0, 0, 0)")


def test_names_are_set(init):
    init.run(("UNSHARE", CLONE_NEWUTS), ("SETHOSTNAME", "web"), ("SETDOMAINNAME", "example"))
    done = subprocess.run(
        [
            "nsenter",
            "--uts",
            f"--target={init.pid}",
            "cat",
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/domainname",
        ],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert done.stdout.split() == ["web", "example"]


@pytest.mark.parametrize("op", ["SETHOSTNAME", "SETDOMAINNAME"])
def test_a_name_that_is_too_long_fails(init, op):
    init.run(("UNSHARE", CLONE_NEWUTS))
    assert init.failure((op, "x" * 65)) == ("EINVAL", f'{op.lower()}("{"x" * 65}")')


def test_the_loopback_device_comes_up(init):
    init.run(("UNSHARE", CLONE_NEWNET), "LOOPBACK_UP")
    with open(f"/proc/{init.pid}/net/if_inet6", encoding="ascii") as file:
        assert file.read().split()[-1] == "lo"


def test_init_moves_itself_into_a_cgroup_v1(init):
    path = f"/sys/fs/cgroup/pids/ocipy-init-test-{os.getpid()}"
    need(os.path.exists("/sys/fs/cgroup/pids/tasks"), "needs the cgroup v1 pids controller", kernel=True)
    os.mkdir(path)
    try:
        fd = os.open(path + "/tasks", os.O_WRONLY)
        init.run(("JOIN_CGROUP", 0), fds=(fd,))
        os.close(fd)
        assert f":pids:{path.removeprefix('/sys/fs/cgroup/pids')}\n" in init.read("cgroup")
        init.socket.close()
        assert init.wait() == 1
    finally:
        os.rmdir(path)


def test_what_is_no_tasks_file_can_not_be_joined(init):
    name, text = init.failure(("JOIN_CGROUP", 0), fds=(os.open("/", os.O_RDONLY),))
    assert (name, text[:6]) == ("EBADF", "write(")


def test_propagation_is_changed_for_the_whole_tree(init):
    init.run(("UNSHARE", CLONE_NEWNS), ("PROPAGATION", MS_PRIVATE, 1))
    assert "shared:" not in init.read("mountinfo")
    init.run(("PROPAGATION", MS_SHARED, 0))
    assert init.read("mountinfo").count("shared:") == 1


def test_an_impossible_propagation_fails(init):
    init.run(("UNSHARE", CLONE_NEWNS))
    assert init.failure(("PROPAGATION", 3, 1)) == (
        "EINVAL",
        'mount_setattr("/", AT_RECURSIVE, propagation=0x3)',
    )


@pytest.mark.parametrize("name", FLAGS)
def test_init_hands_out_its_own_namespace_though_it_is_not_dumpable(init, name):
    made = init.run(("UNSHARE", FLAGS[name]), ("DUMPABLE", 0), ("NAMESPACE", name))
    found = os.readlink(f"/proc/self/fd/{made[2]}")
    os.close(made[2])
    assert found == init.namespace(name)


@pytest.mark.parametrize(
    ("name", "error"), [("nosuch", "ENOENT"), ("../status", "EINVAL"), ("x" * 60, "EINVAL"), ("", "ENOTTY")]
)
def test_what_is_no_namespace_is_not_handed_out(init, name, error):
    assert init.failure(("NAMESPACE", name))[0] == error
