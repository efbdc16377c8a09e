"""Paths of the container, resolved by the kernel under the descriptor of its root.

RESOLVE_IN_ROOT makes symlinks and ".." of the image end inside the root, RESOLVE_NO_MAGICLINKS refuses the
links of procfs that lead anywhere (CVE-2021-30465, CVE-2024-45310 and their kind).  What is missing is made
component by component with mkdirat(2) below the descriptor of the parent: a symlink swapped in between two
steps leads at worst to another place inside the root.
"""

from __future__ import annotations

import os
import stat

from ocipy.linux import const
from ocipy.linux.syscalls import failed, fd_text, openat2

IN_ROOT = const.RESOLVE_IN_ROOT | const.RESOLVE_NO_MAGICLINKS
_MAX_LINKS = 40  # as the kernel counts them (MAXSYMLINKS)


class Root:
    """The container's root by descriptor.

    identity: a context manager under which files are made: as the root user of the container
    made:     called with (parent descriptor, name, is directory) for everything created
    """

    def __init__(self, fd, identity, made=None):
        self.fd = fd
        self.identity = identity
        self.made = made

    def open(self, path, flags=os.O_PATH, resolve=0):
        """A descriptor of an existing path, following symlinks inside the root."""
        return openat2(self.fd, path, flags, 0, IN_ROOT | resolve)

    def try_open(self, path, flags=os.O_PATH, resolve=0):
        """As `open`, but None when there is no such path."""
        try:
            return self.open(path, flags, resolve)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def directory(self, path, mode=0o755, owner=None):
        """A descriptor of a directory, made with its parents when missing."""
        found = self.try_open(path, os.O_PATH | os.O_DIRECTORY)
        if found is not None:
            return found
        return self._make(path, lambda parent, name: self._mkdir(parent, name, mode, owner), os.O_DIRECTORY)

    def file(self, path):
        """A descriptor of something that is no directory, an empty file when missing."""
        found = self.try_open(path)
        if found is None:
            found = self._make(path, self._mkfile, 0)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            text = fd_text(found)
            os.close(found)
            raise failed(const.EEXIST, "mount", text, "a file onto a directory")
        return found

    def parent(self, path):
        """(descriptor of the directory, last component): where the name itself is meant, not its target."""
        head, _, name = path.rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            raise failed(const.EINVAL, "openat2", fd_text(self.fd), path)
        return self.directory(head or "/"), name

    def _make(self, path, create, flags):
        """Make the last component of a path; a dangling symlink there means its target, inside the root."""
        for _ in range(_MAX_LINKS):
            parent, name = self.parent(path)
            try:
                create(parent, name)
            except FileExistsError:
                try:
                    link = os.readlink(name, dir_fd=parent)
                except OSError:  # not a link, or gone again: what is there now will be looked at below
                    link = None
                if link is not None:
                    path = link if link.startswith("/") else f"{path.rstrip('/').rpartition('/')[0]}/{link}"
                    found = self.try_open(path, os.O_PATH | flags)
                    if found is not None:
                        return found
                    continue
            finally:
                os.close(parent)
            return self.open(path, os.O_PATH | flags)
        raise failed(const.ELOOP, "openat2", fd_text(self.fd), path)

    def _mkdir(self, parent, name, mode, owner):
        with self.identity():
            os.mkdir(name, mode, dir_fd=parent)
        self._note(parent, name, True)
        # mkdir(2) takes the umask off; the caller's must not decide what the container sees.
        fd = openat2(parent, name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, 0, const.RESOLVE_NO_SYMLINKS)
        try:
            with self.identity():
                os.fchmod(fd, mode)
            if owner is not None:
                os.fchown(fd, *owner)
        finally:
            os.close(fd)

    def _mkfile(self, parent, name):
        with self.identity():
            os.mknod(name, stat.S_IFREG | 0o644, dir_fd=parent)
        self._note(parent, name, False)

    def _note(self, parent, name, is_directory):
        if self.made is not None:
            self.made(os.dup(parent), name, is_directory)
