"""Paths of the container, resolved by the kernel under the descriptor of its root.

RESOLVE_IN_ROOT makes symlinks and ".." of the image end inside the root, RESOLVE_NO_MAGICLINKS refuses the
links of procfs that lead anywhere (CVE-2021-30465, CVE-2024-45310 and their kind).  What is missing is made
component by component with mkdirat(2) below the descriptor of the parent: a symlink swapped in between two
steps leads at worst to another place inside the root.

Nothing here looks a name up twice.  A mode is never changed after the making (the umask of the thread is 0):
chmod(2) of a name would follow a symlink that took its place, to a file of the host.
"""

from __future__ import annotations

import stat

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, fd_text, openat2

IN_ROOT = const.RESOLVE_IN_ROOT | const.RESOLVE_NO_MAGICLINKS
_TRIES = 128
_MAX_LINKS = 40  # as the kernel counts them (MAXSYMLINKS)


class Root:
    """The container's root by descriptor.

    identity: callable: a context manager under which files are made as the root user of the container
    made:     called with (parent descriptor, name, is directory) for everything created
    """

    def __init__(self, fd, identity, made=None):
        self.fd = fd
        self.identity = identity
        self.made = made

    def open(self, path, flags=os.O_PATH):
        """A descriptor of an existing path, following symlinks inside the root.

        When anything anywhere is renamed or mounted while the kernel follows a "..", it can't tell that this
        one did not lead outside, and says EAGAIN: on a busy host that happens, and means nothing.
        """
        for _ in range(_TRIES):
            try:
                return openat2(self.fd, path, flags, 0, IN_ROOT)
            except BlockingIOError:
                continue
        return openat2(self.fd, path, flags, 0, IN_ROOT)

    def try_open(self, path, flags=os.O_PATH):
        """As `open`, but None when there is no such path."""
        try:
            return self.open(path, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def directory(self, path, mode=0o755):
        """A descriptor of a directory, made with its parents when missing."""
        found = self.try_open(path, os.O_PATH | os.O_DIRECTORY)
        if found is not None:
            return found
        return self._make(path, lambda parent, name: os.mkdir(name, mode, dir_fd=parent), True)

    def file(self, path):
        """A descriptor of something that is no directory, an empty file when missing."""
        found = self.try_open(path)
        if found is None:
            mode = stat.S_IFREG | 0o644
            found = self._make(path, lambda parent, name: os.mknod(name, mode, dir_fd=parent), False)
        if stat.S_ISDIR(os.fstat(found).st_mode):
            text = fd_text(found)
            os.close(found)
            raise failed(const.EISDIR, "openat2", text)
        return found

    def parent(self, path):
        """(descriptor of the directory, last component): where the name itself is meant, not its target."""
        head, _, name = self._settled(path).rstrip("/").rpartition("/")
        if name in ("", ".", ".."):
            raise failed(const.EINVAL, "openat2", fd_text(self.fd), path)
        return self.directory(head or "/"), name

    def create(self, call, parent, name, make):
        """Make a name in a directory, as the container's root user, and remember that it was made.

        call: what `make` calls, for the error

        A root that the host's root owns is not the container's to write in: then we do it as ourselves.  Not
        at once, because a filesystem that belongs to the container's user namespace, or is mounted with an id
        mapping, can't store an owner that it has no number for (EOVERFLOW).
        """
        try:
            with self.identity():
                make(parent, name)
        except FileExistsError:
            raise
        except OSError as error:
            if not (isinstance(error, PermissionError) and self._made_by_us(parent, name, make)):
                raise failed(error.errno, call, fd_text(parent), name) from None
        if self.made is not None:
            self.made(os.dup(parent), name, call == "mkdirat")

    def _made_by_us(self, parent, name, make):
        try:
            make(parent, name)
        except FileExistsError:
            raise
        except OSError:
            return False
        return True

    def _settled(self, path):
        """A path in which no ".." comes after what is no directory: those two take each other away.  After a
        directory ".." is the kernel's to follow, for a symlink may have led there."""
        if ".." not in path:
            return path
        settled = []
        for part in path.split("/"):
            if part == ".." and settled and settled[-1] != ".." and not self._leads_on("/".join(settled)):
                settled.pop()
            elif part not in ("", "."):
                settled.append(part)
        return "/" + "/".join(settled)

    def _leads_on(self, path):
        found = self.try_open(path, os.O_PATH | os.O_DIRECTORY)
        if found is not None:
            os.close(found)
        return found is not None

    def _make(self, path, make, is_directory):
        """Make the last component of a path; a dangling symlink there means its target, inside the root."""
        flags = os.O_PATH | (os.O_DIRECTORY if is_directory else 0)
        if ".." in path:
            path = self._settled(path)
            if (found := self.try_open(path, flags)) is not None:
                return found
        for _ in range(_MAX_LINKS):
            parent, name = self.parent(path)
            try:
                self.create("mkdirat" if is_directory else "mknodat", parent, name, make)
            except FileExistsError:
                try:
                    link = os.readlink(name, dir_fd=parent)
                except OSError:  # not a link, or gone again: what is there now will be looked at below
                    link = None
                if link is not None:
                    path = link if link.startswith("/") else f"{path.rstrip('/').rpartition('/')[0]}/{link}"
                    found = self.try_open(path, flags)
                    if found is not None:
                        return found
                    continue
            finally:
                os.close(parent)
            return self.open(path, flags)
        raise failed(const.ELOOP, "openat2", fd_text(self.fd), path)
