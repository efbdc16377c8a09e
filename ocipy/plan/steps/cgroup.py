"""Steps on the container's cgroup (effects: ocipy/cgroups)."""

from __future__ import annotations

from ocipy.plan.steps.base import InitStep, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.steps.base import Numbering, Ops


class MakeCgroup(Step):
    """Create the container's cgroups, in every hierarchy there is."""

    path: str  # as config.json has it; "" when it has none

    def __str__(self) -> str:
        return f"make cgroup {self.path or '(default)'}"


class MakeScope(Step):
    """Have systemd make the container's cgroups, as a scope with the first process in it."""

    unit: str
    slice: str
    properties: tuple[Any, ...]  # of ocipy.plan.systemd_properties

    def __str__(self) -> str:
        return f"start {self.unit} in {self.slice} ({', '.join(map(str, self.properties))})"


class SetProperties(Step):
    """Tell systemd of other limits of a scope."""

    unit: str
    properties: tuple[Any, ...]
    old: tuple[Any, ...]  # as they were

    def __str__(self) -> str:
        return f"set {', '.join(map(str, self.properties))} of {self.unit}"

    def undone(self) -> SetProperties:
        """The step that takes it back."""
        return self.replace(properties=self.old, old=self.properties)


class DelegateCgroup(Step):
    """Give the container's cgroup to its process's user, who then may make cgroups below it."""

    uid: int

    def __str__(self) -> str:
        return f"give the cgroup to uid {self.uid}"


class WriteCgroup(Step):
    """Write one control file of the container's cgroup."""

    controller: str  # as cgroup v1 names it; "" for a file of cgroup v2
    file: str
    value: str

    def __str__(self) -> str:
        return f"write {self.value} to {self.file}"


class LoadDevices(Step):
    """Attach a device program (BPF_PROG_TYPE_CGROUP_DEVICE) to the container's cgroup v2."""

    program: bytes

    def __str__(self) -> str:
        return f"attach a device program of {len(self.program) // 8} instructions"


class JoinCgroup(InitStep):
    """Move the container's first process into its cgroups, before it has run anything of the container.

    On cgroup v2 the clone has done it (CLONE_INTO_CGROUP), or systemd; v1 has no such way, so init moves
    itself.
    """

    def __str__(self) -> str:
        return "move init into the container's cgroups"

    def ops(self, fd: Numbering) -> Ops:
        return tuple(("JOIN_CGROUP", (number,)) for number in fd("tasks"))
