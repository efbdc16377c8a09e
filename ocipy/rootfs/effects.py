"""What each root step does: one function a step."""

from __future__ import annotations

import os
import stat

from ocipy.linux import const
from ocipy.linux.syscalls import (
    FSCONFIG_CMD_CREATE,
    FSCONFIG_SET_STRING,
    failed,
    fd_text,
    fsconfig,
    fsmount,
    fsopen,
    is_mount_root,
    mount_setattr,
    move_mount,
    open_tree,
    openat2,
)
from ocipy.plan import naming, steps

_ONTO = const.MOVE_MOUNT_F_EMPTY_PATH | const.MOVE_MOUNT_T_EMPTY_PATH
_KIND = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


# ---------------------------------------------------------------- mounts


def _attach(mount, target):
    """Attach a detached mount, both by descriptor; the target's is used up."""
    try:
        move_mount(mount, "", target, "", _ONTO)
    finally:
        os.close(target)


def attach_root(session, step):
    directory = openat2(const.AT_FDCWD, step.path, os.O_PATH | os.O_DIRECTORY)
    if not step.mount:
        session.hold_root(directory)
        return
    try:
        tree = open_tree(directory, "", const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH | const.AT_RECURSIVE)
    except OSError:
        os.close(directory)
        raise
    # pivot_root(2) refuses a root whose mount or whose parent's is shared.
    parent = _mount_of(directory)
    mount_setattr(parent, "", const.AT_EMPTY_PATH, propagation=const.MS_PRIVATE)
    os.close(parent)
    _attach(tree, directory)
    session.hold_root(tree)


def _mount_of(directory):
    """A descriptor of the root of the mount that a directory lies on."""
    current = os.dup(directory)
    while not is_mount_root(current):
        above = openat2(current, "..", os.O_PATH | os.O_DIRECTORY)
        os.close(current)
        current = above
    return current


def mount_fs(session, step):
    mount = session.mount_of(step)
    try:
        _set_attrs(session, mount, step)
        if step.copyup:
            from ocipy.rootfs.copyup import copy_up

            copy_up(session, step.target, mount)
        _attach(mount, _target(session, step, True))
    finally:
        os.close(mount)


def _target(session, step, is_directory):
    """The place of a mount inside the root, made when missing."""
    if getattr(step, "plain", False):
        return _plain_directory(session, step.target)
    return session.root.directory(step.target) if is_directory else session.root.file(step.target)


def _plain_directory(session, path):
    """A directory that no symlink leads to: whoever can place a link at /proc decides what it shows
    (CVE-2019-19921, CVE-2023-27561)."""
    root = session.root
    found = root.try_open(path, os.O_PATH | os.O_NOFOLLOW)
    if found is None:
        found = root.directory(path)
    elif not stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise failed(const.ENOTDIR, "openat2", fd_text(root.fd), path, "it must be mounted on an ordinary directory")
    return found


def _set_attrs(session, mount, step):
    """Flags, propagation and id mapping of a detached mount, before anyone can see it."""
    userns = _userns(session, step)
    if userns is not None:
        flags = const.AT_RECURSIVE if getattr(step, "ids_recursive", False) else 0
        mount_setattr(
            mount, "", const.AT_EMPTY_PATH | flags, attr_set=const.MOUNT_ATTR_IDMAP, userns_fd=userns
        )
    if isinstance(step, steps.Bind) and (step.attr_set or step.attr_clr):
        mount_setattr(mount, "", const.AT_EMPTY_PATH, step.attr_set, step.attr_clr)
    if step.recursive_set or step.recursive_clr:
        flags = const.AT_EMPTY_PATH | const.AT_RECURSIVE
        mount_setattr(mount, "", flags, step.recursive_set, step.recursive_clr)
    for name in step.propagation:
        flag, recursive = naming.PROPAGATION[name]
        flags = const.AT_EMPTY_PATH | (const.AT_RECURSIVE if recursive else 0)
        mount_setattr(mount, "", flags, propagation=flag)


def _userns(session, step):
    if not step.ids:
        return None
    if step.ids == ("container",):
        if session.container is None:
            raise failed(const.EINVAL, "mount_setattr", "MOUNT_ATTR_IDMAP", "the container has no user namespace")
        return session.container
    return session.userns(*step.ids)


def bind(session, step):
    flags = const.OPEN_TREE_CLONE | (const.AT_RECURSIVE if step.recursive else 0)
    flags |= const.AT_SYMLINK_NOFOLLOW if step.nofollow else 0
    mount = open_tree(const.AT_FDCWD, step.source, flags)
    try:
        info = os.fstat(mount)
        if step.device:
            _require_device(mount, info, step.device)
        _set_attrs(session, mount, step)
        _attach(mount, _target(session, step, stat.S_ISDIR(info.st_mode)))
    finally:
        os.close(mount)


def bind_cgroup(session, step):
    mount = open_tree(const.AT_FDCWD, session.cgroup(step.controller), const.OPEN_TREE_CLONE)
    try:
        mount_setattr(mount, "", const.AT_EMPTY_PATH, step.attr_set)
        for name in step.propagation:
            mount_setattr(mount, "", const.AT_EMPTY_PATH, propagation=naming.PROPAGATION[name][0])
        _attach(mount, session.root.directory(step.target))
    finally:
        os.close(mount)


def set_mount_attr(session, step):
    target = session.root.open(step.target)
    try:
        mount_setattr(target, "", const.AT_EMPTY_PATH, step.attr_set, step.attr_clr)
    finally:
        os.close(target)


# ---------------------------------------------------------------- files and devices


def make_dir(session, step):
    os.close(session.root.directory(step.path, step.mode))


def make_file(session, step):
    os.close(session.root.file(step.path))


def _require_device(fd, info, device):
    kind, major, minor = device
    found = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if stat.S_IFMT(info.st_mode) != _KIND[kind] or found != (major, minor):
        raise failed(const.EINVAL, "stat", fd_text(fd), f"not the device {kind} {major}:{minor}")


def make_device(session, step):
    parent, name = session.root.parent(step.path)
    try:
        try:
            os.mknod(name, _KIND[step.kind] | step.mode, os.makedev(step.major, step.minor), dir_fd=parent)
        except FileExistsError:
            _require_existing(parent, name, step)
            return
        # mknod(2) takes the umask off.  O_PATH: opening a device node may act on the device.
        os.chmod(name, step.mode, dir_fd=parent)
        os.chown(name, step.uid, step.gid, dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def _require_existing(parent, name, step):
    """A node that is there already must be the one that is wanted; nothing about it is changed."""
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    found = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if stat.S_IFMT(info.st_mode) != _KIND[step.kind] or (step.kind != "p" and found != (step.major, step.minor)):
        raise failed(const.EEXIST, "mknodat", fd_text(parent), name, "something else is there")


def make_symlink(session, step):
    parent, name = session.root.parent(step.path)
    try:
        if step.over:
            try:
                os.unlink(name, dir_fd=parent)
            except FileNotFoundError:
                pass
        try:
            with session.identity():
                os.symlink(step.to, name, dir_fd=parent)
        except FileExistsError:
            pass  # the image's own choice stands, as with every peer
    finally:
        os.close(parent)


# ---------------------------------------------------------------- masks and read-only


def mask(session, step):
    """Directories under one empty read-only tmpfs that all share, anything else under the null device."""
    target = session.root.try_open(step.path)
    if target is None:
        return
    if not stat.S_ISDIR(os.fstat(target).st_mode):
        mount = _null_device()
    elif session.masks is None:
        session.masks = _empty_filesystem()
        _attach(session.masks, target)
        return
    else:
        # Of the attached one: a detached mount can't be cloned before Linux 6.15.
        mount = open_tree(session.masks, "", const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH)
    try:
        _attach(mount, target)
    finally:
        os.close(mount)


def _empty_filesystem():
    context = fsopen("tmpfs")
    try:
        for key, value in (("nr_blocks", "1"), ("nr_inodes", "1"), ("mode", "755")):
            fsconfig(context, FSCONFIG_SET_STRING, key, value)
        fsconfig(context, FSCONFIG_CMD_CREATE)
        attrs = const.MOUNT_ATTR_RDONLY | const.MOUNT_ATTR_NOSUID | const.MOUNT_ATTR_NODEV | const.MOUNT_ATTR_NOEXEC
        return fsmount(context, attrs)
    finally:
        os.close(context)


def _null_device():
    """A detached mount of the host's null device, not of whatever the image has at /dev/null
    (CVE-2025-31133)."""
    mount = open_tree(const.AT_FDCWD, "/dev/null", const.OPEN_TREE_CLONE | const.AT_SYMLINK_NOFOLLOW)
    _require_device(mount, os.fstat(mount), ("c", 1, 3))
    return mount


def readonly_path(session, step):
    target = session.root.try_open(step.path)
    if target is None:
        return
    mount = None
    try:
        mount = open_tree(target, "", const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH | const.AT_RECURSIVE)
        mount_setattr(mount, "", const.AT_EMPTY_PATH, const.MOUNT_ATTR_RDONLY)
        move_mount(mount, "", target, "", _ONTO)
    finally:
        os.close(target)
        if mount is not None:
            os.close(mount)


def readonly_root(session, step):
    mount_setattr(session.root.fd, "", const.AT_EMPTY_PATH, const.MOUNT_ATTR_RDONLY)


EFFECTS = {
    steps.AttachRoot: attach_root,
    steps.MountFs: mount_fs,
    steps.Bind: bind,
    steps.BindCgroup: bind_cgroup,
    steps.SetMountAttr: set_mount_attr,
    steps.MakeDir: make_dir,
    steps.MakeFile: make_file,
    steps.MakeDevice: make_device,
    steps.MakeSymlink: make_symlink,
    steps.Mask: mask,
    steps.ReadonlyPath: readonly_path,
    steps.ReadonlyRoot: readonly_root,
}


def hint(step, error):
    """What might be the reason, where the pair of step and errno is known to have one."""
    if isinstance(step, steps.AttachRoot) and error.errno == const.ENOENT:
        return "the root directory does not exist"
    if isinstance(step, steps.Bind) and error.errno == const.ENOENT:
        return "the source of a bind mount must exist"
    if getattr(step, "ids", ()) and error.errno == const.EINVAL:
        return "the filesystem may not support id-mapped mounts"
    return ""
