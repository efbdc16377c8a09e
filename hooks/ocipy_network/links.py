"""Devices, addresses and routes, by pyroute2.

Each call names what is there or is to be there, and is content if it is so already: what follows a crash is
the same calls again.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ocipy.linux import const
from ocipy.linux.syscalls import failed, setns
from ocipy_network.claims import Device
from ocipy_network.names import Names

IFA_F_PERMANENT, IFA_F_NODAD = 0x80, 0x02
IFF_UP = 1
FAMILY = {4: 2, 6: 10}  # AF_INET, AF_INET6
RT_SCOPE_UNIVERSE = 0
#: What a kernel says to an attribute that it does not know, or can't have there.
CAN_NOT = (errno.EINVAL, errno.EOPNOTSUPP)


class Links:
    """rtnetlink of the network namespace that the thread is in when it is made."""

    def __init__(self):
        self.ip = IPRoute()
        self.names = Names()
        self.index = self.names.index

    def close(self):
        self.names.close()
        self.ip.close()

    @staticmethod
    def _do(what, call, *words, fine=(), **arguments):
        """Make a call; `what` is it in words.  False if it failed in a way that is fine."""
        try:
            call(*words, **arguments)
        except NetlinkError as error:
            if error.code in fine:
                return False
            raise failed(error.code, "rtnetlink", what) from None
        return True

    # ------------------------------------------------------------ what is there

    def device(self, name):
        """The `Device` of a name, None if there is none."""
        index = self.index(name)
        try:
            (link,) = self.ip.link("get", index=index) if index else (None,)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise failed(error.code, "rtnetlink", f"look at {name}") from None
            return None
        if link is None:
            return None
        info = link.get_attr("IFLA_LINKINFO")
        return Device(
            index,
            (info.get_attr("IFLA_INFO_KIND") or "") if info else "",
            link.get_attr("IFLA_ADDRESS") or "",
            link.get_attr("IFLA_MTU") or 0,
            bool(link["flags"] & IFF_UP),
            tuple(self._addresses(index)),
        )

    def _addresses(self, index):
        for one in self.ip.get_addr(index=index):
            flags = one.get_attr("IFA_FLAGS") or one["flags"]
            if flags & IFA_F_PERMANENT and one["scope"] == RT_SCOPE_UNIVERSE:
                text = one.get_attr("IFA_LOCAL") or one.get_attr("IFA_ADDRESS")
                yield f"{text}/{one['prefixlen']}"

    def routes(self, versions):
        """The networks of these versions of IP that are routed anywhere, but for default routes."""
        found = set()
        for route in (one for version in versions for one in self.ip.get_routes(family=FAMILY[version])):
            text = route.get_attr("RTA_DST")
            if text and route["dst_len"]:
                found.add(ipaddress.ip_network(f"{text}/{route['dst_len']}", strict=False))
        return found

    def ports(self, index):
        """How many devices are attached to a bridge."""
        return sum(1 for link in self.ip.get_links() if link.get_attr("IFLA_MASTER") == index)

    # ------------------------------------------------------------ outside

    def bridge(self, bridge):
        """Make a bridge be there, up and with its addresses, if it is ours.  Its index."""
        index = self.index(bridge.name)
        if index is None:
            # With an address of its own it does not take, again and again, the lowest of its ports'.
            make = {"ifname": bridge.name, "kind": "bridge", "address": bridge.mac}
            self._do(f"make bridge {bridge.name}", self.ip.link, "add", fine=(errno.EEXIST,), **make)
            index = self.index(bridge.name)
        if bridge.made:
            for text in filter(None, (bridge.ipv4, bridge.ipv6)):
                self._address(index, bridge.name, text)
            self._do(f"bring {bridge.name} up", self.ip.link, "set", index=index, state="up")
        return index

    def veth(self, attachment, bridge, namespace, born=True):
        """A pair: one end on the bridge, the other in a network namespace given by descriptor.

        born: try to have it made there, under its name, in the same message
        """
        outer = {"ifname": attachment.host, "kind": "veth", "master": bridge, "state": "up"}
        outer |= _sized(attachment)
        inner = {**_looks(attachment), "ifname": attachment.name, "net_ns_fd": namespace}
        what = f"make {attachment.host} with {attachment.name} inside"
        if born and self._do(what, self.ip.link, "add", fine=CAN_NOT, **outer, peer=inner):
            return
        temporary = "t" + attachment.host[1:]
        peer = {**_looks(attachment), "ifname": temporary}
        self._do(what, self.ip.link, "add", **outer, peer=peer)
        self.move(temporary, attachment.name, namespace)

    def reflect(self, name):
        """Let a port of a bridge have back what came from it: what a container asks its own published port.

        With br_netfilter, which has rules see what is bridged, that never leaves the bridge.
        """
        self._do(f"let {name} hear itself", self.ip.brport, "set", index=self.index(name), mode=1)

    def macvlan(self, attachment, parent, namespace):
        """A device inside that shares another one's wire.  Any kernel has it born there."""
        make = {"kind": "macvlan", "link": parent, "macvlan_mode": attachment.macvlan, **_looks(attachment)}
        what = f"make {attachment.name} on {attachment.link}"
        self._do(what, self.ip.link, "add", **make, ifname=attachment.name, net_ns_fd=namespace)

    def move(self, device, name, namespace):
        """Move a device into another network namespace and rename it there, which is one step."""
        index = self.index(device)
        if index is None:
            raise failed(errno.ENODEV, "rtnetlink", f"move {device}")
        self._do(f"bring {device} down", self.ip.link, "set", index=index, state="down")
        self._do(
            f"move {device} and call it {name}",
            self.ip.link, "set", index=index, net_ns_fd=namespace, ifname=name,
        )  # fmt: skip

    def remove(self, name):
        index = self.index(name)
        if index is not None:
            gone = (errno.ENODEV,)
            self._do(f"remove {name}", self.ip.link, "del", fine=gone, index=index)

    def has(self, name, device):
        """Is a device still here, one of that number and address?"""
        found = self.device(name)
        return found is not None and (found.index, found.mac) == (device.index, device.mac)

    def restore(self, attachment):
        """Give a device that came back what it had, unless its name is another's by now."""
        name, was = attachment.link, attachment.was
        found = self.device(name)
        if found is None or found.mac not in (was.mac, attachment.mac):
            return
        changes = {} if found.mac == was.mac else {"address": was.mac}
        if found.mtu != was.mtu:
            changes["mtu"] = was.mtu
        if changes:
            self._do(f"restore {name}", self.ip.link, "set", index=found.index, **changes)
        for text in was.addresses:
            self._address(found.index, name, text)
        if was.up:
            self._do(f"bring {name} up", self.ip.link, "set", index=found.index, state="up")

    # ------------------------------------------------------------ inside

    def configure(self, attachment):
        """Addresses, up, routes: of a device that is in this network namespace."""
        name = attachment.name
        index = self.index(name)
        if index is None:
            raise failed(errno.ENODEV, "rtnetlink", f"configure {name}")
        if attachment.mode == "host-device" and _looks(attachment):
            self._do(f"change {name}", self.ip.link, "set", index=index, **_looks(attachment))
        ipv6 = attachment.ipv6 if has_ipv6(name) else ()
        if ipv6:
            # Who is given an address and a router need not listen to others who say they are one.
            write_sysctl(f"net/ipv6/conf/{name}/accept_ra", "0")
        for text in (*attachment.ipv4, *ipv6):
            self._address(index, name, text)
        if not attachment.up:
            return
        self._do(f"bring {name} up", self.ip.link, "set", index=index, state="up")
        for gateway in attachment.gateways:
            if ":" in gateway and not ipv6:
                continue
            family = FAMILY[6 if ":" in gateway else 4]
            self._do(
                f"route by {gateway}",
                self.ip.route, "add", family=family, dst="default", gateway=gateway, oif=index,
            )  # fmt: skip

    def _address(self, index, name, text):
        given = ipaddress.ip_interface(text)
        more = {"flags": IFA_F_NODAD} if given.version == 6 else {}
        if given.version == 4 and given.network.prefixlen < 31:
            more["broadcast"] = str(given.network.broadcast_address)
        self._do(
            f"give {name} {text}",
            self.ip.addr, "add", fine=(errno.EEXIST,),
            index=index, address=str(given.ip), prefixlen=given.network.prefixlen, **more,
        )  # fmt: skip


def _sized(attachment):
    return {"mtu": attachment.mtu} if attachment.mtu else {}


def _looks(attachment):
    return {**_sized(attachment), **({"address": attachment.mac} if attachment.mac else {})}


# ---------------------------------------------------------------- namespaces and sysctls


@contextlib.contextmanager
def inside(namespace):
    """Be in a network namespace, given by descriptor: its `Links`."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(namespace, const.CLONE_NEWNET)
        try:
            links = Links()
            try:
                yield links
            finally:
                links.close()
        finally:
            setns(own, const.CLONE_NEWNET)
    finally:
        os.close(own)


def write_sysctl(name, text):
    """Of the network namespace that we are in: /proc/sys/net shows that of who looks."""
    with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
        file.write(text)


def has_ipv6(name="default"):
    try:
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", encoding="ascii") as file:
            return file.read().strip() == "0"
    except FileNotFoundError:
        return False
