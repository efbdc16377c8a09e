"""What the steps do that make directories, files, devices and links: one function a step."""

from __future__ import annotations

import stat

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, fchownat, fd_text, mount_setattr, open_tree, openat2
from ocipy.rootfs.mounting import attach, require_device

_KIND = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def make_dir(session, step):
    os.close(session.root.directory(step.path))


def make_file(session, step):
    os.close(session.root.file(step.path))


def make_device(session, step):
    parent, name = session.root.parent(step.path)
    number = os.makedev(step.major, step.minor)
    try:
        session.root.create(
            "mknodat",
            parent,
            name,
            lambda at, new: os.mknod(new, _KIND[step.kind] | step.mode, number, dir_fd=at),
        )
    except FileExistsError:
        os.close(_open_node(parent, name, step))  # as it is: nothing about it is changed
    except PermissionError:
        if step.kind == "p":
            raise
        _bind_device(session, step)  # no CAP_MKNOD, or no devices on that filesystem
    else:
        if step.uid or step.gid:
            node = _open_node(parent, name, step)
            try:
                fchownat(
                    node, "", session.outside(0, step.uid), session.outside(1, step.gid), const.AT_EMPTY_PATH
                )
            finally:
                os.close(node)
    finally:
        os.close(parent)


def _open_node(parent, name, step):
    """A descriptor of a node that must be the one of the step; opening it so does not touch the device."""
    node = openat2(parent, name, os.O_PATH | os.O_NOFOLLOW)
    info = os.fstat(node)
    found = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if stat.S_IFMT(info.st_mode) != _KIND[step.kind] or (
        step.kind != "p" and found != (step.major, step.minor)
    ):
        text = fd_text(node)
        os.close(node)
        raise failed(const.EEXIST, "mknodat", text, "something else is there")
    return node


def _bind_device(session, step):
    """The host's node, read-only: that keeps its mode and owner, and no device from being written to."""
    mount = open_tree(const.AT_FDCWD, step.path, const.OPEN_TREE_CLONE | const.AT_SYMLINK_NOFOLLOW)
    try:
        require_device(mount, os.fstat(mount), (step.kind, step.major, step.minor))
        mount_setattr(mount, "", const.AT_EMPTY_PATH, const.MOUNT_ATTR_RDONLY)
        target = session.root.file(step.path)
        try:
            attach(mount, target)
        finally:
            os.close(target)
    finally:
        os.close(mount)


def make_symlink(session, step):
    parent, name = session.root.parent(step.path)
    try:
        if step.over:
            try:
                os.unlink(name, dir_fd=parent)
            except FileNotFoundError:
                pass
        session.root.create("symlinkat", parent, name, lambda at, new: os.symlink(step.to, new, dir_fd=at))
    except FileExistsError:
        pass  # the image's own choice stands, as with every peer
    finally:
        os.close(parent)
