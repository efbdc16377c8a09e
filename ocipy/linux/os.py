"""What the hot path needs of the standard library's `os`, at no cost.

    from ocipy.linux import os

`import os` takes 1.2 ms, most of it for `collections.abc`; all it adds to the built-in `posix` that a verb of
a runtime uses is a few lines on paths and text.  Names and meaning are those of `os`; what is not here is not
needed on the hot path.
"""

from __future__ import annotations

from posix import *  # noqa: F403
from posix import (  # noqa: F401
    _exit,
    lstat,
    mkdir,
    stat,
    strerror,
)
from posix import close as _close
from posix import environ as _environ
from posix import getcwd as _getcwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_S_IFMT, _S_IFDIR, _S_IFLNK = 0o170000, 0o040000, 0o120000

SEEK_SET = 0
_EBADF = 9

del environ  # noqa: F821  bytes in posix, text in os: made whenever it is asked for


def __getattr__(name: str) -> Any:
    if name != "environ":
        raise AttributeError(name)
    return {fsdecode(key): fsdecode(value) for key, value in _environ.items()}


def worded(name: str, function: Any) -> Any:
    """A function of Python's, whose errors say at most the path, with one that says the call.

    >>> worded("read", posix.read)(9, 1)
    OSError: [Errno 9] read(9)
    """

    def call(*arguments: Any, **others: Any) -> Any:
        try:
            return function(*arguments, **others)
        except OSError as error:
            if not isinstance(error.filename, (str, bytes)):
                fd = arguments[0] if arguments and isinstance(arguments[0], int) else ""
                error.strerror = f"{name}({fd})"
            raise

    return call


for _name in "read write stat fstat fsync memfd_create uname waitpid lseek dup pipe2 listdir".split():
    globals()[_name] = worded(_name, globals()[_name])


def close(fd: int) -> None:  # type: ignore[no-redef]
    """close(2), whose errors there is no cure for: the descriptor is gone all the same, says its manual page.

    One that was not open is a mistake of ours, and raises as ever.
    """
    try:
        _close(fd)
    except OSError as error:
        if error.errno == _EBADF:
            raise


def content(fd: int) -> bytes:
    """All that there is to read from a descriptor, which is closed."""
    parts = []
    try:
        while part := globals()["read"](fd, 1 << 16):
            parts.append(part)
    finally:
        close(fd)
    return b"".join(parts)


def fsencode(path: str | bytes) -> bytes:
    """A path as the kernel takes it; names that are not UTF-8 go through unharmed."""
    return path.encode("utf-8", "surrogateescape") if isinstance(path, str) else bytes(path)


def fsdecode(path: str | bytes) -> str:
    """A path as text."""
    return path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path


def makedirs(name: str, mode: int = 0o777, exist_ok: bool = False) -> None:
    """A directory and those above it."""
    head = path.dirname(name.rstrip("/"))
    if head and not path.exists(head):
        makedirs(head, 0o777, True)
    try:
        mkdir(name, mode)
    except FileExistsError:
        if not exist_ok or not path.isdir(name):
            raise


class path:  # noqa: N801  as in os
    """os.path."""

    @staticmethod
    def isdir(name: str | int) -> bool:
        try:
            return stat(name).st_mode & _S_IFMT == _S_IFDIR
        except (OSError, ValueError):
            return False

    @staticmethod
    def islink(name: str) -> bool:
        try:
            return lstat(name).st_mode & _S_IFMT == _S_IFLNK
        except (OSError, ValueError):
            return False

    @staticmethod
    def exists(name: str) -> bool:
        try:
            stat(name)
        except (OSError, ValueError):
            return False
        return True

    @staticmethod
    def lexists(name: str) -> bool:
        try:
            lstat(name)
        except (OSError, ValueError):
            return False
        return True

    @staticmethod
    def sameopenfile(first: int, second: int) -> bool:
        one, other = stat(first), stat(second)
        return (one.st_ino, one.st_dev) == (other.st_ino, other.st_dev)

    @staticmethod
    def basename(name: str) -> str:
        return name.rpartition("/")[2]

    @staticmethod
    def dirname(name: str) -> str:
        head = name[: name.rfind("/") + 1]
        return head.rstrip("/") or head

    @staticmethod
    def join(first: str, *others: str) -> str:
        joined = first
        for other in others:
            if other.startswith("/"):
                joined = other
            elif not joined or joined.endswith("/"):
                joined += other
            else:
                joined += f"/{other}"
        return joined

    @staticmethod
    def normpath(name: str) -> str:
        root = (
            "//"
            if name.startswith("//") and not name.startswith("///")
            else "/"
            if name.startswith("/")
            else ""
        )
        parts: list[str] = []
        for part in name.split("/"):
            if part == ".." and (parts and parts[-1] != ".."):
                del parts[-1]
            elif part == ".." and root:
                continue
            elif part not in ("", "."):
                parts.append(part)
        return root + "/".join(parts) or "."

    @staticmethod
    def abspath(name: str) -> str:
        return path.normpath(name if name.startswith("/") else f"{_getcwd()}/{name}")
