"""What might be the reason of a failure, where a pair of step and errno is known to have one."""

from __future__ import annotations

import errno

from ocipy.plan import steps as plan_steps


def hint(step, error):
    """A guess in words, or ""."""
    number = getattr(error, "errno", None)
    call = str(getattr(error, "strerror", "")).partition("(")[0]
    if call in ("mkdirat", "mknodat") and number == errno.EROFS:
        return "the place of the mount is missing, and the filesystem there is read-only"
    if number == errno.ELOOP:
        return "a symlink leads in a circle, or through a magic link of procfs"
    if number == errno.EOVERFLOW:
        return "the filesystem can't hold an owner that the user namespace doesn't map"
    find = _HINTS.get(type(step))
    return find(step, number, call) if find else ""


def _root(step, number, call):
    return {
        errno.ENOENT: "the root directory does not exist",
        errno.ENOTDIR: "the root is not a directory",
        errno.EACCES: "every directory above the root must be searchable",
    }.get(number, "")


def _bind(step, number, call):
    if step.device and number in (errno.ENOENT, errno.EINVAL):
        return "in a user namespace devices are those of the host, by the same path"
    if call == "open_tree":
        if number == errno.ENOENT:
            return "the source of a bind mount must exist"
        if number == errno.EINVAL and not step.recursive:
            return "what is mounted below the source is locked in a user namespace: rbind takes it along"
    if call == "mount_setattr" and step.ids:
        return _ids(number)
    if call == "mount_setattr" and number == errno.EPERM:
        return "the flags of the source's mount are locked in a user namespace: they can't be cleared"
    return _mismatch(number)


def _mismatch(number):
    if number in (errno.ENOTDIR, errno.EISDIR):
        return "a directory can be mounted onto a directory only, a file onto a file only"
    return ""


def _ids(number):
    if number == errno.EINVAL:
        return "the filesystem may not support id-mapped mounts"
    return "needs privileges over the filesystem" if number == errno.EPERM else ""


_NEEDS = {
    "proc": "needs a pid namespace of the same user namespace, and an unmasked proc outside",
    "sysfs": "needs a network namespace of the same user namespace, and an unmasked sysfs outside",
    "mqueue": "needs an ipc namespace of the same user namespace",
}


def _filesystem(step, number, call):
    if call == "mount_setattr" and step.ids:
        return _ids(number)
    if number == errno.EPERM:
        return _NEEDS.get(step.fstype, "the user namespace may not mount it")
    if number == errno.ENODEV:
        return f"the kernel has no filesystem {step.fstype}"
    if number == errno.EINVAL and any(
        option.startswith(("lowerdir+", "datadir+")) for option in step.options
    ):
        return "a lowerdir of more than 255 bytes needs Linux 6.8"
    if number == errno.EINVAL and any(option.startswith(("uid=", "gid=")) for option in step.options):
        return "uid and gid must be mapped in the user namespace"
    return _mismatch(number)


_HINTS = {
    plan_steps.AttachRoot: _root,
    plan_steps.Bind: _bind,
    plan_steps.MountFs: _filesystem,
}
