"""The annotations `io.ocipy.network.*`: which networks the network hook gives a container.

    io.ocipy.network.mode          bridge
    io.ocipy.network.publish       8080:80
    io.ocipy.network.1.mode        macvlan       a second network
    io.ocipy.network.1.link        enp3s0

A key is PREFIX, the number of the network and a dot (for the first one both may be left out), and a name of
`KEYS`.  Those of `SHARED` are the container's and have no number.  The arguments of the hook and the option
--network are the same keys without the prefix.  A list is separated by blanks or commas.

Our own annotations, because the standard leaves networks to callers.  What they mean to the kernel is
documented in docs/network.md.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.record import Record
from ocipy.spec.names import NETWORK
from ocipy.spec.network_text import (
    FAMILIES,
    Fault,
    Port,
    address,
    address_range,
    address_with_length,
    boolean,
    device,
    directory,
    domain,
    mac,
    mtu,
    one_of,
    ports,
    words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = NETWORK
RULE = "network"

_DEVICE = ("mode", "link", "name", "mac", "mtu", "up", "ipv4", "ipv4.gateway", "ipv6", "ipv6.gateway")
_POOL = ("ipv4.range", "ipv6.range")
#: Mode -> the keys that mean something in it; a key that would have no effect is refused.
MODES = {
    "bridge": {*_DEVICE, *_POOL, "masquerade", "firewall", "forward", "publish"},
    "macvlan": {*_DEVICE, *_POOL, "macvlan"},
    "host-device": {*_DEVICE},
    "none": {"mode"},
    "join": {"mode"},
}
KEYS = tuple(sorted(set().union(*MODES.values())))
#: Of the container, not of one network.
SHARED = ("files", "dns", "search")
#: Source: linux/if_link.h, MACVLAN_MODE_*.
MACVLAN_MODES = ("bridge", "private", "vepa", "passthru")
BRIDGE = "ocipy0"
MAX_NETWORKS = 100


class Family(Record):
    """What a network says of IPv4, or of IPv6.

    addresses: ADDRESS/LENGTH each; None: one of the range (bridge, macvlan), or what the device has
               (host-device); empty: none
    range:     the addresses that are given out, as a network; "" lets the hook choose (bridge)
    gateway:   of the default route: an address, "none", or "auto": the bridge's own
    """

    addresses: tuple[str, ...] | None = None
    range: str = ""
    gateway: str = "auto"


class Network(Record):
    """One network of a container.

    mode:    one of `MODES`
    target:  of mode join: the id of the container whose network namespace it is
    link:    the bridge (bridge), the device below (macvlan), the device itself (host-device)
    name:    of the device inside
    mac:     "" for one that the hook or the kernel chooses
    mtu:     in bytes; 0 for that of the link
    up:      bring the device up
    forward: families whose forwarding is to be turned on for the whole host
    """

    mode: str = "bridge"
    target: str = ""
    link: str = ""
    name: str = "eth0"
    mac: str = ""
    mtu: int = 0
    up: bool = True
    ipv4: Family = Family()
    ipv6: Family = Family()
    macvlan: str = "bridge"
    masquerade: bool = True
    firewall: bool = True
    forward: tuple[str, ...] = ()
    publish: tuple[Port, ...] = ()


class Settings(Record):
    """What the annotations of a container say.

    files:  a directory of the bundle whose hosts and resolv.conf are written, "" for none
    dns:    addresses of name servers; () for the host's
    search: domains of names without a dot; () for the host's
    """

    networks: tuple[Network, ...] = ()
    files: str = ""
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


# ---------------------------------------------------------------- text to values


def of_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """What is ours among annotations: key without the prefix -> text."""
    return {key.removeprefix(PREFIX): text for key, text in annotations.items() if key.startswith(PREFIX)}


def check(annotations: Mapping[str, str]) -> Settings:
    """The settings of a container.  Raises ConfigError, with the pointer of the annotation."""
    try:
        return parse(of_annotations(annotations))
    except Fault as fault:
        key = PREFIX + fault.key
        if key not in annotations:  # of the first network, whose number may be left out
            key = PREFIX + fault.key.removeprefix("0.")
        pointer = "/annotations/" + key.replace("~", "~0").replace("/", "~1")
        raise ConfigError(Problem(pointer, str(fault), RULE)) from None


def parse(values: Mapping[str, str]) -> Settings:
    """The settings that keys without the prefix spell.  Raises Fault."""
    numbered: dict[int, dict[str, str]] = {}
    shared: dict[str, str] = {}
    for key, text in values.items():
        if key in SHARED:
            shared[key] = text
            continue
        number, name = _split(key)
        if name not in KEYS:
            raise Fault(key, f'there is no such setting as "{name}", only {", ".join((*KEYS, *SHARED))}')
        if name in numbered.setdefault(number, {}):
            raise Fault(key, "is given twice, with its number and without")
        numbered[number][name] = text
    networks = []
    for place, number in enumerate(sorted(numbered)):
        networks.append(_network(number, place, numbered[number]))
    _together(networks, sorted(numbered))
    return Settings(
        tuple(networks),
        directory(shared.get("files", "")),
        tuple(address("dns", text) for text in words(shared.get("dns", ""))),
        tuple(domain("search", text) for text in words(shared.get("search", ""))),
    )


def _split(key: str) -> tuple[int, str]:
    head, dot, rest = key.partition(".")
    if not (dot and head.isascii() and head.isdigit()):
        return 0, key
    if len(head) > 2 or str(int(head)) != head:
        raise Fault(key, f"{head} is not the number of a network, from 0 to {MAX_NETWORKS - 1}")
    return int(head), rest


def _network(number: int, place: int, given: Mapping[str, str]) -> Network:
    def fault(name: str, message: str) -> Fault:
        return Fault(f"{number}.{name}", message)

    mode, colon, target = given.get("mode", "bridge").partition(":")
    if mode not in MODES or bool(colon) != (mode == "join") or bool(target) != (mode == "join"):
        known = ", ".join("join:CONTAINER" if name == "join" else name for name in MODES)
        raise fault("mode", f'"{given["mode"]}" is not one of {known}')
    for name in given:
        if name not in MODES[mode]:
            raise fault(name, f"has no meaning in mode {mode}")
    try:
        link = _link(mode, given)
        own = link if mode == "host-device" else f"eth{place}"
        made = Network(
            mode=mode,
            target=target,
            link=link,
            name=device("name", given.get("name", own)),
            mac=mac(given.get("mac", "")),
            mtu=mtu(given.get("mtu", "")),
            up=boolean("up", given.get("up", "true")),
            ipv4=_family("ipv4", given),
            ipv6=_family("ipv6", given),
            macvlan=one_of("macvlan", given.get("macvlan", "bridge"), MACVLAN_MODES),
            masquerade=boolean("masquerade", given.get("masquerade", "true")),
            firewall=boolean("firewall", given.get("firewall", "true")),
            forward=tuple(
                one_of("forward", word, tuple(FAMILIES)) for word in words(given.get("forward", ""))
            ),
            publish=tuple(one for word in words(given.get("publish", "")) for one in ports(word)),
        )
    except Fault as error:
        raise fault(error.key, str(error)) from None
    if not made.firewall:
        if made.publish:
            raise fault("publish", "needs rules of a firewall, which firewall=false forbids")
        made = made.replace(masquerade=False)
    return made


def _together(networks: list[Network], numbers: list[int]) -> None:
    """What no network can know by itself."""
    names: set[str] = set()
    published: list[Port] = []
    for number, network in zip(numbers, networks):
        if network.mode in ("none", "join"):
            if len(networks) > 1:
                raise Fault(f"{number}.mode", f"mode {network.mode} leaves no room for another network")
            continue
        if network.name in names:
            raise Fault(f"{number}.name", f"two devices can't be {network.name}")
        names.add(network.name)
        for one in network.publish:
            if any(map(one.clashes, published)):
                raise Fault(f"{number}.publish", f"{one.protocol} port {one.host_port} is published twice")
            published.append(one)


def _link(mode: str, given: Mapping[str, str]) -> str:
    if mode in ("none", "join"):
        return ""
    if mode != "bridge" and "link" not in given:
        raise Fault("link", f"mode {mode} needs one")
    return device("link", given.get("link", BRIDGE))


def _family(family: str, given: Mapping[str, str]) -> Family:
    texts = words(given.get(family, "auto"))
    addresses = None
    if texts != ["auto"]:
        addresses = () if texts == ["none"] else tuple(address_with_length(family, text) for text in texts)
    gateway = given.get(f"{family}.gateway", "auto")
    if gateway not in ("auto", "none"):
        gateway = address(f"{family}.gateway", gateway, FAMILIES[family])
    return Family(addresses, address_range(family, given.get(f"{family}.range", "")), gateway)


# ---------------------------------------------------------------- values to text


def to_annotations(settings: Settings) -> dict[str, str]:
    """What `check` reads as these settings: what is not the default, and every mode."""
    made: dict[str, str] = {}
    for place, network in enumerate(settings.networks):
        head = f"{PREFIX}{place}." if len(settings.networks) > 1 else PREFIX
        made.update((head + key, text) for key, text in _texts(network, place))
    for key in SHARED:
        value = getattr(settings, key)
        text = value if isinstance(value, str) else " ".join(value)
        if text:
            made[PREFIX + key] = text
    return made


def _texts(network: Network, place: int) -> Iterable[tuple[str, str]]:
    yield "mode", f"join:{network.target}" if network.mode == "join" else network.mode
    own = network.link if network.mode == "host-device" else f"eth{place}"
    usual = Network(
        network.mode, network.target, BRIDGE if network.mode == "bridge" else "", own,
        masquerade=network.firewall,
    )  # fmt: skip
    for key in (
        "link",
        "name",
        "mac",
        "mtu",
        "up",
        "macvlan",
        "masquerade",
        "firewall",
        "forward",
        "publish",
    ):
        value = getattr(network, key)
        if key in MODES[network.mode] and value != getattr(usual, key):
            yield key, _text(value)
    for family in FAMILIES:
        said: Family = getattr(network, family)
        if family in MODES[network.mode]:
            if said.addresses is not None:
                yield family, " ".join(said.addresses) or "none"
            if said.range:
                yield f"{family}.range", said.range
            if said.gateway != "auto":
                yield f"{family}.gateway", said.gateway


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
