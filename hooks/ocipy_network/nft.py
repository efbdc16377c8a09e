"""A table in the kernel: replaced as a whole, in one transaction.

Messages are made here: the netlink library's waits for an answer to each of them, where only refusals are of
interest (they are all there when sendto(2) returns), and writes the kind of a route lookup as flags.

Source: linux/netfilter/nf_tables.h, nfnetlink.h; kernel net/netfilter/nfnetlink.c, nfnetlink_rcv_batch.
"""

from __future__ import annotations

import errno
import socket
import struct

from ocipy.linux.syscalls import failed
from ocipy_network.firewall import CHAINS, NoFirewall

NEWTABLE, DELTABLE, NEWCHAIN, NEWRULE = ((10 << 8) | verb for verb in (0, 2, 3, 6))  # NFNL_SUBSYS_NFTABLES
BEGIN, END = 0x10, 0x11  # NFNL_MSG_BATCH_*, of that subsystem
REQUEST, CREATE, APPEND = 0x1, 0x400, 0x800
NETLINK_NETFILTER, SO_SNDBUFFORCE = 12, 32
INET = 1  # NFPROTO_INET: both families in one table
NESTED = 0x8000

#: What an expression takes, by the number of its attribute.
EXPRESSIONS = {
    "meta": {"dreg": 1, "key": 2},
    "ct": {"dreg": 1, "key": 2},
    "fib": {"dreg": 1, "result": 2, "flags": 3},
    "payload": {"dreg": 1, "base": 2, "offset": 3, "len": 4},
    "bitwise": {"sreg": 1, "dreg": 2, "len": 3, "mask": 4, "xor": 5},
    "cmp": {"sreg": 1, "op": 2, "data": 3},
    "immediate": {"dreg": 1, "data": 2, "verdict": 2},
    "nat": {"type": 1, "family": 2, "reg_addr_min": 3, "reg_proto_min": 5},
    "masq": {},
}


def replace(rules, table="ocipy"):
    """Make a table consist of these rules; without any there is no table."""
    batch = [("begin", _message(BEGIN, 0, family=0, subsystem=10))]
    # "Delete it if there is one" is: add one, which may be there, and delete it.
    batch += [_table(NEWTABLE, table), _table(DELTABLE, table)]
    if rules:
        batch.append(_table(NEWTABLE, table))
        used = {chain for chain, _ in rules}
        batch += [_chain(table, name) for name in CHAINS if name in used]
        batch += [_rule(table, *rule) for rule in rules]
    batch.append(("end", _message(END, 0, family=0, subsystem=10)))
    _send(batch)


# ---------------------------------------------------------------- messages


def _message(kind, flags, body=b"", family=INET, subsystem=0):
    """nlmsghdr without a sequence number, nfgenmsg, attributes."""
    general = struct.pack("!BBH", family, 0, subsystem)
    return struct.pack("=IHHII", 20 + len(body), kind, REQUEST | flags, 0, 0) + general + body


def attribute(number, value):
    """One attribute: text, bytes, a number as the network has it, or (nested) a list of attributes."""
    if isinstance(value, list):
        number, value = number | NESTED, b"".join(value)
    elif isinstance(value, int):
        value = struct.pack("!i", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    length = 4 + len(value)
    return struct.pack("=HH", length, number) + value + bytes(-length % 4)


def _table(verb, table):
    return f"table {table}", _message(verb, CREATE if verb == NEWTABLE else 0, attribute(1, table))


def _chain(table, name):
    kind, hook, priority = CHAINS[name]
    place = [attribute(1, hook), attribute(2, priority)]
    body = attribute(1, table) + attribute(3, name) + attribute(4, place) + attribute(7, kind)
    return f"chain {name}", _message(NEWCHAIN, CREATE, body)


def _rule(table, chain, expressions):
    listed = [attribute(1, _expression(name, takes)) for name, takes in expressions]
    body = attribute(1, table) + attribute(2, chain) + attribute(4, listed)
    return f"a rule of chain {chain}", _message(NEWRULE, CREATE | APPEND, body)


def _expression(name, takes):
    numbers = EXPRESSIONS[name]
    data = [attribute(numbers[key], _value(key, value)) for key, value in takes.items()]
    return [attribute(1, name), attribute(2, data)]


def _value(key, value):
    if key == "verdict":
        return [attribute(2, [attribute(1, value)])]
    return [attribute(1, value)] if isinstance(value, bytes) else value


# ---------------------------------------------------------------- the transaction


def _send(batch):
    data = bytearray()
    for number, (_, message) in enumerate(batch):
        numbered = bytearray(message)
        struct.pack_into("=I", numbered, 8, number)
        data += numbered
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            # To the socket a transaction is one message, however many containers there are.
            netlink.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, max(2 * len(data), 1 << 18))
            netlink.sendto(data, (0, 0))
            number, error = _refusal(netlink)
    except OSError as problem:
        number, error = 0, problem.errno
    if error in (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP) and number < 2:
        raise NoFirewall("this kernel has no nftables; firewall=false does without")
    if error:
        raise failed(error, "nftables", f"add {batch[number][0]}")


def _refusal(netlink):
    """(sequence number, errno) of the first message that the kernel refused, or zeros."""
    while True:
        try:
            answer = netlink.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0, 0
        while len(answer) >= 20:
            length, kind, _, number, _, error = struct.unpack_from("=IHHIIi", answer)
            if kind == 2 and error:  # NLMSG_ERROR
                return number, -error
            answer = answer[(length + 3) & ~3 :]
