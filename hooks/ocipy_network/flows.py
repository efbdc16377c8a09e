"""Flows of UDP that are older than the rules for their port: the kernel is made to forget them.

Rules are asked about the first packet of a flow alone.  A client that keeps its port, and is never silent for
half a minute, would go on to be sent where there was nobody when it began, or where a container has been.

Source: linux/netfilter/nfnetlink_conntrack.h; kernel net/netfilter/nf_conntrack_netlink.c.
"""

from __future__ import annotations

import errno
import socket
import struct

from ocipy.linux.syscalls import failed
from ocipy_network.nft import NESTED, NETLINK_NETFILTER, attribute

GET, DELETE = ((1 << 8) | verb for verb in (1, 2))  # NFNL_SUBSYS_CTNETLINK
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
TUPLE_ORIG, ZONE, FILTER = 1, 18, 25
#: Protocol, and port that is sent to: what a dump is filtered by.
#: Since 5.8 (cb8aa9a3affb "netfilter: ctnetlink: add kernel side filtering for dump").
BOTH = struct.pack("=I", 1 << 3 | 1 << 5)
FAMILIES = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}  # and CTA_IP_*_SRC, _DST
#: A kernel, or a module, without all this: then there is nothing to forget by.
CAN_NOT = (errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)


def forget(ports):
    """Forget the flows of UDP to ports of this host."""
    for port in ports:
        for family in FAMILIES:
            for flow in to(port, family):
                if _is_ours(family, flow[TUPLE_ORIG]):
                    kept = (number for number in (TUPLE_ORIG, ZONE) if number in flow)
                    named = b"".join(_raw(number, flow[number]) for number in kept)
                    _request(f"forget a flow to port {port}", DELETE, ACK, family, named)


def to(port, family):
    """The flows of UDP to a port, of whichever host: as attributes."""
    wanted = [attribute(1, struct.pack("B", socket.IPPROTO_UDP)), attribute(3, struct.pack("!H", port))]
    body = attribute(TUPLE_ORIG, [attribute(2, wanted)]) + attribute(FILTER, [attribute(1, BOTH)])
    return [_attributes(flow) for flow in _request("list flows", GET, DUMP, family, body)]


def _is_ours(family, flow):
    """Is the address that a flow goes to one of this host's?  Nobody can have a port of another's."""
    address = _attributes(_attributes(flow)[1])[FAMILIES[family][1]]
    with socket.socket(family, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.bind((socket.inet_ntop(family, address), 0))
        except OSError:
            return False
    return True


def _request(what, verb, flags, family, body):
    """Send a message; the attributes of its answers."""
    message = struct.pack("!BBH", family, 0, 0) + body
    header = struct.pack("=IHHII", 16 + len(message), verb, REQUEST | flags, 1, 0)
    answers = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.sendto(header + message, (0, 0))
        while True:
            data = netlink.recv(1 << 16)
            while len(data) >= 20:
                length, kind, _, _, _, code = struct.unpack_from("=IHHIIi", data)
                if kind in (ERROR, DONE):
                    if kind == ERROR and -code not in (0, errno.ENOENT, *CAN_NOT):
                        raise failed(-code, "conntrack", what)
                    return answers
                answers.append(data[20:length])
                data = data[(length + 3) & ~3 :]


def _attributes(data):
    """{number: payload}"""
    found = {}
    while len(data) >= 4:
        length, number = struct.unpack_from("=HH", data)
        found[number & ~NESTED] = data[4:length]
        data = data[(max(length, 4) + 3) & ~3 :]
    return found


def _raw(number, payload):
    return attribute(number | (NESTED if number == TUPLE_ORIG else 0), payload)
