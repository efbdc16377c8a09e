"""cgroup v1: a tree for each controller; on a hybrid host also one directory in the cgroup2 beside them.

How a process joins
    Writing a pid into cgroup.procs takes cgroup_threadgroup_rwsem for writing, which waits for an RCU grace
    period: 5 to 20 ms for the first hierarchy.  A single thread that writes "0" into ``tasks`` moves itself
    and skips the lock (since Linux 5.5, 9a3284fad42f "cgroup: Optimize single thread migration"): 0.35 ms
    for nine hierarchies.  So join_files() hands out the ``tasks`` files for the container's first process to
    write to, before it has run anything of the container.  The kernel checks the *opener's* permission
    (since 5.16, e57457641613 "cgroup: Use open-time credentials for process migraton perm checks"), so that
    process may already be in a user namespace.
    cgroup2 has no such way, but clone3(CLONE_INTO_CGROUP): join_fd().

Sources: Documentation/admin-guide/cgroup-v1/, cgroups(7).
"""

from __future__ import annotations

import errno
import time

from ocipy.cgroups import files, v2
from ocipy.cgroups.manager import STATE_DEADLINE, Manager
from ocipy.errors import ContainerError, StepError
from ocipy.linux import os
from ocipy.plan.cgroup_layout import UNIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.plan.steps import LoadDevices, WriteCgroup

# A cgroup whose processes keep forking can miss some of them: freezing is asked for anew this often.
FREEZE_AGAIN = 0.02


class V1(Manager):
    """The cgroups of a container on a v1 or hybrid host."""

    version = 1

    def _make(self, made: list[str], needed: Iterable[str]) -> None:
        refused = {}
        for directory in dict.fromkeys(self._paths.values()):
            try:
                new = files.make(directory)
            except OSError as error:
                if not (self.rootless and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)):
                    raise
                refused[directory] = error
                continue
            made += new
            if directory not in new:
                self._refuse_used(directory)
        self.refused = {name: refused[path] for name, path in self._paths.items() if path in refused}
        self._paths = {name: path for name, path in self._paths.items() if path not in refused}
        if "cpuset" in self._paths:
            inherit_cpuset(self._paths["cpuset"])
        freezer = self._paths.get("freezer", "")
        if freezer and files.is_held(freezer):
            raise ContainerError(f"container's cgroup unexpectedly frozen: {freezer}")

    # ------------------------------------------------------------ join

    def join_files(self) -> tuple[int, ...]:
        fds: list[int] = []
        try:
            for directory in self._directories():
                if directory != self.paths.get(UNIFIED):
                    fds.append(os.open(f"{directory}/tasks", os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            for fd in fds:
                os.close(fd)
            raise files.failed(error, "open", f"{directory}/tasks") from None
        return tuple(fds)

    # ------------------------------------------------------------ limits

    def _apply(self, step: WriteCgroup | LoadDevices) -> None:
        from ocipy.plan.steps import LoadDevices  # whoever has a step has it already

        if isinstance(step, LoadDevices):
            self._apply_unified(step, UNIFIED)
            return
        directory = self.paths.get(step.controller)
        if not directory or step.controller == UNIFIED:
            self._apply_unified(step, step.controller)
            return
        try:
            files.write(f"{directory}/{step.file}", step.value)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
                # Only now: `delete` and `kill` have no use for it.
                from ocipy.plan.resources import may_be_absent

                if may_be_absent(step.file, step.value):
                    return
            if self.rootless and step.controller == "devices" and error.errno == errno.EPERM:
                # Whoever owns the cgroup still lacks CAP_SYS_ADMIN, and mknod(2).
                return
            hint = self._explain(step, error)
            if hint:
                raise StepError(str(step), error, step.pointer, hint) from None
            raise

    def _apply_unified(self, step: WriteCgroup | LoadDevices, controller: str) -> None:
        if self.rootless and controller == "devices":
            # Without privilege there is no mknod(2) to guard against either.
            return
        if UNIFIED not in self.paths:
            raise self._lacks(step, controller)
        v2.apply(self, self.paths[UNIFIED], step)

    def _explain(self, step: WriteCgroup, error: OSError) -> str:
        directory = self.paths[step.controller]
        try:
            if error.errno == errno.EBUSY and step.file == "memory.limit_in_bytes":
                usage = files.read(f"{directory}/memory.usage_in_bytes").strip()
                peak = files.read(f"{directory}/memory.max_usage_in_bytes").strip()
                return f"the limit is below what is in use: {usage} bytes, at most {peak}"
            if error.errno == errno.ENOENT:
                return "this kernel does not have it"
            if error.errno == errno.EACCES and step.controller == "cpuset":
                parent = files.read(f"{os.path.dirname(directory)}/{step.file}").strip()
                return f"the cgroup above has {parent}"
        except OSError:
            return ""
        return ""

    # ------------------------------------------------------------ the processes in it

    def freeze(self) -> None:
        deadline = time.monotonic() + STATE_DEADLINE
        file = f"{self._freezer()}/freezer.state"
        while time.monotonic() < deadline:
            files.write(file, "FROZEN")
            for _ in files.looks(min(deadline, time.monotonic() + FREEZE_AGAIN)):
                if files.read(file) == "FROZEN\n":
                    return
            # The documented remedy: a half frozen cgroup is thawed for a moment and asked again.
            files.write(file, "THAWED")
        raise OSError(errno.ETIMEDOUT, f"{file} did not become FROZEN within 10 s")

    def thaw(self) -> None:
        try:
            files.write(f"{self._freezer()}/freezer.state", "THAWED")
        except FileNotFoundError:
            # Nothing is left that could be frozen.
            return

    def let_die(self) -> None:
        """What is frozen dies when it is let go, also by a cgroup that the container has made and frozen."""
        freezer = self.paths.get("freezer", "")
        if freezer:
            self.thaw()
            for above, name in files.below(freezer):
                try:
                    files.write(f"{name}/freezer.state", "THAWED", above)
                except FileNotFoundError:
                    continue

    def wait_thawed(self) -> None:
        # The kernel has let them go when the write returns, unless one above it holds them.
        try:
            state = files.read(f"{self._freezer()}/freezer.state")
        except FileNotFoundError:
            return
        if state != "THAWED\n":
            raise ContainerError(f"a cgroup above {self._freezer()} is frozen")

    def frozen(self) -> bool:
        return is_frozen(self.paths.get("freezer", ""))

    def _freezer(self) -> str:
        try:
            return self.paths["freezer"]
        except KeyError:
            raise ContainerError("this host has no freezer cgroup: a container can't be paused") from None

    def _kill_once(self) -> None:
        unified = self.paths.get(UNIFIED)
        if unified and files.processes(unified) and v2.kill_all(unified):
            self.let_die()
            return
        super()._kill_once()

    def _main(self) -> str:
        for name in ("devices", "freezer", "pids", "memory"):
            if name in self.paths:
                return self.paths[name]
        return super()._main()


def is_frozen(freezer: str) -> bool:
    """Whether a v1 freezer directory, "" for none, was asked to be frozen itself."""
    return bool(freezer) and files.is_set(f"{freezer}/freezer.self_freezing")


def inherit_cpuset(directory: str) -> None:
    """Give a new cpuset the CPUs and memory nodes of the one above it: without any, nothing can join it.

    Those above that are empty themselves, because nobody set them, are filled first, topmost first.  A value
    that is there stays.
    """
    for file in ("cpuset.cpus", "cpuset.mems"):
        _inherit(directory, file)


def _inherit(directory: str, file: str) -> str:
    try:
        value = files.read(f"{directory}/{file}").strip()
        if value:
            return value
        above = _inherit(os.path.dirname(directory), file)
        files.write(f"{directory}/{file}", above)
    except FileNotFoundError:
        # Mounted with "noprefix", or past the root of the hierarchy: the kernel's own rules decide.
        return ""
    return above
