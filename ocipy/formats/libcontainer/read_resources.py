"""The cgroups of libcontainer's configuration: where, and what is limited."""

from __future__ import annotations

from ocipy.formats.libcontainer import keys, names
from ocipy.formats.tree import Building, Node
from ocipy.spec.origin import CHANGED, LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(cgroup: Node, out: Building) -> None:
    """All of it."""
    _path(cgroup, out)
    limits(cgroup, out)
    if devices := rules(cgroup.nodes("devices")):
        out.put("/linux/resources/devices", devices, cgroup.place("devices"))
    elif any(cgroup.has(key) for key in ("allow_all_devices", "allowed_devices", "denied_devices")):
        device_access(cgroup, out, "major", "minor", "permissions")
    _lists(cgroup, out)


def _path(cgroup: Node, out: Building) -> None:
    """The path that was asked for.  Without one the runtime calls the cgroup after the container."""
    name, parent, path = cgroup.text("name"), cgroup.text("parent"), cgroup.text("path")
    prefix = cgroup.text("scope_prefix")
    for key in ("Rootless", "owner_uid", "freezer", "cpu_weight"):  # state, and what follows from the rest
        cgroup.whole(key)
    if path:
        out.put("/linux/cgroupsPath", path, cgroup.place("path"))
    elif cgroup.flag("Systemd"):
        if parent or prefix != "runc":
            out.put("/linux/cgroupsPath", f"{parent}:{prefix}:{name}", cgroup.place("name"))
            cgroup.note("Systemd", CHANGED, "is an option of the runtime: --systemd-cgroup")
    elif parent:
        out.put("/linux/cgroupsPath", f"/{parent.strip('/')}/{name}", cgroup.place("parent"))


def limits(cgroup: Node, out: Building) -> None:
    """What is one number, or one text."""
    for key, pointer in keys.LIMITS.items():
        if number := cgroup.number(key):
            out.put(pointer, number, cgroup.place(key))
    for key, pointer in keys.OPTIONAL_LIMITS.items():
        if (number := cgroup.number(key)) is not None:
            out.put(pointer, number, cgroup.place(key))
    for key, pointer in keys.LIMIT_TEXTS.items():
        if text := cgroup.text(key):
            out.put(pointer, text, cgroup.place(key))
    for key, pointer in keys.LIMIT_FLAGS.items():
        if cgroup.flag(key):
            out.put(pointer, True, cgroup.place(key))


def rules(entries: list[Node]) -> list[dict[str, Any]]:
    """The device rules, without those that every runtime puts at the end."""
    found = []
    for entry in entries:
        kind, access = names.device_type(entry.number("type")), entry.text("permissions")
        major, minor = entry.number("major"), entry.number("minor")
        found.append((entry.flag("allow"), kind, major or 0, minor or 0, access))
    default = [(True, *rule) for rule in names.DEFAULT_RULES]
    for usual in (default, default[:-1]):  # runc 1.2 had none for net/tun
        if found[-len(usual) :] == usual:
            del found[-len(usual) :]
            break
    return [_rule(*rule) for rule in found]


def device_access(cgroup: Node, out: Building, major: str, minor: str, permissions: str) -> None:
    """The device rules of before 2017: all, or nothing but some, or all but some.

    major, minor, permissions: what their keys are called
    """
    everything = cgroup.flag("allow_all_devices") or cgroup.flag("device_access")
    listed = [_rule(everything, "a", -1, -1, "rwm")]
    for key, allow in (("allowed_devices", True), ("denied_devices", False)):
        for entry in cgroup.nodes(key):
            kind, access = names.device_type(entry.number("type")), entry.text(permissions)
            numbers = (entry.number(major) or 0, entry.number(minor) or 0)
            for other in ("path", "file_mode", "uid", "gid"):
                entry.whole(other)
            if allow != everything:
                listed.append(_rule(allow, kind, *numbers, access))
    key = "allow_all_devices" if cgroup.has("allow_all_devices") else "allowed_devices"
    out.put("/linux/resources/devices", listed, cgroup.place(key))


def _rule(allow: bool, kind: str, major: int, minor: int, access: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"allow": allow}
    if kind != "a":
        rule["type"] = kind
    if major != -1:
        rule["major"] = major
    if minor != -1:
        rule["minor"] = minor
    return {**rule, "access": access}


def _objects(cgroup: Node, key: str) -> list[Node]:
    """A list; before runc 0.0.5 the text for a file of cgroup v1 stood there."""
    if isinstance(cgroup.value.get(key), str):
        if cgroup.text(key):
            cgroup.note(key, LOSSY, "is the text for a file, config.json has numbers")
        return []
    return cgroup.nodes(key)


def _lists(cgroup: Node, out: Building) -> None:
    at = "/linux/resources"
    for key, pointer in keys.THROTTLES.items():
        found = [
            {"major": e.number("major") or 0, "minor": e.number("minor") or 0, "rate": e.number("rate") or 0}
            for e in _objects(cgroup, key)
        ]
        if found:
            out.put(pointer, found, cgroup.place(key))
    weights = []
    for entry in _objects(cgroup, "blkio_weight_device"):
        weight = {"major": entry.number("major") or 0, "minor": entry.number("minor") or 0}
        weight |= {key: entry.number(key) or 0 for key in ("weight", "leafWeight") if entry.number(key)}
        weights.append(weight)
    pages = [
        {"pageSize": e.text("page_size"), "limit": e.number("limit") or 0}
        for e in cgroup.nodes("hugetlb_limit")
    ]
    priorities = [
        {"name": entry.text("interface"), "priority": entry.number("priority") or 0}
        for entry in cgroup.nodes("net_prio_ifpriomap")
    ]
    rdma = {}
    for name, entry in cgroup.named("rdma").items():
        pairs = (("hcaHandles", "hca_handles"), ("hcaObjects", "hca_objects"))
        rdma[name] = {ours: entry.number(key) for ours, key in pairs if entry.number(key) is not None}
    for key, pointer, value in (
        ("blkio_weight_device", f"{at}/blockIO/weightDevice", weights),
        ("hugetlb_limit", f"{at}/hugepageLimits", pages),
        ("net_prio_ifpriomap", f"{at}/network/priorities", priorities),
        ("rdma", f"{at}/rdma", rdma),
        ("unified", f"{at}/unified", cgroup.table("unified")),
    ):
        if value:
            out.put(pointer, value, cgroup.place(key))
