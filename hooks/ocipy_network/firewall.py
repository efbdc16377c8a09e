"""The rules of table `ocipy`, made anew from what containers have: pure.

    chain         hook, priority           what for
    guard         prerouting, -300         nobody on a bridge reaches the host's 127.0.0.1 through it
    publish       prerouting, -100 (nat)   a published port, asked for from outside or by a container
    publish-here  output, -100 (nat)       a published port, asked for by the host itself
    forward       forward, 0               into a bridge comes what was published, answers, and nothing else
    masquerade    postrouting, 100 (nat)   what leaves a bridge's range has the host's address

The table is never changed rule by rule: each hook replaces all of it in one transaction of the kernel, by
what follows from the containers that there are.  So no rule can be forgotten, and no packet meets half a
table.  The base chains of other tables have their say as well: an "accept" here is none for them.

A rule is a chain and a tuple of expressions, each a name and what it takes; nft.py makes a message of it.

Source: linux/netfilter/nf_tables.h; nft(8); kernel net/netfilter/nft_*.c.
"""

from __future__ import annotations

import ipaddress
import sys

from ocipy.errors import OcipyError
from ocipy.spec.network_text import port

#: Chain -> (type, hook, priority).  Source: linux/netfilter.h, NF_INET_*; nft(8), "standard priorities".
CHAINS = {
    "guard": ("filter", 0, -300),
    "publish": ("nat", 0, -100),
    "publish-here": ("nat", 3, -100),
    "forward": ("filter", 2, 0),
    "masquerade": ("nat", 4, 100),
}

ACCEPT, DROP = 1, 0
EQUAL, UNEQUAL = 0, 1
META_IIFNAME, META_OIFNAME, META_NFPROTO, META_L4PROTO = 6, 7, 15, 16
CT_STATE, CT_STATUS = 0, 2
STATE_ESTABLISHED_RELATED = 2 | 4
STATUS_DNAT = 1 << 5  # IPS_DST_NAT
NETWORK, TRANSPORT = 1, 2  # NFT_PAYLOAD_*_HEADER
RTN_LOCAL = 2
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
FAMILY = {4: 2, 6: 10}  # NFPROTO_IPV4, NFPROTO_IPV6
#: Offset in the header, and length, of the addresses.
SOURCE = {4: (12, 4), 6: (8, 16)}
DESTINATION = {4: (16, 4), 6: (24, 16)}
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class NoFirewall(OcipyError):
    """The kernel has no nftables: so it has no rules either."""


def number(value):
    """32 bits in the host's byte order, as registers have them."""
    return value.to_bytes(4, sys.byteorder)


# ---------------------------------------------------------------- what a packet is asked


def _compare(value, operator=EQUAL):
    return (("cmp", {"sreg": 1, "op": operator, "data": value}),)


def _meta(key, value, operator=EQUAL):
    return (("meta", {"key": key, "dreg": 1}), *_compare(value, operator))


def _device(key, name, operator=EQUAL):
    return _meta(key, name.encode().ljust(16, b"\0"), operator)


def _within(place, network, operator=EQUAL):
    """Is an address of the packet in a network?  Only true for packets of its family."""
    offset, length = place[network.version]
    load = ("payload", {"dreg": 1, "base": NETWORK, "offset": offset, "len": length})
    mask = ("bitwise", {"sreg": 1, "dreg": 1, "len": length, "mask": network.netmask.packed,
                        "xor": bytes(length)})  # fmt: skip
    return (load, mask, *_compare(network.network_address.packed, operator))


def _alone(interface):
    """The network that has one address only."""
    return ipaddress.ip_network(interface.ip)


def _from(network):
    return _version(network.version) + _within(SOURCE, network)


def _to(interface):
    return _version(interface.version) + _within(DESTINATION, _alone(interface))


def _version(version):
    return _meta(META_NFPROTO, bytes([FAMILY[version]]))


def _any_of(key, bits):
    """Has the connection any of these bits?"""
    mask = ("bitwise", {"sreg": 1, "dreg": 1, "len": 4, "mask": number(bits), "xor": bytes(4)})
    return (("ct", {"key": key, "dreg": 1}), mask, *_compare(bytes(4), UNEQUAL))


def _to_this_host():
    return (("fib", {"dreg": 1, "flags": 2, "result": 3}), *_compare(number(RTN_LOCAL)))


def _verdict(code):
    return (("immediate", {"dreg": 0, "verdict": code}),)


MASQUERADE: tuple = (("masq", {}),)


# ---------------------------------------------------------------- rules


def rules(bridges, attachments):
    """[(chain, expressions)], in order.

    bridges:     {name: Bridge}
    attachments: of all containers; those without a firewall count for nothing
    """
    attached = [one for one in attachments if one.mode == "bridge"]
    guarded = [one for one in attached if one.firewall]
    made = []
    for name in sorted({one.link for one in guarded}):
        # A bridge of others has others on it, and what has no firewall is to have none.
        whole = bridges[name].made and all(one.firewall for one in attached if one.link == name)
        made += _of_bridge(bridges[name], [one for one in guarded if one.link == name], whole)
    for one in guarded:
        for text in one.publish:
            made += _of_port(port(text), one)
    return made


def _of_bridge(bridge, attachments, whole):
    """whole: are these all that is on the bridge?"""
    into = _device(META_OIFNAME, bridge.name)
    networks = [ipaddress.ip_interface(text).network for text in (bridge.ipv4, bridge.ipv6) if text]
    containers = [ipaddress.ip_interface(text) for one in attachments for text in (*one.ipv4, *one.ipv6)]
    # Forged ones, that is: what was asked for from there is still addressed to the bridge's own address.
    forged = _version(4) + _device(META_IIFNAME, bridge.name) + _within(DESTINATION, LOOPBACK)
    yield "guard", forged + _verdict(DROP)
    yield "forward", into + _any_of(CT_STATE, STATE_ESTABLISHED_RELATED) + _verdict(ACCEPT)
    yield "forward", into + _any_of(CT_STATUS, STATUS_DNAT) + _verdict(ACCEPT)
    from_elsewhere = into + _device(META_IIFNAME, bridge.name, UNEQUAL)
    for whom in [()] if whole else [_to(one) for one in containers]:
        yield "forward", from_elsewhere + whom + _verdict(DROP)
    # 127.0.0.1 means another host to the container.
    yield "masquerade", _version(4) + into + _within(SOURCE, LOOPBACK) + MASQUERADE
    # A neighbour's answer would go straight to who asked, who has asked somebody else.
    neighbours = [_from(network) for network in networks]
    if not whole:
        neighbours = [_from(one.network) + _within(DESTINATION, _alone(one)) for one in containers]
    for asked in neighbours:
        yield "masquerade", asked + into + _any_of(CT_STATUS, STATUS_DNAT) + MASQUERADE
    for who, network in _masqueraded(networks, attachments, whole):
        outside = _device(META_OIFNAME, bridge.name, UNEQUAL) + _within(DESTINATION, network, UNEQUAL)
        yield "masquerade", _from(who) + outside + MASQUERADE


def _masqueraded(networks, attachments, whole):
    """(who, the network that they are in): a range as a whole, if all that is in it is to be."""
    if whole and all(one.masquerade for one in attachments):
        return [(network, network) for network in networks]
    texts = [text for one in attachments if one.masquerade for text in (*one.ipv4, *one.ipv6)]
    return [(_alone(one), one.network) for one in map(ipaddress.ip_interface, texts)]


def _of_port(published, attachment):
    """Of each family that the container has an address of, and the port is published for."""
    only = ipaddress.ip_address(published.address) if published.address else None
    for text in attachment.ipv4[:1] + attachment.ipv6[:1]:
        target = ipaddress.ip_interface(text).ip
        if only and only.version != target.version:
            continue
        any_address = not only or only.is_unspecified
        host = _to_this_host() if any_address else _within(DESTINATION, ipaddress.ip_network(only))
        asked = (
            *_version(target.version),
            *host,
            *_meta(META_L4PROTO, bytes([PROTOCOLS[published.protocol]])),
            ("payload", {"dreg": 1, "base": TRANSPORT, "offset": 2, "len": 2}),
            *_compare(published.host_port.to_bytes(2, "big")),
        )
        there = (
            ("immediate", {"dreg": 1, "data": target.packed}),
            ("immediate", {"dreg": 2, "data": published.port.to_bytes(2, "big")}),
            ("nat", {"type": 1, "family": FAMILY[target.version], "reg_addr_min": 1, "reg_proto_min": 2}),
        )
        for chain in ("publish", "publish-here"):
            yield chain, asked + there
