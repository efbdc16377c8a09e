"""`root`, `mounts`, hidden and protected paths, as ``lxc.rootfs.*``, ``lxc.mount.*`` and ``lxc.autodev``."""

from __future__ import annotations

from ocipy.formats.lxc import fstab
from ocipy.formats.lxc.grammar import is_number
from ocipy.formats.lxc.management import PREFIX
from ocipy.formats.lxc.mounts import FLAGS
from ocipy.formats.lxc.read import exists, is_directory
from ocipy.formats.lxc.root import DEFAULT_NODES, DEV_SIZE
from ocipy.formats.lxc.values import SUFFIXES
from ocipy.spec.names import plain_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ocipy.formats.lxc.paper import Paper

    Mount = dict[str, Any]

_PTYS = 1024
_DEVPTS = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}
_CGROUP = {"nosuid", "noexec", "nodev", "relatime"}
_LAYERS = ("lowerdir=", "upperdir=", "workdir=")


def root(paper: Paper) -> None:
    """The root's storage; mounts at "/" are taken for it in `mounts`."""
    path = paper.take("/root/path")
    pointer = "/root/path"
    options = ["ro"] if paper.take("/root/readonly") else []
    storage = f"dir:{path}"
    for i, mount in enumerate(paper.look("/mounts") or ()):
        if plain_path(mount["destination"]) != "/":
            continue
        said = mount.get("options") or []
        if mount.get("type") == "overlay" and (layers := _overlay(said)):
            storage, pointer = layers, f"/mounts/{i}"
        elif mount.get("source") == path and set(said) == {"rbind", "idmap"}:
            options.append("idmap=container")
        else:
            paper.refused(f"/mounts/{i}", "LXC mounts nothing over the root but an overlay")
    paper.put("lxc.rootfs.path", storage, pointer)
    if options:
        paper.put("lxc.rootfs.options", ",".join(options), "/root/readonly")


def _overlay(options: Sequence[str]) -> str:
    """What an overlay's options say, "" for more than LXC can."""
    said = {key: option.removeprefix(key) for option in options for key in _LAYERS if option.startswith(key)}
    if len(said) != len(_LAYERS) or len(options) != len(_LAYERS):
        return ""
    return f"overlay:{said['lowerdir=']}:{said['upperdir=']}"


def mounts(paper: Paper) -> None:
    """All other mounts, in order; then what hides them in part."""
    dev = False
    for i, mount in enumerate(paper.take("/mounts") or ()):
        pointer, target = f"/mounts/{i}", plain_path(mount["destination"])
        options = list(mount.get("options") or ())
        bound = bool({"bind", "rbind"} & set(options))
        if target == "/":
            continue
        if target == "/dev" and mount.get("type") == "tmpfs":
            dev = True
            _dev(paper, options, pointer)
        elif target == "/dev/pts" and mount.get("type") == "devpts":
            _terminals(paper, options, pointer)
        elif mount.get("type") == "cgroup" and not bound:
            _cgroup(paper, options, target, pointer)
        else:
            _entry(paper, mount, target, options, bound, pointer)
    if not dev:
        paper.put("lxc.autodev", 0, "/mounts")
        if not any(plain_path(mount["destination"]) == "/dev" for mount in paper.look("/mounts") or ()):
            # Every OCI container has them, LXC's only with a /dev of LXC's own.
            for path in DEFAULT_NODES:
                line = fstab.Line(path, path.lstrip("/"), "none", ("bind", "create=file"))
                paper.put("lxc.mount.entry", line, "/mounts")
    _devices(paper)
    _covers(paper)


def _dev(paper: Paper, options: list[str], pointer: str) -> None:
    """LXC makes /dev by itself; the size is all that can be said."""
    size = next((option.removeprefix("size=") for option in options if option.startswith("size=")), "")
    number, suffix = (size[:-1], size[-1].upper()) if size[-1:].isalpha() else (size, "")
    if is_number(number) and (not suffix or suffix in SUFFIXES):
        total = int(number) << 10 * (SUFFIXES.index(suffix) + 1 if suffix else 0)
        if total != DEV_SIZE:
            paper.put("lxc.autodev.tmpfs.size", total, pointer)
    else:
        paper.lossy(f"{pointer}/options", f"LXC's /dev has room for a number of bytes: {DEV_SIZE}")
    others = [option for option in options if option != "mode=755" and not option.startswith("size=")]
    if others:
        paper.lossy(f"{pointer}/options", f"LXC's /dev is not {', '.join(others)}")


def _terminals(paper: Paper, options: list[str], pointer: str) -> None:
    most = next((o.removeprefix("max=") for o in options if o.startswith("max=") and is_number(o[4:])), "")
    # LXC adds those of lxc.tty.max.
    ttys = (paper.look("/annotations") or {}).get(f"{PREFIX}lxc.tty.max", "0")
    if number := int(most or _PTYS) - (int(ttys) if is_number(ttys) else 0):
        paper.put("lxc.pty.max", number, pointer)
    if not most:
        paper.changed(f"{pointer}/options", f"LXC wants a number of terminals: {_PTYS}")
    others = {option for option in options if option != f"max={most}"} ^ _DEVPTS
    if others:
        paper.lossy(f"{pointer}/options", f"LXC's own differ in {', '.join(sorted(others))}")


def _cgroup(paper: Paper, options: list[str], target: str, pointer: str) -> None:
    if target != "/sys/fs/cgroup":
        paper.lossy(pointer, f"LXC mounts cgroups at /sys/fs/cgroup, not at {target}")
        return
    mode = "ro" if "ro" in options else "rw"
    paper.put("lxc.mount.auto", f"cgroup:{mode}:force", pointer)
    if others := set(options) - _CGROUP - {"ro", "rw"}:
        paper.lossy(f"{pointer}/options", f"LXC's mounts of cgroups are not {', '.join(sorted(others))}")


def _entry(paper: Paper, mount: Mount, target: str, options: list[str], bound: bool, pointer: str) -> None:
    said = []
    for option in options:
        if option == "idmap" and not mount.get("uidMappings"):
            said.append("idmap=container")
        elif option in FLAGS or "=" in option:
            said.append(option)
        elif option[:1] == "r" and option[1:] in FLAGS:
            said.append(option[1:])
            paper.lossy(f"{pointer}/options", f"{option}: only the mount itself, not those below it")
        elif option in ("idmap", "ridmap"):
            paper.refused(f"{pointer}/options", f"{option}: LXC can only use the container's own ids")
        elif option != "defaults":
            paper.lossy(f"{pointer}/options", f"{option}: LXC has no such option")
    if not {"idmap", "ridmap"} & set(options) and mount.get("uidMappings"):
        paper.refused(f"{pointer}/uidMappings", "LXC can only use the container's own ids")
    source = mount.get("source") or "none"
    file = bound and exists(source) and not is_directory(source)
    line = fstab.Line(
        source,
        target.lstrip("/"),
        "none" if bound else mount.get("type") or "none",
        (*said, f"create={'file' if file else 'dir'}"),
    )
    paper.put("lxc.mount.entry", line, pointer)


def _devices(paper: Paper) -> None:
    """linux.devices: the host's nodes, where they are the same; LXC makes none."""
    for i, device in enumerate(paper.take("/linux/devices") or ()):
        pointer, path = f"/linux/devices/{i}", plain_path(device["path"])
        if not exists(path):
            paper.lossy(pointer, f"LXC makes no devices, and this host has no {path} to show instead")
            continue
        paper.put(
            "lxc.mount.entry", fstab.Line(path, path.lstrip("/"), "none", ("bind", "create=file")), pointer
        )
        paper.lossy(pointer, f"LXC makes no devices: it is the host's {path}, with its owner and mode")


def _covers(paper: Paper) -> None:
    """What is hidden or protected; as in OCI, a path that is not there is passed over.

    Whether a path is a file or a directory shows when it is mounted over: one of the two lines fails, and is
    optional.
    """
    for i, path in enumerate(paper.take("/linux/maskedPaths") or ()):
        target = plain_path(path).lstrip("/")
        for line in (
            fstab.Line("/dev/null", target, "none", ("bind", "optional")),
            fstab.Line("tmpfs", target, "tmpfs", ("ro", "optional")),
        ):
            paper.put("lxc.mount.entry", line, f"/linux/maskedPaths/{i}")
    for i, path in enumerate(paper.take("/linux/readonlyPaths") or ()):
        target = plain_path(path).lstrip("/")
        line = fstab.Line(target, target, "none", ("bind", "relative", "ro", "optional"))
        paper.put("lxc.mount.entry", line, f"/linux/readonlyPaths/{i}")
