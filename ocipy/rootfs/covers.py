"""What the steps do that hide or protect what is mounted: one function a step."""

from __future__ import annotations

import stat

from ocipy.linux import const, os
from ocipy.linux.syscalls import (
    FSCONFIG_CMD_CREATE,
    FSCONFIG_SET_STRING,
    fsconfig,
    fsmount,
    fsopen,
    mount_setattr,
    open_tree,
    openat2,
)
from ocipy.rootfs.mounting import attach, require_device

_CLONE = const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH


def mask(session, step):
    """Directories under one empty read-only tmpfs that all share, anything else under the null device."""
    target = session.root.try_open(step.path)
    if target is None:
        return
    try:
        if stat.S_ISDIR(os.fstat(target).st_mode):
            _mask_directory(session, step, target)
        else:
            if session.null is None:
                session.null = _null_device(session)
            _attach_clone(session.null, target, session.null_attrs)
    finally:
        os.close(target)


def _mask_directory(session, step, target):
    if session.masks is None:
        session.masks = empty_filesystem(step.label)
        attach(session.masks, target)
    else:
        # Of the attached one: a detached mount can't be cloned before Linux 6.15.
        _attach_clone(session.masks, target)


def _attach_clone(mount, target, attrs=0):
    clone = open_tree(mount, "", _CLONE)
    try:
        if attrs:
            mount_setattr(clone, "", const.AT_EMPTY_PATH, attrs)
        attach(clone, target)
    finally:
        os.close(clone)


def empty_filesystem(label=""):
    """A detached tmpfs that is empty and stays so; `label` is its SELinux context."""
    context = fsopen("tmpfs")
    try:
        options = [("source", "tmpfs"), ("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755")]
        for key, value in options + ([("context", label)] if label else []):
            fsconfig(context, FSCONFIG_SET_STRING, key, value)
        fsconfig(context, FSCONFIG_CMD_CREATE)
        attrs = const.MOUNT_ATTR_RDONLY | const.MOUNT_ATTR_NOSUID | const.MOUNT_ATTR_NODEV
        return fsmount(context, attrs | const.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(context)


def _null_device(session):
    """A descriptor of the null device, for cloning the mount it is on.

    The container's own, so that chmod(2) of a masked file does not reach the host's /dev.  Whatever else the
    image may have put at /dev/null (CVE-2025-31133) is left alone, and the host's taken instead, read-only.
    """
    own = session.root.try_open("/dev/null", os.O_PATH | os.O_NOFOLLOW)
    if own is not None:
        try:
            require_device(own, os.fstat(own), ("c", 1, 3))
        except OSError:
            os.close(own)
        else:
            return own
    host = openat2(const.AT_FDCWD, "/dev/null", os.O_PATH | os.O_NOFOLLOW)
    try:
        require_device(host, os.fstat(host), ("c", 1, 3))
    except OSError:
        os.close(host)
        raise
    session.null_attrs = const.MOUNT_ATTR_RDONLY
    return host


def readonly_path(session, step):
    """Read-only is the mount at the path alone; what is mounted below it stays what the config made it."""
    target = session.root.try_open(step.path)
    if target is None:
        return
    mount = None
    try:
        mount = open_tree(target, "", _CLONE | const.AT_RECURSIVE)
        mount_setattr(mount, "", const.AT_EMPTY_PATH, const.MOUNT_ATTR_RDONLY)
        attach(mount, target)
    finally:
        os.close(target)
        if mount is not None:
            os.close(mount)


def readonly_root(session, step):
    mount_setattr(session.root.fd, "", const.AT_EMPTY_PATH, const.MOUNT_ATTR_RDONLY)
