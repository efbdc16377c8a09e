"""Steps that make, join and furnish namespaces."""

from __future__ import annotations

from ocipy.plan import naming
from ocipy.plan.steps.base import InitStep, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.steps.base import Numbering, Ops


class OpenNamespace(Step):
    """Open a namespace to join, while paths mean what the caller means by them."""

    type: str
    path: str

    def __str__(self) -> str:
        return f"open {self.type} namespace {self.path}"


class JoinNamespace(InitStep):
    type: str
    path: str

    def __str__(self) -> str:
        return f"join {self.type} namespace {self.path}"

    def ops(self, fd: Numbering) -> Ops:
        return (("JOIN", (fd(f"ns:{self.type}"), naming.NAMESPACES[self.type])),)


class NewNamespaces(InitStep):
    """unshare(2): user, time and cgroup namespaces, which have their moment of their own."""

    types: tuple[Any, ...]

    def __str__(self) -> str:
        return f"new {' '.join(self.types)} namespace"

    def ops(self, fd: Numbering) -> Ops:
        return (("UNSHARE", (naming.namespace_flags(self.types),)),)


_SHOWN = 4  # of the up to 340 ranges that a map may have


class MapIds(Step):
    """Write uid_map and gid_map of the new user namespace, directly or by newuidmap and newgidmap."""

    uids: tuple[Any, ...]  # (inside, outside, size) each
    gids: tuple[Any, ...]
    tool: bool = False  # by newuidmap and newgidmap
    deny_setgroups: bool = False

    def __str__(self) -> str:
        parts = []
        for kind, ranges in (("uid", self.uids), ("gid", self.gids)):
            parts += [f"{kind} {a}->{b} +{n}" for a, b, n in ranges[:_SHOWN]]
            if len(ranges) > _SHOWN:
                parts.append(f"and {len(ranges) - _SHOWN} more ranges of {kind}s")
        return f"map {', '.join(parts)}" + (" by newuidmap and newgidmap" if self.tool else "")


class BecomeRoot(InitStep):
    def __str__(self) -> str:
        return "become root of the user namespace"

    def ops(self, fd: Numbering) -> Ops:
        return (("BECOME_ROOT", ()),)


class TimeOffsets(InitStep):
    offsets: tuple[Any, ...]  # (clock, secs, nanosecs) each

    def __str__(self) -> str:
        return "offset " + ", ".join(f"{c} by {s}.{n:09d} s" for c, s, n in self.offsets)

    def ops(self, fd: Numbering) -> Ops:
        text = "".join(f"{clock} {secs} {nanosecs}\n" for clock, secs, nanosecs in self.offsets)
        return (("WRITE", (fd("proc"), "self/timens_offsets", text)),)


class Clone(InitStep):
    """Start the container's first process in its new namespaces; it becomes the runtime's child."""

    types: tuple[Any, ...]

    def __str__(self) -> str:
        return (
            f"start the first process in new {' '.join(self.types)} namespaces"
            if self.types
            else "start the process"
        )

    def ops(self, fd: Numbering) -> Ops:
        return (("CLONE", (naming.namespace_flags(self.types), fd("cgroup"))),)


class JoinProcess(InitStep):
    """Enter namespaces of a running container, by its first process's pidfd: no path to race with."""

    types: tuple[Any, ...]

    def __str__(self) -> str:
        return f"join the container's {' '.join(self.types)} namespaces"

    def ops(self, fd: Numbering) -> Ops:
        return (("JOIN_PROCESS", (fd("container"), naming.namespace_flags(self.types))),)


class SetHostname(InitStep):
    name: str

    def __str__(self) -> str:
        return f"set host name {self.name}"

    def ops(self, fd: Numbering) -> Ops:
        return (("SETHOSTNAME", (self.name,)),)


class SetDomainname(InitStep):
    name: str

    def __str__(self) -> str:
        return f"set domain name {self.name}"

    def ops(self, fd: Numbering) -> Ops:
        return (("SETDOMAINNAME", (self.name,)),)


class LoopbackUp(InitStep):
    def __str__(self) -> str:
        return "bring loopback up"

    def ops(self, fd: Numbering) -> Ops:
        return (("LOOPBACK_UP", ()),)


class SetSysctl(InitStep):
    name: str
    value: str

    def __str__(self) -> str:
        return f"set sysctl {self.name} = {self.value}"

    def ops(self, fd: Numbering) -> Ops:
        return (("WRITE", (fd("proc"), "sys/" + naming.sysctl_path(self.name), self.value)),)


class CheckNetDevice(Step):
    """That a network device of the host is there, and its name in the container free."""

    device: str
    name: str

    def __str__(self) -> str:
        return f"check that network device {self.device} can go into the container as {self.name}"


class MoveNetDevice(Step):
    """Move a network device of the host into the container's network namespace."""

    device: str
    name: str

    def __str__(self) -> str:
        return f"move network device {self.device} into the container as {self.name}"
