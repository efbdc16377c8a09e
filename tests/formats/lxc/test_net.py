"""Networks: annotations of the hook, devices, scripts."""

import pytest

from ocipy.errors import ConfigError
from ocipy.formats import lxc
from ocipy.spec import Spec, network
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED
from tests.formats.lxc import made


def net(*lines, number=0):
    return [f"lxc.net.{number}.{line}" for line in lines]


def settings(data):
    return network.check(data.get("annotations") or {}).networks


def test_a_pair_at_a_bridge(tmp_path):
    lines = net(
        "type = veth", "link = br0", "flags = up", "name = lan0", "mtu = 1400", "hwaddr = 02:00:5E:10:00:01",
        "ipv4.address = 10.2.3.5/24", "ipv4.address = 10.2.4.5/24", "ipv4.gateway = 10.2.3.1",
        "ipv6.address = fd00::5",
    )  # fmt: skip
    (one,) = settings(made.data(tmp_path, *lines))
    assert one == network.Network(
        mode="bridge", link="br0", name="lan0", mac="02:00:5e:10:00:01", mtu=1400,
        ipv4=network.Family(("10.2.3.5/24", "10.2.4.5/24"), gateway="10.2.3.1"),
        ipv6=network.Family(("fd00::5/64",), gateway="none"),
        masquerade=False, firewall=False,
    )  # fmt: skip


def test_nothing_comes_by_itself(tmp_path):
    """No address, no route, no rule of a firewall, and not even up."""
    (one,) = settings(made.data(tmp_path, *net("type = veth", "link = br0")))
    assert (one.up, one.masquerade, one.firewall) == (False, False, False)
    assert one.ipv4 == one.ipv6 == network.Family((), gateway="none")


def test_the_hook_is_asked_for(tmp_path):
    hooks = made.data(tmp_path, *net("type = veth", "link = br0"), "lxc.hook.pre-start = /first")["hooks"]
    first, second = hooks["createRuntime"]
    assert "/first" in first["args"][2]
    assert second["path"] == made.V2.network_hook
    assert hooks["poststop"] == [second]


def test_networks_are_in_the_order_of_their_numbers(tmp_path):
    lines = [
        *net("type = macvlan", "link = eth0", number=7),
        *net("type = veth", "link = br0", number=2),
        *net("type = empty", number=3),
    ]
    first, second = settings(made.data(tmp_path, *lines))
    assert (first.mode, first.name, second.mode, second.name) == ("bridge", "eth0", "macvlan", "eth1")
    assert second.macvlan == "private"


def test_a_device_is_handed_over(tmp_path):
    data = made.data(tmp_path, *net("type = phys", "link = enp3s0", "name = lan0"))
    assert data["linux"]["netDevices"] == {"enp3s0": {"name": "lan0"}}
    assert not settings(data)
    (one,) = settings(made.data(tmp_path, *net("type = phys", "link = enp3s0", "ipv4.address = 10.0.0.2/8")))
    assert (one.mode, one.link, one.name) == ("host-device", "enp3s0", "enp3s0")


@pytest.mark.parametrize(
    "lines",
    [
        ("type = vlan", "link = eth0", "vlan.id = 5"),
        ("type = ipvlan", "link = eth0"),
        ("type = veth",),
        ("type = veth", "veth.mode = router", "link = eth0"),
        ("type = veth", "link = br0", "ipv4.gateway = dev"),
    ],
)
def test_what_the_hook_can_not_make_is_refused(tmp_path, lines):
    _, notes = made.load(tmp_path, *net(*lines))
    assert REFUSED in {note.fate for note in notes}


def test_what_is_not_as_asked_is_said(tmp_path):
    lines = net(
        "type = veth", "link = br0", "hwaddr = 00:16:3e:xx:xx:xx", "ipv4.address = 10.0.0.2/8 10.9.9.9"
    )
    _, notes = made.load(tmp_path, *lines)
    assert made.fates(notes, "lxc.net.0.hwaddr") == {CHANGED}
    assert made.fates(notes, "lxc.net.0.ipv4.address") == {LOSSY}


def test_what_can_not_be_meant_has_its_own_line(tmp_path):
    lines = net("type = veth", "link = br0", "name = lan 0", "mtu = 1400", "hwaddr = 1")
    spec, _ = made.load(tmp_path, *net("type = empty", number=7), *lines)
    assert {
        spec.place(f"/annotations/io.ocipy.network.{key}") for key in ("mode", "link", "name", "mac")
    } == {
        f"config:{number}: lxc.net.0.{key}"
        for number, key in ((3, "type"), (4, "link"), (5, "name"), (7, "hwaddr"))
    }


@pytest.mark.parametrize(
    "lines",
    [("type = bogus",), ("link = br0",), ("type = macvlan",), ("type = veth", "link = br0", "flags = down")],
)
def test_a_network_that_can_not_be_meant_is_an_error(tmp_path, lines):
    with pytest.raises(ConfigError, match=r"^config:[0-9]: lxc\.net\.0\."):
        made.data(tmp_path, *net(*lines))


def test_an_address_without_a_length_has_that_of_its_class(tmp_path):
    for address, length in (("10.0.0.1", 8), ("172.16.0.1", 16), ("192.168.0.1", 24)):
        (one,) = settings(made.data(tmp_path, *net("type = veth", "link = br0", f"ipv4.address = {address}")))
        assert one.ipv4.addresses == (f"{address}/{length}",)


def test_networks_go_back_to_where_they_came_from(tmp_path):
    lines = [
        *net(
            "type = veth", "link = br0", "flags = up", "ipv4.address = 10.2.3.5/24", "ipv4.gateway = 10.2.3.1"
        ),
        *net("type = macvlan", "link = eth0", "macvlan.mode = vepa", number=1),
        *net("type = phys", "link = enp3s0", number=2),
    ]
    spec, _ = made.load(tmp_path, *lines)
    files, notes = lxc.dump(spec, "5")
    found = [line for line in files["config"].decode().splitlines() if line.startswith("lxc.net.")]
    assert set(lines) <= set(found)
    assert not [line for line in files["config"].decode().splitlines() if "hook" in line]
    assert not {note.key for note in notes} & {"/hooks/createRuntime/0"}


def test_what_ocipy_does_for_a_network_and_lxc_does_not_is_lossy():
    annotations = {
        "io.ocipy.network.mode": "bridge",
        "io.ocipy.network.publish": "8080:80",
        "io.ocipy.network.dns": "9.9.9.9",
    }
    data = {"root": {"path": "/"}, "annotations": annotations, "linux": {"namespaces": [{"type": "mount"}]}}
    _, notes = lxc.dump(Spec(data))
    said = " ".join(note.reason for note in notes if note.fate == LOSSY)
    assert "masquerade, firewall, publish" in said
    assert "gives out no ipv4 addresses" in said
    assert "resolv.conf" in said
