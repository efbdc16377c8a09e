"""Hooks: programs that get the container's state on stdin at a moment of its life.

Each is executed by a short-lived ocipy-init, which resets what a child inherits, enters the container's
namespaces for createContainer and startContainer, and says exactly why a program can't be executed.

Source: runtime-spec config.md#posix-platform-hooks, runtime.md#lifecycle.
"""

from __future__ import annotations

import os
import time

import fcntl
import select

from ocipy.errors import OcipyError, describe, one_line
from ocipy.linux.syscalls import pidfd_open
from ocipy.plan import steps
from ocipy.runtime import channel, process
from ocipy.spec import jsontext

TAIL = 4096  # bytes of a failing hook's output that its error may show


class HookError(OcipyError):
    """A hook failed; the text names it, how it ended, after how long, and its last words."""


def run(kind, hooks, state, entry=(), fds=None, cwd=None, wrap=()):
    """Run hooks of one kind in listed order, until one fails.

    hooks: as config.json has them
    state: the state document that each gets on stdin
    entry: steps of init before the program: none for the runtime's namespaces
    fds:   what those steps refer to
    cwd:   working directory, for hooks in the runtime's namespaces
    wrap:  steps of init after `entry`, such as the container's identity
    """
    text = jsontext.dump(state).encode()
    for index, hook in enumerate(hooks):
        _run_one(f"{kind} hook #{index} {hook['path']}", hook, text, (entry, fds or {}, cwd, wrap))


def run_poststop(hooks, state, bundle, warn):
    """Run poststop hooks, all of them: a container that is gone can't be undone, so a failure only warns."""
    cwd = bundle if os.path.isdir(bundle) else "/"
    for hook in hooks:
        try:
            run("poststop", [hook], state, cwd=cwd)
        except OcipyError as error:
            warn(str(error))


def _run_one(name, hook, text, how):
    began = time.monotonic()
    timeout = hook.get("timeout")
    stdin, to_hook = os.pipe2(os.O_CLOEXEC)
    from_hook, output = os.pipe2(os.O_CLOEXEC)
    try:
        child = _execute(name, hook, (stdin, output, output), how)
    except BaseException:
        os.close(to_hook)
        os.close(from_hook)
        raise
    finally:
        os.close(stdin)
        os.close(output)
    try:
        deadline = began + timeout if timeout else None
        status, tail = _attend(child, to_hook, from_hook, text, deadline)
    finally:
        os.close(from_hook)
    if status == 0:
        return
    lasted = f"after {time.monotonic() - began:.3f} s"
    if status is None:
        reason = f"timed out {lasted} (timeout {timeout} s)"
    elif os.WIFSIGNALED(status):
        reason = f"killed by signal {os.WTERMSIG(status)} {lasted}"
    else:
        reason = f"exit status {os.WEXITSTATUS(status)} {lasted}"
    words = one_line(tail.decode("utf-8", "replace").strip())
    raise HookError(f"{name}: {reason}" + (f": {words}" if words else ""))


def _execute(name, hook, streams, how):
    """Start the hook's program; returns its pid."""
    entry, fds, cwd, wrap = how
    path = hook["path"]
    arguments = tuple(hook.get("args") or (path,))
    init = channel.spawn(streams)
    try:
        if entry:
            cloned = init.run(entry, fds).process
            if cloned:
                os.waitpid(init.pid, 0)
                os.close(cloned[1])
                init.pid = cloned[0]
        tail = [*wrap]
        if cwd:
            tail.append(steps.Op("CHDIR", (cwd,), f"enter directory {cwd}"))
        # LOOKUP finds args[0]; the hook's own argv[0] may be another.
        tail.append(steps.Process((path,), tuple(hook.get("env") or ()), home_uid=-1))
        tail.append(steps.Lookup(path))
        init.run(tail, fds)
        last = [steps.Process(arguments, tuple(hook.get("env") or ())), steps.Execve(path)]
        init.send(last, fds).finish_executed()
    except OcipyError as error:
        process.reap_now(init.pid)
        raise HookError(f"{name}: {describe(getattr(error, 'cause', error))}") from error
    finally:
        init.close()
    return init.pid


def _attend(pid, to_hook, from_hook, text, deadline):
    """Feed stdin, keep the tail of the output, wait for the end; (status, tail), status None on a timeout."""
    pidfd = pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(from_hook, select.POLLIN)
    poll.register(to_hook, select.POLLOUT)
    for fd in (to_hook, from_hook):
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
    tail = b""
    try:
        while True:
            left = None if deadline is None else max(0, (deadline - time.monotonic()) * 1000)
            ready = dict(poll.poll(left))
            if deadline is not None and not ready:
                process.reap_now(pid)
                return None, tail
            if to_hook in ready:
                text = _feed(to_hook, text)
                if not text:
                    poll.unregister(to_hook)
                    os.close(to_hook)
                    to_hook = -1
            if from_hook in ready:
                piece = _drain(from_hook)
                tail = (tail + piece)[-TAIL:]
                if not piece:
                    poll.unregister(from_hook)
            if pidfd in ready:
                tail = (tail + _drain(from_hook))[-TAIL:]
                return os.waitpid(pid, 0)[1], tail
    finally:
        os.close(pidfd)
        if to_hook >= 0:
            os.close(to_hook)


def _feed(fd, text):
    try:
        return text[os.write(fd, text) :]
    except BlockingIOError:
        return text
    except BrokenPipeError:
        return b""  # it does not want to know, which is its right


def _drain(fd):
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""
