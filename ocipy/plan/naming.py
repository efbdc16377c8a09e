"""OCI names and the kernel's numbers for them; `ocipy features` prints the same tables."""

from __future__ import annotations

from ocipy.linux import const as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: OCI namespace type -> CLONE_NEW*.  Also the order in which a plan names them.
NAMESPACES = {
    "user": c.CLONE_NEWUSER,
    "mount": c.CLONE_NEWNS,
    "pid": c.CLONE_NEWPID,
    "network": c.CLONE_NEWNET,
    "ipc": c.CLONE_NEWIPC,
    "uts": c.CLONE_NEWUTS,
    "cgroup": c.CLONE_NEWCGROUP,
    "time": c.CLONE_NEWTIME,
}

#: OCI namespace type -> its file in /proc/PID/ns.
NAMESPACE_FILES = {
    "user": "user",
    "mount": "mnt",
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "cgroup": "cgroup",
    "time": "time",
}

#: propagation option -> (MS_*, recursive)
PROPAGATION = {
    "shared": (c.MS_SHARED, False),
    "slave": (c.MS_SLAVE, False),
    "private": (c.MS_PRIVATE, False),
    "unbindable": (c.MS_UNBINDABLE, False),
    "rshared": (c.MS_SHARED, True),
    "rslave": (c.MS_SLAVE, True),
    "rprivate": (c.MS_PRIVATE, True),
    "runbindable": (c.MS_UNBINDABLE, True),
}

#: mount option -> (MOUNT_ATTR_* to set, to clear).  With an "r" before it, it acts on the whole tree.
ATTRS = {
    "ro": (c.MOUNT_ATTR_RDONLY, 0),
    "rw": (0, c.MOUNT_ATTR_RDONLY),
    "nosuid": (c.MOUNT_ATTR_NOSUID, 0),
    "suid": (0, c.MOUNT_ATTR_NOSUID),
    "nodev": (c.MOUNT_ATTR_NODEV, 0),
    "dev": (0, c.MOUNT_ATTR_NODEV),
    "noexec": (c.MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, c.MOUNT_ATTR_NOEXEC),
    "nodiratime": (c.MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, c.MOUNT_ATTR_NODIRATIME),
    "relatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR__ATIME),
    # It takes MS_RELATIME away, which mount(2) then gives by default, since Linux 2.6.30.
    "norelatime": (0, 0),
    "noatime": (c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR__ATIME),
    "atime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR__ATIME),
    "strictatime": (c.MOUNT_ATTR_STRICTATIME, c.MOUNT_ATTR__ATIME),
    "nostrictatime": (c.MOUNT_ATTR_RELATIME, c.MOUNT_ATTR__ATIME),
    "nosymfollow": (c.MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, c.MOUNT_ATTR_NOSYMFOLLOW),
}

#: mount option -> flag of the superblock, as fsconfig(2) has it; "" where the new mount API has no such
#: knob and the option's effect is the default or gone from the kernel.
SUPERBLOCK = {
    "sync": "sync",
    "async": "async",
    "dirsync": "dirsync",
    "lazytime": "lazytime",
    "nolazytime": "nolazytime",
    "mand": "mand",
    "nomand": "nomand",
    "iversion": "",
    "noiversion": "",
    "silent": "",
    "loud": "",
    "defaults": "",
}

#: Longest value that fsconfig(2) takes, in bytes.  Source: fs/fsopen.c, strndup_user() with 256.
MAX_FSCONFIG = 255

#: mount options that say what to do rather than how it looks afterwards.
ACTIONS = ("bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap")

_ATTR_NAMES = (
    (c.MOUNT_ATTR_RDONLY, "ro"),
    (c.MOUNT_ATTR_NOSUID, "nosuid"),
    (c.MOUNT_ATTR_NODEV, "nodev"),
    (c.MOUNT_ATTR_NOEXEC, "noexec"),
    (c.MOUNT_ATTR_NODIRATIME, "nodiratime"),
    (c.MOUNT_ATTR_NOATIME, "noatime"),
    (c.MOUNT_ATTR_STRICTATIME, "strictatime"),
    (c.MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"),
)


def attr_names(attrs: int) -> tuple[str, ...]:
    """MOUNT_ATTR_* bits as mount options."""
    return tuple(name for bit, name in _ATTR_NAMES if attrs & bit)


def cleared_names(attrs: int) -> tuple[str, ...]:
    """MOUNT_ATTR_* bits as the options that clear them; the field of access times, cleared, is relatime."""
    names = tuple(
        {"ro": "rw"}.get(name, name[2:])
        for bit, name in _ATTR_NAMES
        if attrs & bit and not bit & c.MOUNT_ATTR__ATIME
    )
    return (*names, "relatime") if attrs & c.MOUNT_ATTR__ATIME == c.MOUNT_ATTR__ATIME else names


def namespace_flags(types: Iterable[str]) -> int:
    """CLONE_NEW* of several OCI namespace types."""
    flags = 0
    for kind in types:
        flags |= NAMESPACES[kind]
    return flags


def sysctl_path(name: str) -> str:
    """A sysctl's path below /proc/sys.

    Both "net.ipv4.ip_forward" and "net/ipv4/ip_forward" are names; whichever separator comes first counts,
    so that "net/ipv4/conf/eth0.1/mtu" keeps its dot.  Source: sysctl.d(5).
    """
    dot, slash = name.find("."), name.find("/")
    if slash < 0 or 0 <= dot < slash:
        return name.translate({ord("."): "/", ord("/"): "."})
    return name
