"""The process that builds a root inside a user namespace; remote.py is its other end and says why it is.

It is the last Python that has anything to do with the container's mounts, and ends before the root is
entered: nothing is imported once it has joined the namespaces.
"""

from __future__ import annotations

import _socket
import sys

from ocipy.errors import OcipyError, StepError
from ocipy.linux import const, os
from ocipy.linux.syscalls import setns
from ocipy.plan import steps as plan_steps
from ocipy.rootfs import copyup, hidehost, hints  # noqa: F401  imported here, so that it is not done later
from ocipy.rootfs.build import Session, run
from ocipy.rootfs.remote import receive, send


def main(number):
    """Serve one request on a socket, and exit."""
    socket = _socket.socket(fileno=number)
    os.set_inheritable(number, False)
    (packed, mounts, has_root, cgroups), fds = receive(socket)
    steps = [_unpack(*step) for step in packed]
    user, namespace, *fds = fds
    root = fds.pop(0) if has_root else None
    made = {steps[i]: fd for i, fd in zip(mounts, fds)}
    session = Session(mount_of=made.get, cgroup=cgroups.get)
    failure = _build(session, user, namespace, root, steps)
    created = [(name, is_directory) for _, name, is_directory in session.created]
    held = [session.root.fd] if session.root else []
    send(socket, (failure, created, bool(held)), held + [fd for fd, _, _ in session.created])
    sys.stdout.flush()
    os._exit(0)


def _unpack(name, fields):
    return getattr(plan_steps, name)(**fields)


def _build(session, user, namespace, root, steps):
    """Do it; None, or what failed: (index of the step, errno or 0, text, hint)."""
    try:
        setns(user, const.CLONE_NEWUSER)
        setns(namespace, const.CLONE_NEWNS)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        os.umask(0)
        if root is not None:
            session.hold_root(root)
    except OSError as error:
        return 0, error.errno, error.strerror, "joining the container's user and mount namespaces"
    for i, step in enumerate(steps):
        try:
            run(session, (step,))
        except StepError as error:
            cause = error.cause
            number = getattr(cause, "errno", None) or 0
            return i, number, cause.strerror if number else str(cause), error.hint
        except OcipyError as error:
            return i, 0, str(error), ""
    return None
