"""What a container is given: pure, so that no host is needed for a host of cases."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.errors import OcipyError
from ocipy.spec.network import Family, Network, Port, Settings
from ocipy_network import claims, pool
from ocipy_network.claims import Attachment, Bridge, Claim, Device
from ocipy_network.pool import Host

BRIDGE = Bridge("ocipy0", True, "02:00:00:00:00:01", "10.176.0.1/20", "fd00::1/64")
ETH0 = Device(2, "", "02:00:00:00:00:02", 1500, True, ("192.0.2.2/24", "2001:db8::2/64"))
BR0 = Device(3, "bridge", "02:00:00:00:00:03", 9000, True, ("10.9.0.254/24",))


def host(routes=(), **devices):
    found = {"eth0": ETH0, **devices}
    return Host(found, [ipaddress.ip_network(text) for text in routes], True, b"machine", found.__contains__)


def claim(*attachments, id="other"):
    return Claim(id, "/bundle", 1, 1, 1, attachments)


def attach(*networks, others=(), bridges=(BRIDGE,), on=None):
    found = {bridge.name: bridge for bridge in bridges}
    return pool.attach(Settings(networks), b"key", found, others, on or host(ocipy0=BR0))


ON_BRIDGE = Network(link="ocipy0")


def held(*addresses, **more):
    ipv4 = tuple(one for one in addresses if ":" not in one)
    return claim(Attachment("bridge", "ocipy0", "eth0", ipv4=ipv4, **more))


# ---------------------------------------------------------------- addresses


def test_the_first_address_that_nobody_holds_is_given():
    (found,) = attach(ON_BRIDGE, others=[held("10.176.0.2/20"), held("10.176.0.4/20")])
    assert found.ipv4 == ("10.176.0.3/20",)
    assert found.ipv6 == ("fd00::2/64",)
    assert found.gateways == ("10.176.0.1", "fd00::1")


def test_what_another_network_holds_is_no_matter():
    other = claim(Attachment("bridge", "ocipy1", "eth0", ipv4=("10.176.0.2/20",)))
    assert attach(ON_BRIDGE, others=[other])[0].ipv4 == ("10.176.0.2/20",)


def test_two_networks_on_one_bridge_have_two_addresses():
    one, two = attach(ON_BRIDGE, ON_BRIDGE.replace(name="eth1"))
    assert (one.ipv4, two.ipv4) == (("10.176.0.2/20",), ("10.176.0.3/20",))
    assert one.host != two.host
    assert (one.gateways, two.gateways) == (("10.176.0.1", "fd00::1"), ())


def test_a_range_that_is_full_is_an_error():
    small = BRIDGE.replace(ipv4="10.0.0.1/30")
    assert attach(ON_BRIDGE, bridges=[small])[0].ipv4 == ("10.0.0.2/30",)
    with pytest.raises(OcipyError, match=r"no address of 10\.0\.0\.0/30 is free: 1 are held"):
        attach(ON_BRIDGE, bridges=[small], others=[held("10.0.0.2/30")])


def test_an_address_that_was_asked_for_is_given_or_refused():
    wanted = ON_BRIDGE.replace(ipv4=Family(("10.176.0.9/20",)))
    assert attach(wanted)[0].ipv4 == ("10.176.0.9/20",)
    with pytest.raises(OcipyError, match=r"10\.176\.0\.9/20 is held by other"):
        attach(wanted, others=[held("10.176.0.9/20")])


def test_the_address_of_the_bridge_itself_is_not_to_be_had():
    for said in ({"ipv4": Family(("10.176.0.1/20",))}, {"ipv6": Family(("fd00::1/64",))}):
        with pytest.raises(OcipyError, match="is the address of bridge ocipy0 itself"):
            attach(ON_BRIDGE.replace(**said))


def test_a_packet_of_ipv6_fits_through_each_port_of_a_bridge():
    """A bridge has the mtu of its smallest port, and below 1280 the kernel takes IPv6 from it."""
    for ipv6 in (Family(), Family(())):
        with pytest.raises(OcipyError, match="mtu=1279: IPv6, which ocipy0 has, needs 1280"):
            attach(ON_BRIDGE.replace(mtu=1279, ipv6=ipv6))
    assert attach(ON_BRIDGE.replace(mtu=1280))[0].mtu == 1280
    assert attach(ON_BRIDGE.replace(mtu=68), bridges=[BRIDGE.replace(ipv6="")])[0].mtu == 68


def test_the_mac_is_that_of_the_address():
    assert attach(ON_BRIDGE)[0].mac == "02:0c:0a:b0:00:02"
    without = attach(ON_BRIDGE.replace(ipv4=Family(())))[0].mac
    assert without.startswith("02:0d:")


@given(st.lists(st.integers(1, 14), unique=True, max_size=13))
def test_no_address_is_given_twice(taken):
    small = BRIDGE.replace(ipv4="10.0.0.1/28")
    others = [held(f"10.0.0.{n}/28") for n in taken]
    found = attach(ON_BRIDGE, bridges=[small], others=others)[0].ipv4[0] if len({*taken, 1}) < 14 else ""
    assert found not in {f"10.0.0.{n}/28" for n in (*taken, 0, 1, 15)}


# ---------------------------------------------------------------- names and ports


def test_names_of_ends_outside_do_not_clash():
    first = attach(ON_BRIDGE)[0].host
    assert len(first) == 15
    taken_by_claim = attach(ON_BRIDGE, others=[held(host=first)])[0].host
    taken_by_device = attach(ON_BRIDGE, on=host(ocipy0=BR0, **{first: ETH0}))[0].host
    assert first not in (taken_by_claim, taken_by_device)
    assert len(taken_by_claim) == 15


@pytest.mark.parametrize(
    ("theirs", "mine", "clash"),
    [
        ("80:80", Port(80, 90), True),
        ("80:80/udp", Port(80, 80), False),
        ("127.0.0.1:80:80", Port(80, 80), True),
        ("127.0.0.1:80:80", Port(80, 80, "tcp", "192.0.2.2"), False),
    ],
)
def test_a_port_is_published_once(theirs, mine, clash):
    wanted = ON_BRIDGE.replace(publish=(mine,))
    if clash:
        with pytest.raises(OcipyError, match="tcp port 80 of the host is published by other already"):
            attach(wanted, others=[held(publish=(theirs,))])
    else:
        assert attach(wanted, others=[held(publish=(theirs,))])[0].publish == (str(mine),)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"ipv6": Family(()), "publish": (Port(80, 80, "tcp", "2001:db8::1"),)}, "no address of IPv6"),
        ({"ipv4": Family(()), "publish": (Port(80, 80, "tcp", "0.0.0.0"),)}, "no address of IPv4"),
        (
            {"ipv4": Family(()), "ipv6": Family(()), "publish": (Port(80, 80),)},
            "the container has no address",
        ),
    ],
)
def test_a_port_that_leads_nowhere_is_not_published(network, message):
    with pytest.raises(OcipyError, match=message):
        attach(ON_BRIDGE.replace(**network))


# ---------------------------------------------------------------- bridges


def test_a_new_bridge_has_a_range_that_nothing_on_the_host_has():
    assert pool.bridge(ON_BRIDGE, {}, host()).ipv4 == "10.176.0.1/20"
    assert pool.bridge(ON_BRIDGE, {}, host(["10.176.3.0/24", "0.0.0.0/0"])).ipv4 == "10.176.16.1/20"
    assert pool.bridge(ON_BRIDGE.replace(link="b"), {"ocipy0": BRIDGE}, host()).ipv4 == "10.176.16.1/20"
    with pytest.raises(OcipyError, match=r"no range of 10\.176\.0\.0/12 is free for bridge ocipy0"):
        pool.bridge(ON_BRIDGE, {}, host(["10.0.0.0/8"]))


def test_a_range_of_ipv6_is_local_and_the_machines_own():
    one = ipaddress.ip_interface(pool.bridge(ON_BRIDGE, {}, host()).ipv6)
    assert one.network.prefixlen == 64
    assert one.ip in ipaddress.ip_network("fd00::/8")
    other = pool.bridge(ON_BRIDGE, {}, Host({}, [], True, b"another")).ipv6
    assert other[:15] != str(one)[:15]
    assert pool.bridge(ON_BRIDGE, {}, Host({}, [], False, b"machine")).ipv6 == ""


def test_ranges_are_those_that_were_asked_for():
    wanted = ON_BRIDGE.replace(ipv4=Family(range="10.1.0.0/24"), ipv6=Family(range="fd01::/64"))
    found = pool.bridge(wanted, {}, host(["10.0.0.0/8"]))
    assert (found.ipv4, found.ipv6) == ("10.1.0.1/24", "fd01::1/64")


@pytest.mark.parametrize(
    ("family", "text", "route", "wider"),
    [
        ("ipv4", "10.1.0.0/24", "10.1.0.0/24", "10.0.0.0/8"),
        ("ipv4", "10.0.0.0/8", "10.1.0.1/32", "8.0.0.0/6"),
        ("ipv6", "fd01::/64", "fd01::/80", "fd00::/8"),
    ],
)
def test_a_range_of_which_the_host_has_a_part_elsewhere_is_refused(family, text, route, wider):
    wanted = ON_BRIDGE.replace(**{family: Family(range=text)})
    with pytest.raises(
        OcipyError, match=f"{family}.range: {text} is not free: the host has a route to {route}"
    ):
        pool.bridge(wanted, {}, host(["0.0.0.0/0", "::/0", route]))
    assert pool.bridge(wanted, {}, host(["0.0.0.0/0", wider]))


@pytest.mark.parametrize(
    ("network", "known", "on", "message"),
    [
        (ON_BRIDGE.replace(ipv4=Family(range="10.1.0.0/24")), {"ocipy0": BRIDGE}, host(),
         "bridge ocipy0 has 10.176.0.0/20, not 10.1.0.0/24"),
        (ON_BRIDGE.replace(link="eth0"), {}, host(), "eth0 is a network device of the host, but no bridge"),
        (ON_BRIDGE.replace(link="br0"), {}, host(br0=BR0), "bridge br0 is somebody else's: say ipv4.range"),
        (ON_BRIDGE.replace(link="br0", ipv4=Family(range="10.8.0.0/24")), {}, host(br0=BR0),
         "bridge br0 has no address in 10.8.0.0/24"),
        (ON_BRIDGE.replace(ipv6=Family(range="fd00::/64")), {}, Host({}, [], False), "the host has no IPv6"),
    ],
)  # fmt: skip
def test_a_bridge_that_can_not_be_as_asked_is_refused(network, known, on, message):
    with pytest.raises(OcipyError, match=message.replace(".", r"\.")):
        pool.bridge(network, known, on)


def test_a_bridge_of_others_lends_its_range_and_its_mtu():
    wanted = ON_BRIDGE.replace(link="br0", ipv4=Family(range="10.9.0.0/24"))
    found = pool.bridge(wanted, {}, host(br0=BR0))
    assert found == Bridge("br0", False, "", "10.9.0.254/24")
    (one,) = attach(wanted, bridges=[found], on=host(br0=BR0))
    assert (one.ipv4, one.gateways, one.mtu) == (("10.9.0.1/24",), ("10.9.0.254",), 9000)


def test_a_bridge_of_others_lends_what_its_first_container_did_not_ask_for():
    first = pool.bridge(Network(link="br0", ipv4=Family(("10.9.0.9/24",))), {}, host(br0=BR0))
    assert first == Bridge("br0", False)
    ranged = Network(link="br0", ipv4=Family(range="10.9.0.0/24"))
    then = pool.bridge(ranged, {"br0": first}, host(br0=BR0))
    assert then == Bridge("br0", False, "", "10.9.0.254/24")
    assert pool.bridge(Network(link="br0"), {"br0": then}, host(br0=BR0)) == then
    with pytest.raises(OcipyError, match=r"bridge br0 has 10\.9\.0\.0/24, not 10\.9\.0\.0/25"):
        pool.bridge(Network(link="br0", ipv4=Family(range="10.9.0.0/25")), {"br0": then}, host(br0=BR0))


def test_a_device_that_is_not_there_is_named():
    for mode in ("macvlan", "host-device"):
        with pytest.raises(OcipyError, match="there is no network device eth7"):
            attach(Network(mode, link="eth7"))


def test_a_device_of_the_host_keeps_its_addresses_unless_told_otherwise():
    (kept,) = attach(Network("host-device", link="eth0"))
    assert (kept.ipv4, kept.ipv6, kept.was) == (("192.0.2.2/24",), ("2001:db8::2/64",), ETH0)
    (other,) = attach(Network("host-device", link="eth0", ipv4=Family(()), ipv6=Family(("fd00::7/64",))))
    assert (other.ipv4, other.ipv6) == ((), ("fd00::7/64",))


# ---------------------------------------------------------------- files of claims


def test_a_claim_is_read_as_it_was_written():
    (lent,) = attach(Network("host-device", link="eth0"))
    (on_bridge,) = attach(ON_BRIDGE.replace(publish=(Port(80, 80),)))
    written = claim(lent, on_bridge, id="wéb")
    assert claims.load(Claim, claims.dump(written), "claim") == written
    assert claims.load(Bridge, claims.dump(BRIDGE), "bridge") == BRIDGE
