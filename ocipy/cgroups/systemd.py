"""Cgroups by systemd: each container is a scope that systemd makes, limits, and forgets when it is empty.

    open_scope(layout, unit, rootless)
              |
              v   start(step, pid)      StartTransientUnit with the container's first process
         [ scope ]  apply(SetProperties), admit(pid)
              v   remove()              StopUnit, if it is still there

systemd puts the process into the scope's cgroup; limits are written to the cgroup's files as always, so that
all else here is what the managers of v1 and v2 do.  A scope ends with its last process, and its name may then
be another container's: what state keeps has the cgroup's inode number with it.

Sources: systemd, docs/CONTROL_GROUP_INTERFACE.md and CGROUP_DELEGATION.md.
"""

from __future__ import annotations

from ocipy.cgroups import files
from ocipy.cgroups.manager import Manager
from ocipy.cgroups.v1 import V1, inherit_cpuset
from ocipy.cgroups.v2 import V2, enable
from ocipy.errors import ContainerError, StepError, UsageError
from ocipy.linux import os
from ocipy.plan.cgroup_layout import UNIFIED, Layout, below, parse_own
from ocipy.plan.systemd_unit import Unit, unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.cgroups.systemd_bus import Bus
    from ocipy.plan.steps import LoadDevices, MakeScope, SetProperties, WriteCgroup

BOOTED = "/run/systemd/system"  # sd_booted(3)
NAMED = "name=systemd"  # the hierarchy that systemd itself is in, where there is v1


class Scope(Manager):
    """What the scopes of v1 and v2 hosts have in common.

    unit: its name; from_state: {"name", "user": is the manager a user's?, "inode": of the main directory}
    """

    ends_when_empty = True

    def __init__(
        self, paths: dict[str, str], made: Iterable[str] | None, rootless: bool, unit: dict[str, Any]
    ):
        super().__init__(paths, made, rootless)
        self.unit = unit["name"]
        self.user = unit["user"]
        self.inode = unit["inode"]
        self.below_unit = ""  # of the cgroup below the scope's own that this manager is about
        self.layout = Layout()

    def kept(self) -> dict[str, Any]:
        unit = {"name": self.unit, "user": self.user, "inode": self.inode}
        kept = super().kept()
        # Its last process may have ended just now, and the cgroup with it.
        kept["inodes"] = {**dict.fromkeys(kept["paths"].values(), self.inode), **kept["inodes"]}
        return {**kept, "unit": unit}

    @property
    def paths(self) -> dict[str, str]:
        """As Manager.paths; nothing before start(), nor when another container has the scope's name."""
        return self._paths if self.inode and self._is_ours() else {}

    @property
    def made(self) -> tuple[str, ...]:
        made = self._made or ()
        return made if self._is_ours() else tuple(path for path in made if path != self._first())

    @property
    def named(self) -> dict[str, str]:
        return self._paths

    def _is_ours(self) -> bool:
        try:
            return os.stat(self._first()).st_ino == self.inode
        except OSError:
            return True  # it is gone, and nobody's

    def _first(self) -> str:
        """The directory that tells this scope from another of its name: systemd's own."""
        return self._paths.get(UNIFIED) or self._paths.get(NAMED, "")

    # ------------------------------------------------------------ make and remove

    def make(self, needed: Iterable[str] = ()) -> None:
        raise ContainerError("a scope needs a process")

    def start(self, step: MakeScope, pid: int, needed: Iterable[str] = ()) -> None:
        """Have systemd start the scope with a process in it; nothing of it is left when this raises.

        needed: controllers that steps will write to; systemd enables those that it knows

        Raises StepError; ContainerError for a cgroup that has processes or is frozen already.
        """
        unit = Unit(step.unit, step.slice)
        with _bus(self.user) as bus:
            paths = self._place(unit, bus.control_group() if self.user else "")
            self._refuse_taken(paths)
            try:
                bus.start(unit.name, step.properties, pid, unit.slice)
            except ContainerError as error:
                hint = _hint(error, self.user)
                raise StepError(f"start {unit.name} in {unit.slice}", error, step.pointer, hint) from None
            made: list[str] = []
            try:
                _check_place(paths, pid, self.layout)
                self._adopt(paths, made, tuple(needed))
            except BaseException:
                bus.stop(unit.name)
                files.unmake(made)
                raise
        self._paths, self._made = paths, tuple(dict.fromkeys((*paths.values(), *made)))
        self.placed = True
        self.inode = os.stat(self._first()).st_ino

    def _place(self, unit: Unit, above: str) -> dict[str, str]:
        """{controller: directory}; `above` is the cgroup of the manager, the same in every hierarchy."""
        return {name: f"{point}{below(above, root)}{unit.path}" for name, point, root in self.layout.mounts}

    def _refuse_taken(self, paths: dict[str, str]) -> None:
        """systemd would take a cgroup that is there already for its own, and kill whoever is in it."""
        for directory in dict.fromkeys(paths.values()):
            self._refuse_used(directory)
            for found in (directory, os.path.dirname(directory)):
                if files.is_held(found):
                    raise ContainerError(f"container's cgroup unexpectedly frozen: {found}")

    def _adopt(self, paths: dict[str, str], made: list[str], needed: tuple[str, ...]) -> None:
        """Make what systemd has not made."""
        raise NotImplementedError

    def remove(self) -> None:
        """Stop the scope, if it is still there, and remove what is left of its cgroups."""
        if self.exists():
            with _bus(self.user) as bus:
                bus.stop(self.unit)
        super().remove()

    def exists(self) -> bool:
        return bool(self.paths) and os.path.isdir(self._first())

    # ------------------------------------------------------------ join

    def at(self, paths: dict[str, str]) -> Scope:
        unit = {"name": self.unit, "user": self.user, "inode": self.inode}
        made = type(self)(paths, (), self.rootless, unit)
        made.below_unit = made._first().removeprefix(self._first())
        made.inode = os.stat(made._first()).st_ino
        return made

    def admit(self, pid: int) -> bool:
        """Move a process in by a user's systemd, when it takes more than the user's own permission.

        To move a process takes permission to write to the cgroup above both where it is and where it is to
        be (cgroup-v2.rst, "Delegation Containment"): from a login session to a user's services there is none.
        """
        if not (self.user and self.paths) or self._may_move():
            return False
        with _bus(self.user) as bus:
            bus.attach(self.unit, self.below_unit, pid)
        return True

    def _may_move(self) -> bool:
        from ocipy.cgroups.layout import detect

        layout = detect()
        point, root = layout.mount(UNIFIED)
        own = point + below(dict(layout.own).get(UNIFIED, "/"), root)
        common = own
        while not (self.paths[UNIFIED] + "/").startswith(common.rstrip("/") + "/"):
            common = os.path.dirname(common)
        return bool(os.access(f"{common}/cgroup.procs", os.W_OK))

    # ------------------------------------------------------------ limits

    def _apply(self, step: WriteCgroup | LoadDevices | SetProperties) -> None:
        from ocipy.plan.steps import SetProperties  # whoever has a step has it already

        if not isinstance(step, SetProperties):
            super()._apply(step)
            return
        # On v1 systemd forbids all devices before it allows some again.
        hold = self.version == 1 and any(prop.name == "DeviceAllow" for prop in step.properties)
        hold = hold and not self.frozen()
        if hold:
            self.freeze()
        try:
            with _bus(self.user) as bus:
                bus.set(step.unit, step.properties)
        except ContainerError as error:
            raise StepError(f"set properties of {step.unit}", error, step.pointer) from None
        finally:
            if hold:
                self.thaw()

    def undoing(self, step: SetProperties) -> SetProperties:
        """The step that takes one back, by what systemd says before it: the host has defaults of its own."""
        with _bus(self.user) as bus:
            found = bus.scope_properties(step.unit)
        old = tuple(
            prop if prop.name.startswith("Device") else prop.replace(value=found[prop.name][1])
            for prop in step.old
            if prop.name in found
        )
        return step.replace(properties=old, old=step.properties)


class ScopeV2(Scope, V2):
    """The scope of a container on a v2 host."""

    def _adopt(self, paths: dict[str, str], made: list[str], needed: tuple[str, ...]) -> None:
        # systemd enables all controllers that it knows (Delegate=): not hugetlb, rdma and misc.
        path = paths[UNIFIED]
        have = files.read(f"{path}/cgroup.controllers").split()
        lacking = [name for name in needed if name not in have and name in self.layout.unified]
        self.unavailable = enable(path, lacking) if lacking else {}


class ScopeV1(Scope, V1):
    """The scope of a container on a v1 or hybrid host."""

    def _adopt(self, paths: dict[str, str], made: list[str], needed: tuple[str, ...]) -> None:
        for directory in dict.fromkeys(paths.values()):
            made += files.make(directory)
        if "cpuset" in paths:
            inherit_cpuset(paths["cpuset"])


def open_scope(layout: Layout, cgroups_path: str, container_id: str, rootless: bool) -> Manager:
    """The manager of a scope that is still to be started.  Raises UsageError where there can be none."""
    if not os.path.isdir(BOOTED):
        raise UsageError("the systemd cgroup manager needs systemd, which does not run here")
    if layout.mode == "none":
        raise UsageError("the systemd cgroup manager needs cgroups, which are not mounted here")
    if rootless and layout.mode != "v2":
        raise UsageError("the systemd cgroup manager of a user needs cgroup v2")
    unit = {"name": unit_of(cgroups_path, container_id, rootless).name, "user": rootless, "inode": 0}
    made = from_unit({}, None, rootless, unit, v2=layout.mode == "v2")
    made.layout = layout
    return made


def from_unit(
    paths: dict[str, str], made: Iterable[str] | None, rootless: bool, unit: dict[str, Any], v2: bool
) -> Scope:
    """The manager of a scope, from what state keeps."""
    return (ScopeV2 if v2 else ScopeV1)(paths, made, rootless, unit)


def _bus(user: bool) -> Bus:
    from ocipy.cgroups.systemd_bus import Bus

    return Bus(user)


def _check_place(paths: dict[str, str], pid: int, layout: Layout) -> None:
    """Is the process where the scope's cgroup should be?  Then so are we about what to write to."""
    own = dict(parse_own(files.read(f"/proc/{pid}/cgroup")))
    name = UNIFIED if layout.mode == "v2" else NAMED
    if name not in paths:
        raise ContainerError("systemd's own hierarchy is not mounted here")
    point, root = layout.mount(name)
    found = point + below(own.get(name, "/"), root)
    if found != paths[name]:
        raise ContainerError(f"systemd has put the container's process into {found}, not {paths[name]}")


def _hint(error: ContainerError, user: bool) -> str:
    from ocipy.cgroups.systemd_bus import JOB_FAILED

    if user and getattr(error, "name", "") == JOB_FAILED:
        return "if the container's root is another user on the host, start it by systemd-run --user --scope"
    return ""
