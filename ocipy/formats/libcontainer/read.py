"""libcontainer's configuration since 2015, configs.Config: of Docker 1.6 and of every runc."""

from __future__ import annotations

from ocipy.formats.libcontainer import keys, names, read_mounts, read_network, read_resources, read_seccomp
from ocipy.formats.tree import Building, Node
from ocipy.spec.names import MEMPOLICY_FLAGS, MEMPOLICY_MODES, RLIMITS
from ocipy.spec.origin import CHANGED, LOSSY

#: Of the runtime that ran it, not of the container.
_OF_RUNTIME = ("rootless_euid", "rootless_cgroups", "chown_cgroup", "rootless")


def read(config: Node, out: Building) -> None:
    """All of the configuration but the process, which is not in it."""
    version = config.text("version")
    out.put("/ociVersion", version if version.startswith("1.") else "1.0.0", config.place("version"))
    _plain(config, out)
    _namespaces(config, out)
    _capabilities(config, out)
    read_mounts.read(config, out)
    read_resources.read(config.within("cgroups"), out)
    if seccomp := config.node("seccomp"):
        read_seccomp.read(seccomp, out)
    rlimits(config, out)
    for key, pointer in (("uid_mappings", "/linux/uidMappings"), ("gid_mappings", "/linux/gidMappings")):
        if found := ranges(config.nodes(key)):
            out.put(pointer, found, config.place(key))
    _hooks(config.within("Hooks"), out)
    _labels(config, out)
    read_network.read(config, out)
    _rare(config, out)
    _runtime(config)


def _plain(config: Node, out: Building) -> None:
    for key, pointer in keys.TEXTS.items():
        if text := config.text(key):
            out.put(pointer, text, config.place(key))
    for key, pointer in keys.FLAGS.items():
        if config.flag(key):
            out.put(pointer, True, config.place(key))
    for key, pointer in keys.OPTIONAL.items():
        if (number := config.number(key)) is not None:
            out.put(pointer, number, config.place(key))
    for key, pointer in keys.LISTS.items():
        if texts := config.texts(key):
            out.put(pointer, texts, config.place(key))
    for key, pointer in keys.ALIKE.items():
        if value := config.whole(key):
            out.put(pointer, value, config.place(key))
    # The name of sysctl until 2016.
    if values := config.table("system_properties"):
        out.put("/linux/sysctl", values, config.place("system_properties"))


def _namespaces(config: Node, out: Building) -> None:
    for index, entry in enumerate(config.nodes("namespaces")):
        known, path = entry.text("type"), entry.text("path")
        if known not in names.NAMESPACES:
            entry.note("type", LOSSY, f"{known} is no namespace that is known")
            continue
        kind = names.NAMESPACES[known]
        item = {"type": kind, "path": path} if path else {"type": kind}
        out.add("/linux/namespaces", item, config.place("namespaces", index))


def _capabilities(config: Node, out: Building) -> None:
    place = config.place("capabilities")
    if isinstance(config.value.get("capabilities"), list):
        keep = [capability(name) for name in config.texts("capabilities")]
        keep_sets(keep, out, place)
        config.note("capabilities", CHANGED, INHERITABLE)
        return
    sets = config.node("capabilities")
    if sets is None:
        return
    for name in names.SETS:
        key = name.title()
        found = sets.texts(key)
        if sets.has(key):
            out.put(f"/process/capabilities/{name}", found, sets.place(key))


#: Docker gave its containers their capabilities as inheritable too, which was a fault: CVE-2022-24769.
INHERITABLE = "the kept capabilities are not made inheritable (CVE-2022-24769)"


def keep_sets(keep: list[str], out: Building, place: str) -> None:
    """The sets of a process that may have these and no others."""
    for name in ("bounding", "effective", "permitted"):
        out.put(f"/process/capabilities/{name}", list(keep), place)


def capability(name: str) -> str:
    """A name with the prefix that it has today."""
    return name if name.startswith("CAP_") else f"CAP_{name}"


def rlimits(config: Node, out: Building) -> None:
    """rlimits, whose types are numbers."""
    for index, entry in enumerate(config.nodes("rlimits")):
        kind, soft, hard = (entry.number(key) or 0 for key in ("type", "soft", "hard"))
        if not 0 <= kind < len(RLIMITS):
            entry.note("type", LOSSY, f"{kind} is the number of no known resource")
            continue
        limit = {"type": RLIMITS[kind], "soft": soft, "hard": hard}
        out.add("/process/rlimits", limit, config.place("rlimits", index))


def ranges(entries: list[Node]) -> list[dict[str, int]]:
    """uid_mappings as uidMappings."""
    pairs = (("containerID", "container_id"), ("hostID", "host_id"), ("size", "size"))
    return [{ours: entry.number(theirs) or 0 for ours, theirs in pairs} for entry in entries]


def _hooks(hooks: Node, out: Building) -> None:
    for kind in names.HOOKS:
        for index, entry in enumerate(hooks.nodes(kind)):
            hook: dict[str, object] = {"path": entry.text("path")}
            for key in ("args", "env"):
                if words := entry.texts(key):
                    hook[key] = words
            if nanoseconds := entry.number("timeout"):
                seconds = max(1, -(-nanoseconds // 10**9))
                hook["timeout"] = seconds
                if nanoseconds != seconds * 10**9:
                    entry.note("timeout", CHANGED, f"{nanoseconds} ns, rounded up to {seconds} s")
            if entry.text("dir"):
                entry.note("dir", LOSSY, "a hook has no working directory of its own in config.json")
            out.add(f"/hooks/{kind}", hook, hooks.place(kind, index))


def _labels(config: Node, out: Building) -> None:
    annotations = {}
    for label in config.texts("labels"):
        key, _, value = label.partition("=")
        if key != "bundle":
            annotations[key] = value
    if annotations:
        out.put("/annotations", annotations, config.place("labels"))


def _rare(config: Node, out: Building) -> None:
    if (personality := config.node("personality")) is not None:
        domain = personality.number("domain") or 0
        if domain in names.DOMAINS:
            out.put("/linux/personality", {"domain": names.DOMAINS[domain]}, config.place("personality"))
        else:
            personality.note("domain", LOSSY, f"{domain} is no personality that config.json knows")
    if policy := config.node("memory_policy"):
        mode, bits = policy.number("mode") or 0, policy.number("flags") or 0
        modes = {number: name for name, number in MEMPOLICY_MODES.items()}
        found: dict[str, object] = {"mode": modes.get(mode, str(mode))}
        if nodes := list_of(policy.numbers("nodes")):
            found["nodes"] = nodes
        if flags := [name for name, flag in MEMPOLICY_FLAGS.items() if bits & flag]:
            found["flags"] = flags
        out.put("/linux/memoryPolicy", found, config.place("memory_policy"))
    if affinity := config.node("exec_cpu_affinity"):
        for key in ("Initial", "Final"):
            if cpus := list_of(affinity.numbers(key)):
                out.put(f"/process/execCPUAffinity/{key.lower()}", cpus, affinity.place(key))
    if rdt := config.node("intel_rdt"):
        group: dict[str, object] = {ours: rdt.text(theirs) for theirs, ours in keys.RDT if rdt.text(theirs)}
        if schemata := rdt.texts("schemata"):
            group["schemata"] = schemata
        if rdt.flag("enableMonitoring"):
            group["enableMonitoring"] = True
        out.put("/linux/intelRdt", group, config.place("intel_rdt"))


def list_of(masks: list[int]) -> str:
    """Words of 64 bits as a list of numbers.

    >>> list_of([0b1011, 1])
    '0-1,3,64'
    """
    bits = sum((mask & (1 << 64) - 1) << 64 * index for index, mask in enumerate(masks))
    parts, start = [], None
    for number in range(64 * len(masks) + 1):
        if bits >> number & 1:
            start = number if start is None else start
        elif start is not None:
            parts.append(f"{start}-{number - 1}" if number - 1 > start else str(start))
            start = None
    return ",".join(parts)


def _runtime(config: Node) -> None:
    """What the runtime was told, not the container."""
    for key in _OF_RUNTIME:
        config.whole(key)
    if config.flag("no_pivot_root"):
        config.note("no_pivot_root", LOSSY, "is an option of the runtime: --no-pivot")
    if config.flag("no_new_keyring"):
        config.note("no_new_keyring", LOSSY, "is an option of the runtime: --no-new-keyring")
