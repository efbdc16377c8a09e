"""Filesystems of a container: ``mounts``, ``linux.maskedPaths`` and ``linux.readonlyPaths``.

What an entry mounts over a path that is to be hidden or kept from change says the same as the two lists: that
is also how `dump` writes them.
"""

from __future__ import annotations

from ocipy.formats.lxc import fstab, grammar
from ocipy.formats.lxc.read import exists, forbidden, text_of
from ocipy.formats.lxc.root import DEFAULT_NODES
from ocipy.formats.lxc.security import keeps
from ocipy.spec.names import PROC_FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

_PROPAGATION = ("private", "shared", "slave", "unbindable")
#: Options that are flags; others are the filesystem's own.  Source: liblxc, conf.c, mount_opt.
FLAGS = frozenset(
    "atime dev diratime exec noatime nodev nodiratime noexec norelatime nostrictatime nosymfollow nosuid "
    "relatime ro rw strictatime suid bind rbind sync async dirsync lazytime mand nomand remount private "
    "shared slave unbindable rprivate rshared rslave runbindable".split()
)
#: Those of a bind mount that change nothing about what is mounted.
_OPPOSITES = {"rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec"}
_KEEPING = {"bind", "rbind", "idmap", *_PROPAGATION, *(f"r{word}" for word in _PROPAGATION)}
#: What `lxc.mount.auto` may say.
AUTO = {
    "proc": ("mixed", "rw"),
    "sys": ("mixed", "ro", "rw"),
    "cgroup": ("mixed", "ro", "rw"),
    "cgroup-full": ("mixed", "ro", "rw"),
    "cgroup2": ("ro", "rw"),
}
#: All of /proc/sys but net, which a container with CAP_NET_ADMIN may set.
SYSCTLS = tuple(
    f"/proc/sys/{name}"
    for name in ("abi", "crypto", "debug", "dev", "fs", "fscache", "kernel", "sunrpc", "user", "vm", "xen")
)
TRIGGER = "/proc/sysrq-trigger"
_HARMLESS = ["nosuid", "nodev", "noexec"]
_SHARED_AT = "/dev/.lxc-mounts"


def load(draft: Draft) -> None:
    """In LXC's order: what it mounts by itself, fstab, entries, cgroups."""
    wanted = _wanted(draft)
    for kind, said in wanted.items():
        if kind in ("proc", "sys"):
            (_proc if kind == "proc" else _sys)(draft, *said)
    if entry := draft.config.last("lxc.mount.fstab"):
        for number, line in enumerate(text_of(entry.value, entry.value, entry).split("\n"), 1):
            _line(draft, entry.replace(place=f"{entry.value}:{number}"), line)
    for entry in draft.config.all("lxc.mount.entry"):
        _line(draft, entry, entry.value)
    for kind, said in wanted.items():
        if kind == "shmounts":
            _shared(draft, *said)
        elif kind not in ("proc", "sys"):
            _cgroup(draft, kind, *said)


# ---------------------------------------------------------------- lxc.mount.auto


def _wanted(draft: Draft) -> dict[str, tuple[str, Entry]]:
    """{kind: (what was said behind it, line)}: of each kind the last word counts."""
    found: dict[str, tuple[str, Entry]] = {}
    for entry in draft.config.all("lxc.mount.auto"):
        for word in grammar.words(entry.value):
            kind, _, said = word.partition(":")
            if kind == "shmounts" and said:
                found[kind] = (said, entry)
                continue
            mode = said.removesuffix("force").rstrip(":") if kind.startswith("cgroup") else said
            if kind not in AUTO or (mode and mode not in AUTO[kind]):
                raise entry.problem(f'"{word}" is nothing that LXC mounts by itself')
            if kind.startswith("cgroup"):
                found = {one: value for one, value in found.items() if not one.startswith("cgroup")}
            found[kind] = (said, entry)
    return found


def _proc(draft: Draft, said: str, entry: Entry) -> None:
    draft.add("/mounts", _mount("/proc", "proc", "proc", _HARMLESS), entry)
    if said == "rw":
        return
    paths = SYSCTLS if keeps(draft, "CAP_NET_ADMIN") else ("/proc/sys",)
    for path in (*paths, TRIGGER):
        draft.add("/linux/readonlyPaths", path, entry)


def _sys(draft: Draft, said: str, entry: Entry) -> None:
    options = {"rw": [], "ro": ["ro"]}.get(said, ["ro", *_HARMLESS])
    draft.add("/mounts", _mount("/sys", "sysfs", "sysfs", options), entry)
    if said in ("", "mixed"):
        draft.lossy(entry, "sys:mixed: /sys/devices/virtual/net is read-only, too")


def _cgroup(draft: Draft, kind: str, said: str, entry: Entry) -> None:
    """LXC leaves it to the container's init where that can do it: in a cgroup namespace, as administrator."""
    forced = said.endswith("force") or kind == "cgroup2"
    own = any(one["type"] == "cgroup" for one in draft.get("/linux/namespaces"))
    if own and keeps(draft, "CAP_SYS_ADMIN") and not forced and draft.host.v1:
        draft.changed(entry, f"{kind}: not mounted, as LXC leaves that to the container's init")
        return
    options = [*_HARMLESS, "relatime", *(["ro"] if said.startswith("ro") else [])]
    draft.add("/mounts", _mount("/sys/fs/cgroup", "cgroup", "cgroup", options), entry)
    if kind == "cgroup-full":
        draft.lossy(entry, "cgroup-full: the container sees its own cgroups only")


def _shared(draft: Draft, said: str, entry: Entry) -> None:
    source, _, target = said.partition(":")
    draft.add("/mounts", _mount(target or _SHARED_AT, "bind", source, ["bind", "rslave"]), entry)


def _mount(destination: str, fstype: str, source: str, options: list[str]) -> dict[str, Any]:
    mount = {"destination": destination, "type": fstype, "source": source}
    return {**mount, "options": list(options)} if options else mount


# ---------------------------------------------------------------- fstab


def _line(draft: Draft, entry: Entry, text: str) -> None:
    try:
        line = fstab.parse(text)
    except ValueError as error:
        raise entry.problem(str(error)) from None
    if line is None:
        return
    target = _target(draft, line.target)
    if target is None:
        draft.lossy(entry, f"{line.target} is not in the root: not mounted, as LXC does not mount it")
        return
    bound = {"bind", "rbind"} & set(line.options)
    if _covers(draft, entry, line, target):
        return
    relative = "relative" in line.options
    source = line.source
    if bound and relative:
        source = f"{draft.get('/root/path').rstrip('/')}/{source.lstrip('/')}"
        draft.changed(entry, f"relative: {source}, without what is mounted in the root")
    elif bound and not source.startswith("/"):
        raise entry.problem(f"{source} is not absolute, and not said to be relative to the root")
    if "optional" in line.options:
        if target.startswith("/proc/") and target not in PROC_FILES:
            draft.lossy(entry, "optional: not mounted, only a few files of /proc may be covered")
            return
        if why := _missing(draft, line, source):
            draft.changed(entry, f"optional: not mounted, {why}")
            return
    options = _options(draft, entry, line)
    if bound and not _KEEPING.issuperset(options):
        # What the source's own mount forbids LXC keeps, OCI's runtimes only where no option is said.
        kept = [option for option in forbidden(source) if option not in options]
        options = [option for option in options if _OPPOSITES.get(option) not in kept] + kept
    fstype = "bind" if bound else line.fstype
    draft.add("/mounts", _mount(target, fstype, source, options), entry)


def _target(draft: Draft, target: str) -> str | None:
    """A place in the container: relative to the root; or absolute, and then it has to lead through it."""
    if not target.startswith("/"):
        return f"/{target}"
    root = draft.get("/root/path").rstrip("/")
    _, found, rest = target.partition(root)
    return f"/{rest.lstrip('/')}" if found and (not rest or rest.startswith("/")) else None


def _covers(draft: Draft, entry: Entry, line: fstab.Line, target: str) -> bool:
    """Whether a line says what maskedPaths or readonlyPaths do; if so it is said there."""
    options = set(line.options)
    if line.source == target in DEFAULT_NODES and options == {"bind", "create=file"}:
        return not draft.config.flag("lxc.autodev", True)  # the runtime makes it
    null = line.source == "/dev/null" and "bind" in options
    if null and (options == {"bind", "optional"} or not target.startswith("/dev/")):
        draft.add("/linux/maskedPaths", target, entry)
        return True
    if line.fstype == "tmpfs" and options == {"ro", "optional"}:
        masked = draft.get("/linux/maskedPaths") or []
        return target in masked
    if options == {"bind", "relative", "ro", "optional"} and f"/{line.source.lstrip('/')}" == target:
        draft.add("/linux/readonlyPaths", target, entry)
        return True
    return False


def _missing(draft: Draft, line: fstab.Line, source: str) -> str:
    """Why an optional mount would fail here and now, "" if it would not."""
    if {"bind", "rbind"} & set(line.options):
        return "" if exists(source) else f"{source} is not there"
    if line.fstype not in draft.host.filesystems:
        return f"this host has no {line.fstype}"
    return ""


def _options(draft: Draft, entry: Entry, line: fstab.Line) -> list[str]:
    """Options without LXC's own, which say what is done before a mount."""
    found = []
    for option in line.options:
        key, equals, _ = option.partition("=")
        if option in ("optional", "relative", "defaults") or key == "create":
            continue  # targets are always made
        if option == "idmap=container":
            found.append("idmap")
        elif key == "idmap":
            draft.refused(entry, f"{option}: only idmap=container can be said in config.json")
        elif option in FLAGS or equals:
            found.append(option)
        elif option == "move":
            draft.refused(entry, "move: the mount would be gone from the host")
        else:
            draft.changed(entry, f"{option}: ignored, as LXC ignores a flag that it does not know")
    return found
