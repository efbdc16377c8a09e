"""What every cgroup manager can do; v1, v2, systemd and disabled say how.

    open_manager(layout, ...)          from_kept(kept)
              |                                  |
              v   make()  apply(step)...         v
         [ cgroup ]  join_fd() join_files() join(pid)
              |   freeze() thaw() wait_thawed() frozen() procs() signal() kill() let_die()
              v   remove()

A manager holds no descriptor and reads nothing when it is made; every method looks at the directories anew.
"""

from __future__ import annotations

import errno
import time

from ocipy.cgroups import files
from ocipy.errors import ContainerError, StepError
from ocipy.linux import os
from ocipy.plan.cgroup_layout import UNIFIED, clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.plan.resources import CheckUsage
    from ocipy.plan.steps import LoadDevices, SetProperties, WriteCgroup

# A process in an uninterruptible sleep (a dead NFS server) can take its time to freeze or die.
STATE_DEADLINE = 10.0

SIGKILL = 9  # the signal module costs an import of enum


class Manager:
    """The cgroups of one container.

    rootless: without permission, work without cgroups until a limit is asked for
    refused:  controller -> why there is no cgroup, when `rootless` and permission was lacking
    unit:     the name of the systemd unit that it is, "" for none
    placed:   is the first process in the cgroup without its own or its clone's doing?
    ends_when_empty: do its cgroups vanish with the last process?
    owner:    the path that stands for who makes it: no other one's cgroup is made its own
    verdict:  what `ocipy.cgroups.oom` had to say of them while they were there
    """

    version = 0
    unit = ""
    placed = False
    ends_when_empty = False
    owner = ""
    verdict = ""

    def __init__(self, paths: dict[str, str], made: Iterable[str] | None = None, rootless: bool = False):
        """`made`: None for a container whose cgroups are still to be made."""
        self.rootless = rootless
        self.refused: dict[str, OSError] = {}
        self._paths = dict(paths)
        self._made = None if made is None else tuple(made)
        self._missing: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._paths!r}, {self._made!r})"

    @property
    def paths(self) -> dict[str, str]:
        """controller -> directory, "" for cgroup v2; what state keeps.

        Before make(), and for ever if that fails, only what does not exist yet counts: a cgroup that is there
        may be another container's, and whoever cleans up after us must neither kill in it nor remove it.
        """
        if self._made is not None:
            return self._paths
        missing = self.made
        return {name: path for name, path in self._paths.items() if path in missing}

    @property
    def named(self) -> dict[str, str]:
        """As `paths`, even of what is gone."""
        return self.paths

    @property
    def made(self) -> tuple[str, ...]:
        """The directories that make() created, the only ones that remove() removes; what state keeps.

        Before make() those that it would create, so that state saved now is enough to clean up after a crash.
        """
        if self._made is not None:
            return self._made
        if self._missing is None:
            self._missing = tuple(files.missing(list(dict.fromkeys(self._paths.values()))))
        return self._missing

    def kept(self) -> dict[str, Any]:
        """What state keeps, for `from_kept`; by its inode a directory is known again."""
        paths, made = self.paths, self.made
        found = {path: files.inode(path) for path in {*paths.values(), *made}}
        inodes = {path: inode for path, inode in found.items() if inode}
        return {"paths": paths, "made": list(made), "rootless": self.rootless, "inodes": inodes}

    def know_again(self, inodes: dict[str, int]) -> None:
        """Forget the directories that are others than those that were kept: somebody else's, made since.

        One that was kept before it was made has no inode: it counts, unless it is a whole hierarchy.
        """

        def is_ours(path: str) -> bool:
            known, found = inodes.get(path), files.inode(path)
            if known is None and found:
                return not files.is_root(path) and os.path.exists(f"{path}/cgroup.procs")
            return found in (known, 0)

        self._paths = {name: path for name, path in self._paths.items() if is_ours(path)}
        self._made = tuple(path for path in self._made or () if is_ours(path))

    # ------------------------------------------------------------ make and remove

    def make(self, needed: Iterable[str] = ()) -> None:
        """Create the cgroup in every hierarchy; what was made is gone again when this raises.

        `needed`: controllers that steps will write to; v2 refuses a cgroup that can't have them.

        Raises ContainerError for a cgroup that has processes or is frozen already, or is another container's.
        """
        made: list[str] = []
        try:
            self._make(made, needed)
            self._made = tuple(made)
            self._claim()
        except BaseException:
            files.unmake(made)
            self._paths, self._made = {}, ()
            raise

    def _make(self, made: list[str], needed: Iterable[str]) -> None:
        """make(); what gets created is added to `made` at once."""
        raise NotImplementedError

    def _claim(self) -> None:
        """Its own end, and that of whoever has no processes in it yet, would be the end of all in it."""
        main = self._main()
        other = files.claim(main, self.owner) if main and self.owner else ""
        if other:
            raise ContainerError(f"container's cgroup is another container's: {main} is that of {other}")

    def remove(self) -> None:
        """Remove what make() created and every cgroup that the container made below it.

        Waits up to 10 s for it to be idle.  A directory that is gone is fine; parents that others use stay.
        """
        deadline = time.monotonic() + files.BUSY_DEADLINE
        leaves = self._directories()
        mine = set(self.made)
        for leaf in leaves:
            if leaf in mine:
                files.remove(leaf, deadline)
            else:
                files.disclaim(leaf)
        files.unmake([directory for directory in self.made if directory not in leaves])
        for leaf in leaves:
            if leaf in mine:
                files.unshare(leaf)

    def exists(self) -> bool:
        """Whether the cgroup is there."""
        main = self._main()
        return bool(main) and os.path.isdir(main)

    def chown(self, uid: int) -> None:
        """Delegate the cgroup to a user; only v2 can be (Documentation/admin-guide/cgroup-v2.rst)."""

    def _refuse_used(self, directory: str) -> None:
        pids = files.processes(directory)
        if pids:
            raise ContainerError(
                f"container's cgroup is not empty: {len(pids)} process(es) found in {directory}"
            )

    # ------------------------------------------------------------ join

    def join_fd(self) -> int | None:
        """A directory descriptor for clone3(CLONE_INTO_CGROUP), or None; the caller closes it.

        Where there is both this and join_files(), a process needs both.
        """
        path = self.paths.get(UNIFIED)
        if not path:
            return None
        try:
            return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise files.failed(error, "open", path) from None

    def join_files(self) -> tuple[int, ...]:
        """Descriptors of files into each of which a process writes "0" to join; the caller closes them."""
        return ()

    def join(self, pid: int) -> None:
        """Move a process from outside; see v1.py for why this is the slow way there."""
        for directory in self._directories():
            files.write(f"{directory}/cgroup.procs", str(pid))

    def below(self, sub_cgroups: Iterable[str]) -> Manager:
        """The manager of a sub-cgroup that exists, for ``exec --cgroup [CONTROLLER[,CONTROLLER]:]PATH``.

        Raises ContainerError for a path that leaves the container's cgroup or is not there.
        """
        paths = dict(self.paths)
        for word in sub_cgroups:
            names, separator, path = word.partition(":")
            chosen = names.split(",") if separator else list(paths)
            if not separator:
                path = word
            for name in chosen:
                if name not in self.paths:
                    raise ContainerError(f"cgroup {word}: the container has no {name} cgroup")
                # Cleaned, a path can't climb; but then it would not be the one that was asked for either.
                if ".." in path.split("/"):
                    raise ContainerError(f"cgroup {word}: the path leaves the container's cgroup")
                directory = f"{self.paths[name]}/{clean(path).lstrip('/')}".rstrip("/")
                if not os.path.isdir(directory):
                    raise ContainerError(f"cgroup {word}: {directory} does not exist")
                paths[name] = directory
        return self.at(paths)

    def at(self, paths: dict[str, str]) -> Manager:
        """The manager of cgroups below these."""
        return type(self)(paths, (), self.rootless)

    def admit(self, pid: int) -> bool:
        """Move a process in from outside, where it takes somebody else's power; whether that was so.

        Then its children are in, too.
        """
        return False

    def at_process(self, pid: int) -> Manager:
        """The manager of the cgroup, at or below this one, that a process of the container sits in."""
        return self

    # ------------------------------------------------------------ limits

    def apply(self, step: WriteCgroup | LoadDevices | SetProperties | CheckUsage) -> None:
        """Do one step of the plan.  Raises OSError worded as the call, or StepError with more to say."""
        most = getattr(step, "most", None)
        if most is None:
            self._apply(step)  # type: ignore[arg-type]
            return
        usage = int(self.read(step.controller, step.file))  # type: ignore[union-attr]
        if usage > most:
            raise StepError(str(step), f"{usage} bytes are in use", step.pointer)

    def _apply(self, step: WriteCgroup | LoadDevices) -> None:
        """apply() of what changes something."""
        raise NotImplementedError

    def undoing(self, step: SetProperties) -> SetProperties:
        """The step that takes a change of properties back."""
        return step.undone()

    def read(self, controller: str, file: str) -> str:
        """The text of a control file."""
        return files.read(f"{self._directory(controller)}/{file}")

    def _lacks(self, step: WriteCgroup | LoadDevices, controller: str) -> StepError:
        cause = self.refused.get(controller) or next(iter(self.refused.values()), None)
        text = f"the container has no {controller or 'unified'} cgroup"
        hint = "a rootless container gets limits only in a cgroup that was delegated to its user"
        return StepError(str(step), cause or text, step.pointer, hint if self.rootless else "")

    # ------------------------------------------------------------ the processes in it

    def procs(self) -> list[int]:
        """The pids in the cgroup and in those below it."""
        main = self._main()
        return files.processes(main) if main else []

    def freeze(self) -> None:
        """Stop every process and wait until all have; OSError(ETIMEDOUT) after 10 s, thawed again."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Let every process run again."""
        raise NotImplementedError

    def let_die(self) -> None:
        """Let those end that were killed while they were frozen."""
        self._thaw_if_possible()

    def _thaw_if_possible(self) -> None:
        try:
            self.thaw()
        except ContainerError:
            pass  # no freezer

    def wait_thawed(self) -> None:
        """Wait until they do; ContainerError if a cgroup above keeps them frozen."""

    def frozen(self) -> bool:
        """Whether the cgroup was asked to be frozen (not: one above it)."""
        raise NotImplementedError

    def signal(self, number: int) -> int:
        """Send a signal to every process, none escapes by forking; returns how many got it."""
        was_frozen = self.frozen()
        try:
            self.freeze()
        except (OSError, ContainerError):
            # No freezer, or a process that will not stop: then the signal goes to those that are seen.
            pass
        try:
            return sum(self._signal_each(pids, number) for pids in _portions(self.procs()))
        finally:
            if number == SIGKILL:
                self.let_die()
            elif not was_frozen:
                self._thaw_if_possible()

    def _signal_each(self, pids: list[int], number: int) -> int:
        """A pid may be another's by the time it is used.  What is held can't change: if its pid is still in
        the cgroup, so is it."""
        from ocipy.linux.syscalls import pidfd_open, pidfd_send_signal

        sent, held = 0, {}
        try:
            for pid in pids:
                try:
                    held[pid] = pidfd_open(pid)
                except (ProcessLookupError, FileNotFoundError):
                    continue
            for pid in set(self.procs()) & set(held):
                try:
                    pidfd_send_signal(held[pid], number)
                    sent += 1
                except ProcessLookupError:
                    continue
            return sent
        finally:
            for pidfd in held.values():
                os.close(pidfd)

    def kill(self) -> None:
        """Kill every process and wait until none is left; OSError(ETIMEDOUT) after 10 s."""
        for _ in files.looks(time.monotonic() + STATE_DEADLINE):
            if not self.procs():
                return
            self._kill_once()
        left = " ".join(map(str, self.procs()))
        raise OSError(errno.ETIMEDOUT, f"processes {left} of {self._main()} did not die within 10 s")

    def _kill_once(self) -> None:
        """Kill what there is."""
        self.signal(SIGKILL)

    # ------------------------------------------------------------ where

    def _directory(self, controller: str) -> str:
        """Where a controller's files are."""
        try:
            return self.paths[controller if controller in self.paths else UNIFIED]
        except KeyError:
            raise ContainerError(f"the container has no {controller or 'unified'} cgroup") from None

    def _directories(self) -> list[str]:
        """Each directory once: controllers that are mounted together share theirs."""
        return list(dict.fromkeys(self.paths.values()))

    def _main(self) -> str:
        """The directory whose cgroup.procs counts."""
        return next(iter(self.paths.values()), "")


def _portions(pids: list[int], size: int = 128) -> list[list[int]]:
    """A list in parts: each process takes a descriptor."""
    return [pids[i : i + size] for i in range(0, len(pids), size)]
