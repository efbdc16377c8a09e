"""`mounts` of config.json as steps.

Source of the option names: runtime-spec config.md#posix-platform-mounts, config.md#linux-mount-options.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import naming, steps
from ocipy.record import Record

#: Files of /proc that may be covered by a bind mount; everything else below /proc is refused, since a mount
#: there can hide what the runtime and tools read to tell one process from another (CVE-2019-16884).
PROC_FILES = frozenset(
    "/proc/" + name
    for name in (
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    )
)

#: Types whose target must be a real directory of the root: a symlink there is CVE-2019-19921.
PLAIN_TARGETS = ("proc", "sysfs")

#: LSM labels go into the options of these types' mounts under another name or not at all.
UNLABELLED = ("proc", "sysfs", "mqueue", "cgroup", "cgroup2")


class MountOptions(Record):
    """The options of one mount, sorted by what they act on."""

    bind: bool = False
    rbind: bool = False
    remount: bool = False
    copyup: bool = False
    idmap: str = ""  # "", "idmap" or "ridmap"
    attr_set: int = 0
    attr_clr: int = 0
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple = ()
    superblock: tuple = ()
    data: tuple = ()


def parse_options(options) -> MountOptions:
    """Sort mount options; of options that contradict each other the last one counts, as with mount(8)."""
    found = {"bind": False, "rbind": False, "remount": False, "copyup": False, "idmap": ""}
    attrs = [0, 0, 0, 0]
    propagation, superblock, data = [], [], []
    for option in options:
        recursive = option[:1] == "r" and option not in naming.ATTRS and option[1:] in naming.ATTRS
        name = option[1:] if recursive else option
        if name in naming.ATTRS:
            to_set, to_clear = naming.ATTRS[name]
            at = 2 if recursive else 0
            attrs[at] = attrs[at] & ~to_clear | to_set
            attrs[at + 1] |= to_clear
        elif option in naming.PROPAGATION:
            propagation.append(option)
        elif option in naming.SUPERBLOCK:
            if naming.SUPERBLOCK[option]:
                superblock.append(naming.SUPERBLOCK[option])
        elif option in ("bind", "rbind", "remount"):
            found[option] = True
        elif option == "tmpcopyup":
            found["copyup"] = True
        elif option in ("idmap", "ridmap"):
            found["idmap"] = option
        else:
            data.append(option)
    return MountOptions(
        **found,
        attr_set=attrs[0],
        attr_clr=attrs[1],
        recursive_set=attrs[2],
        recursive_clr=attrs[3],
        propagation=tuple(propagation),
        superblock=tuple(superblock),
        data=tuple(data),
    )


def mount_steps(index, mount, context):
    """The steps of mounts[index]: (steps for now, steps for after the container's hooks)."""
    pointer = f"/mounts/{index}"
    options = parse_options(mount.get("options") or ())
    target = _clean(mount["destination"])
    fstype = mount.get("type") or "none"
    is_bind = options.bind or options.rbind
    _check_proc(target, is_bind, fstype, pointer)
    if options.remount and not is_bind:
        if options.data:
            raise _problem(
                pointer + "/options", "remount changes flags only, not filesystem options", "remount"
            )
        return [
            steps.SetMountAttr(target, pointer=pointer, attr_set=options.attr_set, attr_clr=options.attr_clr)
        ], []
    if is_bind:
        return [_bind(mount, options, target, context, pointer)], []
    if fstype == "cgroup":
        return _cgroup(options, target, context, pointer)
    if fstype == "sysfs" and context.new_user and not context.has_namespace("network"):
        # Only a user namespace that owns the network namespace may mount sysfs: show the host's instead.
        return [
            _bind({"source": "/sys", "options": ()}, options.replace(rbind=True), target, context, pointer)
        ], []
    return _filesystem(mount, options, fstype, target, context, pointer)


def _problem(pointer, message, rule):
    return ConfigError(Problem(pointer, message, rule))


def _clean(path):
    """A path of the container, absolute, without empty and "." parts.  ".." stays: it may follow a symlink."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _check_proc(target, is_bind, fstype, pointer):
    if target == "/proc" and not is_bind and fstype != "proc":
        raise _problem(
            pointer + "/destination", "only proc, or a bind of one, may be mounted at /proc", "proc-target"
        )
    if target.startswith("/proc/") and fstype != "proc" and not (is_bind and target in PROC_FILES):
        message = f"{target} is inside proc, where only a bind of a few known files may be mounted"
        raise _problem(pointer + "/destination", message, "proc-target")


def _ids(mount, options, pointer):
    """The id mapping of a mount: (uids, gids), ("container",) for that of the container, or ()."""
    uids, gids = mount.get("uidMappings"), mount.get("gidMappings")
    if uids and gids:
        return tuple(tuple((m["containerID"], m["hostID"], m["size"]) for m in maps) for maps in (uids, gids))
    return ("container",) if options.idmap else ()


def _bind(mount, options, target, context, pointer):
    source = mount.get("source") or ""
    if not source:
        raise _problem(pointer, "a bind mount needs a source", "bind-source")
    if not source.startswith("/"):
        source = f"{context.options.bundle}/{source}"
    return steps.Bind(
        source,
        target,
        pointer=pointer,
        recursive=options.rbind,
        attr_set=options.attr_set,
        attr_clr=options.attr_clr,
        recursive_set=options.recursive_set,
        recursive_clr=options.recursive_clr,
        propagation=options.propagation,
        ids=_ids(mount, options, pointer),
        ids_recursive=options.idmap == "ridmap",
    )


def _filesystem(mount, options, fstype, target, context, pointer):
    source = mount.get("source") or ""
    data = list(options.data)
    readonly = naming.ATTRS["ro"][0]
    late = []
    attr_set = options.attr_set
    if fstype == "tmpfs" and attr_set & readonly:
        # Later mounts and devices may need their places in it: it becomes read-only when all is there.
        attr_set &= ~readonly
        late.append(steps.SetMountAttr(target, pointer=pointer, attr_set=readonly))
    elif attr_set & readonly and fstype != "cgroup2":
        data.append("ro")  # the superblock too, as mount(2) does; cgroup2's is the host's as well
    if context.mount_label and fstype not in UNLABELLED:
        data.append(f'context="{context.mount_label}"')
    if fstype == "overlay":
        data = _overlay_options(data)
    step = steps.MountFs(
        fstype,
        target,
        pointer=pointer,
        source=source,
        options=(*options.superblock, *data),
        attr_set=attr_set,
        attr_clr=options.attr_clr,
        recursive_set=options.recursive_set,
        recursive_clr=options.recursive_clr,
        propagation=options.propagation,
        ids=_ids(mount, options, pointer),
        copyup=options.copyup and fstype == "tmpfs",
        plain=fstype in PLAIN_TARGETS,
    )
    return [step], late


def _overlay_options(data):
    """fsconfig(2) takes 255 bytes a value: a long lowerdir is given layer by layer (Linux 6.5,
    b36a5780cb44 "ovl: modify layer parameter parsing")."""
    result = []
    for option in data:
        key, _, value = option.partition("=")
        if key == "lowerdir" and len(value.encode()) > 255 and "\\" not in value:
            result += [f"lowerdir+={layer}" for layer in value.split(":") if layer]
        else:
            result.append(option)
    return result


def _cgroup(options, target, context, pointer):
    """A mount of type cgroup: what the container may see of its own cgroups.

    v2: cgroup2 itself when the container has a cgroup namespace, else a bind of its own cgroup.
    v1: a tmpfs with a mount for each hierarchy, and links for controllers that share one.
    Read-only unless the container has a cgroup namespace of its own and asks for rw (CVE-2023-25809).
    """
    layout = context.facts.cgroup
    own_namespace = context.has_namespace("cgroup")
    readonly = naming.ATTRS["ro"][0]
    attrs = options.attr_set if own_namespace else options.attr_set | readonly
    rest = {"propagation": options.propagation}
    if layout.mode == "none":
        return [], []
    if layout.mode == "v2":
        if own_namespace:
            return [
                steps.MountFs("cgroup2", target, pointer=pointer, source="cgroup", attr_set=attrs, **rest)
            ], []
        return [steps.BindCgroup("", target, pointer=pointer, attr_set=attrs, **rest)], []
    made = [
        steps.MountFs(
            "tmpfs",
            target,
            pointer=pointer,
            source="tmpfs",
            options=("mode=755",),
            attr_set=attrs & ~readonly,
            **rest,
        )
    ]
    for controllers, name in _hierarchies(layout):
        place = f"{target}/{name}"
        if own_namespace:
            kind = {"fstype": "cgroup", "source": "cgroup", "options": controllers}
            made.append(steps.MountFs(target=place, pointer=pointer, attr_set=attrs, **kind))
        else:
            made.append(steps.BindCgroup(controllers[0], place, pointer=pointer, attr_set=attrs))
        made += [
            steps.MakeSymlink(f"{target}/{controller}", name, pointer=pointer)
            for controller in controllers
            if controller != name and "=" not in controller
        ]
    late = [steps.SetMountAttr(target, pointer=pointer, attr_set=readonly)] if attrs & readonly else []
    return made, late


def _hierarchies(layout):
    """(controllers, name of the mount point) of each v1 hierarchy: those mounted together come together."""
    points = {}
    for controller, point, _ in layout.mounts:
        if controller:
            points.setdefault(point, []).append(controller)
    return [(tuple(controllers), point.rpartition("/")[2]) for point, controllers in points.items()]
