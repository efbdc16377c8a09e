"""linux.netDevices: a device of the host, here of a network namespace that the test has made, goes inside."""

import subprocess

import pytest

from tests.conftest import need
from tests.kernel.box import until

pytestmark = pytest.mark.kernel


class Host:
    """A network namespace with a veth pair that stands for the host's."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "100"])
        until(lambda: open(f"/proc/{self.process.pid}/comm").read() == "sleep\n")
        self.enter = ["nsenter", "--net", f"--target={self.process.pid}", "--"]

    def ip(self, words):
        done = subprocess.run([*self.enter, "ip", *words.split()], capture_output=True, text=True, check=True)
        return done.stdout

    def run(self, box, *args, status=0):
        if args:
            box.process["args"] = list(args)
        launcher, root = box.ocipy.command
        words = [*self.enter, launcher, "--root", root, "run", "-b", box.write(), box.id]
        done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=60)  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr


@pytest.fixture
def host():
    need(subprocess.run(["which", "ip"], capture_output=True, check=False).returncode == 0, "needs iproute2")
    made = Host()
    made.ip("link add dev0 type veth peer name dev1")
    made.ip("link set dev1 up")
    yield made
    made.process.kill()
    made.process.wait()


def show(name=""):
    return ("sh", "-c", f"ip link show {name}; ip addr show {name}")


def test_a_device_moves_in_and_is_up(box, host):
    box.linux["netDevices"] = {"dev0": {}}
    out = host.run(box, *show("dev0"))
    assert "dev0@" in out
    assert ",UP" in out
    host.ip("link add dev0 type veth peer name dev9")  # the name is free again


def test_a_device_is_renamed(box, host):
    box.linux["netDevices"] = {"dev0": {"name": "eth0"}}
    assert "eth0@" in host.run(box, *show("eth0"))


def test_a_name_may_leave_the_number_to_the_kernel(box, host):
    host.ip("link add other type veth peer name other1")
    box.linux["netDevices"] = {"dev0": {"name": "eth%d"}, "other": {"name": "eth%d"}}
    out = host.run(box, *show())
    assert "eth0@" in out
    assert "eth1@" in out


def test_two_devices_may_swap_their_names(box, host):
    host.ip("link set dev0 address 02:00:00:00:00:aa")
    host.ip("link set dev1 address 02:00:00:00:00:bb")
    box.linux["netDevices"] = {"dev0": {"name": "dev1"}, "dev1": {"name": "dev0"}}
    assert "02:00:00:00:00:bb" in host.run(box, *show("dev0"))


def test_a_device_keeps_what_is_its_own(box, host):
    host.ip("link set dev0 address 02:00:00:00:00:aa mtu 1234")
    box.linux["netDevices"] = {"dev0": {"name": "eth0"}}
    out = host.run(box, *show("eth0"))
    assert "mtu 1234" in out
    assert "02:00:00:00:00:aa" in out


def test_permanent_global_addresses_move_along(box, host):
    host.ip("addr add 10.1.2.3/24 brd 10.1.2.255 dev dev0")
    host.ip("addr add 10.1.2.4/24 dev dev0 label dev0:x")
    host.ip("addr add 10.9.9.1 peer 10.9.9.2/32 dev dev0")
    host.ip("addr add fd00::5/64 dev dev0 nodad")
    host.ip("addr add 10.5.5.5/24 dev dev0 scope link")
    host.ip("addr add 10.6.6.6/24 dev dev0 valid_lft 1000 preferred_lft 1000")
    box.linux["netDevices"] = {"dev0": {"name": "eth0"}}
    out = host.run(box, *show("eth0"))
    assert "inet 10.1.2.3/24 brd 10.1.2.255 scope global eth0\n" in out
    assert "inet 10.1.2.4/24 scope global secondary eth0:x\n" in out
    assert "inet 10.9.9.1 peer 10.9.9.2/32 scope global eth0\n" in out
    assert "inet6 fd00::5/64 scope global" in out
    assert "10.5.5.5" not in out
    assert "10.6.6.6" not in out


def test_a_device_moves_into_a_user_namespace(box, host):
    host.ip("addr add 10.1.2.3/24 dev dev0")
    box.user_namespace()
    box.linux["netDevices"] = {"dev0": {"name": "eth0"}}
    out = host.run(box, *show("eth0"))
    assert "10.1.2.3/24" in out
    assert ",UP" in out


def test_a_device_moves_into_a_joined_namespace(box, host):
    with subprocess.Popen(["unshare", "--net", "sleep", "100"]) as other:
        until(lambda: open(f"/proc/{other.pid}/comm").read() == "sleep\n")
        box.namespace("network", f"/proc/{other.pid}/ns/net")
        box.linux["netDevices"] = {"dev0": {"name": "eth0"}}
        assert "eth0@" in host.run(box, *show("eth0"))
        # It is not moved back.
        words = ["nsenter", "--net", f"--target={other.pid}", "ip", "link"]
        assert "eth0@" in subprocess.run(words, capture_output=True, text=True, check=True).stdout
        other.kill()


def test_a_device_that_is_not_there_is_named(box, host):
    box.linux["netDevices"] = {"nope": {}}
    message = host.run(box, "true", status=1)
    assert (
        "check that network device nope can go into the container as nope "
        "(config.json /linux/netDevices/nope)" in message
    )
    assert 'rtnetlink("nope", "there is no such network device"): ENODEV' in message


def test_where_one_device_can_not_go_none_does(box, host):
    for wrong in ({"nope": {}}, {"dev1": {"name": "lo"}}):
        box.linux["netDevices"] = {"dev0": {"name": "eth0"}, **wrong}
        assert f"config.json /linux/netDevices/{next(iter(wrong))}" in host.run(box, "true", status=1)
        assert {"dev0@dev1", "dev1@dev0"} <= set(host.ip("-o link").replace(": ", " ").split())


def test_a_name_that_is_taken_is_refused_and_the_device_stays(box, host):
    box.linux["netDevices"] = {"dev0": {"name": "lo"}}
    message = host.run(box, "true", status=1)
    assert "(config.json /linux/netDevices/dev0)" in message
    assert "the container has a network device of this name" in message
    assert "EEXIST: file exists" in message
    assert "dev0@" in host.ip("link show dev0")


def test_a_device_that_can_not_move_is_refused_with_the_kernels_reason(box, host):
    box.linux["netDevices"] = {"lo": {"name": "lo1"}}
    message = host.run(box, "true", status=1)
    assert "(config.json /linux/netDevices/lo)" in message
    assert "EINVAL" in message
