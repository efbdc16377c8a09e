"""A config.json as libcontainer's configuration of today."""

from __future__ import annotations

from ocipy.formats.libcontainer import keys, names, process, write_mounts, write_resources, write_seccomp
from ocipy.formats.tree import Node, Source
from ocipy.spec import Spec
from ocipy.spec.names import MEMPOLICY_FLAGS, MEMPOLICY_MODES, RLIMITS
from ocipy.spec.origin import CHANGED, LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.spec.origin import Note

#: Most CPUs and nodes that a set of libcontainer's has room for: that of sched_setaffinity(2) in C libraries.
_CPU_SETSIZE = 1024


def write(spec: Spec) -> tuple[dict[str, Any], tuple[Note, ...]]:
    """(configuration, notes)."""
    source = Source(spec.source)
    data = Node(spec.data, "", source)
    process_, linux = data.within("process"), data.within("linux")
    config: dict[str, Any] = {
        "rootfs": data.within("root").text("path"),
        "mounts": [write_mounts.mount(entry, linux) for entry in data.nodes("mounts")],
        "devices": write_mounts.devices(linux),
        "namespaces": _namespaces(linux),
        "cgroups": write_resources.write(linux),
        "version": data.text("ociVersion"),
        "labels": _labels(data),
    }
    _plain(data, config)
    if linux.text("rootfsPropagation"):
        config["rootPropagation"] = names.PROPAGATION[linux.text("rootfsPropagation")]
    if any(e["type"] == "NEWNET" and not e["path"] for e in config["namespaces"]):
        config["networks"] = [{"type": "loopback"}]
    for theirs, ours in (("uid_mappings", "uidMappings"), ("gid_mappings", "gidMappings")):
        if found := ranges(linux.nodes(ours)):
            config[theirs] = found
    if seccomp := linux.node("seccomp"):
        config["seccomp"] = write_seccomp.write(seccomp)
    _process(process_, config)
    _hooks(data, config)
    _rare(process_, linux, config)
    for pointer in data.unread():
        source.note(pointer, LOSSY, "libcontainer's configuration has no key for it")
    return config, tuple(source.notes)


def _plain(data: Node, config: dict[str, Any]) -> None:
    for table, ask in (
        (keys.TEXTS, Node.text),
        (keys.FLAGS, Node.flag),
        (keys.OPTIONAL, Node.number),
        (keys.LISTS, Node.texts),
        (keys.ALIKE, Node.whole),
    ):
        for key, pointer in table.items():
            *parents, last = pointer[1:].split("/")
            inner = data
            for parent in parents:
                inner = inner.within(parent)
            value = ask(inner, last)
            if value or (value == 0 and table is keys.OPTIONAL):
                config[key] = value


def _namespaces(linux: Node) -> list[dict[str, str]]:
    kinds = {ours: theirs for theirs, ours in names.NAMESPACES.items()}
    return [
        {"type": kinds[entry.text("type")], "path": entry.text("path")} for entry in linux.nodes("namespaces")
    ]


def _labels(data: Node) -> list[str]:
    labels = []
    for key, value in data.table("annotations").items():
        if "=" in key or key == "bundle":
            data.note(("annotations", key), LOSSY, "a label is KEY=VALUE, and bundle is runc's own")
        else:
            labels.append(f"{key}={value}")
    return labels


def ranges(entries: list[Node]) -> list[dict[str, int]]:
    """uidMappings as uid_mappings."""
    pairs = (("container_id", "containerID"), ("host_id", "hostID"), ("size", "size"))
    return [{theirs: entry.number(ours) or 0 for theirs, ours in pairs} for entry in entries]


def _process(asked: Node, config: dict[str, Any]) -> None:
    for key in process.KEYS:
        asked.whole(key)
    user = asked.within("user")
    for key in process.IDS:
        user.whole(key)
    if sets := asked.node("capabilities"):
        # null is what Go writes for a set that is not there, and an empty one is another thing.
        config["capabilities"] = {
            name.title(): sets.texts(name) if sets.has(name) else None for name in names.SETS
        }
    limits = []
    for entry in asked.nodes("rlimits"):
        kind = {"type": RLIMITS.index(entry.text("type"))}
        limits.append({**kind, **{key: entry.number(key) or 0 for key in ("hard", "soft")}})
    if limits:
        config["rlimits"] = limits


def _hooks(data: Node, config: dict[str, Any]) -> None:
    hooks = data.within("hooks")
    found: dict[str, Any] = {}
    for kind in names.HOOKS:
        listed = []
        for entry in hooks.nodes(kind):
            hook: dict[str, Any] = {
                "path": entry.text("path"),
                "args": entry.texts("args"),
                "env": entry.texts("env"),
            }
            seconds = entry.number("timeout")
            listed.append({**hook, "dir": "", "timeout": seconds * 10**9 if seconds else None})
        if listed:
            found[kind] = listed
    if found:
        config["Hooks"] = found


def _rare(asked: Node, linux: Node, config: dict[str, Any]) -> None:
    if personality := linux.node("personality"):
        domains = {name: number for number, name in names.DOMAINS.items()}
        config["personality"] = {"domain": domains[personality.text("domain")]}
    if policy := linux.node("memoryPolicy"):
        flags = sum(MEMPOLICY_FLAGS[flag] for flag in policy.texts("flags"))
        found = {"mode": MEMPOLICY_MODES[policy.text("mode")], "flags": flags}
        config["memory_policy"] = {**found, "nodes": _masks(policy, "nodes")}
    if affinity := asked.node("execCPUAffinity"):
        config["exec_cpu_affinity"] = {key.title(): _masks(affinity, key) for key in ("initial", "final")}
    if rdt := linux.node("intelRdt"):
        group: dict[str, Any] = {theirs: rdt.text(ours) for theirs, ours in keys.RDT if rdt.text(ours)}
        group |= {"schemata": rdt.texts("schemata"), "enableMonitoring": rdt.flag("enableMonitoring")}
        config["intel_rdt"] = group


def _masks(entry: Node, key: str) -> list[int] | None:
    """A list of numbers as words of 64 bits; one that is no list, which a schema lets through, as none."""
    from ocipy.formats.libcontainer.read import list_of

    text, bits = entry.text(key), 0
    try:
        for part in filter(None, map(str.strip, text.split(","))):
            low, _, high = part.partition("-")
            first, last = int(low), int(high or low)
            if last >= _CPU_SETSIZE:
                raise ValueError
            for number in range(first, last + 1):
                bits |= 1 << number
    except ValueError:
        entry.note(key, LOSSY, f'"{text}" is no list of numbers below {_CPU_SETSIZE}')
        return None
    masks = [bits >> shift & (1 << 64) - 1 for shift in range(0, bits.bit_length(), 64)]
    if list_of(masks) != text:
        entry.note(key, CHANGED, f"is written as {list_of(masks)}")
    return masks or None
