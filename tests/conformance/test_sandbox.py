"""The sandbox: what it hides, what it mounts, and that nothing of it stays."""

import os
import subprocess
import sys

import pytest

from conformance import cgroupfs, sandbox

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HYBRID = """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
50 31 0:29 /x /tmp/root/sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
"""
MEMBERSHIP = "2:name=systemd:/\n1:cpu,cpuacct:/mine\n0::/\n"


def test_hierarchies_are_found_once_with_what_mounts_them_again():
    found = cgroupfs.parse_hierarchies(HYBRID, MEMBERSHIP)
    assert [(h.name, h.options, h.own, h.unified) for h in found] == [
        ("cpu,cpuacct", "cpu,cpuacct", "/mine", False),
        ("systemd", "none,name=systemd", "/", False),
        ("unified", "", "/", True),
    ]


def test_a_choice_of_cgroups_leaves_out_the_other_version():
    found = cgroupfs.parse_hierarchies(HYBRID, MEMBERSHIP)
    assert [h.name for h in sandbox.choose(found, "auto")] == ["cpu,cpuacct", "systemd"]
    assert [h.name for h in sandbox.choose(found, "v2")] == ["unified"]
    with pytest.raises(OSError, match="no cgroup hierarchy of v1"):
        sandbox.choose([h for h in found if h.unified], "v1")


def test_roots_of_other_containers_are_hidden():
    mountinfo = HYBRID + "54 27 8:1 /r /tmp/r rw - ext4 d rw\n55 54 0:1 / /tmp/r/proc rw - proc proc rw\n"
    assert "/tmp/r" in sandbox.foreign(mountinfo)
    assert "/tmp/root/sys/fs/cgroup/cpu,cpuacct" in sandbox.foreign(mountinfo)
    assert "/" not in sandbox.foreign(mountinfo)


def run(*arguments):
    command = [sys.executable, "-m", "conformance.sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.kernel
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
class TestInTheKernel:
    def test_the_command_sees_its_cgroup_as_the_root_and_itself_as_a_child_of_init(self):
        result = run("--", "sh", "-c", "cat /proc/self/cgroup; echo $PPID")
        *cgroups, parent = result.stdout.splitlines()
        assert parent == "1"
        assert {line.split(":", 2)[2] for line in cgroups} == {"/"}

    def test_its_status_is_the_commands(self):
        assert run("--", "sh", "-c", "exit 7").returncode == 7
        assert run("--", "sh", "-c", "kill -9 $$").returncode == 137
        assert run("--timeout", "0.2", "--", "sleep", "60").returncode == 124

    def test_nothing_of_it_stays(self):
        name = f"left-{os.getpid()}"
        left = run("--", "sh", "-c", f"sleep 60 & mkdir /sys/fs/cgroup/*/{name}; mount -t tmpfs x /mnt")
        assert left.returncode == 0
        assert not [d for h in cgroupfs.hierarchies() for d in cgroupfs.tree(h.path) if name in d]
        with open("/proc/self/mountinfo") as mountinfo:
            assert " /mnt " not in mountinfo.read()
