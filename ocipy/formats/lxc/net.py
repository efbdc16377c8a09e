"""Networks: annotations of the network hook, and ``linux.netDevices`` for a device that is only handed over.

LXC gives a device what is said and nothing else: no address, route, rule of a firewall or "up" comes by
itself.
Source: lxc.container.conf(5), NETWORK; liblxc 5.0.2, network.c.
"""

from __future__ import annotations

from ocipy.formats.lxc import values
from ocipy.formats.lxc.draft import escaped
from ocipy.formats.lxc.grammar import is_number
from ocipy.spec import network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

    One = dict[str, list[Entry]]  # the entries of a network, by the last part of their keys

START = "lxc.net."
TYPES = ("empty", "ipvlan", "macvlan", "none", "phys", "veth", "vlan")
#: More than a name, which netDevices can give a device that is handed over.
_MORE = ("ipv4.address", "ipv6.address", "ipv4.gateway", "ipv6.gateway", "hwaddr", "mtu")
_MACVLAN = "private"
#: Names of an annotation's last part that LXC has other names for.
_LINES = {
    "mac": "hwaddr",
    "ipv4": "ipv4.address",
    "ipv6": "ipv6.address",
    "macvlan": "macvlan.mode",
    "up": "flags",
}
#: Bits of a network whose length is not said: as the first bits of an IPv4 address have it (RFC 791).
_CLASSES = ((128, 8), (192, 16), (256, 24))


def load(draft: Draft) -> None:
    """All networks, in the order of their numbers."""
    found: list[tuple[network.Network, One]] = []
    for index, one in sorted(_networks(draft).items()):
        kind = _type(one, index)
        if kind.value == "phys" and not any(name in one for name in _MORE):
            link = _needed(one, "link", kind)
            device = {"name": one["name"][-1].value} if "name" in one else {}
            draft.set(f"/linux/netDevices/{escaped(link)}", device, kind)
            if not _up(one):
                draft.changed(kind, f"{link} is brought up, as OCI has it")
        elif made := _network(draft, one, kind, len(found)):
            found.append((made, one))
    settings = network.Settings(networks=tuple(made for made, _ in found))
    for key, text in network.to_annotations(settings).items() if found else ():
        number, _, name = key.removeprefix(network.PREFIX).partition(".")
        if not number.isdigit():
            number, name = "0", key.removeprefix(network.PREFIX)
        one = found[int(number)][1]
        said = one.get(_LINES.get(name, name)) or one["type"]
        draft.set(f"/annotations/{escaped(key)}", text, said[-1])


def _networks(draft: Draft) -> dict[int, One]:
    networks: dict[int, One] = {}
    for entry in draft.config.below(START):
        number, _, name = entry.key.removeprefix(START).partition(".")
        networks.setdefault(int(number), {}).setdefault(name, []).append(entry)
    return networks


def _type(one: One, index: int) -> Entry:
    if "type" not in one:
        first = next(iter(one.values()))[0]
        raise first.problem(f"network {index} has no {START}{index}.type")
    entry = one["type"][-1]
    if entry.value not in TYPES:
        raise entry.problem(f'"{entry.value}" is not one of {", ".join(TYPES)}')
    return entry


def _needed(one: One, name: str, kind: Entry) -> str:
    if name not in one:
        raise kind.problem(f"a network of type {kind.value} needs a {name}")
    return one[name][-1].value


def _network(draft: Draft, one: One, kind: Entry, place: int) -> network.Network | None:
    """What the hook is to make; None where that is nothing, or can't be had."""
    if kind.value in ("empty", "none"):
        return None
    if kind.value in ("vlan", "ipvlan"):
        draft.refused(kind, f"the network hook makes no {kind.value} devices")
        return None
    if kind.value == "veth" and (said := one.get("veth.mode")) and said[-1].value != "bridge":
        draft.refused(said[-1], "the network hook connects to bridges only")
        return None
    if kind.value == "veth" and "link" not in one:
        draft.refused(
            kind, "a pair whose end on the host is connected to nothing: name the bridge as its link"
        )
        return None
    macvlan = one["macvlan.mode"][-1].value if "macvlan.mode" in one else _MACVLAN
    mac = one["hwaddr"][-1].value.lower() if "hwaddr" in one else ""
    if "x" in mac:
        draft.changed(one["hwaddr"][-1], "all of it is random, not only the digits that are x")
        mac = ""
    link = _needed(one, "link", kind)
    mode = {"veth": "bridge", "macvlan": "macvlan", "phys": "host-device"}[kind.value]
    return network.Network(
        mode=mode,
        link=link,
        name=one["name"][-1].value if "name" in one else (link if kind.value == "phys" else f"eth{place}"),
        mac=mac,
        mtu=values.number(one["mtu"][-1], 65535) if "mtu" in one else 0,
        up=_up(one),
        ipv4=_family(draft, one, "ipv4"),
        ipv6=_family(draft, one, "ipv6"),
        macvlan=macvlan if kind.value == "macvlan" else "bridge",
        masquerade=False,
        firewall=False,
    )


def _up(one: One) -> bool:
    """Whether the device is brought up: only if it is asked for."""
    if "flags" not in one:
        return False
    entry = one["flags"][-1]
    if entry.value != "up":
        raise entry.problem(f'"{entry.value}" is not "up"')
    return True


def _family(draft: Draft, one: One, family: str) -> network.Family:
    addresses = []
    for entry in one.get(f"{family}.address", ()):
        address, _, broadcast = entry.value.partition(" ")
        if broadcast.strip():
            draft.lossy(entry, f"broadcast {broadcast.strip()}: it is computed")
        addresses.append(address if "/" in address else f"{address}/{_length(family, address)}")
    gateway = one.get(f"{family}.gateway")
    said = gateway[-1].value if gateway else "none"
    if gateway and said == "dev":
        draft.refused(gateway[-1], "the network hook makes no default route without an address")
    return network.Family(tuple(addresses), gateway="none" if said == "dev" else said)


def _length(family: str, address: str) -> int:
    first = address.partition(".")[0]
    if family == "ipv6" or not is_number(first):
        return 64
    return next((length for end, length in _CLASSES if int(first) < end), 32)
