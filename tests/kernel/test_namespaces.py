"""Namespaces: all eight, new, joined by path, or the runtime's own."""

import os
import subprocess
import time

import pytest

from tests.kernel.box import fields, until

pytestmark = pytest.mark.kernel

#: OCI's name -> the kernel's
NAMES = {
    "pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user",
    "cgroup": "cgroup", "time": "time",
}  # fmt: skip


def ours(name):
    return os.readlink(f"/proc/self/ns/{name}")


@pytest.fixture
def holder():
    """A process in new namespaces: holder("--net", ...).pid."""
    started = []

    def start(*flags):
        process = subprocess.Popen(["unshare", *flags, "sleep", "100"])
        started.append(process)
        until(lambda: open(f"/proc/{process.pid}/comm").read() == "sleep\n")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def share(box, *kinds):
    """Have the runtime's own namespaces, and nothing in the config that then makes no sense."""
    box.without(*kinds)
    mounts = box.config["mounts"]
    if "uts" in kinds:
        box.config.pop("hostname", None)
    if "ipc" in kinds:
        mounts[:] = [m for m in mounts if m["type"] != "mqueue"]
    if "network" in kinds:
        mounts[:] = [m for m in mounts if m["type"] != "sysfs" and not m["destination"].startswith("/sys")]
    if "mount" in kinds:
        mounts.clear()
        box.linux.update(maskedPaths=[], readonlyPaths=[])


# ---------------------------------------------------------------- new


def test_all_eight_can_be_new_at_once(box):
    for kind in ("cgroup", "time"):
        box.namespace(kind)
    box.user_namespace()
    box.start("sleep", "100")
    seen = {name: box.link(f"ns/{name}") for name in NAMES.values()}
    assert not [name for name, link in seen.items() if link == ours(name)]


@pytest.mark.parametrize("kind", NAMES)
def test_each_is_new_only_if_asked_for(box, kind):
    share(box, *(other for other in ("pid", "network", "ipc", "uts", "cgroup", "time") if other != kind))
    if kind == "user":
        box.user_namespace()
        # What a user namespace does not own it can't mount.
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] in ("tmpfs", "devpts")]
    elif kind != "mount":
        box.namespace(kind)
    box.start("sleep", "100")
    new = {oci for oci, name in NAMES.items() if box.link(f"ns/{name}") != ours(name)}
    assert new == {"mount", kind}


def test_there_may_be_none_at_all(box):
    box.own_root()
    share(box, *NAMES)
    box.start("sleep", "100")
    assert not [name for name in NAMES.values() if box.link(f"ns/{name}") != ours(name)]
    assert os.path.samefile(f"/proc/{box.pid}/root", box.root)
    assert box.exec("ls", "/bin/busybox") == "/bin/busybox\n"
    box.delete("--force")
    assert subprocess.run(["true"], check=False).returncode == 0  # the host lives on


def test_the_first_process_is_number_one_in_a_new_pid_namespace_alone(box):
    assert box.sh("echo $$") == "1\n"
    share(box, "pid")
    assert int(box.sh("echo $$")) > 1


def test_a_new_network_namespace_has_its_loopback_up(box):
    assert "127.0.0.1" in box.run("ip", "addr", "show", "lo")
    assert "LOOPBACK,UP" in box.run("ip", "link", "show", "lo")


def test_the_host_keeps_its_name(box):
    box.config["hostname"], box.config["domainname"] = "inside", "example.org"
    before = os.uname()
    assert box.sh("uname -n; cat /proc/sys/kernel/domainname") == "inside\nexample.org\n"
    assert os.uname() == before


def test_a_new_cgroup_namespace_begins_at_the_containers_cgroup(box):
    box.namespace("cgroup")
    paths = {line.split(":", 2)[2] for line in box.run("cat", "/proc/self/cgroup").splitlines()}
    assert paths == {"/"}


# ---------------------------------------------------------------- time


def uptime(box, *command):
    return float(box.run("cat", "/proc/uptime").split()[0])


def test_clocks_are_offset(box):
    box.namespace("time")
    box.linux["timeOffsets"] = {
        "boottime": {"secs": 1000000, "nanosecs": 5},
        "monotonic": {"secs": 500, "nanosecs": 7},
    }
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 <= uptime(box) - before - 1000000 < 10
    box.start("sleep", "100")
    offsets = dict(line.split(maxsplit=1) for line in box.proc("timens_offsets").splitlines())
    assert offsets["boottime"].split() == ["1000000", "5"]
    assert offsets["monotonic"].split() == ["500", "7"]
    # Of an exec as well.
    assert float(box.exec("cat", "/proc/uptime").split()[0]) - before > 1000000


def test_a_clock_may_be_offset_backwards(box):
    box.namespace("time")
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    back = int(before / 2)  # a machine may have booted just now
    box.linux["timeOffsets"] = {"boottime": {"secs": -back, "nanosecs": 0}}
    assert -back <= uptime(box) - before < -back + 20


def test_a_clock_that_would_be_negative_is_refused(box):
    box.namespace("time")
    box.linux["timeOffsets"] = {"boottime": {"secs": -(10**9), "nanosecs": 0}}
    message = box.fails("true")
    assert "(config.json /linux/timeOffsets)" in message
    assert "ERANGE" in message


def test_clocks_are_offset_in_a_user_namespace(box):
    box.namespace("time")
    box.user_namespace()
    box.linux["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 0}}
    assert uptime(box) > 1000000


# ---------------------------------------------------------------- users


def test_a_user_namespace_has_the_mappings_that_are_asked_for(box):
    box.namespace("user")
    box.linux["uidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 1000},
        {"containerID": 5000, "hostID": 300000, "size": 1},
    ]
    box.linux["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 70000}]
    box.start("sleep", "100")
    rows = lambda name: [tuple(map(int, line.split())) for line in box.proc(name).splitlines()]
    assert rows("uid_map") == [(0, 100000, 1000), (5000, 300000, 1)]
    assert rows("gid_map") == [(0, 200000, 70000)]
    found = fields(box.proc("status"))
    assert (found["Uid"].split()[0], found["Gid"].split()[0]) == ("100000", "200000")


def test_as_many_mappings_as_the_kernel_takes_can_be_had(box):
    box.namespace("user")
    for kind in ("uidMappings", "gidMappings"):
        # The kernel takes them all by one write of less than a page.
        box.linux[kind] = [{"containerID": n, "hostID": 1000 + 2 * n, "size": 1} for n in range(340)]
    assert len(box.run("cat", "/proc/self/uid_map").splitlines()) == 340


def test_mappings_that_the_kernel_refuses_are_named(box):
    box.namespace("user")
    for kind in ("uidMappings", "gidMappings"):
        box.linux[kind] = [{"containerID": n * 10, "hostID": 100000 + n * 20, "size": 5} for n in range(340)]
    message = box.fails("true")
    assert "(config.json /linux/uidMappings)" in message
    assert "EINVAL: invalid argument" in message
    assert len(message) < 20000


def test_the_host_ids_of_a_user_namespace_own_what_it_makes(box):
    box.user_namespace()
    (box.bundle / "data").mkdir()
    (box.bundle / "data").chmod(0o777)
    box.bind(box.bundle / "data", "/mnt")
    box.process["user"] = {"uid": 7, "gid": 8}
    box.sh("touch /mnt/file")
    status = (box.bundle / "data/file").stat()
    assert (status.st_uid, status.st_gid) == (100007, 100008)


# ---------------------------------------------------------------- joined

FLAGS = {
    "network": ("--net",),
    "ipc": ("--ipc",),
    "uts": ("--uts",),
    "mount": ("--mount",),
    "cgroup": ("--cgroup",),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_namespace_can_be_joined_by_path(box, holder, kind):
    other = holder(*FLAGS[kind])
    path = f"/proc/{other.pid}/ns/{NAMES[kind]}"
    link = os.readlink(path)
    if kind == "uts":
        box.config.pop("hostname")
    box.namespace(kind, path)
    box.start("sleep", "100")
    assert box.link(f"ns/{NAMES[kind]}") == link
    assert box.exec("readlink", f"/proc/self/ns/{NAMES[kind]}").strip() == link


def test_the_pid_namespace_of_another_container_can_be_joined(boxes):
    """A pod: its processes see each other, and exec finds the same place."""
    one, two = boxes(), boxes()
    one.start("sleep", "1001")
    two.namespace("pid", f"/proc/{one.pid}/ns/pid")
    for kind in ("ipc", "network", "uts"):
        two.namespace(kind, f"/proc/{one.pid}/ns/{NAMES[kind]}")
    two.config.pop("hostname")
    two.start("sleep", "1002")
    assert two.link("ns/pid") == one.link("ns/pid")
    seen = one.exec("ps", "-o", "args")
    assert "sleep 1002" in seen
    assert "sleep 1001" in two.exec("ps", "-o", "args")
    two.delete("--force")
    assert "sleep 1002" not in one.exec("ps", "-o", "args")
    assert one.state()["status"] == "running"


def test_a_time_namespace_can_be_joined_by_path(box, holder):
    other = holder("--time", "--boottime", "5000")
    path = f"/proc/{other.pid}/ns/time_for_children"
    link = os.readlink(path).replace("time_for_children", "time")
    box.namespace("time", path)
    box.start("sleep", "100")
    assert box.link("ns/time").split(":")[1] == link.split(":")[1]


def test_a_user_namespace_can_be_joined_by_path_with_all_it_owns(boxes):
    one, two = boxes(), boxes()
    one.user_namespace()
    one.start("sleep", "1001")
    two.namespace("user", f"/proc/{one.pid}/ns/user")
    for kind in ("ipc", "network", "uts"):
        two.namespace(kind, f"/proc/{one.pid}/ns/{NAMES[kind]}")
    two.config.pop("hostname")
    two.process["user"] = {"uid": 3, "gid": 4, "additionalGids": [5]}
    two.start("sleep", "1002")
    assert two.link("ns/user") == one.link("ns/user")
    assert two.exec("id").startswith("uid=3")
    assert fields(two.proc("status"))["Uid"].split()[0] == "100003"


def test_a_path_may_lie_anywhere(box, holder):
    """As engines bind namespaces to files: /run/netns/NAME."""
    other = holder("--net")
    file = box.bundle / "netns"
    file.touch()
    subprocess.run(["mount", "--bind", f"/proc/{other.pid}/ns/net", file], check=True)
    try:
        box.namespace("network", file)
        box.start("sleep", "100")
        assert box.link("ns/net") == os.readlink(f"/proc/{other.pid}/ns/net")
    finally:
        subprocess.run(["umount", file], check=True)


@pytest.mark.parametrize("kind", [kind for kind in NAMES if kind != "user"])
def test_a_namespace_of_another_type_is_refused(box, kind):
    wrong = "uts" if kind != "uts" else "ipc"
    if kind == "uts":
        box.config.pop("hostname")
    box.namespace(kind, f"/proc/self/ns/{wrong}")
    message = box.fails("true")
    number = next(i for i, n in enumerate(box.linux["namespaces"]) if n["type"] == kind)
    assert f"(config.json /linux/namespaces/{number})" in message
    assert f"the namespace is of type CLONE_NEW{wrong.upper()}" in message


def test_a_file_that_is_no_namespace_is_refused(box):
    box.namespace("network", "/etc/passwd")
    message = box.fails("true")
    assert "open network namespace /etc/passwd" in message or "join network namespace /etc/passwd" in message
    assert "/linux/namespaces/" in message


def test_a_fifo_for_a_namespace_does_not_hold_us_up(box):
    os.mkfifo(box.bundle / "fifo")
    box.namespace("network", box.bundle / "fifo")
    assert "/linux/namespaces/" in box.fails("true", timeout=20)


@pytest.mark.parametrize("path", ["/nowhere/ns", "/proc/999999999/ns/net"])
def test_a_namespace_that_is_not_there_is_refused(box, path):
    box.namespace("network", path)
    assert f"open network namespace {path} (config.json /linux/namespaces/" in box.fails("true")


def test_a_path_that_is_too_long_is_refused_in_one_line(box):
    """CVE-2021-43784: 64 KiB of it once overflowed what it was written into."""
    box.namespace("network", "/" + "x" * 70000)
    assert "ENAMETOOLONG" in box.fails("true")
    box.namespace("network", "/proc/self/ns/net\0/x")
    assert "/path" in box.fails("true")
