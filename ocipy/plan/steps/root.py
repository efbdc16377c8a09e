"""Steps that build the root filesystem and enter it (effects: ocipy/rootfs)."""

from __future__ import annotations

from ocipy.plan import naming
from ocipy.plan.steps.base import InitStep, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.steps.base import Numbering, Ops


class Propagation(InitStep):
    """Set the propagation of "/" of the mount namespace that init sits in."""

    propagation: str  # rslave, private, ...

    def __str__(self) -> str:
        return f"make / {self.propagation}"

    def ops(self, fd: Numbering) -> Ops:
        flag, recursive = naming.PROPAGATION[self.propagation]
        return (("PROPAGATION", (flag, int(recursive))),)


class RootStep(Step):
    """One thing done to the container's root filesystem, before it is entered."""

    where = "root"


class AttachRoot(RootStep):
    """Bind the root directory on itself, so that it is a mount, and hold it by a descriptor."""

    path: str
    mount: bool = True  # without a mount namespace the directory is only held

    def __str__(self) -> str:
        return f"attach root {self.path}"


class MountFs(RootStep):
    """Attach a new filesystem inside the container's root; init makes it, in its namespaces."""

    fstype: str
    target: str  # absolute, as the container sees it
    source: str = ""
    options: tuple[Any, ...] = ()  # what fsconfig(2) takes: key=value or a flag
    attr_set: int = 0  # MOUNT_ATTR_*
    attr_clr: int = 0
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple[Any, ...] = ()
    ids: tuple[Any, ...] = ()  # (uids, gids) of an id-mapped mount, () for none
    copyup: bool = False
    plain: bool = False  # the target must be a directory that no symlink leads to

    def __str__(self) -> str:
        shown = dict.fromkeys((*self.options, *naming.attr_names(self.attr_set)))
        if self.copyup:
            shown["tmpcopyup"] = None
        return f"mount {self.fstype} at {self.target}" + (f" ({','.join(shown)})" if shown else "")


class Bind(RootStep):
    """Bind a host's file or directory inside the container's root."""

    source: str  # absolute, on the host
    target: str
    recursive: bool = False
    attr_set: int = 0
    attr_clr: int = 0
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple[Any, ...] = ()
    ids: tuple[Any, ...] = ()  # (uids, gids), ("container",) for the container's own user namespace
    ids_recursive: bool = False
    optional: bool = False  # nothing to do when the source does not exist
    nofollow: bool = False
    device: tuple[
        Any, ...
    ] = ()  # (kind, major, minor) that the source must be: a device made by binding the host's

    def __str__(self) -> str:
        names = naming.attr_names(self.attr_set) + tuple(
            "r" + n for n in naming.attr_names(self.recursive_set)
        )
        names += tuple(("ridmap" if self.ids_recursive else "idmap",) if self.ids else ())
        return f"{'rbind' if self.recursive else 'bind'} {self.source} at {self.target}" + (
            f" ({','.join(names)})" if names else ""
        )


class BindCgroup(RootStep):
    """Bind the container's own cgroup of one hierarchy."""

    controller: str  # "" for cgroup v2
    target: str
    attr_set: int = 0
    propagation: tuple[Any, ...] = ()

    def __str__(self) -> str:
        names = naming.attr_names(self.attr_set)
        return f"bind own {self.controller or 'unified'} cgroup at {self.target}" + (
            f" ({','.join(names)})" if names else ""
        )


class SetMountAttr(RootStep):
    """Change the flags of a mount inside the container's root, after what had to be written there."""

    target: str
    attr_set: int = 0
    attr_clr: int = 0

    def __str__(self) -> str:
        return f"set {','.join(naming.attr_names(self.attr_set)) or 'nothing'} on {self.target}"


class MakeDir(RootStep):
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0

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
        return f"make device {self.path} {self.kind}{number} {self.mode:04o}"


class MakeSymlink(RootStep):
    path: str
    to: str
    over: bool = False  # a file that is there gives way (/dev/ptmx)

    def __str__(self) -> str:
        return f"link {self.path} to {self.to}"


class Mask(RootStep):
    """Hide a path: a directory under an empty read-only tmpfs, a file under /dev/null."""

    path: str

    def __str__(self) -> str:
        return f"mask {self.path}"


class ReadonlyPath(RootStep):
    path: str

    def __str__(self) -> str:
        return f"make {self.path} read-only"


class ReadonlyRoot(RootStep):
    def __str__(self) -> str:
        return "make the root read-only"


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
