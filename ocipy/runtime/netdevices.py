"""linux.netDevices: a network device of the host moves into the container, with its addresses.

    host's namespace                       container's namespace
    RTM_GETADDR: what it has
                                           RTM_GETLINK: is the name taken?
    RTM_NEWLINK IFLA_NET_NS_FD  ---------> there it is, down, under its old name or, if taken, a new one
                                           RTM_NEWLINK IFLA_IFNAME: the name that was asked for
                                           RTM_NEWADDR: each address; RTM_NEWLINK: up

Four kinds of messages do not make up for the 80 ms that a netlink library takes to import.  A socket belongs
to the network namespace of the thread that made it, so a thread of its own goes there to make one.

Source: runtime-spec config-linux.md#network-devices; rtnetlink(7), linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import _socket
import errno
import sys

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, in_thread, setns

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
IFLA_IFNAME, IFLA_NET_NS_FD = 3, 28
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_FLAGS, IFA_RT_PRIORITY = 1, 2, 3, 4, 8, 9
IFA_F_PERMANENT = 0x80
#: What its owner may have wanted of an address: no duplicate detection, home address, no prefix route, join.
IFA_F_KEPT = 0x02 | 0x10 | 0x200 | 0x400
RT_SCOPE_UNIVERSE = 0
IFF_UP = 1
SOL_NETLINK, NETLINK_EXT_ACK, NLMSGERR_ATTR_MSG, NLM_F_ACK_TLVS, NLM_F_CAPPED = 270, 11, 1, 0x200, 0x100

_ATTRIBUTE_TYPE = 0x3FFF  # without the flags for nested attributes and byte order


def _pack(*fields):
    """(value, size) each, in the host's byte order."""
    return b"".join(value.to_bytes(size, sys.byteorder) for value, size in fields)


def _number(data, at, size):
    return int.from_bytes(data[at : at + size], sys.byteorder)


def _attribute(kind, payload):
    length = 4 + len(payload)
    return _pack((length, 2), (kind, 2)) + payload + bytes(-length % 4)


def _attributes(data):
    """type -> payload of what follows a message's fixed part."""
    found = {}
    while len(data) >= 4:
        length = max(_number(data, 0, 2), 4)
        found[_number(data, 2, 2) & _ATTRIBUTE_TYPE] = data[4:length]
        data = data[length + -length % 4 :]
    return found


def _link(index, flags=0, change=0):
    """struct ifinfomsg"""
    return _pack((0, 1), (0, 1), (0, 2), (index, 4), (flags, 4), (change, 4))


class Rtnetlink:
    """A socket to one network namespace's rtnetlink."""

    def __init__(self, socket):
        self.socket = socket
        socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)

    def request(self, what, kind, flags, body):
        """Send one message and wait for its answers: their bodies.  Raises OSError that speaks of `what`."""
        header = _pack((16 + len(body), 4), (kind, 2), (NLM_F_REQUEST | flags, 2), (1, 4), (0, 4))
        self.socket.send(header + body)
        answers = []
        while True:
            data = self.socket.recv(1 << 16)
            while len(data) >= 16:
                length, answer = _number(data, 0, 4), _number(data, 4, 2)
                if answer == NLMSG_DONE:
                    return answers
                if answer == NLMSG_ERROR:
                    _check(what, data[:length])
                    return answers
                answers.append(data[16:length])
                data = data[length + -length % 4 :]

    def names(self):
        """index -> name of each device."""
        found = {}
        for answer in self.request("list devices", RTM_GETLINK, NLM_F_DUMP, _link(0)):
            name = _attributes(answer[16:]).get(IFLA_IFNAME, b"")
            found[_number(answer, 4, 4)] = os.fsdecode(name.rstrip(b"\0"))
        return found

    def addresses(self, index):
        """The addresses of a device that move with it: (struct ifaddrmsg without the index, attributes)."""
        found = []
        for answer in self.request("list addresses", RTM_GETADDR, NLM_F_DUMP, _pack((0, 4), (0, 4))):
            attributes = _attributes(answer[8:])
            flags = _number(attributes.get(IFA_FLAGS, answer[2:3]), 0, 4)
            # Those of other scopes the kernel makes by itself, and one with a lifetime somebody must renew.
            permanent = flags & IFA_F_PERMANENT and answer[3] == RT_SCOPE_UNIVERSE
            if _number(answer, 4, 4) == index and permanent:
                attributes[IFA_FLAGS] = _pack((flags & IFA_F_KEPT, 4))
                found.append((answer[:2] + bytes([0, answer[3]]), attributes))
        return found


def _check(what, message):
    error = -int.from_bytes(message[16:20], sys.byteorder, signed=True)
    if not error:
        return
    text, flags = "", _number(message, 6, 2)
    if flags & NLM_F_ACK_TLVS:
        # The request is repeated before the attributes, or, if capped, its header alone.
        at = 20 + (16 if flags & NLM_F_CAPPED else _number(message, 20, 4))
        text = (
            _attributes(message[at + -at % 4 :])
            .get(NLMSGERR_ATTR_MSG, b"")
            .rstrip(b"\0")
            .decode("ascii", "replace")
        )
    raise failed(error, "rtnetlink", what, *([text] if text else []))


def _open():
    flags = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
    return Rtnetlink(_socket.socket(_socket.AF_NETLINK, flags, 0))  # NETLINK_ROUTE


def _open_in(namespace):
    """As `_open`, in a network namespace given by descriptor."""

    def there():
        setns(namespace, const.CLONE_NEWNET)
        return _open()

    return in_thread(there)


def _between(namespace, call):
    """Call a function with rtnetlink of the runtime's network namespace, and of another."""
    outside = _open()
    try:
        inside = _open_in(namespace)
        try:
            call(outside, inside)
        finally:
            inside.socket.close()
    finally:
        outside.socket.close()


def check(device, name, namespace):
    """Raise what `move` would, if the device is not there or its name inside is taken."""
    _between(namespace, lambda outside, inside: _look(outside, inside, device, name))


def _look(outside, inside, device, name):
    """(index of a device, {index: name} of those inside)"""
    index = next((number for number, other in outside.names().items() if other == device), None)
    if index is None:
        raise failed(errno.ENODEV, "rtnetlink", device, "there is no such network device")
    before = inside.names()
    if name in before.values():
        raise failed(errno.EEXIST, "rtnetlink", name, "the container has a network device of this name")
    return index, before


def move(device, name, namespace):
    """Move a device of the runtime's network namespace into another, given by descriptor, and bring it up.

    name: what it is called there; the kernel puts a number for "%d"
    """

    def move(outside, inside):
        index, before = _look(outside, inside, device, name)
        addresses = outside.addresses(index)
        # Of two devices of a name, the kernel gives the one that comes a name by this pattern.
        target = _attribute(IFLA_NET_NS_FD, _pack((namespace, 4))) + _name_attribute("ocipy%d")
        outside.request(f"move {device}", RTM_NEWLINK, NLM_F_ACK, _link(index) + target)
        _settle(inside, _arrived(inside, before), device, name, addresses)

    _between(namespace, move)


def _name_attribute(name):
    return _attribute(IFLA_IFNAME, os.fsencode(name) + b"\0")


def _arrived(inside, before):
    """The index of the device that is new: it may have got another than it had."""
    new = set(inside.names()) - set(before)
    if len(new) != 1:
        raise failed(errno.EAGAIN, "rtnetlink", f"{len(new)} network devices arrived at once")
    return new.pop()


def _settle(inside, index, device, name, addresses):
    inside.request(f"rename {device} to {name}", RTM_NEWLINK, NLM_F_ACK, _link(index) + _name_attribute(name))
    name = inside.names()[index]
    for head, attributes in addresses:
        body = head + _pack((index, 4))
        for kind, payload in attributes.items():
            if kind == IFA_LABEL:
                payload = _relabel(payload, device, name)
            if kind in (IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_FLAGS, IFA_RT_PRIORITY):
                body += _attribute(kind, payload)
        inside.request(f"add an address to {name}", RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body)
    inside.request(f"bring {name} up", RTM_NEWLINK, NLM_F_ACK, _link(index, IFF_UP, IFF_UP))


def _relabel(label, device, name):
    """An IPv4 address's label is the name of its device, maybe with ":" and more: ip-address(8)."""
    text = os.fsdecode(label.rstrip(b"\0"))
    suffix = text[len(device) :] if text.startswith(device) else ""
    return os.fsencode(f"{name}{suffix}"[:15]) + b"\0"
