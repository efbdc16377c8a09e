"""Networks of every kind but the plain bridge, what a device looks like, and whose it is afterwards."""

import json

import pytest

pytestmark = pytest.mark.kernel


def link(box, name):
    (found,) = json.loads(box.inside("ip", "-json", "-details", "link", "show", name))
    return found


def names(box):
    return {one["ifname"] for one in json.loads(box.inside("ip", "-json", "link"))}


# ---------------------------------------------------------------- what a device is like


def test_a_device_is_as_asked(world):
    box = world.container(
        mode="bridge", name="net", mac="02:00:5e:10:00:01", mtu="1400", ipv4="10.176.0.77/20 10.176.0.78/20",
        ipv4_gateway="10.176.0.9", ipv6="none",
    ).start()  # fmt: skip
    found = link(box, "net")
    assert (found["address"], found["mtu"]) == ("02:00:5e:10:00:01", 1400)
    assert box.addresses("net") == ["10.176.0.77/20", "10.176.0.78/20"]
    assert "default via 10.176.0.9 dev net" in box.inside("ip", "route")
    assert names(box) == {"lo", "net"}


def test_a_device_may_stay_down(world):
    box = world.container(mode="bridge", up="false").start()
    assert "UP" not in link(box, "eth0")["flags"]
    assert "10.176.0.2/20" in box.addresses()
    assert box.inside("ip", "route") == ""


def test_several_networks_are_several_devices(world):
    world.wire("parent")
    box = world.container(**{
        "0_mode": "bridge", "1_mode": "bridge", "1_link": "ocipy1", "1_ipv4_range": "10.1.0.0/24",
        "4_mode": "macvlan", "4_link": "parent", "4_ipv4": "10.2.0.5/24",
    }).start()  # fmt: skip
    assert names(box) == {"lo", "eth0", "eth1", "eth2"}
    assert box.address(4, "eth0") == "10.176.0.2"
    assert box.address(4, "eth1") == "10.1.0.2"
    assert box.addresses("eth2") == ["10.2.0.5/24"]
    # Only one can be the way to everywhere.
    assert box.inside("ip", "route", "show", "default").split()[:3] == ["default", "via", "10.176.0.1"]
    box.delete("--force")
    assert world.left() == []


@pytest.mark.parametrize("ipv6_off_in", ["host", "container"])
def test_where_there_is_no_ipv6_there_is_ipv4(world, ipv6_off_in):
    box = world.container(mode="bridge")
    if ipv6_off_in == "host":
        world.run("sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1")
    else:
        box.config["linux"]["sysctl"] = {"net.ipv6.conf.default.disable_ipv6": "1"}
        box.config["hooks"]["createContainer"] = []
    box.start()
    if ipv6_off_in == "host":
        assert box.addresses() == ["10.176.0.2/20"]
    assert "10.176.0.2/20" in box.addresses()


def test_an_inner_end_that_can_not_be_born_inside_is_moved_there(world):
    """What an old kernel makes of the one message, by itself: the same calls of the library."""
    world.ip("link add br0 type bridge")
    inner = world.popen_apart()
    script = (
        "import os, sys\n"
        "from ocipy_network.claims import Attachment\n"
        "from ocipy_network.links import Links, inside\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\n"
        "one = Attachment('bridge', 'br0', 'eth0', 'voc0123456789ab', '02:00:00:00:00:05', 1400)\n"
        "two = Attachment('macvlan', 'br0', 'mv0', mac='02:00:00:00:00:06', macvlan='private')\n"
        "links = Links()\n"
        "links.veth(one, links.index('br0'), fd, born=False)\n"
        "links.macvlan(two, links.index('br0'), fd)\n"
        "with inside(fd) as inner: inner.configure(one); inner.configure(two)\n"
    )
    try:
        world.python(script, f"/proc/{inner.pid}/ns/net")
        found = {
            one["ifname"]: one
            for one in json.loads(
                world.run("nsenter", f"--net=/proc/{inner.pid}/ns/net", "ip", "-json", "-details", "link")
            )
        }
    finally:
        inner.kill()
        inner.wait()
    assert set(found) == {"lo", "eth0", "mv0"}
    assert (found["eth0"]["address"], found["eth0"]["mtu"]) == ("02:00:00:00:00:05", 1400)
    assert found["mv0"]["linkinfo"]["info_data"]["mode"] == "private"
    assert {"UP", "LOWER_UP"} <= set(found["eth0"]["flags"])


# ---------------------------------------------------------------- macvlan


def test_macvlans_of_one_device_reach_each_other(world):
    world.wire("parent")
    settings = {"mode": "macvlan", "link": "parent", "ipv4_range": "10.3.0.0/24", "ipv6": "fd00:3::{}/64"}
    boxes = [
        world.container(**{**settings, "ipv6": settings["ipv6"].format(n)}).start() for n in (2, 3)
    ]  # fmt: skip
    assert [box.address(4) for box in boxes] == ["10.3.0.2", "10.3.0.3"]
    assert link(boxes[0], "eth0")["linkinfo"]["info_data"]["mode"] == "bridge"
    boxes[0].serve("hello")
    assert boxes[1].fetch("http://10.3.0.2/") == "hello\n"
    assert boxes[1].fetch("http://[fd00:3::2]/") == "hello\n"
    assert "default via 10.3.0.1" in boxes[0].inside("ip", "route")
    for box in boxes:
        box.delete("--force")
    assert world.left() == []


# ---------------------------------------------------------------- host-device


@pytest.fixture
def lent(world):
    """A device of the host with settings of its own."""
    world.wire("dev0", "address", "02:00:00:00:00:77", "mtu", "1333")
    world.ip("addr add 10.4.0.5/24 dev dev0")
    world.ip("addr add fd00:4::5/64 dev dev0 nodad")
    return "dev0"


def looks(world, name):
    """What a device of the host is like, but for its number."""
    (found,) = json.loads(world.ip(f"-json addr show {name}"))
    addresses = {f"{a['local']}/{a['prefixlen']}" for a in found["addr_info"] if a["scope"] == "global"}
    return found["address"], found["mtu"], "UP" in found["flags"], addresses


def test_a_device_of_the_host_goes_in_with_its_addresses_and_comes_back(world, lent):
    before = looks(world, lent)
    box = world.container(mode="host-device", link="dev0", name="eth0", mac="02:00:00:00:00:78").start()
    assert "dev0" not in world.links()
    assert box.addresses() == ["10.4.0.5/24", "fd00:4::5/64"]
    assert (link(box, "eth0")["address"], link(box, "eth0")["mtu"]) == ("02:00:00:00:00:78", 1333)
    assert "UP" in link(box, "eth0")["flags"]
    box.delete("--force")
    assert looks(world, lent) == before
    assert world.left() == []


def test_a_lent_device_comes_back_when_its_holder_was_killed(world, lent):
    box = world.container(mode="host-device", link="dev0").start()
    box.kill()
    world.collect()
    assert "dev0" in world.links()
    assert world.left() == []


def test_a_lent_device_gets_other_addresses_where_asked(world, lent):
    box = world.container(mode="host-device", link="dev0", ipv4="10.5.0.1/24", ipv6="none").start()
    assert box.addresses("dev0") == ["10.5.0.1/24"]


def test_a_lent_device_whose_name_is_taken_meanwhile_gets_another(world, lent):
    box = world.container(mode="host-device", link="dev0").start()
    world.ip("link add dev0 type bridge")
    box.delete("--force")
    (other,) = set(world.links()) - {"lo", "dev0", "dev0-end"}
    assert other.startswith("dev")
    assert not looks(world, "dev0")[3]


def test_who_can_not_have_it_loses_nothing_of_its_own(world, lent):
    """The namespace, which somebody else has made, has a device of that name."""
    other = world.popen_apart()
    try:
        inside = ("nsenter", f"--net=/proc/{other.pid}/ns/net", "ip")
        world.run(*inside, "link", "add", "dev0", "type", "bridge")
        before = looks(world, lent)
        box = world.container(mode="host-device", link="dev0")
        for namespace in box.config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = f"/proc/{other.pid}/ns/net"
        assert "EEXIST" in box.create(status=1)
        assert looks(world, lent) == before
        assert "dev0" in world.run(*inside, "link")
        assert world.left() == []
    finally:
        other.kill()
        other.wait()


# ---------------------------------------------------------------- none, join


def test_none_is_a_loopback_that_works(world):
    box = world.container(mode="none").start()
    assert names(box) == {"lo"}
    box.serve("hello")
    box.delete("--force")
    assert world.left() == []


@pytest.mark.parametrize("mode", ["bridge", "none"])
def test_a_container_joins_another(world, mode):
    first = world.container(mode=mode).start()
    second = world.container(mode=f"join:{first.id}")
    second.joins(first)
    second.start()
    first.serve("hello")
    assert second.fetch("http://127.0.0.1/") == "hello\n"
    second.delete("--force")
    first.delete("--force")
    assert world.left() == []


def test_a_network_outlives_its_first_holder_while_somebody_shares_it(world):
    boxes = [world.container(mode="bridge").start()]
    for _ in range(2):  # the last one joins who has joined
        boxes.append(world.container(mode=f"join:{boxes[-1].id}"))
        boxes[-1].joins(boxes[-2])
        boxes[-1].start()
    boxes[-1].serve("hello")
    for box in boxes[:-1]:
        box.kill()
    world.collect()
    assert world.fetch("http://10.176.0.2/") == "hello\n"
    boxes[-1].kill()
    world.collect()
    assert world.left() == []


def test_who_does_not_share_the_namespace_that_was_joined_is_refused(world):
    first = world.container(mode="bridge").start()
    second = world.container(mode=f"join:{first.id}")
    message = second.create(status=1)
    assert f"is not in the network namespace of {first.id}" in message
    assert f"needs the path {world.claims}/join/{first.id}" in message


def test_nobody_is_joined_who_is_not_there(world):
    assert "there is no container nope that has this hook" in world.container(mode="join:nope").create(
        status=1
    )
