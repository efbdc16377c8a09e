"""A container that exists: what the lifecycle's verbs do to it."""

from __future__ import annotations

import _thread

from ocipy import cgroups
from ocipy.errors import ContainerError, OcipyError, TimedOut
from ocipy.linux import os
from ocipy.runtime import lifecycle, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Self, Unpack

    from ocipy.runtime.capture import Output
    from ocipy.runtime.options import ExecOptions

STOP_DEADLINE = 10.0  # seconds that a killed process may take to end
SIGKILL, SIGTERM = 9, 15
KILLED = 128 + SIGKILL  # the exit status of what SIGKILL has ended, or of a shell whose last child it was
NO_CGROUP = "the container has no cgroup: its processes are not known"


class Container:
    """One container of a state root.  Made by `Runtime.create` and `Runtime.load`.

    As a context manager it is deleted at the end, whatever it does then.
    """

    def __init__(self, runtime, entry, document):
        self.runtime = runtime
        self._entry = entry
        self._document = document
        self._config = None
        self._eye = None  # on a scope: see `watch`
        self._reaping = _thread.allocate_lock()
        self._exit_status = None  # once we have reaped it

    def __repr__(self) -> str:
        return f"<Container {self.id} {self.status}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._entry.exists():
            self.delete(force=True)

    # ------------------------------------------------------------ what it is

    @property
    def id(self) -> str:
        return self._entry.id

    @property
    def bundle(self) -> str:
        """Its directory, absolute."""
        return self._document["bundle"]

    @property
    def _private(self):
        return self._document["ocipy"]

    @property
    def config(self) -> dict[str, Any]:
        """config.json as it was at create, a dict."""
        if self._config is None:
            from ocipy import spec
            from ocipy.spec import jsontext

            name = f"{self._entry.path}/config.json"
            config = jsontext.parse(self._entry.read("config.json") or b"", name)
            spec.require_shape(config, name)
            self._config = config
        return self._config

    @property
    def annotations(self) -> dict[str, str]:
        """Of its configuration, as they were when it was made."""
        return dict(self._document["annotations"])

    @property
    def pid(self) -> int:
        """Of the first process, as the runtime sees it; 0 when it has ended."""
        pidfd = self._hold()
        if pidfd is None:
            return 0
        os.close(pidfd)
        return self._document["pid"]

    @property
    def status(self) -> str:
        """creating, created, running, paused or stopped: asked of the kernel, not of a file."""
        pidfd = self._hold()
        if pidfd is None:
            return lifecycle.CREATING if self._is_half_made() else lifecycle.STOPPED
        os.close(pidfd)
        if self._private["phase"] == "creating":
            return lifecycle.CREATING
        if self._is_frozen():
            return lifecycle.PAUSED
        return lifecycle.CREATED if self._entry.is_waiting() else lifecycle.RUNNING

    def _is_half_made(self):
        return self._private["phase"] == "creating" and not self._document.get("pid")

    def _is_frozen(self):
        try:
            return cgroups.is_frozen(self._private["cgroup"]["paths"])
        except OSError:
            return False

    @property
    def cgroup(self):
        return cgroups.from_kept(self._private["cgroup"])

    def state(self) -> dict[str, Any]:
        """The state document of runtime-spec, with rootfs, created and owner as runc has them."""
        public = {key: value for key, value in self._document.items() if key != "ocipy"}
        pid, status = self.pid, self.status
        public.update(pid=pid, status=status)
        return public

    def _hold(self, ended=False):
        return process.hold(self._document.get("pid"), self._private.get("started"), ended)

    def _state_for_hooks(self, status, pid=None):
        document = {key: value for key, value in self._document.items() if key != "ocipy"}
        document["status"] = status
        if pid is not None or status == lifecycle.STOPPED:
            document["pid"] = pid or 0
        for name in ("rootfs", "created", "owner"):
            document.pop(name, None)
        return document

    # ------------------------------------------------------------ verbs

    def start(self) -> None:
        """Let the container's program run.  Its failure to execute, and a failing hook, end the container.

        With a NOTIFY_SOCKET in the runtime's environ it waits until the program is ready.
        """
        from ocipy.runtime import start

        relay = start.start(self)
        if relay:
            try:
                relay.forward(self._document["pid"], self._private["started"])
            finally:
                relay.close()

    def _notify(self, fd):
        from ocipy.runtime import agent

        agent.hand_over(self._private["agent"], fd, self._state_for_hooks("created"), self._document["pid"])

    def _run_hooks(self, kind):
        """A failure of hooks ends the container.  Source: runtime-spec 1.3.0, runtime.md#lifecycle."""
        listed = (self._private.get("hooks") or {}).get(kind)
        if not listed:
            return
        from ocipy.runtime import hooks

        try:
            hooks.run(self, kind, listed)
        except OcipyError:
            self._kill_and_wait()
            self._destroy()
            raise

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until the first process has ended; its exit status, 128 and the signal if one ended it.

        None when nobody here can know it: its parent is another process than this one, or somebody else
        waited for it.  Raises TimedOut after `timeout` seconds.
        """
        pidfd = self._hold(ended=True)
        if pidfd is not None:
            try:
                if not process.wait_gone(pidfd, timeout):
                    raise TimedOut(f"container {self.id} did not end within {timeout:g} s")
                self._reap(pidfd)
            finally:
                os.close(pidfd)
        with self._reaping:
            return self._exit_status

    def _reap(self, pidfd):
        """Of many threads that wait the kernel tells one, which tells the others."""
        with self._reaping:
            if self._exit_status is None:
                self._exit_status = process.reap(pidfd)

    def kill(self, signal: int = SIGTERM, all: bool = False) -> None:
        """Send a signal, a number, to the first process, or to all."""
        status = self.status
        if all:
            self._kill_all(signal, status)
            return
        lifecycle.require(status, "kill")
        pidfd = self._hold()
        try:
            if pidfd is None or not process.signal(pidfd, signal):
                raise ContainerError("container not running")
        finally:
            if pidfd is not None:
                os.close(pidfd)
        if signal == SIGKILL:
            self._let_die()

    def _kill_all(self, signal, status):
        cgroup = self.cgroup
        if cgroup.exists():
            cgroup.signal(signal)
        elif status != lifecycle.STOPPED:
            raise ContainerError(NO_CGROUP)

    def _let_die(self):
        """In cgroup v1 what is frozen dies when it is let go, on v2 at once."""
        if cgroups.may_hold_the_killed(self._private["cgroup"]["paths"]):
            self.cgroup.let_die()

    def delete(self, force: bool = False) -> None:
        """Undo create.  A running container only with force, which kills it."""
        with self._entry:
            document = self._entry.load()
            if document.get("created") != self._document.get("created"):
                raise ContainerError("container does not exist")  # but another one of its name
            self._document = document
            lifecycle.require(self.status, "delete --force" if force else "delete")
            self._kill_and_wait()
            self._destroy()

    def _kill_and_wait(self):
        pidfd = self._hold(ended=True)  # nor does a zombie of ours stay
        if pidfd is not None:
            try:
                process.signal(pidfd, SIGKILL)
                self._let_die()
                if not process.wait_gone(pidfd, STOP_DEADLINE):
                    raise ContainerError(
                        f"process {self._document['pid']} did not end within {STOP_DEADLINE:.0f} s"
                    )
                self._reap(pidfd)
            finally:
                os.close(pidfd)
        # Without a pid namespace of its own, the others live on.
        cgroup = self.cgroup
        if cgroup.procs():
            cgroup.kill()

    def _destroy(self):
        """Cgroups, hooks, state: in this order, so that what fails can be done again."""
        listed = (self._private.get("hooks") or {}).get("poststop")
        state = self._state_for_hooks("stopped") if listed else None
        self.cgroup.remove()
        self._entry.remove()
        if listed:
            from ocipy.runtime import hooks

            hooks.run_poststop(listed, state, self.bundle, self.runtime.warn, self._private.get("places"))

    # ------------------------------------------------------------ verbs of its cgroup

    def processes(self) -> list[int]:
        """The pids, as the runtime sees them, of all its processes."""
        cgroup = self.cgroup
        if not cgroup.exists() and self.status != lifecycle.STOPPED:
            raise ContainerError(NO_CGROUP)
        return sorted(cgroup.procs())

    def pause(self) -> None:
        """Freeze all processes; returns when they have stopped."""
        with self._entry:
            lifecycle.require(self.status, "pause")
            self.cgroup.freeze()

    def resume(self) -> None:
        """Let all processes run again."""
        with self._entry:
            lifecycle.require(self.status, "resume")
            cgroup = self.cgroup
            cgroup.thaw()
            cgroup.wait_thawed()

    def stats(self) -> dict[str, Any]:
        """What it uses, by section, as the data of runc's events."""
        from ocipy.runtime import stats

        lifecycle.require(self.status, "events")
        return stats.read(self)

    def events(self, interval: float = 5.0) -> Iterator[dict[str, Any]]:
        """Yield documents, of what it uses every `interval` seconds and of each OOM kill, until it ends."""
        from ocipy.runtime import stats

        lifecycle.require(self.status, "events")
        return stats.events(self, interval)

    def update(self, resources: Mapping[str, Any], source: str = "resources") -> None:
        """Change its limits: all of a change holds afterwards, or nothing of it.

        resources: as linux.resources of config.json, as far as they are to change
        source:    what errors call it

        Raises ConfigError for what can't be had, StepError for what this host refuses.
        """
        from ocipy.runtime import update

        with self._entry:
            lifecycle.require(self.status, "update")
            update.update(self, resources, source)

    def exec(self, process: Sequence[str] | dict[str, Any], **options: Unpack[ExecOptions]) -> int:
        """Run one more process, and wait for it; its exit status, 128 and the signal if one ended it.

        process:        its command, run as the container's own process is; or a whole process object, a dict
                        as `process` of config.json
        stdin, stdout, stderr: a descriptor or a file; by default those of this process
        timeout:        seconds after which it is killed, and TimedOut raised
        detach:         don't wait: return 0 once it runs
        console_socket: path of the AF_UNIX socket that gets the terminal's master
        pidfd_socket:   path of the AF_UNIX socket that gets a pidfd of it
        pid_file:       written, by rename, before exec returns
        preserve_fds:   descriptors from 3 up that it inherits
        cgroup:         below the container's own, as "PATH" or "CONTROLLER:PATH", to put it in
        ignore_paused:  in a paused container too, where it waits until that is resumed
        signals:        take and forward this process's signals meanwhile, as a command does

        Raises ConfigError, StepError, UsageError, and OcipyError when it can't be executed.
        """
        return self._exec(process, options)

    def output(
        self,
        process: Sequence[str] | dict[str, Any],
        input: bytes = b"",
        timeout: float | None = None,
        cgroup: tuple[str, ...] = (),
        ignore_paused: bool = False,
    ) -> Output:
        """Run one more process as `exec` does, with `input` to read; its status, stdout and stderr, as bytes.

        What was printed is what it, and whoever it started, had printed when it ended.
        """
        from ocipy.runtime.capture import Capture, Output

        capture = Capture(input)
        try:
            how = {"timeout": timeout, "cgroup": cgroup, "ignore_paused": ignore_paused, "capture": capture}
            status = self._exec(process, how)
        finally:
            capture.close()
        return Output(status, *capture.result())

    def _exec(self, process, options):
        from ocipy.runtime import execprocess

        try:
            asked = process if isinstance(process, dict) else execprocess.of_command(self, process)
            status = execprocess.run(self, asked, **options)
        except OcipyError as error:
            self._explain_memory(error)
            raise
        if status == KILLED:
            self.warn_of_memory()
        return status

    def _explain_memory(self, error, new=False):
        from ocipy.cgroups import oom

        oom.explain(error, self.cgroup, new)

    def warn_of_memory(self):
        """Say so if the OOM killer has killed any of its processes, and for whose limit."""
        from ocipy.cgroups import oom

        text = self._eye.look() if self._eye else oom.verdict(self.cgroup)
        if text:
            self.runtime.warn(text)

    def watch(self):
        """An `oom_log.Eye` to keep on a scope, whose cgroup can't be asked when it has ended; else None."""
        cgroup = self.cgroup
        if cgroup.ends_when_empty:
            from ocipy.cgroups.oom_log import Eye

            self._eye = Eye(cgroup)
        return self._eye
