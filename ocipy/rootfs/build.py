"""The session in which the root is built: one thread in the container's mount namespace, one loop of steps.

The thread unshares its filesystem attributes and joins the mount namespace, whose "/" is still the host's,
does its steps, and ends; no other thread of the program notices, and there is nothing to return to.

Rootless, a thread can't do that: it would first have to enter the user namespace, which only a process of
one thread may.  There a worker does (worker.py).
"""

from __future__ import annotations

from ocipy.errors import OcipyError, StepError
from ocipy.linux import const, os
from ocipy.linux.syscalls import in_thread, setfsgid, setfsuid, setns, unshare
from ocipy.plan import steps as plan_steps
from ocipy.rootfs import covers, mounting, nodes
from ocipy.rootfs.resolve import Root


def _hide_host(session, step):
    from ocipy.rootfs import hidehost

    hidehost.hide(session)


EFFECTS = {
    plan_steps.Isolate: mounting.isolate,
    plan_steps.AttachRoot: mounting.attach_root,
    plan_steps.DetachRoot: mounting.detach_root,
    plan_steps.MountFs: mounting.mount_fs,
    plan_steps.Bind: mounting.bind,
    plan_steps.BindCgroup: mounting.bind_cgroup,
    plan_steps.SetMountAttr: mounting.set_mount_attr,
    plan_steps.MakeDir: nodes.make_dir,
    plan_steps.MakeFile: nodes.make_file,
    plan_steps.MakeDevice: nodes.make_device,
    plan_steps.MakeSymlink: nodes.make_symlink,
    plan_steps.Mask: covers.mask,
    plan_steps.ReadonlyPath: covers.readonly_path,
    plan_steps.ReadonlyRoot: covers.readonly_root,
    plan_steps.HideHost: _hide_host,
}


class Session:
    """What the effects of root steps share.

    root:       the container's root (Root), once AttachRoot has run
    mount_of:   callable: MountFs step -> descriptor of the detached mount that init made for it, None for one
                that init could not make
    userns:     callable: id mappings -> descriptor of a user namespace that has them
    cgroup:     callable: controller -> the container's own cgroup directory on the host, or None
    container:  descriptor of the container's user namespace, or None
    ids:        (uids, gids) of the container's user namespace as mappings, or None when it has none
    """

    def __init__(self, mount_of=None, userns=None, cgroup=None, container=None, ids=None):
        self.root = None
        self.mount_of = mount_of
        self.userns = userns
        self.cgroup = cgroup
        self.container = container
        self.ids = ids
        self.proc_device = None  # st_dev of the container's procfs, where hardly anything may be mounted
        self.masks = None  # the one empty read-only tmpfs that all masked directories share
        self.null = None  # the container's null device, under which masked files lie
        self.null_attrs = 0  # of its mounts there
        self.created = []  # (parent descriptor, name, is directory), in order

    def hold_root(self, fd):
        """Take a descriptor as that of the root; it is ours now."""
        if self.root:
            os.close(self.root.fd)
            self.root.fd = fd
        else:
            self.root = Root(fd, self.identity, lambda *entry: self.created.append(entry))

    def identity(self):
        """Under it, files are made as the container's root user."""
        return _Identity(self.outside(0, 0), self.outside(1, 0)) if self.ids else _Unchanged()

    def outside(self, kind, number):
        """The host's id of an id of the container: kind 0 is a user's, 1 a group's.

        Raises ValueError for one that is not mapped.
        """
        if not self.ids:
            return number
        for inside, outside, size in self.ids[kind]:
            if inside <= number < inside + size:
                return outside + number - inside
        raise ValueError(f"{'ug'[kind]}id {number} is not mapped in the container's user namespace")

    def maps(self, kind, number):
        """Does an id of the host stand for one of the container?"""
        return not self.ids or any(0 <= number - outside < size for _, outside, size in self.ids[kind])

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
        for fd in (self.root.fd if self.root else None, self.masks, self.null):
            if fd is not None:
                os.close(fd)
        self.root = self.masks = self.null = None


class _Identity:
    """fsuid and fsgid of the thread, for the length of a with block."""

    __slots__ = ("gid", "uid")

    def __init__(self, uid, gid):
        self.uid, self.gid = uid, gid

    def __enter__(self):
        self.gid = setfsgid(self.gid)
        self.uid = setfsuid(self.uid)

    def __exit__(self, *_):
        setfsuid(self.uid)
        setfsgid(self.gid)


class _Unchanged:
    """We are the container's root user."""

    __slots__ = ()

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def build(session, mount_namespace, steps):
    """Do root steps in a mount namespace, given by descriptor; None: the caller's own.

    Raises StepError for the step that failed; the session then still says what was created.
    """
    if mount_namespace is None:
        run(session, steps)
        return

    def there():
        unshare(const.CLONE_FS)
        os.umask(0)
        setns(mount_namespace, const.CLONE_NEWNS)
        run(session, steps)

    in_thread(there)


def run(session, steps):
    """Do root steps, here."""
    for step in steps:
        try:
            EFFECTS[type(step)](session, step)
        except OcipyError:
            raise
        except (OSError, ValueError) as error:
            from ocipy.rootfs.hints import hint

            raise StepError(step, error, step.pointer, hint(step, error)) from error
