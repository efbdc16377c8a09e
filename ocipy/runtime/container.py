"""A container that exists: what the lifecycle's verbs do to it."""

from __future__ import annotations

import _socket

from ocipy import cgroups
from ocipy.errors import ContainerError, OcipyError
from ocipy.linux import os
from ocipy.runtime import lifecycle, process
from ocipy.runtime.channel import Channel, Program

STOP_DEADLINE = 10.0  # seconds that a killed process may take to end
SIGKILL = 9
KILLED = 128 + SIGKILL  # the exit status of what SIGKILL has ended, or of a shell whose last child it was
NO_CGROUP = "the container has no cgroup: its processes are not known"


class Container:
    """One container of a state root.  Made by `Runtime.create` and `Runtime.load`."""

    def __init__(self, runtime, entry, document):
        self.runtime = runtime
        self._entry = entry
        self._document = document
        self._config = None
        self._eye = None  # on a scope: see `watch`

    def __repr__(self):
        return f"<Container {self.id} {self.status}>"

    # ------------------------------------------------------------ what it is

    @property
    def id(self):
        return self._entry.id

    @property
    def bundle(self):
        return self._document["bundle"]

    @property
    def _private(self):
        return self._document["ocipy"]

    @property
    def config(self):
        """config.json as it was at create, a dict."""
        if self._config is None:
            from ocipy import spec
            from ocipy.spec import jsontext

            name = f"{self._entry.path}/config.json"
            config = jsontext.parse(self._entry.read("config.json") or b"", name)
            spec.require_shape(config, name)
            self._config = config
        return self._config

    spec = config

    @property
    def annotations(self):
        """Of its configuration, as they were when it was made."""
        return dict(self._document["annotations"])

    @property
    def pid(self):
        """Of the first process, as the runtime sees it; 0 when it has ended."""
        pidfd = self._hold()
        if pidfd is None:
            return 0
        os.close(pidfd)
        return self._document["pid"]

    @property
    def status(self):
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

    def state(self):
        """The state document of runtime-spec, with rootfs, created and owner as runc has them."""
        public = {key: value for key, value in self._document.items() if key != "ocipy"}
        pid, status = self.pid, self.status
        public.update(pid=pid, status=status)
        return public

    def _hold(self):
        return process.hold(self._document.get("pid"), self._private.get("started"))

    def _state_for_hooks(self, status, pid=None):
        document = {key: value for key, value in self._document.items() if key != "ocipy"}
        document["status"] = status
        if pid is not None or status == lifecycle.STOPPED:
            document["pid"] = pid or 0
        for name in ("rootfs", "created", "owner"):
            document.pop(name, None)
        return document

    # ------------------------------------------------------------ verbs

    def start(self, relay_to=None):
        """Let the container's program run.  Its failure to execute, and a failing hook, end the container.

        relay_to: called with the relay of the container's sd_notify socket, if there is one; by default start
                  waits until the program is ready, which then is no longer under the container's lock
        """
        with self._entry:
            lifecycle.require(self.status, "start")
            self._run_hooks("startContainer")
            relay = self._bind_notify()
            try:
                self._start()
            except OcipyError as error:
                self._explain_memory(error, new=True)
                self._kill_and_wait()
                raise
            self._run_hooks("poststart")
        if relay and relay_to:
            relay_to(relay)
        elif relay:
            try:
                relay.forward(self._document["pid"], self._private["started"])
            finally:
                relay.close()

    def _bind_notify(self):
        caller = self._private.get("notify") and self.runtime.environ.get("NOTIFY_SOCKET")
        if not caller:
            return None
        from ocipy.runtime.notify import Relay

        return Relay(self._entry.path, caller)

    def _start(self):
        channel = self._connect()
        try:
            from ocipy.plan import steps

            # What create gave init to do after start; all that is needed of it here is how to speak of it.
            origin = [
                (
                    steps.Execve(self._private["program"], pointer=pointer)
                    if name == "Execve"
                    else steps.Op(name, (), text, pointer=pointer)
                )
                for name, text, pointer in self._private["start"]
            ]
            Program(channel, origin, self._made).finish_executed()
        except OcipyError as error:
            from ocipy.runtime import diagnose

            raise diagnose.explain(error, self._private["program"]) from None
        finally:
            channel.close()

    def _made(self, _, fd):
        """What init makes between start and execve is the listener of its seccomp filter."""
        try:
            self._notify(fd)
        finally:
            os.close(fd)
        return True

    def _notify(self, fd):
        from ocipy.runtime import agent

        agent.hand_over(self._private["agent"], fd, self._state_for_hooks("created"), self._document["pid"])

    def _connect(self):
        """Init accepts once; who connects is who starts."""
        socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        directory = os.open(self._entry.path, os.O_PATH | os.O_CLOEXEC)
        try:
            socket.connect(f"/proc/self/fd/{directory}/start")  # sun_path has 108 bytes, paths may have more
        except OSError as error:
            socket.close()
            raise ContainerError(f"init does not wait for start: {error.strerror}") from error
        finally:
            os.close(directory)
        return Channel(socket, self._document["pid"])

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

    def kill(self, signal, all=False):
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
        if signal == SIGKILL and status == lifecycle.PAUSED:
            self._let_die()

    def _kill_all(self, signal, status):
        cgroup = self.cgroup
        if cgroup.exists():
            cgroup.signal(signal)
        elif status != lifecycle.STOPPED:
            raise ContainerError(NO_CGROUP)

    def _let_die(self):
        """In cgroup v1 what is frozen dies when it is let go, on v2 at once."""
        cgroup = self.cgroup
        if cgroup.version == 1:
            cgroup.thaw()

    def delete(self, force=False):
        """Undo create.  A running container only with force, which kills it."""
        with self._entry:
            self._document = self._entry.load()
            lifecycle.require(self.status, "delete --force" if force else "delete")
            self._kill_and_wait()
            self._destroy()

    def _kill_and_wait(self):
        pidfd = self._hold()
        if pidfd is not None:
            try:
                process.signal(pidfd, SIGKILL)
                if self._is_frozen():
                    self._let_die()
                if not process.wait_gone(pidfd, STOP_DEADLINE):
                    raise ContainerError(
                        f"process {self._document['pid']} did not end within {STOP_DEADLINE:.0f} s"
                    )
            finally:
                os.close(pidfd)
            process.reap(self._document["pid"])
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

    def processes(self):
        """The pids, as the runtime sees them, of all its processes."""
        cgroup = self.cgroup
        if not cgroup.exists() and self.status != lifecycle.STOPPED:
            raise ContainerError(NO_CGROUP)
        return sorted(cgroup.procs())

    def pause(self):
        """Freeze all processes; returns when they have stopped."""
        with self._entry:
            lifecycle.require(self.status, "pause")
            self.cgroup.freeze()

    def resume(self):
        """Let all processes run again."""
        with self._entry:
            lifecycle.require(self.status, "resume")
            cgroup = self.cgroup
            cgroup.thaw()
            cgroup.wait_thawed()

    def stats(self):
        """What it uses, in the shape of runc's events; see `ocipy.cgroups.stats`."""
        from ocipy.runtime import stats

        lifecycle.require(self.status, "events")
        return stats.read(self)

    def events(self, interval=5.0):
        """Yield documents, of what it uses every `interval` seconds and of each OOM kill, until it ends."""
        from ocipy.runtime import stats

        lifecycle.require(self.status, "events")
        return stats.events(self, interval)

    def update(self, resources, source="resources"):
        """Change its limits; see `ocipy.runtime.update.update`."""
        from ocipy.runtime import update

        with self._entry:
            lifecycle.require(self.status, "update")
            update.update(self, resources, source)

    def exec(self, process, **options):
        """Run one more process; see `ocipy.runtime.execprocess.run`."""
        from ocipy.runtime import execprocess

        try:
            status = execprocess.run(self, process, **options)
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


def listen(entry):
    """The listener on which init will wait for start."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    directory = os.open(entry.path, os.O_PATH | os.O_CLOEXEC)
    try:
        os.worded("bind", socket.bind)(f"/proc/self/fd/{directory}/start")
        os.worded("listen", socket.listen)(1)
    except OSError:
        socket.close()
        raise
    finally:
        os.close(directory)
    return socket
