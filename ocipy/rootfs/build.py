"""The session in which the root is built: one thread in the container's mount namespace, one loop of steps.

The thread unshares its filesystem attributes and joins the mount namespace, whose "/" is still the host's,
does its steps, and ends; no other thread of the program notices, and there is nothing to return to.
"""

from __future__ import annotations

import os

import _thread

from ocipy.errors import OcipyError, StepError
from ocipy.linux import const
from ocipy.linux.syscalls import setfsgid, setfsuid, setns, unshare
from ocipy.rootfs import effects
from ocipy.rootfs.resolve import Root


class Session:
    """What the effects of root steps share.

    root:       the container's root (Root), once AttachRoot has run
    mount_of:   callable: MountFs step -> descriptor of the detached mount that init made for it
    userns:     callable: id mappings -> descriptor of a user namespace that has them
    cgroup:     callable: controller -> the container's own cgroup directory on the host
    container:  descriptor of the container's user namespace, or None
    owner:      (uid, gid) on the host of the container's root user, or None when it is the host's
    """

    def __init__(self, mount_of=None, userns=None, cgroup=None, container=None, owner=None):
        self.root = None
        self.mount_of = mount_of
        self.userns = userns
        self.cgroup = cgroup
        self.container = container
        self.owner = owner
        self.masks = None  # the one empty read-only tmpfs that all masked directories share
        self.created = []  # (parent descriptor, name, is directory), in order

    def hold_root(self, fd):
        self.root = Root(fd, self.identity, lambda *entry: self.created.append(entry))

    def identity(self):
        """Under it, files are made as the container's root user: a filesystem that belongs to its user
        namespace can't even store an owner that the namespace has no number for (EOVERFLOW)."""
        return _Identity(self.owner)

    def undo(self):
        """Remove what was created in the root directory itself, newest first; what is in use stays."""
        for parent, name, is_directory in reversed(self.created):
            try:
                (os.rmdir if is_directory else os.unlink)(name, dir_fd=parent)
            except OSError:
                pass  # below a mount that is gone, or not empty any more: not ours to insist
        self.forget()

    def forget(self):
        """Close what `undo` would need."""
        for parent, _, _ in self.created:
            os.close(parent)
        self.created.clear()

    def close(self):
        self.forget()
        for fd in (self.root.fd if self.root else None, self.masks):
            if fd is not None:
                os.close(fd)
        self.root = self.masks = None


class _Identity:
    """fsuid and fsgid of the thread, for the length of a with block."""

    __slots__ = ("old", "owner")

    def __init__(self, owner):
        self.owner = owner

    def __enter__(self):
        if self.owner:
            gid = setfsgid(self.owner[1])
            self.old = (setfsuid(self.owner[0]), gid)

    def __exit__(self, *_):
        if self.owner:
            setfsuid(self.old[0])
            setfsgid(self.old[1])


def build(session, mount_namespace, steps):
    """Do root steps in a mount namespace, given by descriptor; None: the caller's own.

    Raises StepError for the step that failed; the session then still says what was created.
    """
    if mount_namespace is None:
        _run(session, steps)
        return
    failure = []
    done = _thread.allocate_lock()
    done.acquire()

    def thread():
        try:
            unshare(const.CLONE_FS)
            setns(mount_namespace, const.CLONE_NEWNS)
            _run(session, steps)
        except BaseException as error:  # noqa: BLE001: carried over to the caller's thread, all of them
            failure.append(error)
        finally:
            done.release()

    _thread.start_new_thread(thread, ())
    done.acquire()
    if failure:
        raise failure[0]


def _run(session, steps):
    for step in steps:
        try:
            effects.EFFECTS[type(step)](session, step)
        except OcipyError:
            raise
        except (OSError, ValueError) as error:
            raise StepError(step, error, step.pointer, effects.hint(step, error)) from error
