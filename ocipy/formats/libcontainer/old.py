"""container.json of 2014: of Docker 0.9 to 1.5, and of docker/libcontainer up to v1.4.

The system's mounts are not in it, they were the same for all; nor is the command, which nsinit was given.
"""

from __future__ import annotations

from ocipy.formats.libcontainer import names, old_mounts, process, read, read_network
from ocipy.formats.tree import Building, Node
from ocipy.spec.names import CAPABILITIES
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED

#: What its list of capabilities means: this is the trap of the format, for the key is called the same.
DROP, MASK, KEEP = "drop", "mask", "keep"
#: Keys that later generations do not have.
_OWN = ("environment", "working_dir", "mount_config", "device_nodes", "capabilities_mask", "readonly_fs")
#: Parts of CAP_SYS_ADMIN until Linux 5.8 and 5.9: who lost that lost these.
_OF_ADMIN = ("CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE")


def generation(config: Node) -> str:
    """DROP, MASK or KEEP; "" for a configuration of a later time."""
    namespaces, mask = config.value.get("namespaces"), config.value.get("capabilities_mask")
    if isinstance(namespaces, list) and any(isinstance(entry, str) for entry in namespaces):
        return DROP
    if isinstance(mask, dict):
        return MASK
    if isinstance(mask, list):
        return DROP
    if isinstance(namespaces, dict) or any(key in config.value for key in _OWN):
        return KEEP
    return ""


def read_all(config: Node, directory: str, out: Building) -> None:
    """All of it."""
    out.put("/ociVersion", "1.0.0")
    _root(config, out)
    _identity(config, out)
    _namespaces(config, out)
    _capabilities(config, out)
    old_mounts.read(config, out)
    _labels(config, out)
    _cgroup(config.within("cgroups"), out)
    read.rlimits(config, out)
    read_network.read(config, out)
    if config.flag("tty"):
        out.put("/process/terminal", True, config.place("tty"))
    process.read(config, directory, out)


def _root(config: Node, out: Building) -> None:
    settings = config.within("mount_config")
    path = config.text("root_fs")
    if not path:
        config.note("root_fs", CHANGED, "is not in this file: rootfs beside it, where nsinit looked for it")
    out.put("/root/path", path or "rootfs", config.place("root_fs"))
    for node in (config, settings):
        if node.flag("readonly_fs"):
            out.put("/root/readonly", True, node.place("readonly_fs"))
        if node.flag("no_pivot_root"):
            node.note("no_pivot_root", LOSSY, "is an option of the runtime: --no-pivot")


def _identity(config: Node, out: Building) -> None:
    if hostname := config.text("hostname"):
        out.put("/hostname", hostname, config.place("hostname"))
    out.put("/process/cwd", config.text("working_dir") or "/", config.place("working_dir"))
    if env := config.texts("environment"):
        out.put("/process/env", env, config.place("environment"))
    user, _, group = config.text("user").partition(":")
    for key, name in (("uid", user), ("gid", group)):
        number = "0" if name in ("", "root") else name
        if number.isascii() and number.isdigit() and len(number) <= 20:
            out.put(f"/process/user/{key}", int(number), config.place("user"))
        else:
            # The number of a name is in the root's passwd, whose author may be anybody.
            config.note("user", REFUSED, f'"{name}" is a name, config.json has numbers')


def _namespaces(config: Node, out: Building) -> None:
    """A list of those that are new; later a map, in which false is one that is not."""
    place, paths = config.place("namespaces"), {}
    if path := config.text("ipc"):
        paths["ipc"] = path
    for network in config.nodes("networks"):
        if network.value.get("type") == "netns":
            paths["network"] = network.text("ns_path") or network.table("context").get("nspath", "")
    if isinstance(config.value.get("namespaces"), dict):
        wanted = config.within("namespaces")
        listed = [name for name in wanted.value if wanted.flag(name)]
    else:
        listed = config.texts("namespaces")
    for name in listed:
        kind = names.NAMESPACES.get(name)
        if kind is None:
            config.note("namespaces", LOSSY, f"{name} is no namespace that is known")
            continue
        joined = {"path": paths[kind]} if paths.get(kind) else {}
        out.add("/linux/namespaces", {"type": kind, **joined}, place)


def _capabilities(config: Node, out: Building) -> None:
    """In the oldest generations the list is of what is taken away, later of what is left."""
    meaning = generation(config)
    key = "capabilities_mask" if config.has("capabilities_mask") else "capabilities"
    place = config.place(key)
    if meaning == KEEP and not isinstance(config.value.get("namespaces"), dict) and config.has(key):
        config.whole(key)
        reason = "whether these are to be kept or dropped can't be told without namespaces"
        config.note(key, REFUSED, reason)
        return
    if meaning == KEEP:
        kept = [read.capability(name) for name in config.texts(key)]
    else:
        if meaning == MASK:
            mask = config.within(key)
            dropped = {read.capability(name) for name in mask.value if not mask.flag(name)}
        else:
            dropped = {read.capability(name) for name in config.texts(key)}
        if "CAP_SYS_ADMIN" in dropped:
            dropped.update(_OF_ADMIN)
        kept = [name for name in CAPABILITIES if name not in dropped]
        config.note(key, CHANGED, f"says which to drop: kept are the other {len(kept)}")
    read.keep_sets(kept, out, place)
    config.note(key, CHANGED, read.INHERITABLE)


def _labels(config: Node, out: Building) -> None:
    """They stood in a map called context, before each had a key."""
    context, settings = config.table("context"), config.within("mount_config")
    for key, pointer, node in (
        ("apparmor_profile", "/process/apparmorProfile", config),
        ("process_label", "/process/selinuxLabel", config),
        ("mount_label", "/linux/mountLabel", settings),
    ):
        if label := node.text(key):
            out.put(pointer, label, node.place(key))
        elif label := context.get(key, ""):
            out.put(pointer, label, config.place("context", key))


def _cgroup(cgroup: Node, out: Building) -> None:
    from ocipy.formats.libcontainer import read_resources

    name, parent = cgroup.text("name"), cgroup.text("parent").strip("/")
    if name:
        out.put("/linux/cgroupsPath", f"/{parent}/{name}" if parent else f"/{name}", cgroup.place("name"))
    if cgroup.text("slice"):
        reason = "a cgroup of systemd's needs --systemd-cgroup, and its cgroupsPath another form"
        cgroup.note("slice", LOSSY, reason)
    cgroup.whole("freezer")  # a state, of when it was written
    read_resources.limits(cgroup, out)
    read_resources.device_access(cgroup, out, "major_number", "minor_number", "cgroup_permissions")
