"""Hooks: programs that get the container's state on stdin at a moment of its life.

    kind              moment                               namespaces, root            as whom
    prestart          create: namespaces made, mounted     the runtime's               the runtime
    createRuntime     create: after prestart               the runtime's               the runtime
    createContainer   create: before the root is entered   container's, host's root    root of the container
    startContainer    start: before the program            container's                 as the program
    poststart         start: after the program ran         the runtime's               the runtime
    poststop          delete: after all else               the runtime's               the runtime

Each is executed by a short-lived ocipy-init, which resets what a child inherits and says exactly why a
program can't be executed.

Source: runtime-spec config.md#posix-platform-hooks, runtime.md#lifecycle.
"""

from __future__ import annotations

import fcntl
import select
import time

from ocipy.errors import OcipyError, cause_of, one_line
from ocipy.linux import os
from ocipy.linux.syscalls import pidfd_open
from ocipy.plan import steps
from ocipy.runtime import process
from ocipy.runtime.execute import Execution
from ocipy.spec import jsontext

TAIL = 4096  # bytes of a failing hook's output that its error may show
# prestart is the hook of version 1.0, where it ran on a container that create had finished, and it comes
# after step 2 of the lifecycle, which is where `created` begins; runc says creating here, crun created.
STATUS = {
    "prestart": "created",
    "createRuntime": "creating",
    "createContainer": "creating",
    "startContainer": "created",
    "poststart": "running",
    "poststop": "stopped",
}


class HookError(OcipyError):
    """A hook failed; the text names it, how it ended, after how long, and its last words."""


class Place:
    """Where, and as whom, hooks run: in the runtime's namespaces, as the runtime itself.

    cwd:  working directory
    env:  of a hook that has none
    wrap: steps of init that make it who it is
    last: the very last ones
    """

    cgroup = None
    root = ""
    env: tuple[str, ...] = ()
    wrap: tuple[steps.Step, ...] = ()
    last: tuple[steps.Step, ...] = ()

    def __init__(self, cwd):
        self.cwd = cwd

    def enter(self):
        """(steps, descriptors): the way there."""
        return (), {}

    def notify(self, fd):
        """Called with the descriptor of a seccomp filter that notifies."""


class Inside(Place):
    """The container's namespaces and cgroup.

    pid:       of the container's first process, `pidfd` names it too
    entered:   has it entered its root?
    directory: to begin in
    """

    wrap = (steps.Op("SETSID", (), "start a new session"),)

    def __init__(self, container, pidfd, pid, proc, entered, directory=""):
        super().__init__(None)
        self.directory = directory
        self.container, self.pidfd, self.pid, self.proc, self.entered = container, pidfd, pid, proc, entered
        self.cgroup, self.root = container.cgroup, container.runtime.root

    def enter(self):
        from ocipy.runtime import enter

        kinds = enter.kinds_of(self.container.config)
        entry, fds = enter.entry_of(self.pidfd, self.pid, self.proc, kinds, self.entered, self.directory)
        return (*self.first, *entry), {**fds, "container": os.dup(self.pidfd)}

    first = ()

    def pid_inside(self):
        from ocipy.runtime import enter

        return enter.pid_inside(self.pid, self.proc)

    def become(self, asked):
        """Run hooks as what the process object `asked` would be: they are held by no less."""
        from ocipy.plan import identity
        from ocipy.runtime import enter
        from ocipy.runtime.execute import confined

        context = enter.context_of(self.container, asked, self.proc)
        process = context.process
        made, _ = identity.identity_steps(process, context)
        # The program and its arguments are the hook's own.
        made = tuple(step for step in made if not isinstance(step, (steps.Process, steps.Lookup)))
        plan = steps.Plan(made, tuple(identity.last_steps(process, context)))
        plan, _ = confined(plan, self.container.config, self.root)
        self.first = identity.first_steps(process, context)
        self.wrap = (*self.wrap, *plan.create)
        self.last = plan.start
        self.env = identity.environment(process)

    def notify(self, fd):
        self.container._notify(fd)


def run(container, kind, listed, execution=None):
    """Run the hooks of one kind in listed order, until one fails.

    listed:    as config.json has them
    execution: of the container's making, while it is made
    """
    state = container._state_for_hooks(STATUS[kind])
    if kind == "createContainer":
        # In the root, as runc has it: what a hook is to change lies there.
        directory = container._document["rootfs"]
        place = Inside(container, execution.pidfd, execution.pid, execution.fds["proc"], False, directory)
        state["pid"] = place.pid_inside()
        _run_all(kind, listed, state, place, container._private.get("places"))
    elif kind == "startContainer":
        _run_as_program(container, kind, listed, state)
    else:
        _run_all(kind, listed, state, Place(container.bundle), container._private.get("places"))


def _run_as_program(container, kind, listed, state):
    from ocipy.runtime import enter, host

    pidfd, proc = enter.held(container), host.proc_fd()
    try:
        place = Inside(container, pidfd, container._document["pid"], proc, True)
        place.become(container.config["process"])
        state["pid"] = place.pid_inside()
        _run_all(kind, listed, state, place, container._private.get("places"))
    finally:
        os.close(proc)
        os.close(pidfd)


def run_poststop(listed, state, bundle, warn, places=None):
    """Run poststop hooks, all of them: a container that is gone can't be undone, so a failure only warns.

    places: what hooks come from, of a container in another format: see `ocipy.spec.Spec`
    """
    place = Place(bundle if os.path.isdir(bundle) else "/")
    _run_all("poststop", listed, state, place, places, warn)


def _run_all(kind, listed, state, place, places, warn=None):
    text = jsontext.dump(state).encode()
    for index, hook in enumerate(listed):
        pointer = f"/hooks/{kind}/{index}"
        cause = cause_of((places or {}).get(pointer, pointer))
        try:
            _run_one(f"{kind} hook {hook['path']} ({cause})", hook, text, place)
        except OcipyError as error:
            if not warn:
                raise
            warn(str(error))


def _run_one(name, hook, text, place):
    began = time.monotonic()
    timeout = hook.get("timeout")
    stdin, to_hook = os.pipe2(os.O_CLOEXEC)
    from_hook, output = os.pipe2(os.O_CLOEXEC)
    try:
        pid, pidfd = _execute(name, hook, (stdin, output, output), place)
    except BaseException:
        os.close(to_hook)
        os.close(from_hook)
        raise
    finally:
        os.close(stdin)
        os.close(output)
    attended = _Attended(pid, pidfd, to_hook, from_hook, text)
    try:
        status = attended.wait(began + timeout if timeout else None)
    except BaseException:
        process.end(pidfd)
        raise
    finally:
        attended.close()
    if status == 0:
        return
    lasted = f"after {time.monotonic() - began:.3f} s"
    if status is None:
        reason = f"timed out {lasted} (timeout {timeout} s)"
    elif os.WIFSIGNALED(status):
        reason = f"killed by signal {os.WTERMSIG(status)} {lasted}"
    else:
        reason = f"exit status {os.WEXITSTATUS(status)} {lasted}"
    words = one_line(attended.tail.decode("utf-8", "replace").strip())
    raise HookError(f"{name}: {reason}" + (f": {words}" if words else ""))


def _execute(name, hook, streams, place):
    """Start the hook's program: (pid, pidfd)."""
    path = hook["path"]
    arguments = tuple(hook.get("args") or (path,))
    env = tuple(hook["env"]) if "env" in hook else place.env
    execution = Execution(place.cgroup, place.root, streams=streams)
    execution.notify = place.notify
    entry, root = (), None
    try:
        entry, fds = place.enter()
        execution.fds.update(fds)
        root = fds.get("root")
        tail = [*place.wrap]
        if place.cwd:
            tail.append(steps.Op("CHDIR", (place.cwd,), f"enter directory {place.cwd}"))
        execution.run([*entry, *tail, steps.Process((path,), env), steps.Lookup(path)])
        # argv[0] need not be the path.
        last = [steps.Process(arguments, env), *place.last, steps.Execve(path)]
        execution.launch(last).finish_executed()
        pid = execution.pid or execution.channel.pid
        return pid, pidfd_open(pid)
    except BaseException as error:
        execution.undo()
        if not isinstance(error, OcipyError):
            raise
        from ocipy.runtime import diagnose

        raise HookError(f"{name}: {diagnose.explain(error, path)}") from None
    finally:
        if execution.channel:
            execution.channel.close()
        execution.close()
        if root is not None:
            os.close(root)


class _Attended:
    """A hook that runs: its stdin is fed, its output's tail kept, its end awaited."""

    def __init__(self, pid, pidfd, to_hook, from_hook, text):
        self.pid, self.pidfd, self.to_hook, self.from_hook, self.text = pid, pidfd, to_hook, from_hook, text
        self.tail = b""
        self.poll = select.poll()
        self.poll.register(pidfd, select.POLLIN)
        self.poll.register(from_hook, select.POLLIN)
        self.poll.register(to_hook, select.POLLOUT)
        for fd in (to_hook, from_hook):
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)

    def wait(self, deadline):
        """The wait status, None when the deadline came first: then it is killed.

        A daemon that the hook leaves behind may hold the pipes open as long as it likes.
        """
        while True:
            ready = dict(os.worded("poll", self.poll.poll)(process.left(deadline)))
            if self.to_hook in ready:
                self._feed()
            if self.from_hook in ready and not self._drain():
                self.poll.unregister(self.from_hook)
            if self.pidfd in ready:
                self._drain()
                return process.wait(self.pid)
            if process.left(deadline) == 0:
                process.end(self.pidfd)
                self._drain()
                return None

    def _feed(self):
        try:
            self.text = self.text[os.write(self.to_hook, self.text) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.text = b""  # it does not want to know, which is its right
        if not self.text:
            self.poll.unregister(self.to_hook)
            os.close(self.to_hook)
            self.to_hook = -1

    def _drain(self):
        """Take what is there; False when there will be no more."""
        try:
            piece = os.read(self.from_hook, 65536)
        except BlockingIOError:
            return True
        self.tail = (self.tail + piece)[-TAIL:]
        return bool(piece)

    def close(self):
        for fd in (self.pidfd, self.from_hook, self.to_hook):
            if fd >= 0:
                os.close(fd)
