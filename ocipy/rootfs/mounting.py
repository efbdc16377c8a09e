"""What the mounting steps do: one function a step.

A mount is made detached, gets its flags, propagation and id mapping while nobody can see it, and is attached
to a place that is held by a descriptor, so that what was checked is what is covered.
"""

from __future__ import annotations

import stat

from ocipy.linux import const, os
from ocipy.linux.syscalls import (
    FSCONFIG_CMD_RECONFIGURE,
    FSCONFIG_SET_FLAG,
    FSCONFIG_SET_STRING,
    failed,
    fd_text,
    fsconfig,
    fspick,
    fstatfs_type,
    is_mount_root,
    mount_setattr,
    move_mount,
    open_tree,
    openat2,
)
from ocipy.plan import naming
from ocipy.spec.names import PROC_FILES

_ONTO = const.MOVE_MOUNT_F_EMPTY_PATH | const.MOVE_MOUNT_T_EMPTY_PATH
_DEVICE = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}


def attach(mount, target):
    """Attach a detached mount, both by descriptor."""
    move_mount(mount, "", target, "", _ONTO)


def isolate(session, step):
    """Before anything is cloned: a clone of a mount that the host shares shares what is mounted in it."""
    flag, recursive = naming.PROPAGATION[step.propagation]
    mount_setattr(const.AT_FDCWD, "/", const.AT_RECURSIVE if recursive else 0, propagation=flag)


def attach_root(session, step):
    """The root's own mount.  It is cloned after its parent has stopped being shared: pivot_root(2) refuses a
    root that is shared or whose parent is, and the clone's mounts would appear on the host."""
    directory = openat2(const.AT_FDCWD, step.path, os.O_PATH | os.O_DIRECTORY)
    tree = None
    try:
        parent = _mount_of(directory)
        try:
            flag, _ = naming.PROPAGATION[step.parent]
            mount_setattr(parent, "", const.AT_EMPTY_PATH, propagation=flag)
        finally:
            os.close(parent)
        tree = open_tree(directory, "", const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH | const.AT_RECURSIVE)
        attach(tree, directory)
    except OSError:
        if tree is not None:
            os.close(tree)
        raise
    finally:
        os.close(directory)
    session.hold_root(tree)


def detach_root(session, step):
    flags = const.OPEN_TREE_CLONE | const.AT_EMPTY_PATH | const.AT_RECURSIVE
    session.hold_root(open_tree(session.root.fd, "", flags))


def _mount_of(directory):
    """A descriptor of the root of the mount that a directory lies on."""
    current = os.dup(directory)
    while not is_mount_root(current):
        above = openat2(current, "..", os.O_PATH | os.O_DIRECTORY)
        reached_top = os.path.sameopenfile(above, current)  # of a chroot(2) that is no mount
        os.close(current)
        current = above
        if reached_top:
            break
    return current


# ---------------------------------------------------------------- new filesystems


def mount_fs(session, step):
    mount = session.mount_of(step)
    if mount is None:
        _fall_back(session, step)
        return
    try:
        if step.inherit_mode or step.copyup:
            _inherit(session, step, mount)
        if step.label:
            os.setxattr(f"/proc/self/fd/{mount}", "security.selinux", os.fsencode(step.label))
        _set_attrs(session, mount, step)
        _place(session, step, mount, True)
        if step.target == "/proc":
            session.proc_device = os.fstat(mount).st_dev
    finally:
        os.close(mount)


def _inherit(session, step, mount):
    """A tmpfs looks like the directory that it covers: its mode, and with tmpcopyup all that is in it."""
    covered = session.root.try_open(step.target, os.O_PATH | os.O_DIRECTORY)
    if covered is None:
        return
    try:
        if step.inherit_mode:
            mode = stat.S_IMODE(os.fstat(covered).st_mode)
            inside = openat2(mount, ".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fchmod(inside, mode)
            finally:
                os.close(inside)
        if step.copyup:
            from ocipy.rootfs.copyup import copy_up

            copy_up(session, covered, mount)
    finally:
        os.close(covered)


def _fall_back(session, step):
    """The host's own filesystem instead of a new one, which the namespaces don't allow, with all below it."""
    mount = open_tree(const.AT_FDCWD, step.fallback, const.OPEN_TREE_CLONE | const.AT_RECURSIVE)
    try:
        mount_setattr(mount, "", const.AT_EMPTY_PATH | const.AT_RECURSIVE, step.attr_set)
        _place(session, step, mount, True)
    finally:
        os.close(mount)


# ---------------------------------------------------------------- binds


def bind(session, step):
    flags = const.OPEN_TREE_CLONE | (const.AT_RECURSIVE if step.recursive else 0)
    flags |= const.AT_SYMLINK_NOFOLLOW if step.nofollow else 0
    mount = open_tree(const.AT_FDCWD, step.source, flags)
    try:
        info = os.fstat(mount)
        if step.device:
            require_device(mount, info, step.device)
        if step.procfs:
            if fstatfs_type(mount) != const.PROC_SUPER_MAGIC:
                raise ValueError("only a procfs may be bound at /proc")
            session.proc_device = info.st_dev
        _set_flags(mount, step)
        _set_attrs(session, mount, step)
        _place(session, step, mount, stat.S_ISDIR(info.st_mode))
    finally:
        os.close(mount)


def require_device(fd, info, device):
    """Raises OSError when an open file is not the device (kind, major, minor)."""
    kind, major, minor = device
    found = (os.major(info.st_rdev), os.minor(info.st_rdev))
    if stat.S_IFMT(info.st_mode) != _DEVICE[kind] or found != (major, minor):
        raise failed(const.EINVAL, "fstat", fd_text(fd), f"not the device {kind} {major}:{minor}")


def _set_flags(mount, step):
    """The flags of a bind.  In a user namespace those of the source may be locked: they stay, unless the
    config says in so many words that they must go."""
    clear = step.attr_clr | step.attr_drop
    if step.attr_set or clear:
        try:
            mount_setattr(mount, "", const.AT_EMPTY_PATH, step.attr_set, clear)
        except PermissionError:
            mount_setattr(mount, "", const.AT_EMPTY_PATH, step.attr_set, step.attr_clr)
    if step.recursive_set or step.recursive_clr:
        flags = const.AT_EMPTY_PATH | const.AT_RECURSIVE
        mount_setattr(mount, "", flags, step.recursive_set, step.recursive_clr)


def bind_cgroup(session, step):
    source = session.cgroup(step.controller) or step.own
    mount = open_tree(const.AT_FDCWD, source, const.OPEN_TREE_CLONE)
    try:
        mount_setattr(mount, "", const.AT_EMPTY_PATH, step.attr_set)
        _set_propagation(mount, step.propagation)
        _place(session, step, mount, True)
    finally:
        os.close(mount)


def set_mount_attr(session, step):
    target = session.root.open(step.target)
    try:
        if step.options:
            _reconfigure(target, step.options)
        mount_setattr(target, "", const.AT_EMPTY_PATH, step.attr_set, step.attr_clr)
    finally:
        os.close(target)


def _reconfigure(target, options):
    context = fspick(target)
    try:
        for option in options:
            key, equals, value = option.partition("=")
            fsconfig(
                context, FSCONFIG_SET_STRING if equals else FSCONFIG_SET_FLAG, key, value if equals else None
            )
        fsconfig(context, FSCONFIG_CMD_RECONFIGURE)
    finally:
        os.close(context)


# ---------------------------------------------------------------- what all have in common


def _set_attrs(session, mount, step):
    """Id mapping and propagation of a detached mount, before anyone can see it."""
    if step.ids:
        recursive = const.AT_RECURSIVE if getattr(step, "ids_recursive", False) else 0
        userns = session.container if step.ids == ("container",) else session.userns(*step.ids)
        mount_setattr(
            mount, "", const.AT_EMPTY_PATH | recursive, attr_set=const.MOUNT_ATTR_IDMAP, userns_fd=userns
        )
    _set_propagation(mount, step.propagation)


def _set_propagation(mount, propagation):
    for name in propagation:
        flag, recursive = naming.PROPAGATION[name]
        flags = const.AT_EMPTY_PATH | (const.AT_RECURSIVE if recursive else 0)
        mount_setattr(mount, "", flags, propagation=flag)


def _place(session, step, mount, is_directory):
    """Attach a mount at the step's target, which is made when missing."""
    if getattr(step, "plain", False):
        target = _plain_directory(session, step.target)
    else:
        target = session.root.directory(step.target) if is_directory else session.root.file(step.target)
    try:
        _check_proc(session, step, target)
        attach(mount, target)
    finally:
        os.close(target)
    if step.target == "/":
        # What comes next belongs on top of it, and it is what will be entered.
        session.hold_root(os.dup(mount))


def _check_proc(session, step, target):
    """No way leads into the container's procfs but the spelling that the plan has allowed: a symlink of the
    image, or a ".." in the path, could (CVE-2019-16884)."""
    if session.proc_device is None or step.target == "/proc" or step.target in PROC_FILES:
        return
    if os.fstat(target).st_dev == session.proc_device:
        raise ValueError("it leads into proc, where only a bind of a few known files may be mounted")


def _plain_directory(session, path):
    """A directory that no symlink leads to: whoever can place a link at /proc decides what it shows
    (CVE-2019-19921, CVE-2023-27561)."""
    root = session.root
    found = root.try_open(path, os.O_PATH | os.O_NOFOLLOW)
    if found is None:
        return root.directory(path)
    if not stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise ValueError("it must be mounted on an ordinary directory, and something else is there")
    return found
