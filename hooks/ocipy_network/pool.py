"""What a container is given of a host's networks: names, ranges, addresses.  Pure.

Nothing is remembered but claims and bridges: an address is taken if a claim has it.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress

from ocipy.errors import OcipyError
from ocipy.spec.network_text import port
from ocipy_network.claims import Attachment, Bridge

#: Private addresses that no other container engine takes by itself; a bridge gets the 256th part.
IPV4_POOL = ipaddress.ip_network("10.176.0.0/12")
IPV4_BRIDGE = 20
FAMILIES = ("ipv4", "ipv6")
IPV6_MTU = 1280  # at least: RFC 8200, section 5


class Host:
    """What the host has, as far as it matters here.

    devices: {name: Device} of those that are asked for
    routes:  networks that it reaches by some device
    ipv6:    has it IPv6?
    machine: bytes that no other machine has
    has:     is there a device of a name?
    """

    def __init__(self, devices, routes, ipv6=True, machine=b"", has=lambda name: False):
        self.devices, self.routes, self.ipv6, self.machine, self.has = devices, routes, ipv6, machine, has


def digest(*texts):
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).digest()


# ---------------------------------------------------------------- bridges


def bridge(network, known, host):
    """The bridge of a network.  Raises OcipyError when it can't be had as asked.

    known: {name: Bridge} that have containers on them
    """
    name = network.link
    found = known.get(name)
    if name in host.devices and not (found and found.made):
        found = _foreign(network, host.devices[name], found)
    if found:
        _agrees(network, found)
        return found
    mac = ":".join(["02", *(f"{byte:02x}" for byte in digest(name, host.machine.hex())[:5])])
    for family in FAMILIES:
        _is_free(f"{family}.range", getattr(network, family).range, host)
    ipv4 = network.ipv4.range or _free_range(known, host, name)
    ipv6 = network.ipv6.range
    if ipv6 and not host.ipv6:
        raise OcipyError(f"{ipv6}: the host has no IPv6")
    if host.ipv6 and not ipv6:
        # RFC 4193: a random part of a machine's own, then a subnet for each bridge.
        prefix = b"\xfd" + hashlib.sha256(b"ocipy" + host.machine).digest()[:5] + digest(name)[:2]
        ipv6 = str(ipaddress.ip_network((prefix + bytes(8), 64)))
    return Bridge(name, True, mac, _first_of(ipv4), _first_of(ipv6) if ipv6 else "")


def _agrees(network, found):
    for family in FAMILIES:
        own, wanted = getattr(found, family), getattr(network, family).range
        if wanted and (not own or str(ipaddress.ip_interface(own).network) != wanted):
            has = ipaddress.ip_interface(own).network if own else f"no {family} range"
            raise OcipyError(f"bridge {found.name} has {has}, not {wanted}")


def _foreign(network, device, known):
    """A bridge that somebody else made: its own address says where its range is used.

    known: what others have said of it
    """
    if device.kind != "bridge":
        raise OcipyError(f"{network.link} is a network device of the host, but no bridge")
    found = {family: getattr(known, family) for family in FAMILIES if known and getattr(known, family)}
    for family in FAMILIES:
        wanted = getattr(network, family)
        if not wanted.range or family in found:
            continue
        range = ipaddress.ip_network(wanted.range)
        own = [ip for ip in map(ipaddress.ip_interface, device.addresses) if ip.ip in range]
        if not own:
            raise OcipyError(f"bridge {network.link} has no address in {range}")
        found[family] = f"{own[0].ip}/{range.prefixlen}"
    if not found and network.ipv4.addresses is None and network.ipv6.addresses is None:
        raise OcipyError(f"bridge {network.link} is somebody else's: say ipv4.range, or addresses, or none")
    return Bridge(network.link, False, **found)


def _is_free(key, text, host):
    """A range may be a part of what the host has a route to, but not the other way round."""
    if not text:
        return
    wanted = ipaddress.ip_network(text)
    for route in sorted(host.routes, key=str):
        if route.version == wanted.version and route.prefixlen and route.subnet_of(wanted):
            raise OcipyError(f"{key}: {wanted} is not free: the host has a route to {route}")


def _free_range(known, host, name):
    taken = [*host.routes, *(ipaddress.ip_interface(b.ipv4).network for b in known.values() if b.ipv4)]
    for candidate in IPV4_POOL.subnets(new_prefix=IPV4_BRIDGE):
        if not any(one.version == 4 and one.overlaps(candidate) for one in taken if one.prefixlen):
            return str(candidate)
    raise OcipyError(f"no range of {IPV4_POOL} is free for bridge {name}: say ipv4.range")


def _first_of(text):
    network = ipaddress.ip_network(text)
    return f"{network[1]}/{network.prefixlen}"


# ---------------------------------------------------------------- attachments


def attach(settings, key, bridges, claims, host):
    """The attachments of a container, one for each network.

    key:     bytes that no other container has
    bridges: {name: Bridge}, those of its networks among them
    claims:  of all other containers
    """
    made = []
    for place, network in enumerate(settings.networks):
        # Of a family only one network can be the default way out; by itself it is the first.
        routed = {ipaddress.ip_address(g).version for one in made for g in one.gateways}
        found = _Chooser(network, bridges.get(network.link), [*claims, *_claimed(made)], host)
        made.append(found.attachment(key, place, routed))
    return tuple(made)


class _Claimed:
    """What is given in this very call counts as taken."""

    def __init__(self, attachments):
        self.id, self.attachments = "this container", attachments


def _claimed(made):
    return [_Claimed(tuple(made))]


class _Chooser:
    """What one network of a container gets."""

    def __init__(self, network, bridge, claims, host):
        self.network, self.host, self.claims = network, host, claims
        self.bridge = bridge if network.mode == "bridge" else None

    def attachment(self, key, place, routed):
        network = self.network
        device = self._device()
        ipv4, ipv6 = self._addresses("ipv4", 4), self._addresses("ipv6", 6)
        mtu = network.mtu
        if self.bridge and not self.bridge.made and not mtu:
            mtu = device.mtu
        if 0 < mtu < IPV6_MTU and (ipv6 or (self.bridge and self.bridge.ipv6)):
            # A bridge has the mtu of its smallest port, and with less would lose the addresses of all on it.
            raise OcipyError(f"mtu={mtu}: IPv6, which {network.link} has, needs {IPV6_MTU}")
        self._published({4: ipv4, 6: ipv6})
        return Attachment(
            mode=network.mode,
            link=network.link,
            name=network.name,
            host=self._veth(key, place) if network.mode == "bridge" else "",
            mac=network.mac or self._mac(key, place, ipv4),
            mtu=mtu,
            up=network.up,
            ipv4=ipv4,
            ipv6=ipv6,
            gateways=tuple(self._gateways({4: ipv4, 6: ipv6}, routed)) if network.up else (),
            macvlan=network.macvlan if network.mode == "macvlan" else "",
            masquerade=network.mode == "bridge" and network.masquerade,
            firewall=network.mode == "bridge" and network.firewall,
            publish=tuple(map(str, network.publish)),
            was=device if network.mode == "host-device" else None,
        )

    def _device(self):
        device = self.host.devices.get(self.network.link)
        if device is None and not (self.bridge and self.bridge.made):
            raise OcipyError(f"there is no network device {self.network.link}")
        return device

    def _range(self, family):
        """(the network that addresses are given out of, the address that is its gateway), or None."""
        if self.bridge:
            own = getattr(self.bridge, family)
            return (ipaddress.ip_interface(own).network, ipaddress.ip_interface(own).ip) if own else None
        text = getattr(self.network, family).range
        return (ipaddress.ip_network(text), ipaddress.ip_network(text)[1]) if text else None

    def _addresses(self, family, version):
        said = getattr(self.network, family).addresses
        taken = {
            ipaddress.ip_interface(text).ip: claim.id
            for claim in self.claims
            for one in claim.attachments
            if one.link == self.network.link
            for text in getattr(one, family)
        }
        if said is not None:
            own = self.bridge and getattr(self.bridge, family)
            for one in map(ipaddress.ip_interface, said):
                if holder := taken.get(one.ip):
                    raise OcipyError(f"{one} is held by {holder}")
                if own and one.ip == ipaddress.ip_interface(own).ip:
                    raise OcipyError(f"{one} is the address of bridge {self.bridge.name} itself")
            return said
        if self.network.mode == "host-device":
            addresses = map(ipaddress.ip_interface, self.host.devices[self.network.link].addresses)
            return tuple(str(one) for one in addresses if one.version == version)
        found = self._range(family)
        if found is None:
            return ()
        network, gateway = found
        for address in network.hosts():
            if address != gateway and address not in taken:
                return (f"{address}/{network.prefixlen}",)
        raise OcipyError(f"no address of {network} is free: {len(taken)} are held")

    def _gateways(self, addresses, routed):
        for version, family in ((4, "ipv4"), (6, "ipv6")):
            said = getattr(self.network, family).gateway
            if said == "auto":
                found = self._range(family)
                if found and addresses[version] and version not in routed:
                    yield str(found[1])
            elif said != "none":
                yield said

    def _veth(self, key, place):
        """15 characters that no device has, nor any claim."""
        taken = {one.host for claim in self.claims for one in claim.attachments}
        attempt = 0
        while True:
            raw = hashlib.sha256(key + bytes([place]) + attempt.to_bytes(4, "big")).digest()
            name = "voc" + base64.b32encode(raw).decode().lower()[:12]
            if name not in taken and not self.host.has(name):
                return name
            attempt += 1

    def _mac(self, key, place, ipv4):
        """Of the address: who knew the last holder of it must not have to forget."""
        if self.network.mode == "host-device" or self.network.macvlan == "passthru":
            return ""
        raw = hashlib.sha256(key + bytes([place])).digest()[:4]
        kind = "02:0d"
        if ipv4:
            kind, raw = "02:0c", ipaddress.ip_interface(ipv4[0]).ip.packed
        return ":".join([kind, *(f"{byte:02x}" for byte in raw)])

    def _published(self, addresses):
        for wanted in self.network.publish:
            version = wanted.version()
            if not (addresses[version] if version else any(addresses.values())):
                kind = f" of IPv{version}" if version else ""
                raise OcipyError(f"port {wanted} is published, but the container has no address{kind}")
            for claim in self.claims:
                for text in (text for one in claim.attachments for text in one.publish):
                    if wanted.clashes(port(text)):
                        what = f"{wanted.protocol} port {wanted.host_port} of the host"
                        raise OcipyError(f"{what} is published by {claim.id} already")
