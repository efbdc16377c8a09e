"""Mounts and device nodes as libcontainer's configuration has them."""

from __future__ import annotations

from ocipy.formats.libcontainer import names
from ocipy.formats.tree import Node
from ocipy.spec.origin import CHANGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def mount(entry: Node, linux: Node) -> dict[str, Any]:
    """One of mounts.

    linux: of the container, whose ids an id-mapped mount has that names none
    """
    found: dict[str, Any] = {
        "source": entry.text("source"),
        "destination": entry.text("destination"),
        "device": entry.text("type"),
    }
    found |= _options(entry.texts("options"))
    if found["flags"] & names.MS_BIND:
        if found["device"] not in ("", "none", "bind"):
            entry.note("type", CHANGED, "a bind mount has no other type than bind")
        found["device"] = "bind"
    mappings = _mappings(entry)
    if "id_mapping" in found or mappings:
        found["id_mapping"] = (
            {"recursive": False} | found.get("id_mapping", {}) | (mappings or _mappings(linux))
        )
    return found


def _mappings(node: Node) -> dict[str, Any]:
    from ocipy.formats.libcontainer.write import ranges

    pairs = (("uid_mappings", "uidMappings"), ("gid_mappings", "gidMappings"))
    return {theirs: ranges(node.nodes(ours)) for theirs, ours in pairs if node.has(ours)}


def _options(options: list[str]) -> dict[str, Any]:
    """flags and all else that mount options turn into; of opposites the last one counts."""
    flags = cleared = to_set = to_clear = extensions = 0
    propagation, data, recursive = [], [], False
    found: dict[str, Any] = {}
    for option in options:
        if option in names.MOUNT_SET:
            flags, cleared = flags | names.MOUNT_SET[option], cleared & ~names.MOUNT_SET[option]
        elif option in names.MOUNT_CLEAR:
            flags, cleared = flags & ~names.MOUNT_CLEAR[option], cleared | names.MOUNT_CLEAR[option]
        elif option in ("bind", "rbind"):
            flags |= names.MS_BIND | (names.MS_REC if option == "rbind" else 0)
        elif option in names.PROPAGATION:
            propagation.append(names.PROPAGATION[option])
        elif option in names.ATTR_SET:
            recursive = True
            to_set, to_clear = to_set | names.ATTR_SET[option], to_clear & ~names.ATTR_SET[option]
        elif option in names.ATTR_CLEAR:
            recursive = True
            to_set, to_clear = to_set & ~names.ATTR_CLEAR[option], to_clear | names.ATTR_CLEAR[option]
        elif option in names.ATIME_SET:
            recursive = True
            to_set, to_clear = (
                to_set & ~names.ATIME_MASK | names.ATIME_SET[option],
                to_clear | names.ATIME_MASK,
            )
        elif option in names.ATIME_CLEAR:
            recursive, to_clear = True, to_clear | names.ATIME_CLEAR[option]
        elif option == "tmpcopyup":
            extensions = names.EXT_COPYUP
        elif option in ("idmap", "ridmap"):
            found["id_mapping"] = {"recursive": option == "ridmap"}
        elif option not in ("defaults", "rnorelatime"):
            data.append(option)
    found |= {"flags": flags, "cleared_flags": cleared, "propagation_flags": propagation}
    if recursive:
        found["rec_attr"] = {"Attr_set": to_set, "Attr_clr": to_clear, "Propagation": 0, "Userns_fd": 0}
    return {**found, "data": ",".join(data), "extensions": extensions}


def devices(linux: Node) -> list[dict[str, Any]]:
    """devices: those that every /dev has, and the container's own, which may replace one of them."""
    owner = (_host_root(linux.nodes("uidMappings")), _host_root(linux.nodes("gidMappings")))
    own = [_node(entry, owner) for entry in linux.nodes("devices")]
    paths = {device["path"] for device in own}
    rule = {"permissions": "rwm", "allow": True}
    usual = [
        _device("c", path, major, minor, 0o666, *owner, rule)
        for path, major, minor in names.DEFAULT_NODES
        if path not in paths
    ]
    return usual + own


def _host_root(mappings: list[Node]) -> int:
    """The id that 0 of the container has outside: runc makes it the owner of what has none."""
    return next((entry.number("hostID") or 0 for entry in mappings if not entry.number("containerID")), 0)


def _node(entry: Node, owner: tuple[int, int]) -> dict[str, Any]:
    mode = entry.number("fileMode")
    major, minor, uid, gid = (entry.number(key) or 0 for key in ("major", "minor", "uid", "gid"))
    mode = 0o666 if mode is None else mode & 0o7777
    return _device(
        entry.text("type"), entry.text("path"), major, minor, mode, uid or owner[0], gid or owner[1]
    )


def _device(
    kind: str,
    path: str,
    major: int,
    minor: int,
    mode: int,
    uid: int,
    gid: int,
    rule: dict[str, Any] | None = None,
) -> dict[str, Any]:
    device = {"type": ord(kind), "path": path, "major": major, "minor": minor, "file_mode": mode}
    return {**device, **(rule or {"permissions": "", "allow": False}), "uid": uid, "gid": gid}
