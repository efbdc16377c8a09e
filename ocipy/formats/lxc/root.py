"""The root of a container, and /dev: ``root``, and the first of ``mounts``.

A root that is more than a directory is a mount at "/": that is where `mounts` of config.json begin.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.formats.lxc.read import exists, is_directory
from ocipy.formats.lxc.values import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

#: Storage that has to be attached before there is a directory.
_BACKENDS = ("btrfs", "loop", "lvm", "nbd", "rbd", "zfs")
_OVERLAYS = ("overlay", "overlayfs")
#: liblxc, storage_utils.h: the work directory lies beside the upper one.
_WORK = "work"
DEV_SIZE = 500000
#: Nodes that every OCI container has, whatever its configuration says.
DEFAULT_NODES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty"))
_PLAIN_OPTIONS = ("rw", "defaults")


def load(draft: Draft) -> None:
    """root.path and root.readonly.  Raises ConfigError where there is no root."""
    entry = draft.config.last("lxc.rootfs.path")
    if entry is None:
        message = "there is none: a container on the host's own root is not supported"
        place = f"{draft.config.name}: lxc.rootfs.path"
        raise ConfigError(Problem("", message, "lxc-no-root", place), draft.config.name)
    kind, colon, rest = entry.value.partition(":")
    if not colon or kind.startswith("/"):
        kind, rest = "dir", entry.value
    if kind == "dir":
        if not rest.startswith("/"):
            raise entry.problem(f'"{rest}" is not absolute')
        path = rest.rstrip("/") or "/"
        draft.set("/root/path", path, entry)
        if exists(path) and not is_directory(path):
            draft.refused(entry, f"{path} is no directory: an image or a device has to be mounted first")
    elif kind in _OVERLAYS:
        _overlay(draft, entry, rest)
    elif kind in _BACKENDS:
        draft.set("/root/path", rest or "/", entry)
        draft.refused(entry, f"storage of type {kind}: mount it, and name the directory")
    else:
        raise entry.problem(f'there is no storage of type "{kind}"')
    _options(draft, entry)


def _overlay(draft: Draft, entry: Entry, layers: str) -> None:
    """LOWER[:LOWER...]:UPPER; each begins with a slash, so that other colons are parts of names."""
    paths = [f"/{part}" for part in layers.removeprefix("/").split(":/")]
    if not layers.startswith("/") or len(paths) < 2:
        raise entry.problem(f'"{layers}" is not LOWER:UPPER, each with a slash in front')
    *lower, upper = paths
    work = f"{upper.rstrip('/').rpartition('/')[0]}/{_WORK}"
    for path in (upper, work):
        if not exists(path):
            draft.refused(
                entry, f"{path} is not there: LXC makes it when it starts a container, ocipy does not"
            )
    draft.set("/root/path", lower[0], entry)
    options = [f"lowerdir={':'.join(lower)}", f"upperdir={upper}", f"workdir={work}"]
    mount = {"destination": "/", "type": "overlay", "source": "overlay", "options": options}
    draft.add("/mounts", mount, entry)


def _options(draft: Draft, path: Entry) -> None:
    entry = draft.config.last("lxc.rootfs.options")
    for option in entry.value.split(",") if entry is not None else ():
        if option == "ro":
            draft.set("/root/readonly", True, entry)
        elif option == "idmap=container" and entry is not None:
            if draft.get("/mounts"):
                draft.refused(entry, "an overlay can't be id-mapped")
                continue
            mount = {"destination": "/", "type": "bind", "source": draft.get("/root/path")}
            draft.add("/mounts", {**mount, "options": ["rbind", "idmap"]}, entry)
        elif option.startswith("idmap=") and entry is not None:
            draft.refused(entry, f"{option}: only idmap=container can be said in config.json")
        elif option and option not in _PLAIN_OPTIONS and entry is not None:
            draft.lossy(entry, f"{option}: a root that is a directory has no such option")


def load_dev(draft: Draft) -> None:
    """A new /dev, unless ``lxc.autodev`` is 0; the runtime puts the usual nodes there."""
    config = draft.config
    entry = config.last("lxc.autodev")
    if not config.flag("lxc.autodev", True):
        if entry is not None:
            draft.changed(entry, "the usual devices are made all the same, in the root's own /dev")
        return
    asked = config.last("lxc.autodev.tmpfs.size")
    number = size(asked, asked.value) if asked is not None else DEV_SIZE
    options = ["mode=755", f"size={number}"]
    mount = {"destination": "/dev", "type": "tmpfs", "source": "none", "options": options}
    draft.add("/mounts", mount, asked or entry)


def load_terminals(draft: Draft) -> None:
    """/dev/pts, where there are terminals."""
    entries = [
        entry for name in ("pty", "tty") if (entry := draft.config.last(f"lxc.{name}.max")) is not None
    ]
    number = sum(size(entry, entry.value) for entry in entries)
    if number <= 0 and not draft.get("/process/terminal"):
        return
    options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    if number > 0:
        options.append(f"max={number}")
    mount = {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options}
    draft.add("/mounts", mount, entries[0] if entries else None)
