"""Building a root where a thread of ours may not go: rootless, in the user namespace that owns the mounts.

    runtime (any number of threads)          worker (a second Python, worker.py)
    -------------------------------          -----------------------------------
    posix_spawn ---------------------------> imports what it needs
    request: steps, mounts of init,
             namespaces, the root's fd ----> joins the user and the mount namespace
                                             does the steps
    <--------------------------------------- answer: the root, what was created, the error
                                             exits, before the root is entered

Entering a user namespace is only for a process of one thread, and the runtime never forks Python: the worker
starts anew, for each group of root steps one.  A message is a text in a memfd, a Python literal, with the
descriptors that go with it; they come in portions, for SCM_RIGHTS takes 253 at most.
"""

from __future__ import annotations

import _socket
import fcntl
import sys

from ocipy.errors import OcipyError, StepError, describe
from ocipy.linux import const, os
from ocipy.plan import steps as plan_steps

_PORTION = 128
_START = "import sys; sys.path[:] = {path!r}; from ocipy.rootfs.worker import main; main({fd})"


def build(session, user_namespace, mount_namespace, steps):
    """Do root steps in a mount namespace that belongs to a user namespace, both by descriptor.

    As `ocipy.rootfs.build.build`; the session then has the root and what was created.
    """
    fds, mounts = [user_namespace, mount_namespace], []
    taken = []
    try:
        for i, step in enumerate(steps):
            if isinstance(step, plan_steps.MountFs) and (mount := session.mount_of(step)) is not None:
                taken.append(mount)
                mounts.append(i)
        if session.root:
            fds.append(session.root.fd)
        cgroups = {
            step.controller: session.cgroup(step.controller)
            for step in steps
            if isinstance(step, plan_steps.BindCgroup)
        }
        request = (tuple(map(_pack, steps)), tuple(mounts), bool(session.root), cgroups)
        answer, received = _ask(request, fds + taken)
    finally:
        for fd in taken:
            os.close(fd)
    _take(session, steps, answer, received)


def _pack(step):
    """A step as a literal: its type's name and its fields."""
    return type(step).__name__, {name: getattr(step, name) for name in step._fields}


def _ask(request, fds):
    """Start a worker, hand it a request, and wait for its answer and its end."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    number = os.worded("fcntl", fcntl.fcntl)(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
    try:
        code = _START.format(path=sys.path, fd=9)
        actions = [(os.POSIX_SPAWN_DUP2, number, 9)]
        command = [sys.executable, "-I", "-S", "-B", "-c", code]
        pid = os.posix_spawn(sys.executable, command, {}, file_actions=actions)
    except OSError as error:
        ours.close()
        raise OcipyError(f"start {sys.executable} to build the root: {describe(error)}") from error
    finally:
        os.close(number)
        theirs.close()
    try:
        send(ours, request, fds)
        return receive(ours)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise OcipyError("the process that builds the root ended unexpectedly") from None
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _take(session, steps, answer, fds):
    failure, created, has_root = answer
    if has_root:
        session.hold_root(fds.pop(0))
    session.created += [(fd, name, is_directory) for fd, (name, is_directory) in zip(fds, created)]
    if failure:
        index, number, text, hint = failure
        cause = OSError(number, text) if number else ValueError(text)
        raise StepError(steps[index], cause, steps[index].pointer, hint)


# ---------------------------------------------------------------- messages, for both ends


def send(socket, literal, fds):
    """Send a literal and descriptors."""
    memory = os.memfd_create("message", const.MFD_CLOEXEC)
    try:
        view = memoryview(repr(literal).encode())
        while view:
            view = view[os.write(memory, view) :]
        portions = [memory, *fds]
        while portions:
            packed = b"".join(fd.to_bytes(4, "little") for fd in portions[:_PORTION])
            portions = portions[_PORTION:]
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
            socket.sendmsg([b"more" if portions else b"last"], rights, _socket.MSG_NOSIGNAL)
    finally:
        os.close(memory)


def receive(socket):
    """(literal, descriptors).  Raises EOFError when the other end is gone."""
    from ast import literal_eval

    fds, message = [], b""
    while message != b"last":
        space = _socket.CMSG_SPACE(4 * _PORTION)
        message, ancillary, _, _ = socket.recvmsg(4, space, _socket.MSG_CMSG_CLOEXEC)
        if not message:
            raise EOFError
        for _, _, data in ancillary:
            fds += [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    with open(fds.pop(0), "rb") as file:
        file.seek(0)
        return literal_eval(file.read().decode()), fds
