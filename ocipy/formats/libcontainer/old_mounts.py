"""Mounts and device nodes of 2014: the system's own, which every container had, and its volumes."""

from __future__ import annotations

from ocipy.formats.libcontainer.read_mounts import device
from ocipy.formats.tree import Building, Node
from ocipy.spec.origin import LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SAFE = ("nosuid", "nodev", "noexec")
#: (destination, type, source, options), as libcontainer mounted them unasked.
SYSTEM = (
    ("/proc", "proc", "proc", _SAFE),
    ("/sys", "sysfs", "sysfs", _SAFE),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755")),
    ("/dev/shm", "tmpfs", "shm", (*_SAFE, "mode=1777", "size=65536k")),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620", "gid=5"),
    ),
)
#: What restrict_sys took away.
_READ_ONLY = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
_MASKED = ("/proc/kcore",)
#: Types of mounts that were said, and are the system's own.
_USUAL = ("proc", "sysfs", "devtmpfs", "shm", "devpts")


def read(config: Node, out: Building) -> None:
    """mounts, device_nodes and restrict_sys, wherever the generation has them."""
    settings = config.within("mount_config")
    restricted = config.flag("restrict_sys") or config.table("context").get("restrictions") == "true"
    for destination, kind, source, options in system(restricted):
        mount = {"destination": destination, "type": kind, "source": source, "options": options}
        out.add("/mounts", mount)
    if restricted:
        key = "restrict_sys" if config.has("restrict_sys") else "context"
        out.put("/linux/readonlyPaths", list(_READ_ONLY), config.place(key))
        out.put("/linux/maskedPaths", list(_MASKED), config.place(key))
    for node in (config, settings):
        for index, entry in enumerate(node.nodes("mounts")):
            if mount := _mount(entry):
                out.add("/mounts", mount, node.place("mounts", index))
        for index, entry in enumerate(node.nodes("device_nodes")):
            if found := device(entry, "major_number", "minor_number", "cgroup_permissions"):
                out.add("/linux/devices", found, node.place("device_nodes", index))


def system(restricted: bool) -> list[tuple[str, str, str, list[str]]]:
    """The system's own mounts."""
    return [
        (destination, kind, source, [*options, "ro"] if restricted and kind == "sysfs" else list(options))
        for destination, kind, source, options in SYSTEM
    ]


def _mount(entry: Node) -> dict[str, Any]:
    kind, source, destination = (entry.text(key) for key in ("type", "source", "destination"))
    writable, private = entry.flag("writable"), entry.flag("private")
    if kind in _USUAL and not destination:
        return {}
    if entry.text("relabel"):
        entry.note("relabel", LOSSY, "the source is not given another SELinux label")
    if kind == "bind":
        options = ["rbind", *([] if writable else ["ro"]), *(["rprivate"] if private else [])]
        return {"destination": destination, "type": "bind", "source": source, "options": options}
    if kind == "tmpfs":
        return {"destination": destination, "type": kind, "source": source or kind, "options": list(_SAFE)}
    entry.note("type", LOSSY, f"mounts of type {kind} are none that libcontainer had")
    return {}
