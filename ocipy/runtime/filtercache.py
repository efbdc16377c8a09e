"""Compiled seccomp filters, kept: <state root>/@seccomp/<digest> holds one program each.

A container's confinement depends on what is in them, so they count only if no one else can have written
them: directory and file are ours, ordinary, and writable by us alone.  A file says which libseccomp made it,
and has a checksum that its name goes into: one that was cut short, damaged or renamed is none.

A writer makes a new file and renames it, so that of many at once each reader sees a whole one.  What can't be
kept is no reason to fail, and what is not used for long gives way to what is.
"""

from __future__ import annotations

from _blake2 import blake2b

from ocipy.linux import os

DIRECTORY = "@seccomp"  # no id of a container can have an @
MAX_FILES = 64  # a host runs containers of few profiles; one file of docker's default has about 10 kB
MAX_BYTES = 64 << 10  # of one file: 4096 instructions of 8 bytes, and a path
STALE = 60.0  # seconds after which an unfinished file has no writer any more
_SUM = 32
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class Cache:
    """The programs below one state root."""

    def __init__(self, root):
        self.path = f"{root}/{DIRECTORY}"

    def get(self, key):
        """The program that was kept under a key, None when there is none that can be trusted."""
        try:
            directory = self._open()
        except OSError:
            return None
        try:
            fd = os.open(key, _READ, dir_fd=directory)
        except OSError:
            return None
        finally:
            os.close(directory)
        try:
            info = os.fstat(fd)
            if not _is_ours(info, 0o100000) or not _SUM < info.st_size <= MAX_BYTES:
                return None
            content = os.read(fd, info.st_size)
        except OSError:
            return None
        finally:
            os.close(fd)
        return _unpack(key, content)

    def put(self, key, program, library):
        """Keep a program; library: the file of the libseccomp that made it."""
        stamp = _stamp(library)
        if not stamp:
            return
        try:
            os.makedirs(self.path, 0o700, exist_ok=True)
            directory = self._open()
        except OSError:
            return
        temporary = f".{key}.{os.getpid()}"
        try:
            _write(directory, temporary, _pack(key, program, library, stamp))
            os.rename(temporary, key, src_dir_fd=directory, dst_dir_fd=directory)
            _tidy(directory)
        except OSError:
            _unlink(directory, temporary)
        finally:
            os.close(directory)

    def _open(self):
        """A descriptor of the directory.  Raises PermissionError when it is not ours alone."""
        fd = os.open(self.path, _READ | os.O_DIRECTORY)
        if not _is_ours(os.fstat(fd), 0o040000):
            os.close(fd)
            raise PermissionError
        return fd


def _is_ours(info, kind):
    return info.st_uid == os.geteuid() and info.st_mode & 0o170022 == kind


def _stamp(path):
    """What changes when a library's file does, "" when it is not there."""
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{info.st_size}.{info.st_mtime_ns}.{info.st_ino}"


def _checksum(key, rest):
    return blake2b(rest, digest_size=_SUM, key=key.encode()[:64]).digest()


def _pack(key, program, library, stamp):
    rest = f"{library} {stamp}".encode("utf-8", "surrogateescape") + b"\0" + program
    return _checksum(key, rest) + rest


def _unpack(key, content):
    checksum, rest = content[:_SUM], content[_SUM:]
    if _checksum(key, rest) != checksum:
        return None
    library, _, program = rest.partition(b"\0")
    path, _, stamp = library.decode("utf-8", "surrogateescape").rpartition(" ")
    return program if stamp and stamp == _stamp(path) else None


def _write(directory, name, content):
    fd = os.open(name, _WRITE, 0o600, dir_fd=directory)
    try:
        if os.write(fd, content) != len(content):
            raise OSError  # what would be read is no program: the caller removes it
    finally:
        os.close(fd)


def _tidy(directory):
    """Remove the files that were kept longest, until there are few enough, and those that no one finishes."""
    from time import time

    kept, now = [], time()
    for name in os.listdir(directory):
        try:
            age = now - os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
        except OSError:
            continue
        if name.startswith("."):
            if age > STALE:
                _unlink(directory, name)
        else:
            kept.append((age, name))
    for _, name in sorted(kept)[MAX_FILES:]:
        _unlink(directory, name)


def _unlink(directory, name):
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        pass
