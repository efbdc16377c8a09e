"""Devices of the host that are lent to a container, and how they come back.

A network namespace that ends takes virtual devices with it and gives hardware to the host's first namespace,
under the name it had inside.  So it is kept, by a mount, until the device was taken out again.
"""

from __future__ import annotations

import errno
import os

from ocipy.linux import const
from ocipy.linux.syscalls import fstatfs_type, move_mount, open_tree, umount2

NSFS_MAGIC = 0x6E736673


def pin(path, namespace):
    """Keep a network namespace, given by descriptor, under a path."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    tree = open_tree(namespace, "", const.OPEN_TREE_CLONE | const.OPEN_TREE_CLOEXEC | const.AT_EMPTY_PATH)
    try:
        move_mount(tree, "", const.AT_FDCWD, path, const.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def give_back(path, attachment, links):
    """Take the device of an attachment out of the namespace that is kept, and let go of that."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return  # the claim was as far as it got
    try:
        if fstatfs_type(fd) == NSFS_MAGIC:
            if not links.has(attachment.link, attachment.was):
                _take_out(fd, attachment)
            links.restore(attachment)
            umount2(path, const.MNT_DETACH)
    finally:
        os.close(fd)
    os.unlink(path)


def _take_out(namespace, attachment):
    from ocipy_network.links import inside

    host = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with inside(namespace) as inner:
            if inner.index(attachment.name) is None:
                return
            try:
                inner.move(attachment.name, attachment.link, host)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                inner.move(attachment.name, "dev%d", host)  # as the kernel would do it
    finally:
        os.close(host)
