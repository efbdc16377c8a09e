"""What a container has for itself: ``linux.namespaces``, the ids of its users, the offsets of its clocks."""

from __future__ import annotations

from ocipy.formats.lxc import grammar, values
from ocipy.formats.lxc.grammar import is_number
from ocipy.formats.lxc.read import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

#: As /proc/PID/ns has them -> as OCI has them; in the order in which LXC's containers have them.
KINDS = {
    "mnt": "mount",
    "pid": "pid",
    "uts": "uts",
    "ipc": "ipc",
    "cgroup": "cgroup",
    "net": "network",
    "user": "user",
    "time": "time",
}
_ALIASES = {"mount": "mnt", "network": "net"}
_CLOCKS = {"boot": "boottime", "monotonic": "monotonic"}


def load(draft: Draft) -> None:
    """Ids, offsets and namespaces."""
    config = draft.config
    offsets = [(clock, config.last(f"lxc.time.offset.{name}")) for name, clock in _CLOCKS.items()]
    for clock, entry in offsets:
        if entry is not None:
            draft.set(f"/linux/timeOffsets/{clock}", values.offset(entry), entry)
    for entry in config.all("lxc.idmap"):
        _mapping(draft, entry)
    clone, keep = config.last("lxc.namespace.clone"), config.last("lxc.namespace.keep")
    if clone is not None and keep is not None:
        raise keep.problem("lxc.namespace.clone is there already, they are mutually exclusive")
    wanted = ["mnt", "pid", "uts", "ipc", "cgroup"]
    if has_network(draft):
        wanted.append("net")
    if config.all("lxc.idmap"):
        wanted.append("user")
    if any(entry is not None for _, entry in offsets):
        wanted.append("time")
    if clone is not None:
        wanted = [_kind(clone, word) for word in grammar.words(clone.value)]
    elif keep is not None:
        kept = {_kind(keep, word) for word in grammar.words(keep.value)}
        wanted = [kind for kind in wanted if kind not in kept]
    shared = {
        _kind(entry, entry.key.rpartition(".")[2]): entry for entry in config.below("lxc.namespace.share.")
    }
    for kind in [kind for kind in KINDS if kind in {*wanted, *shared}]:
        path = _path(draft, kind, shared[kind]) if kind in shared else ""
        namespace = {"type": KINDS[kind], "path": path} if path else {"type": KINDS[kind]}
        draft.add("/linux/namespaces", namespace, shared.get(kind) or clone or keep)


def chosen(draft: Draft) -> Entry | None:
    """The line that says which namespaces there are, if one does."""
    return draft.config.last("lxc.namespace.clone") or draft.config.last("lxc.namespace.keep")


def has_network(draft: Draft) -> bool:
    """Whether the container has a network namespace: not if all that it has is the host's."""
    types = [entry.value for entry in draft.config.below("lxc.net.") if entry.key.endswith(".type")]
    return not types or any(value != "none" for value in types)


def _kind(entry: Entry, word: str) -> str:
    name = _ALIASES.get(word, word)
    if name not in KINDS:
        raise entry.problem(f'there is no namespace "{word}"')
    return name


def _path(draft: Draft, kind: str, entry: Entry) -> str:
    """Whose namespace to join: a process's, or one that a file holds; a container's is not known yet."""
    value = entry.value
    if is_number(value):
        return f"/proc/{value}/ns/{kind}"
    if value.startswith("/") and not is_directory(value):
        return value
    draft.refused(entry, f"{value} is a container of LXC's: name a process of it, or /proc/PID/ns/{kind}")
    return ""


def _mapping(draft: Draft, entry: Entry) -> None:
    """``u 0 100000 65536``: whose ids, first inside, first outside, how many."""
    fields = entry.value.split()
    numbers = fields[1:]
    if len(fields) != 4 or fields[0] not in ("u", "g") or not all(is_number(n) for n in numbers):
        raise entry.problem(f'"{entry.value}" is not u|g FIRST-INSIDE FIRST-OUTSIDE NUMBER')
    inside, outside, number = map(int, numbers)
    side = "uidMappings" if fields[0] == "u" else "gidMappings"
    draft.add(f"/linux/{side}", {"containerID": inside, "hostID": outside, "size": number}, entry)
