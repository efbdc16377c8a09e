"""cgroup v2: one tree; a controller reaches a cgroup only when every cgroup above enables it.

Source: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import errno
import time

from ocipy.cgroups import files
from ocipy.cgroups.manager import STATE_DEADLINE, Manager
from ocipy.errors import ContainerError, StepError
from ocipy.linux import os
from ocipy.plan.cgroup_layout import UNIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.plan.steps import LoadDevices, WriteCgroup

# Controllers that a threaded cgroup can have (cgroup-v2.rst, "Threads").
THREADED = ("cpu", "cpuset", "perf_event", "pids")
# What a delegated cgroup's owner must be able to write, if the kernel does not tell.
DELEGATE = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


class V2(Manager):
    """The cgroup of a container on a v2 host."""

    version = 2
    unavailable: dict[str, OSError] | None = None  # the controllers that make() could not enable, and why

    @property
    def path(self) -> str:
        return self.paths.get(UNIFIED, "")

    def _make(self, made: list[str], needed: Iterable[str]) -> None:
        path = self._paths[UNIFIED]
        try:
            made += files.make(path)
        except OSError as error:
            if not (self.rootless and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)):
                raise
            self.refused, self._paths = {UNIFIED: error}, {}
            return
        if path not in made:
            self._refuse_used(path)
        if files.is_held(path):
            raise ContainerError(f"container's cgroup unexpectedly frozen: {path}")
        self.unavailable = enable(path)
        become_threaded(path, needed)

    def _apply(self, step: WriteCgroup | LoadDevices) -> None:
        from ocipy.plan.steps import LoadDevices  # whoever has a step has it already

        if self.path:
            apply(self, self.path, step)
        elif not (self.rootless and isinstance(step, LoadDevices)):
            raise self._lacks(step, UNIFIED)

    def chown(self, uid: int) -> None:
        try:
            delegate = files.read("/sys/kernel/cgroup/delegate").split()
        except OSError:
            delegate = list(DELEGATE)
        if not self.path:
            return
        for name in ("", *delegate):
            try:
                os.chown(f"{self.path}/{name}", uid, -1)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise files.failed(error, "chown", f"{self.path}/{name}", uid, -1) from None

    def at_process(self, pid: int) -> Manager:
        """The manager of the cgroup, at or below this one, that a process of the container sits in.

        A container that made sub-cgroups with controllers has no processes in its own cgroup any more and
        nothing can join it there (EBUSY): exec joins its first process instead.
        """
        text = files.read(f"/proc/{pid}/cgroup")
        where = next((line[3:] for line in text.split("\n") if line.startswith("0::")), "")
        # `where` counts from the root of our cgroup namespace, our path from "/": they overlap.
        parts = where.split("/")
        for depth in range(len(parts), 1, -1):
            if self.path.endswith("/".join(parts[:depth])):
                return self.at({UNIFIED: "/".join([self.path, *parts[depth:]])})
        return self

    # ------------------------------------------------------------ the processes in it

    def freeze(self) -> None:
        if not self.path:
            raise ContainerError("the container has no cgroup: it can't be paused")
        files.write(f"{self.path}/cgroup.freeze", "1")
        if not wait_event(self.path, "frozen 1", STATE_DEADLINE):
            files.write(f"{self.path}/cgroup.freeze", "0")
            raise OSError(errno.ETIMEDOUT, f"{self.path} did not freeze within 10 s")

    def thaw(self) -> None:
        if not self.path:
            return
        try:
            files.write(f"{self.path}/cgroup.freeze", "0")
        except FileNotFoundError:
            return

    def wait_thawed(self) -> None:
        if self.path and not wait_event(self.path, "frozen 0", STATE_DEADLINE):
            raise ContainerError(f"a cgroup above {self.path} is frozen")

    def frozen(self) -> bool:
        return is_frozen(self.path)

    def kill(self) -> None:
        if not (self.path and kill_all(self.path)):
            super().kill()
        elif not wait_event(self.path, "populated 0", STATE_DEADLINE):
            left = " ".join(map(str, self.procs()))
            raise OSError(errno.ETIMEDOUT, f"processes {left} of {self.path} did not die within 10 s")


def is_frozen(directory: str) -> bool:
    """Whether a cgroup v2 directory, "" for none, was asked to be frozen itself."""
    return bool(directory) and files.is_set(f"{directory}/cgroup.freeze")


def apply(manager: Manager, directory: str, step: WriteCgroup | LoadDevices) -> None:
    """Do a step in a cgroup v2 directory; a hybrid host's v1 manager comes here too."""
    from ocipy.plan.steps import LoadDevices  # whoever has a step has it already

    if isinstance(step, LoadDevices):
        load_devices(manager, directory, step.program)
        return
    try:
        files.write(f"{directory}/{step.file}", step.value)
        return
    except FileNotFoundError as error:
        lacking = error
    name = step.file.partition(".")[0]
    failures = _why_not(manager, directory, name) if name != "cgroup" else {}
    # Only now: `delete` and `kill` come here as well, and have no use for it.
    from ocipy.plan.resources import alternative, may_be_absent

    for file, value in ((step.file, step.value), alternative(step.file, step.value)):
        try:
            if file:
                files.write(f"{directory}/{file}", value)
                return
        except FileNotFoundError:
            continue
    if may_be_absent(step.file, step.value):
        return
    if name in failures:
        hint = f"the {name} controller is not available to this cgroup"
        raise StepError(str(step), failures[name], step.pointer, hint)
    raise StepError(str(step), lacking, step.pointer, "this kernel does not have it")


def _why_not(manager: Manager, directory: str, name: str) -> dict[str, OSError]:
    """{controller: why it is not here}; {} when it is there, or is after all.

    make() has enabled whatever a v2 host has, but nothing of a hybrid one, whose tree is there for others.
    """
    if manager.version == 1:
        return enable(directory, (name,))
    if name in files.read(f"{directory}/cgroup.controllers").split():
        return {}
    control = f"{os.path.dirname(directory)}/cgroup.subtree_control"
    why = (getattr(manager, "unavailable", None) or {}).get(name)
    return {name: why or files.failed(OSError(errno.ENOENT, ""), "write", control, f"+{name}")}


def load_devices(manager: Manager, directory: str, program: bytes) -> None:
    """Attach a device program to a cgroup; without privilege (rootless) there is none, nor mknod(2)."""
    # Only here: most containers of a v1 host never need it.
    from ocipy.cgroups import bpf

    try:
        bpf.attach(directory, program)
    except PermissionError:
        if not manager.rootless:
            raise


def enable(path: str, wanted: Iterable[str] = ()) -> dict[str, OSError]:
    """Enable controllers for a cgroup, in all those above it: `wanted`, or every one that there is.

    Returns {controller: why not}.  That of an unwanted one is of no interest: the root may have controllers
    that were not delegated to us, or that real-time processes keep from being enabled.
    """
    ancestors: list[str] = []
    above = os.path.dirname(path)
    while os.path.exists(f"{above}/cgroup.subtree_control"):
        ancestors.insert(0, above)
        above = os.path.dirname(above)
    if not ancestors:
        return {}
    # A sibling was here before: nothing to do, found out by two reads.
    target = set(wanted) or set(files.read(f"{ancestors[0]}/cgroup.controllers").split())
    if target.issubset(files.read(f"{path}/cgroup.controllers").split()):
        return {}
    failures: dict[str, OSError] = {}
    for directory in ancestors:
        control = f"{directory}/cgroup.subtree_control"
        missing = target.difference(files.read(control).split())
        possible = missing.intersection(files.read(f"{directory}/cgroup.controllers").split())
        for name in missing - possible:
            failures.setdefault(name, files.failed(OSError(errno.ENOENT, ""), "write", control, f"+{name}"))
        failures = _enable_here(control, sorted(possible)) | failures
    return failures


def _enable_here(control: str, names: list[str]) -> dict[str, OSError]:
    """Enable controllers in one subtree_control; the kernel takes all of a write or none.

    A cgroup that has processes itself refuses those that work on whole processes (EBUSY, the "no internal
    processes" rule).  The others it would take, at the price of a threaded container that can be neither
    listed nor killed as one: better to have none.
    """
    if not names:
        return {}
    try:
        files.write(control, " ".join(f"+{name}" for name in names))
        return {}
    except OSError as error:
        if len(names) == 1 or error.errno == errno.EBUSY:
            return dict.fromkeys(names, error)
    failures: dict[str, OSError] = {}
    for name in names:
        failures |= _enable_here(control, [name])
    return failures


def become_threaded(path: str, needed: Iterable[str]) -> None:
    """Deal with a cgroup whose parent is threaded: it is "domain invalid" until it is threaded as well.

    Raises ContainerError if it is to have a controller that works on whole processes only.
    """
    try:
        kind = files.read(f"{path}/cgroup.type").strip()
    except FileNotFoundError:  # the root
        return
    if kind == "domain":
        return
    whole = [name for name in needed if name not in (UNIFIED, *THREADED)]
    if whole:
        state = "an invalid state" if kind == "domain invalid" else f"{kind} mode"
        raise ContainerError(f"cannot use {', '.join(whole)} limits: cgroup {path} is in {state}")
    if kind == "domain invalid":
        files.write(f"{path}/cgroup.type", "threaded")


def kill_all(directory: str) -> bool:
    """Kill everything in a cgroup and below at once; False where the kernel can't.

    Since Linux 5.14 (661ee6280931 "cgroup: introduce cgroup.kill").
    """
    try:
        files.write(f"{directory}/cgroup.kill", "1")
    except OSError as error:
        # An older kernel, or a threaded cgroup; or one that is gone.
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
            return False
        raise
    return True


def wait_event(directory: str, line: str, seconds: float) -> bool:
    """Wait until cgroup.events has a line; a cgroup that is gone has no processes left."""
    import select

    deadline = time.monotonic() + seconds
    try:
        fd = os.open(f"{directory}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return line in ("populated 0", "frozen 0")
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while line not in os.pread(fd, 4096, 0).decode().split("\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return line in ("populated 0", "frozen 0")
    finally:
        os.close(fd)
    return True
