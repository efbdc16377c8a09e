"""--no-pivot: the host's procfs and sysfs out of the container's mount namespace.

Without pivot_root(2) the host's root stays there, under the container's.  The kernel lets a user namespace
mount a procfs or sysfs only where it sees a whole one already: that shall not be the host's.  Best effort, as
with runc, since a chroot is what it is.
"""

from __future__ import annotations

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, mount_setattr, openat2, umount2
from ocipy.plan.cgroup_layout import unescape
from ocipy.rootfs.covers import empty_filesystem
from ocipy.rootfs.mounting import attach


def hide(session):
    """Unmount them; what can't be, because a user namespace has it locked, is covered."""
    ours = _mount_id(session.root.fd)
    for place in host_views(_read("/proc/thread-self/mountinfo"), ours):
        try:
            held = openat2(const.AT_FDCWD, place, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # it was below another one
        try:
            flags = const.AT_EMPTY_PATH | const.AT_RECURSIVE
            mount_setattr(held, "", flags, propagation=const.MS_SLAVE)
            try:
                umount2(place, const.MNT_DETACH | const.UMOUNT_NOFOLLOW)
            except OSError as error:
                if error.errno not in (const.EINVAL, const.EPERM):
                    raise
                cover = empty_filesystem()
                try:
                    attach(cover, held)
                finally:
                    os.close(cover)
        finally:
            os.close(held)


def _read(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _mount_id(fd):
    for line in _read(f"/proc/thread-self/fdinfo/{fd}").split("\n"):
        if line.startswith("mnt_id:"):
            return line[7:].strip()
    raise failed(const.EINVAL, "read", f"/proc/thread-self/fdinfo/{fd}", "no mnt_id")


def host_views(mountinfo, root):
    """Mount points of whole procfs and sysfs in a mountinfo text, but for those below the mount id `root`."""
    parents, found = {}, []
    for line in mountinfo.split("\n"):
        fields = line.split(" ")
        if len(fields) < 10 or "-" not in fields[6:-1]:
            continue
        parents[fields[0]] = fields[1]
        fstype = fields[fields.index("-", 6) + 1]
        if fstype in ("proc", "sysfs") and fields[3] == "/":
            found.append((fields[0], unescape(fields[4])))
    return [place for mount, place in found if not _below(mount, root, parents)]


def _below(mount, root, parents):
    seen = set()
    while mount not in seen:
        if mount == root:
            return True
        seen.add(mount)
        mount = parents.get(mount, mount)
    return False
