"""Mounts and device nodes of libcontainer's configuration."""

from __future__ import annotations

from ocipy.formats.libcontainer import names
from ocipy.formats.tree import Building, Node
from ocipy.spec.origin import CHANGED, LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(config: Node, out: Building) -> None:
    """mounts, devices and the propagation of the root."""
    entries = config.nodes("mounts")
    if isinstance(config.value.get("capabilities"), list):
        _system(config, {entry.text("destination") for entry in entries}, out)
    for index, entry in enumerate(entries):
        out.add("/mounts", mount(entry), config.place("mounts", index))
    owner = (host_root(config.nodes("uid_mappings")), host_root(config.nodes("gid_mappings")))
    for index, entry in enumerate(config.nodes("devices")):
        if found := device(entry, owner=owner):
            out.add("/linux/devices", found, config.place("devices", index))
    if bits := config.number("rootPropagation"):
        out.put("/linux/rootfsPropagation", propagation(bits), config.place("rootPropagation"))


def _system(config: Node, said: set[str], out: Building) -> None:
    """Before libcontainer 2.0 was done, the system's mounts were still made unasked."""
    from ocipy.formats.libcontainer import old_mounts

    if "/proc" in said:
        return
    for destination, kind, source, options in old_mounts.system(False):
        if destination not in said:
            out.add(
                "/mounts", {"destination": destination, "type": kind, "source": source, "options": options}
            )
    config.note("mounts", CHANGED, "has no /proc: the mounts that libcontainer made unasked are added")


def mount(entry: Node) -> dict[str, Any]:
    """One of mounts."""
    found: dict[str, Any] = {"destination": entry.text("destination")}
    for ours, theirs in (("type", "device"), ("source", "source")):
        if text := entry.text(theirs):
            found[ours] = text
    options = _flags(entry) + _recursive(entry)
    options += [propagation(bits) for bits in entry.numbers("propagation_flags")]
    extensions = entry.number("extensions") or 0
    if extensions & names.EXT_COPYUP:
        options.append("tmpcopyup")
    if entry.has("id_mapping"):
        options += _ids(entry.within("id_mapping"), found)
    if data := entry.text("data"):
        options += data.split(",")
    if options:
        found["options"] = options
    if entry.text("relabel"):
        entry.note("relabel", LOSSY, "the source is not given another SELinux label")
    return found


def _flags(entry: Node) -> list[str]:
    bits, cleared = entry.number("flags") or 0, entry.number("cleared_flags") or 0
    options = []
    if bits & names.MS_BIND:
        options.append("rbind" if bits & names.MS_REC else "bind")
        bits &= ~(names.MS_BIND | names.MS_REC)
    for table, asked in ((names.MOUNT_SET, bits), (names.MOUNT_CLEAR, cleared)):
        known = 0
        for option, flag in table.items():
            known |= flag
            if asked & flag:
                options.append(option)
        if asked & ~known:
            entry.note("flags", LOSSY, f"{asked & ~known:#x} are no flags of a mount that have an option")
    return options


def _recursive(entry: Node) -> list[str]:
    attributes = entry.node("rec_attr")
    if attributes is None:
        return []
    to_set, to_clear = attributes.number("Attr_set") or 0, attributes.number("Attr_clr") or 0
    options = [option for option, flag in names.ATTR_SET.items() if to_set & flag]
    if to_clear & names.ATIME_MASK == names.ATIME_MASK:
        options += [o for o, flag in names.ATIME_SET.items() if to_set & names.ATIME_MASK == flag]
        to_clear &= ~names.ATIME_MASK
    clear = {**names.ATTR_CLEAR, **names.ATIME_CLEAR}
    return options + [option for option, flag in clear.items() if to_clear & flag]


def _ids(mapping: Node, found: dict[str, Any]) -> list[str]:
    from ocipy.formats.libcontainer.read import ranges

    for ours, theirs in (("uidMappings", "uid_mappings"), ("gidMappings", "gid_mappings")):
        if entries := ranges(mapping.nodes(theirs)):
            found[ours] = entries
    mapping.text("userns_path")  # of the user namespace that the container joins: it is that one's anyway
    return ["ridmap" if mapping.flag("recursive") else "idmap"]


def propagation(bits: int) -> str:
    """The option of flags such as MS_SLAVE | MS_REC; a number that is none stays one, and will be refused."""
    return next((name for name, flag in names.PROPAGATION.items() if flag == bits), str(bits))


def host_root(mappings: list[Node]) -> int:
    """The id that 0 of the container has outside: to runc it is the owner of every node."""
    for entry in mappings:
        if not entry.number("container_id"):
            return entry.number("host_id") or 0
    return 0


def device(
    entry: Node,
    major: str = "major",
    minor: str = "minor",
    permissions: str = "permissions",
    owner: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """A device node, or {} for one that every /dev has.

    major, minor, permissions: what their keys are called
    owner:                     the ids of one that belongs to the container's root
    """
    kind, path = names.device_type(entry.number("type")), entry.text("path")
    numbers = (entry.number(major) or 0, entry.number(minor) or 0)
    mode, uid, gid = (entry.number(key) or 0 for key in ("file_mode", "uid", "gid"))
    uid, gid = 0 if uid == owner[0] else uid, 0 if gid == owner[1] else gid
    # What the cgroup is to allow is said again in its rules.
    entry.text(permissions)
    entry.flag("allow")
    mode &= 0o7777
    if kind == "c" and (path, *numbers) in names.DEFAULT_NODES and (mode, uid, gid) == (0o666, 0, 0):
        return {}
    found: dict[str, Any] = {"type": kind, "path": path}
    if kind != "p":
        found |= {"major": numbers[0], "minor": numbers[1]}
    optional = {"fileMode": (mode, 0o666), "uid": (uid, 0), "gid": (gid, 0)}
    return found | {key: value for key, (value, default) in optional.items() if value != default}
