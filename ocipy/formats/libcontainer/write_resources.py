"""The cgroup and its limits as libcontainer's configuration has them."""

from __future__ import annotations

from ocipy.formats.libcontainer import keys, names
from ocipy.formats.tree import Node
from ocipy.spec.origin import LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write(linux: Node) -> dict[str, Any]:
    """cgroups."""
    found = _path(linux.text("cgroupsPath"))
    resources = linux.within("resources")
    _limits(resources, found)
    listed = [_rule(entry) for entry in resources.nodes("devices")]
    # What every runtime allows is at the end of every list.
    found["devices"] = listed + [
        {"type": ord(kind), "major": major, "minor": minor, "permissions": access, "allow": True}
        for kind, major, minor, access in names.DEFAULT_RULES
    ]
    _lists(resources, found)
    return found


def _path(path: str) -> dict[str, Any]:
    """slice:prefix:name is systemd's; anything else is a path, and nothing leaves it to the runtime."""
    parts = path.split(":")
    if len(parts) == 3 and not path.startswith("/"):
        return {"parent": parts[0], "scope_prefix": parts[1], "name": parts[2], "path": "", "Systemd": True}
    return {"name": "", "path": path}


def _node_of(resources: Node, pointer: str) -> tuple[Node, str]:
    inner, key = pointer.removeprefix("/linux/resources/").split("/")
    return resources.within(inner), key


def _limits(resources: Node, found: dict[str, Any]) -> None:
    for theirs, pointer in keys.LIMITS.items():
        node, key = _node_of(resources, pointer)
        number = node.number(key)
        if number:
            found[theirs] = number
        elif number == 0:
            node.note(key, LOSSY, "0 is what libcontainer writes for a limit that is not there")
    for table, ask in (
        (keys.OPTIONAL_LIMITS, Node.number),
        (keys.LIMIT_TEXTS, Node.text),
        (keys.LIMIT_FLAGS, Node.flag),
    ):
        for theirs, pointer in table.items():
            node, key = _node_of(resources, pointer)
            value = ask(node, key)
            if value or (value == 0 and table is keys.OPTIONAL_LIMITS):
                found[theirs] = value


def _rule(entry: Node) -> dict[str, Any]:
    major, minor = entry.number("major"), entry.number("minor")
    return {
        "type": ord(entry.text("type") or "a"),
        "major": -1 if major is None else major,
        "minor": -1 if minor is None else minor,
        "permissions": entry.text("access") or "rwm",
        "allow": entry.flag("allow"),
    }


def _numbers(entry: Node, *wanted: str) -> dict[str, int]:
    return {key: entry.number(key) or 0 for key in wanted}


def _lists(resources: Node, found: dict[str, Any]) -> None:
    block, network = resources.within("blockIO"), resources.within("network")
    for theirs, pointer in keys.THROTTLES.items():
        found[theirs] = [
            _numbers(e, "major", "minor", "rate") for e in block.nodes(pointer.rpartition("/")[2])
        ]
    found["blkio_weight_device"] = [
        _numbers(entry, "major", "minor", "weight", "leafWeight") for entry in block.nodes("weightDevice")
    ]
    found["hugetlb_limit"] = [
        {"page_size": entry.text("pageSize"), "limit": entry.number("limit") or 0}
        for entry in resources.nodes("hugepageLimits")
    ]
    found["net_prio_ifpriomap"] = [
        {"interface": entry.text("name"), "priority": entry.number("priority") or 0}
        for entry in network.nodes("priorities")
    ]
    pairs = (("hca_handles", "hcaHandles"), ("hca_objects", "hcaObjects"))
    found["rdma"] = {
        name: {theirs: entry.number(ours) for theirs, ours in pairs}
        for name, entry in resources.named("rdma").items()
    }
    found["unified"] = resources.table("unified")
    for key in [key for key, value in found.items() if value in ([], {})]:
        del found[key]
