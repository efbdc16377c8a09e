"""Steps that build the root filesystem and enter it (effects: ocipy/rootfs).

All but the attaching of the root itself name places as the container sees them, absolute, and never a path
that the host would look up.  In what they print, options stand as config.json has them.
"""

from __future__ import annotations

from ocipy.plan import naming
from ocipy.plan.steps.base import InitStep, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.plan.steps.base import Numbering, Ops


class Propagation(InitStep):
    """Set the propagation of "/" once the container's root is that."""

    propagation: str  # rslave, private, ...

    def __str__(self) -> str:
        return f"make / {self.propagation}"

    def ops(self, fd: Numbering) -> Ops:
        flag, recursive = naming.PROPAGATION[self.propagation]
        return (("PROPAGATION", (flag, int(recursive))),)


class RootStep(Step):
    """One thing done to the container's root filesystem, before it is entered."""

    where = "root"


class Isolate(RootStep):
    """Set the propagation of "/", which is still the host's, in the container's mount namespace."""

    propagation: str

    def __str__(self) -> str:
        return f"make / {self.propagation}"


class AttachRoot(RootStep):
    """Bind the root directory on itself, so that it is a mount, and hold it by a descriptor."""

    path: str
    parent: str = "private"  # what becomes of the propagation of the mount that the directory lies on
    apart: bool = False  # in a mount namespace that is made for it and given up (DetachRoot)

    def __str__(self) -> str:
        return f"attach root {self.path}"


class MountFs(RootStep):
    """Attach a new filesystem inside the container's root; init makes it, in its namespaces."""

    fstype: str
    target: str
    source: str = ""
    options: tuple[str, ...] = ()  # what fsconfig(2) takes: key=value or a flag
    attr_set: int = 0  # MOUNT_ATTR_*
    propagation: tuple[str, ...] = ()
    ids: tuple[Any, ...] = ()  # as Bind has it
    copyup: bool = False
    inherit_mode: bool = False  # its root directory gets the mode of the directory that it covers
    plain: bool = False  # the target must be a directory that is no symlink
    fallback: str = ""  # the host's own, to be bound when the namespaces turn out not to be the container's
    label: str = ""  # SELinux context of its root, where an option can't give one to all that is in it

    def __str__(self) -> str:
        shown = dict.fromkeys((*self.options, *naming.attr_names(self.attr_set), *self.propagation))
        shown |= dict.fromkeys(_id_names(self.ids, False))
        if self.copyup:
            shown["tmpcopyup"] = None
        return f"mount {self.fstype} at {self.target}{_listed(shown)}"


class Bind(RootStep):
    """Bind a host's file or directory inside the container's root."""

    source: str  # absolute, on the host
    target: str
    recursive: bool = False
    attr_set: int = 0
    attr_clr: int = 0  # must go, or the bind fails
    attr_drop: int = 0  # nobody asked for them: they go where the kernel lets them go
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple[str, ...] = ()
    ids: tuple[Any, ...] = ()  # (uids, gids), ("container",) for the container's own user namespace
    ids_recursive: bool = False
    nofollow: bool = False
    device: tuple[Any, ...] = ()  # (kind, major, minor) that the source must be, in place of mknod(2)
    procfs: bool = False  # the source must be a procfs

    def __str__(self) -> str:
        names = naming.attr_names(self.attr_set) + naming.cleared_names(self.attr_clr & ~self.attr_set)
        names += tuple(f"r{name}" for name in naming.attr_names(self.recursive_set))
        names += tuple(f"r{name}" for name in naming.cleared_names(self.recursive_clr & ~self.recursive_set))
        names += self.propagation + _id_names(self.ids, self.ids_recursive)
        return f"{'rbind' if self.recursive else 'bind'} {self.source} at {self.target}{_listed(names)}"


def _id_names(ids: tuple[Any, ...], recursive: bool) -> tuple[str, ...]:
    return (f"{'ridmap' if recursive else 'idmap'}",) if ids else ()


def _listed(names: Iterable[str]) -> str:
    text = ",".join(names)
    return f" ({text})" if text else ""


class BindCgroup(RootStep):
    """Bind the container's own cgroup of one hierarchy."""

    controller: str  # "" for cgroup v2
    target: str
    attr_set: int = 0
    propagation: tuple[str, ...] = ()
    own: str = ""  # the runtime's own cgroup, on the host: the container's when it has none to itself

    def __str__(self) -> str:
        names = naming.attr_names(self.attr_set) + self.propagation
        return f"bind own {self.controller or 'unified'} cgroup at {self.target}{_listed(names)}"


class SetMountAttr(RootStep):
    """Change a mount inside the container's root: its flags, and with options its filesystem."""

    target: str
    attr_set: int = 0
    attr_clr: int = 0
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = naming.attr_names(self.attr_set) + naming.cleared_names(self.attr_clr & ~self.attr_set)
        return f"remount {self.target}{_listed((*self.options, *names))}"


class MakeDir(RootStep):
    path: str

    def __str__(self) -> str:
        return f"make directory {self.path}"


class MakeFile(RootStep):
    """An empty regular file, to bind something on; one that exists is left alone."""

    path: str

    def __str__(self) -> str:
        return f"make file {self.path}"


class MakeDevice(RootStep):
    path: str
    kind: str  # c, b or p
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0

    def __str__(self) -> str:
        number = "" if self.kind == "p" else f" {self.major}:{self.minor}"
        owner = f" {self.uid}:{self.gid}" if self.uid or self.gid else ""
        return f"make device {self.path} {self.kind}{number} {self.mode:04o}{owner}"


class MakeSymlink(RootStep):
    path: str
    to: str
    over: bool = False  # a file that is there gives way (/dev/ptmx)

    def __str__(self) -> str:
        return f"link {self.path} to {self.to}"


class Mask(RootStep):
    """Hide a path: a directory under an empty read-only tmpfs, anything else under the null device."""

    path: str
    label: str = ""  # SELinux context of that tmpfs

    def __str__(self) -> str:
        return f"mask {self.path}"


class ReadonlyPath(RootStep):
    path: str

    def __str__(self) -> str:
        return f"make {self.path} read-only"


class ReadonlyRoot(RootStep):
    def __str__(self) -> str:
        return "make the root read-only"


class HideHost(RootStep):
    """Take the host's procfs and sysfs out of a mount namespace whose root stays reachable (--no-pivot)."""

    def __str__(self) -> str:
        return "unmount the host's proc and sysfs"


class DetachRoot(RootStep):
    """Take the finished tree of mounts out of the mount namespace in which it was built.

    For a container that shares the host's mounts: the tree belongs to no namespace, only who has it as "/"
    sees it, and the host's mounts stay as they are.
    """

    def __str__(self) -> str:
        return "detach the root from the mounts of the host"


class EnterRoot(InitStep):
    """Make the container's root the root of init's mount namespace."""

    how: str = "PIVOT"  # or MOVE_ROOT (--no-pivot), CHROOT (no mount namespace)

    def __str__(self) -> str:
        return {
            "PIVOT": "pivot into the root",
            "MOVE_ROOT": "move the root over /",
            "CHROOT": "chroot into the root",
        }[self.how]

    def ops(self, fd: Numbering) -> Ops:
        return ((self.how, (fd("root"),)),)
