"""The annotations of networks: from text to values and back, and what can't be meant."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy import spec
from ocipy.errors import ConfigError
from ocipy.spec import network
from ocipy.spec.network import PREFIX, Family, Fault, Network, Port, Settings, check, parse, to_annotations


def test_without_a_word_there_is_no_network():
    assert check({}) == Settings() == check({"io.ocipy.networks": "x", "other": "y"})


def test_a_bridge_is_what_is_meant_by_default():
    assert check({f"{PREFIX}publish": "8080:80"}).networks == (
        Network("bridge", link="ocipy0", name="eth0", publish=(Port(8080, 80),)),
    )


def test_every_setting_arrives():
    values = {
        "0.mode": "bridge", "0.link": "br1", "0.name": "net", "0.mac": "02:00:5E:10:00:01", "0.mtu": "1400",
        "0.ipv4": "10.1.0.5/24, 10.1.0.6/24", "0.ipv4.range": "10.1.0.0/24", "0.ipv4.gateway": "10.1.0.9",
        "0.ipv6": "none", "0.ipv6.range": "fd00:1::/64", "0.ipv6.gateway": "none", "0.masquerade": "false",
        "0.forward": "ipv4 ipv6", "0.publish": "80:8080 127.0.0.1:53:53/udp,[2001:db8::1]:1:2/sctp",
        "0.up": "false",
        "2.mode": "macvlan", "2.link": "eno1", "2.macvlan": "private",
        "7.mode": "host-device", "7.link": "eno2",
        "files": "network", "dns": "192.0.2.1 2001:db8::53", "search": "example.org",
    }  # fmt: skip
    assert parse(values) == Settings(
        (
            Network(
                "bridge", link="br1", name="net", mac="02:00:5e:10:00:01", mtu=1400, up=False,
                ipv4=Family(("10.1.0.5/24", "10.1.0.6/24"), "10.1.0.0/24", "10.1.0.9"),
                ipv6=Family((), "fd00:1::/64", "none"),
                masquerade=False, forward=("ipv4", "ipv6"),
                publish=(Port(80, 8080), Port(53, 53, "udp", "127.0.0.1"), Port(1, 2, "sctp", "2001:db8::1")),
            ),
            Network("macvlan", link="eno1", name="eth1", macvlan="private"),
            Network("host-device", link="eno2", name="eno2"),
        ),
        "network", ("192.0.2.1", "2001:db8::53"), ("example.org",),
    )  # fmt: skip


def test_a_range_of_ports_is_each_of_them():
    (found,) = parse({"publish": "127.0.0.1:8000-8002:80-82/udp"}).networks
    assert found.publish == tuple(Port(8000 + n, 80 + n, "udp", "127.0.0.1") for n in range(3))


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("", "", True),
        ("", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.2", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::", False),
        ("::", "2001:db8::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_two_ports_of_a_number_clash_where_both_would_answer(one, other, clash):
    ports = [Port(80, inside, "tcp", at) for inside, at in enumerate((one, other), 80)]
    assert ports[0].clashes(ports[1]) == ports[1].clashes(ports[0]) == clash
    assert not ports[0].clashes(Port(80, 80, "udp", other))
    assert not ports[0].clashes(Port(81, 80, "tcp", other))


def test_a_container_joins_another():
    assert parse({"mode": "join:web"}).networks[0] == Network("join", "web")


def test_without_a_firewall_there_is_no_masquerade():
    (found,) = parse({"firewall": "false"}).networks
    assert (found.firewall, found.masquerade) == (False, False)


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"mod": "bridge"}, "mod", 'there is no such setting as "mod"'),
        ({"1.2.mode": "bridge"}, "1.2.mode", 'no such setting as "2.mode"'),
        ({"100.mode": "bridge"}, "100.mode", "100 is not the number of a network, from 0 to 99"),
        ({"01.mode": "bridge"}, "01.mode", "01 is not the number of a network"),
        ({"mode": "none", "0.mode": "none"}, "0.mode", "given twice, with its number and without"),
        ({"mode": "nat"}, "0.mode", '"nat" is not one of bridge, macvlan, host-device, none, join:CONTAINER'),
        ({"mode": "join"}, "0.mode", '"join" is not one of'),
        ({"mode": "join:"}, "0.mode", '"join:" is not one of'),
        ({"mode": "bridge:x"}, "0.mode", '"bridge:x" is not one of'),
        ({"mode": "none", "mtu": "1500"}, "0.mtu", "has no meaning in mode none"),
        ({"mode": "macvlan", "link": "e", "publish": "1:1"}, "0.publish", "has no meaning in mode macvlan"),
        ({"mode": "bridge", "1.mode": "none"}, "1.mode", "mode none leaves no room for another network"),
        ({"mode": "macvlan"}, "0.link", "mode macvlan needs one"),
        ({"link": "sixteen-letters0"}, "0.link", "is not the name of a network device: 15 characters"),
        ({"link": ""}, "0.link", '"" is not the name of a network device'),
        ({"name": "lo"}, "0.name", "lo is the loopback device, which stays where it is"),
        ({"mode": "host-device", "link": "lo"}, "0.link", "lo is the loopback device"),
        ({"name": "eth%d"}, "0.name", '"eth%d" is not the name of a network device'),
        ({"name": "eth1", "1.mtu": "1500"}, "1.name", "two devices can't be eth1"),
        ({"mac": "2:0:0:0:0:1"}, "0.mac", '"2:0:0:0:0:1" is not an address such as 02:00:5e:10:00:01'),
        ({"mac": "01:00:5e:00:00:01"}, "0.mac", "01:00:5e:00:00:01 is not the address of one device"),
        ({"mtu": "67"}, "0.mtu", '"67" is not a number of bytes from 68 to 65535'),
        ({"up": "yes"}, "0.up", '"yes" is not one of true, false'),
        ({"ipv4": "10.0.0.1"}, "0.ipv4", '"10.0.0.1" is not auto, none, or addresses such as 192.0.2.5/24'),
        ({"ipv4": "none 10.0.0.1/8"}, "0.ipv4", '"none" is not auto, none, or addresses'),
        (
            {"ipv6": "10.0.0.1/8"},
            "0.ipv6",
            '"10.0.0.1/8" is not auto, none, or addresses such as 2001:db8::5',
        ),
        ({"ipv6": "fe80::1%eth0/64"}, "0.ipv6", '"fe80::1%eth0/64" is not auto'),
        (
            {"ipv4.range": "10.0.0.1/24"},
            "0.ipv4.range",
            '"10.0.0.1/24" is not a network such as 192.0.2.0/24',
        ),
        ({"ipv4.range": "10.0.0.0/31"}, "0.ipv4.range", "has no room for a gateway and a container"),
        ({"ipv6.gateway": "10.0.0.1"}, "0.ipv6.gateway", '"10.0.0.1" is not an IPv6 address'),
        ({"forward": "ipv5"}, "0.forward", '"ipv5" is not one of ipv4, ipv6'),
        ({"publish": "80"}, "0.publish", '"80" is not [ADDRESS:]PORT:PORT[/PROTOCOL]'),
        ({"publish": "0:80"}, "0.publish", '"0:80" is not [ADDRESS:]PORT:PORT'),
        ({"publish": "80:65536"}, "0.publish", '"80:65536" is not'),
        ({"publish": "::1:80:80"}, "0.publish", '"::1:80:80" is not'),
        ({"publish": "[1.2.3.4]:80:80"}, "0.publish", '"1.2.3.4" is not an IPv6 address'),
        ({"publish": "host:80:80"}, "0.publish", '"host" is not an IPv4 address'),
        ({"publish": "80:80/icmp"}, "0.publish", '"icmp" is not one of tcp, udp, sctp'),
        ({"publish": "80:80", "firewall": "false"}, "0.publish", "needs rules of a firewall"),
        ({"publish": "80:80 80:81"}, "0.publish", "tcp port 80 is published twice"),
        ({"publish": "80:80", "1.publish": "80:81"}, "1.publish", "tcp port 80 is published twice"),
        ({"publish": "80:80 127.0.0.1:80:81"}, "0.publish", "tcp port 80 is published twice"),
        ({"publish": "80-82:80-81"}, "0.publish", "3 ports of the host are not 2 inside"),
        ({"publish": "82-80:82-80"}, "0.publish", '"82-80:82-80" is not [ADDRESS:]PORT:PORT'),
        ({"publish": "1-:1-"}, "0.publish", '"1-:1-" is not [ADDRESS:]PORT:PORT'),
        ({"publish": "1-257:1-257"}, "0.publish", "257 ports are more than 256"),
        ({"files": "/etc"}, "files", '"/etc" is not a directory of the bundle'),
        ({"files": "a/../.."}, "files", '"a/../.." is not a directory of the bundle'),
        ({"dns": "dns.example.org"}, "dns", '"dns.example.org" is not an IP address'),
        ({"search": "a\0b"}, "search", "is not a domain"),
    ],
)
def test_what_cannot_be_meant_is_named(values, key, message):
    with pytest.raises(Fault) as caught:
        parse(values)
    assert caught.value.key == key
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("annotations", "pointer"),
    [
        ({"mode": "nat"}, "/annotations/io.ocipy.network.mode"),
        ({"0.mode": "nat"}, "/annotations/io.ocipy.network.0.mode"),
        ({"mode": "bridge", "3.mtu": "1"}, "/annotations/io.ocipy.network.3.mtu"),
        ({"a/b~": ""}, "/annotations/io.ocipy.network.a~1b~0"),
    ],
)
def test_validation_names_the_annotation(examples, annotations, pointer):
    document = copy.deepcopy(examples["default"])
    document["annotations"] = {PREFIX + key: text for key, text in annotations.items()}
    ((found, rule),) = [(problem.pointer, problem.rule) for problem in spec.validate(document)[0]]
    assert (found, rule) == (pointer, "network")
    with pytest.raises(ConfigError):
        check(document["annotations"])


def test_a_good_annotation_is_no_problem(examples):
    document = copy.deepcopy(examples["default"])
    document["annotations"] = {f"{PREFIX}mode": "bridge"}
    assert spec.validate(document) == ([], [])


# ---------------------------------------------------------------- there and back

NAMES = st.text("abcdefgh0123456789-_", min_size=1, max_size=15)
ADDRESSES = {
    "ipv4": st.ip_addresses(v=4).map(lambda a: f"{a}/24"),
    "ipv6": st.ip_addresses(v=6).map(lambda a: f"{a}/64"),
}
RANGES = {"ipv4": st.sampled_from(("", "10.0.0.0/8")), "ipv6": st.sampled_from(("", "fd00::/8"))}


def families(family, ranges):
    addresses = st.none() | st.lists(ADDRESSES[family], max_size=3).map(tuple)
    gateway = st.sampled_from(("auto", "none")) | st.ip_addresses(v=network.FAMILIES[family]).map(str)
    return st.builds(Family, addresses, ranges, gateway)


def devices(mode, **more):
    ranges = {"host-device": {"ipv4": st.just(""), "ipv6": st.just("")}}.get(mode, RANGES)
    common = {
        "link": NAMES,
        "mac": st.sampled_from(("", "02:00:00:00:00:01")),
        "mtu": st.just(0) | st.integers(68, 65535),
        "up": st.booleans(),
        "ipv4": families("ipv4", ranges["ipv4"]),
        "ipv6": families("ipv6", ranges["ipv6"]),
    }
    return st.builds(Network, st.just(mode), **{**common, **more})


HOSTS = st.just("") | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
PORTS = st.builds(
    Port, st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(("tcp", "udp", "sctp")), HOSTS
)
BRIDGES = devices(
    "bridge",
    masquerade=st.booleans(),
    forward=st.lists(st.sampled_from(("ipv4", "ipv6")), unique=True).map(tuple),
    publish=st.lists(PORTS, max_size=3, unique_by=lambda p: p.host_port).map(tuple),
)
UNGUARDED = devices("bridge", masquerade=st.just(False), firewall=st.just(False))
MACVLANS = devices("macvlan", macvlan=st.sampled_from(network.MACVLAN_MODES))
ANY = BRIDGES | UNGUARDED | MACVLANS | devices("host-device")


@given(st.lists(ANY, max_size=3), NAMES, st.booleans())
def test_annotations_say_what_the_settings_were(networks, directory, own_names):
    named = tuple(
        one.replace(
            name=f"net{place}" if own_names else f"eth{place}", publish=one.publish if not place else ()
        )
        for place, one in enumerate(networks)
    )
    settings = Settings(named, directory, ("192.0.2.1",), ("example.org", "example.com"))
    assert check(to_annotations(settings)) == settings


def test_only_what_is_not_the_default_is_written():
    assert to_annotations(Settings((Network(link="ocipy0"),))) == {f"{PREFIX}mode": "bridge"}
    two = Settings((Network(link="ocipy0"), Network("macvlan", link="a", name="eth1")))
    assert to_annotations(two) == {
        f"{PREFIX}0.mode": "bridge", f"{PREFIX}1.mode": "macvlan", f"{PREFIX}1.link": "a",
    }  # fmt: skip
