"""tmpcopyup: a tmpfs that starts with what the image has at the place that it covers.

Everything is reached by a descriptor and a single name that is not followed when it is a symlink, so that
nothing outside the tree is read, whoever changes it meanwhile; the new filesystem is still detached, so that
nobody can change what is written.  Modes, owners, times, extended attributes, symlinks, hard links, FIFOs,
sockets and devices come over.  A device that may not be made here is left out, and so are the attributes that
the filesystem can't hold.

In a user namespace the copy is made with the host's power, and must not show the container what its own root
user could not have read: something whose owner is not mapped is copied only if everybody may read it, and
belongs to the container's root from then on.
"""

from __future__ import annotations

import errno
import stat

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, fchownat, fd_text, openat2

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_ONE_STEP = const.RESOLVE_BENEATH | const.RESOLVE_NO_SYMLINKS
_CHUNK = 1 << 20
_NOT_HELD = (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.ENODATA)


def copy_up(session, source, target):
    """Copy all that is in a directory into another one, both by descriptor, without leaving either.

    The target gets the owner of the source, and keeps its own mode.
    """
    target_fd = _open(target, ".")
    try:
        mode = stat.S_IMODE(os.fstat(target_fd).st_mode)
        _Copy(session, target_fd).tree(_open(source, "."), os.dup(target_fd))
        os.fchmod(target_fd, mode)
    finally:
        os.close(target_fd)


def _open(directory, name):
    """A directory for reading; one component, never through a symlink."""
    return openat2(directory, name, _DIRECTORY, 0, _ONE_STEP)


class _Copy:
    """One copying, into the tree below `top`."""

    def __init__(self, session, top):
        self.session = session
        self.top = top
        self.links = {}  # (st_dev, st_ino) of a file with several names -> its first path, as names

    def tree(self, source, target):
        """Depth first, without recursion, since an image may nest deeper than Python's stack.

        The two descriptors are closed when their directory is done.
        """
        stack = [(source, target, (), self._names(source))]
        try:
            while stack:
                here, there, path, names = stack[-1]
                if names:
                    name = names.pop()
                    below = self._entry(here, there, name, (*path, name))
                    if below:
                        stack.append(below)
                else:
                    self._finish(here, there)
                    stack.pop()
                    os.close(here)
                    os.close(there)
        finally:
            for here, there, _, _ in stack:
                os.close(here)
                os.close(there)

    def _names(self, fd):
        self._require_readable(fd, os.fstat(fd))
        return sorted(os.listdir(fd), reverse=True)

    def _entry(self, source, target, name, path):
        """Copy one name; for a directory returns what `tree` is to go on with."""
        info = os.stat(name, dir_fd=source, follow_symlinks=False)
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFDIR:
            return self._directory(source, target, name, path)
        if info.st_nlink > 1 and self._link(info, target, name, path):
            return None
        if kind == stat.S_IFREG:
            self._file(source, target, name)
        elif kind == stat.S_IFLNK:
            with self.session.identity():
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            self._own(info, target, name)
        else:
            self._node(target, name, info)
        return None

    def _directory(self, source, target, name, path):
        """Made open to us alone; `_finish` gives it its mode and owner when all is in it."""
        here = _open(source, name)
        try:
            names = self._names(here)
            with self.session.identity():
                os.mkdir(name, 0o700, dir_fd=target)
            return here, _open(target, name), path, names
        except OSError:
            os.close(here)
            raise

    def _finish(self, source, target):
        info = os.fstat(source)
        self._own(info, target)
        self._attributes(source, target, info)

    def _file(self, source, target, name):
        # O_NONBLOCK: a FIFO that took the file's place must not hold us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        here = openat2(source, name, flags, 0, _ONE_STEP)
        try:
            info = os.fstat(here)
            if not stat.S_ISREG(info.st_mode):
                raise failed(errno.EAGAIN, "openat2", fd_text(here), "changed while it was copied")
            self._require_readable(here, info)
            with self.session.identity():
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                there = openat2(target, name, flags, 0o600, _ONE_STEP)
            try:
                while os.sendfile(there, here, None, _CHUNK):
                    pass
                # The owner first: a change of it takes set-user-ID and capabilities away.
                self._own(info, there)
                self._attributes(here, there, info)
            finally:
                os.close(there)
        finally:
            os.close(here)

    def _node(self, target, name, info):
        try:
            with self.session.identity():
                os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
        except PermissionError:
            if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
                return
            raise
        self._own(info, target, name)

    def _link(self, info, target, name, path):
        """Another name of a file that was copied already; False for the first one."""
        first = self.links.setdefault((info.st_dev, info.st_ino), path)
        if first == path:
            return False
        parent = _open(self.top, ".")
        try:
            for component in first[:-1]:
                above, parent = parent, _open(parent, component)
                os.close(above)
            os.link(first[-1], name, src_dir_fd=parent, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(parent)
        return True

    # ------------------------------------------------------------ whose it is

    def _require_readable(self, fd, info):
        needed = 0o5 if stat.S_ISDIR(info.st_mode) else 0o4
        if not self.session.maps(0, info.st_uid) and info.st_mode & needed != needed:
            why = f"of uid {info.st_uid}, not mapped, with mode {stat.S_IMODE(info.st_mode):04o}"
            raise failed(errno.EACCES, "openat2", fd_text(fd), why)

    def _own(self, info, fd, name=""):
        session = self.session
        owner = [
            id if session.maps(kind, id) else session.outside(kind, 0)
            for kind, id in ((0, info.st_uid), (1, info.st_gid))
        ]
        try:
            fchownat(fd, name, *owner, const.AT_SYMLINK_NOFOLLOW | (0 if name else const.AT_EMPTY_PATH))
        except OSError as error:
            # Seen from inside a user namespace, where the kernel has shown us 65534 for one it can't map.
            if error.errno != errno.EINVAL:
                raise

    def _attributes(self, source, target_fd, info):
        """Mode, times, and extended attributes as far as the new filesystem takes them: user.* only since
        Linux 6.6."""
        os.fchmod(target_fd, stat.S_IMODE(info.st_mode))
        try:
            names = os.listxattr(source)
        except OSError as error:
            if error.errno not in _NOT_HELD:
                raise
            names = []
        for name in names:
            if name == "security.selinux":
                continue  # the mount's own context counts
            try:
                os.setxattr(target_fd, name, os.getxattr(source, name))
            except OSError as error:
                if error.errno not in _NOT_HELD:
                    raise
        os.utime(target_fd, ns=(info.st_atime_ns, info.st_mtime_ns))
