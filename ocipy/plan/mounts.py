"""`mounts` of config.json as steps.

Source of the option names: runtime-spec config.md#posix-platform-mounts, config.md#linux-mount-options.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.linux import const
from ocipy.plan import cgroup_mounts, naming, steps
from ocipy.record import Record
from ocipy.spec.names import PROC_FILES, plain_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step

    Steps = tuple[list[Step], list[Step]]

#: Types whose target must be a real directory of the root: a symlink there is CVE-2019-19921.
PLAIN_TARGETS = ("proc", "sysfs")

#: Types that take no label by an option: what is in the first two has labels of its own; of a message queue's
#: the root is labelled, once it is there.
UNLABELLED = ("proc", "sysfs", "mqueue")

#: What a bind mount loses when it is given any flag, unless it is asked for: mount(2) sets the flags of a
#: remount, it does not add them, and so it is with every peer.  Access times stay as they are.
DROPPED = (
    const.MOUNT_ATTR_RDONLY
    | const.MOUNT_ATTR_NOSUID
    | const.MOUNT_ATTR_NODEV
    | const.MOUNT_ATTR_NOEXEC
    | const.MOUNT_ATTR_NOSYMFOLLOW
)


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
    propagation: tuple[str, ...] = ()
    superblock: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    @property
    def attr_drop(self) -> int:
        asked = self.attr_set | self.attr_clr
        return DROPPED & ~asked if asked else 0


def parse_options(options: Sequence[str]) -> MountOptions:
    """Sort mount options; of options that contradict each other the last one counts, as with mount(8)."""
    found: dict[str, Any] = {"bind": False, "rbind": False, "remount": False, "copyup": False, "idmap": ""}
    attrs = [0, 0, 0, 0]
    propagation, superblock, data = [], [], []
    for option in options:
        recursive = option[:1] == "r" and option not in naming.ATTRS and option[1:] in naming.ATTRS
        name = option[1:] if recursive else option
        if name in naming.ATTRS:
            to_set, to_clear = naming.ATTRS[name]
            at = 2 if recursive else 0
            attrs[at] = attrs[at] & ~to_clear | to_set
            attrs[at + 1] = attrs[at + 1] & ~to_set | to_clear
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
            data += split_data(option)
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


def split_data(text: str) -> list[str]:
    """One entry of `options` as options of a filesystem: several may stand in it, as in mount(8)'s -o.

    A comma in double quotes (an SELinux context) or behind a backslash (overlay) belongs to its option.

    >>> split_data('size=1m,mode=700'), split_data('context="a:b:c0,c1"')
    (['size=1m', 'mode=700'], ['context=a:b:c0,c1'])
    """
    if "," not in text and '"' not in text:
        return [text] if text else []
    parts, start, quoted, escaped = [], 0, False, False
    for i, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [_unquoted(part) for part in parts if part]


def _unquoted(option: str) -> str:
    """Without the quotes that only a list of options needs; fsconfig(2) takes them for part of the value."""
    key, equals, value = option.partition("=")
    if key.endswith("context") and len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return key + equals + value


def mount_steps(index: int, mount: dict[str, Any], context: Context) -> Steps:
    """The steps of mounts[index]: (steps for now, steps for after the container's hooks)."""
    pointer = f"/mounts/{index}"
    options = parse_options(mount.get("options") or ())
    target = plain_path(mount["destination"])
    fstype = mount.get("type") or "none"
    is_bind = options.bind or options.rbind
    if options.remount:
        return [_remount(options, target, is_bind, pointer)], []
    _check_proc(target, is_bind, fstype, pointer)
    if is_bind:
        return [_bind(mount, options, target, context, pointer)], []
    if fstype == "cgroup":
        return cgroup_mounts.cgroup_steps(_folded(options), options.propagation, target, context, pointer)
    if fstype == "sysfs" and context.has_namespace("user") and not context.has_namespace("network"):
        # Only a user namespace that owns the network namespace may mount sysfs: show the host's instead.
        host = {"source": "/sys"}
        return [_bind(host, options.replace(rbind=True, data=()), target, context, pointer)], []
    return _filesystem(mount, options, fstype, target, context, pointer)


def _problem(pointer: str, message: str, rule: str) -> ConfigError:
    return ConfigError(Problem(pointer, message, rule))


def _check_proc(target: str, is_bind: bool, fstype: str, pointer: str) -> None:
    """What a path's spelling says; that no other path leads into /proc is seen when it is resolved."""
    if target == "/proc" and not is_bind and fstype != "proc":
        message = "only proc, or a bind of one, may be mounted at /proc"
        raise _problem(pointer + "/destination", message, "proc-target")
    if target.startswith("/proc/") and not (is_bind and target in PROC_FILES):
        message = f"{target} is inside proc, where only a bind of a few known files may be mounted"
        raise _problem(pointer + "/destination", message, "proc-target")


def _remount(options: MountOptions, target: str, is_bind: bool, pointer: str) -> Step:
    """As mount(2) with MS_REMOUNT: the flags are those given, and if it is no bind the options too."""
    data = () if is_bind else (*options.superblock, *options.data)
    return steps.SetMountAttr(
        target,
        pointer=pointer,
        attr_set=options.attr_set,
        attr_clr=options.attr_clr | DROPPED & ~options.attr_set,
        options=tuple(map(_limited(pointer), data)),
    )


def _ids(mount: dict[str, Any], options: MountOptions, context: Context, pointer: str) -> tuple[Any, ...]:
    """The id mapping of a mount: (uids, gids), ("container",) for that of the container, or ()."""
    uids, gids = mount.get("uidMappings"), mount.get("gidMappings")
    if bool(uids) != bool(gids):
        raise _problem(
            pointer, "an id-mapped mount needs both uidMappings and gidMappings", "idmap-one-sided"
        )
    if not (uids or options.idmap):
        return ()
    if context.facts.rootless:
        message = "an id-mapped mount needs privileges over the filesystem that no rootless runtime has"
        raise _problem(pointer, message, "idmap-rootless")
    if uids and gids:
        return tuple(tuple((m["containerID"], m["hostID"], m["size"]) for m in maps) for maps in (uids, gids))
    if not context.has_namespace("user"):
        message = (
            f"{options.idmap} without mappings uses those of the container's user namespace, it has none"
        )
        raise _problem(pointer + "/options", message, "idmap-without-user-namespace")
    return ("container",)


def _bind(
    mount: dict[str, Any], options: MountOptions, target: str, context: Context, pointer: str
) -> steps.Bind:
    source = mount.get("source") or ""
    if not source:
        raise _problem(pointer, "a bind mount needs a source", "bind-source")
    if options.data:
        # The filesystem is mounted already.  mount(2) ignores them too, and callers send such options.
        shown = ", ".join(options.data)
        context.warnings.append(f"{pointer}/options: {shown}: of no meaning for a bind mount, ignored")
    if not source.startswith("/"):
        source = f"{context.options.bundle}/{source}"
    if context.powerless and plain_path(source) == "/sys" and options.attr_set & const.MOUNT_ATTR_RDONLY:
        # As a whole: below it are cgroups that may belong to the container's user (CVE-2023-25809).
        options = options.replace(recursive_set=options.recursive_set | const.MOUNT_ATTR_RDONLY)
    return steps.Bind(
        source,
        target,
        pointer=pointer,
        recursive=options.rbind,
        attr_set=options.attr_set,
        attr_clr=options.attr_clr,
        attr_drop=options.attr_drop,
        recursive_set=options.recursive_set,
        recursive_clr=options.recursive_clr,
        propagation=options.propagation,
        ids=_ids(mount, options, context, pointer),
        ids_recursive=options.idmap == "ridmap",
        procfs=target == "/proc",
    )


def _folded(options: MountOptions) -> int:
    """The flags of a mount that has nothing below it: recursive ones are like the others, and come last."""
    return options.attr_set & ~options.recursive_clr | options.recursive_set


def _filesystem(
    mount: dict[str, Any], options: MountOptions, fstype: str, target: str, context: Context, pointer: str
) -> Steps:
    data = list(options.data)
    late: list[Step] = []
    attrs = _folded(options)
    readonly = attrs & const.MOUNT_ATTR_RDONLY
    if readonly and (fstype == "tmpfs" or target == "/dev"):
        # Later mounts and devices may need their places in it: it becomes read-only when all is there.
        attrs &= ~readonly
        late.append(steps.SetMountAttr(target, pointer=pointer, attr_set=readonly))
    elif readonly and fstype != "cgroup2":
        data.append("ro")  # the superblock too, as mount(2) does; cgroup2's is the host's as well
    if (label := context.mount_label) and fstype not in UNLABELLED:
        data.append(f"context={label}")
    if fstype == "overlay":
        data = [part for option in data for part in _layers(option)]
    step = steps.MountFs(
        fstype,
        target,
        pointer=pointer,
        source=mount.get("source") or "",
        options=tuple(map(_limited(pointer), (*options.superblock, *data))),
        attr_set=attrs,
        propagation=options.propagation,
        ids=_ids(mount, options, context, pointer),
        copyup=options.copyup and fstype == "tmpfs",
        inherit_mode=fstype == "tmpfs" and not any(option.startswith("mode=") for option in data),
        plain=fstype in PLAIN_TARGETS,
        label=label if fstype == "mqueue" else "",
        fallback="/sys" if fstype == "sysfs" and _foreign_network(context) else "",
    )
    return [step], late


def _foreign_network(context: Context) -> bool:
    """May the container's network namespace be one that its user namespace does not own?"""
    return context.powerless and not context.is_new("network")


def _limited(pointer: str) -> Any:
    def check(option: str) -> str:
        key, _, value = option.partition("=")
        if len(value.encode("utf-8", "surrogateescape")) > naming.MAX_FSCONFIG:
            message = f"the value of {key} is longer than fsconfig(2) takes, {naming.MAX_FSCONFIG} bytes"
            raise _problem(pointer + "/options", message, "option-length")
        return option

    return check


def _layers(option: str) -> list[str]:
    """A lowerdir that is too long for fsconfig(2), layer by layer.

    Since Linux 6.8 (24e16e385f22 "ovl: add support for appending lowerdirs one by one").  Behind an empty
    layer ("::") stand data-only ones.  Colons and backslashes of a layer's name are escaped in a list of
    layers, and plain in a layer of its own.
    """
    key, _, value = option.partition("=")
    if key != "lowerdir" or len(value.encode("utf-8", "surrogateescape")) <= naming.MAX_FSCONFIG:
        return [option]
    layers, current, escaped = [], "", False
    for character in value:
        if escaped or character not in "\\:":
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        else:
            layers.append(current)
            current = ""
    layers.append(current)
    made, add = [], "lowerdir+"
    for layer in layers:
        if layer:
            made.append(f"{add}={layer}")
        else:
            add = "datadir+"
    return made
