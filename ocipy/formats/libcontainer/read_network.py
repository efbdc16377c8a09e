"""Networks and routes of libcontainer's configuration, for the network hook.

Docker gave its containers a network that way until 1.6; runc only brings the loopback up, unasked.
"""

from __future__ import annotations

from ocipy.formats.tree import Building, Node
from ocipy.spec.network import PREFIX
from ocipy.spec.origin import CHANGED, LOSSY

#: Theirs -> ours, of a pair of devices one of which is in a bridge of the host.
_KEYS = {
    "bridge": "link",
    "name": "name",
    "mac_address": "mac",
    "address": "ipv4",
    "gateway": "ipv4.gateway",
    "ipv6_address": "ipv6",
    "ipv6_gateway": "ipv6.gateway",
}
#: Nothing that a container could tell: names of the host's end, the length of a queue.
_OF_HOST = ("veth_prefix", "txqueuelen", "host_interface_name", "hairpin_mode")


def read(config: Node, out: Building) -> None:
    """networks, but for those whose namespace is joined, and routes."""
    number = 0
    for index, entry in enumerate(config.nodes("networks")):
        kind = entry.text("type")
        context = entry.table("context")  # of 2014: where keys of one type of network stood
        if kind == "veth":
            settings = {"mode": "bridge"}
            for theirs, ours in _KEYS.items():
                if text := entry.text(theirs) or context.get(theirs, ""):
                    settings[ours] = text
            if mtu := entry.number("mtu"):
                settings["mtu"] = str(mtu)
            for key in _OF_HOST:
                entry.whole(key)
            annotations = out.data.setdefault("annotations", {})
            for key, text in settings.items():
                annotations[f"{PREFIX}{number}.{key}"] = text
                out.places[f"/annotations/{PREFIX}{number}.{key}"] = config.place("networks", index)
            number += 1
            entry.note("", CHANGED, f"annotations {PREFIX}*, for the network hook to make")
        elif kind not in ("loopback", "netns"):
            entry.note("type", LOSSY, f"a network of type {kind} is not one that the network hook makes")
        if kind != "veth":
            entry.dismiss()
    for entry in config.nodes("routes"):
        entry.dismiss()
        entry.note(
            "", LOSSY, "config.json has no routes: the network hook makes those that its networks need"
        )
