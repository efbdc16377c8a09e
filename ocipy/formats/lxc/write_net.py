"""Networks that ocipy gives a container, as ``lxc.net.*``."""

from __future__ import annotations

from ocipy.formats.lxc.draft import escaped
from ocipy.spec import network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.paper import Paper

_TYPES = {"bridge": "veth", "macvlan": "macvlan", "host-device": "phys"}


def dump(paper: Paper) -> None:
    """The annotations of the network hook, and the devices that are handed over."""
    annotations = paper.look("/annotations") or {}
    ours = [name for name in annotations if name.startswith(network.PREFIX)]
    for name in ours:
        paper.take(f"/annotations/{escaped(name)}")
    settings = network.check(annotations) if ours else network.Settings()
    index = 0
    for one in settings.networks:
        if one.mode in _TYPES:
            _network(paper, one, f"lxc.net.{index}.", f"/annotations/{escaped(ours[0])}")
            index += 1
        elif one.mode == "join":
            paper.refused(
                f"/annotations/{escaped(ours[0])}", f"the network of container {one.target} is ocipy's"
            )
    for name in network.SHARED:
        if getattr(settings, name):
            paper.lossy(
                f"/annotations/{escaped(network.PREFIX + name)}", "LXC writes no resolv.conf and no hosts"
            )
    for link, device in (paper.take("/linux/netDevices") or {}).items():
        at, start = f"/linux/netDevices/{escaped(link)}", f"lxc.net.{index}."
        # A device that OCI hands over is brought up.
        said = (("type", "phys"), ("link", link), ("name", device.get("name")), ("flags", "up"))
        for key, value in said:
            if value:
                paper.put(start + key, value, at)
        index += 1


def _network(paper: Paper, one: network.Network, start: str, at: str) -> None:
    paper.put(f"{start}type", _TYPES[one.mode], at)
    paper.put(f"{start}link", one.link, at)
    paper.put(f"{start}name", one.name, at)
    for key, value in (("hwaddr", one.mac), ("mtu", one.mtu), ("flags", "up" if one.up else "")):
        if value:
            paper.put(start + key, value, at)
    if one.mode == "macvlan":
        paper.put(f"{start}macvlan.mode", one.macvlan, at)
    for family, said in (("ipv4", one.ipv4), ("ipv6", one.ipv6)):
        for address in said.addresses or ():
            paper.put(f"{start}{family}.address", address, at)
        if said.addresses is None and one.mode != "host-device":
            paper.lossy(at, f"LXC gives out no {family} addresses")
        if said.gateway != "none" and one.mode != "host-device":
            paper.put(f"{start}{family}.gateway", said.gateway, at)
    if one.mode == "bridge":
        lost = [name for name in ("masquerade", "firewall", "forward", "publish") if getattr(one, name)]
        if lost:
            paper.lossy(at, f"LXC does nothing about {', '.join(lost)}")
