"""Files and directories of cgroupfs: read, write, make, list, remove; each failure is the failed call."""

from __future__ import annotations

import errno
import time

from ocipy.linux import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a cgroup may stay busy after its last process was reaped, and how often to look.
BUSY_DEADLINE = 10.0
SHORTEST_NAP = 0.0001
LONGEST_NAP = 0.02
HELD = frozenset(("frozen 1", "FROZEN", "FREEZING"))
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def read(path: str, dir_fd: int | None = None) -> str:
    """A whole small file of procfs or cgroupfs; `open` would cost ten times as much as this."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        raise failed(error, "open", path) from None
    try:
        data = os.read(fd, 65536)
        while more := os.read(fd, 65536):  # a short read is no end: procfs hands out a page or less at a time
            data += more
    except OSError as error:
        raise failed(error, "read", path) from None
    finally:
        os.close(fd)
    return os.fsdecode(data)


def write(path: str, value: str, dir_fd: int | None = None) -> None:
    """One write(2) of `value`: cgroupfs takes a setting in a single call or not at all."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        raise failed(error, "open", path) from None
    try:
        os.write(fd, os.fsencode(value))
    except OSError as error:
        raise failed(error, "write", path, value) from None
    finally:
        os.close(fd)


def is_set(path: str) -> bool:
    """Whether a file reads 1; one that is gone does not."""
    try:
        return read(path) == "1\n"
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return False
        raise


def is_held(directory: str) -> bool:
    """Whether what is in a cgroup does not run: it, or one above it, is frozen."""
    for file in ("cgroup.events", "freezer.state"):  # v2, v1
        try:
            return not HELD.isdisjoint(read(f"{directory}/{file}").split("\n"))
        except FileNotFoundError:
            continue
    return False


def inode(path: str) -> int:
    """The inode of a directory, which no other one of its hierarchy ever has; 0 when it is gone.

    Raises OSError where that can't be told: what is made without it could not be known again.
    """
    try:
        return int(os.stat(path).st_ino)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise failed(error, "stat", path) from None


def is_root(path: str) -> bool:
    """Whether a directory is the root of what is mounted there."""
    try:
        return os.stat(path).st_dev != os.stat(os.path.dirname(path) or "/").st_dev
    except OSError:
        return False


# On a directory that was made because one below it was asked for: whoever is last in it may remove it.
# Cgroups have attributes of users since Linux 5.7 (38aca3071c33 "cgroupfs: Support user xattrs").
SHARED = "user.ocipy"


def make(directory: str) -> list[str]:
    """Make a directory and what is missing above it; returns those made, topmost first, [] if it was there.

    Another container's end may remove a shared parent between two of our calls: then we start again.
    """
    made: list[str] = []
    for _ in range(100):
        try:
            os.mkdir(directory, 0o755)
            made.append(directory)
            return made
        except FileExistsError:
            return made
        except FileNotFoundError:
            try:
                above = [d for d in make(os.path.dirname(directory)) if d not in made]
            except OSError:
                unmake(made)
                raise
            share(above)
            made += above
        except OSError as error:
            unmake(made)
            raise failed(error, "mkdir", directory) from None
    unmake(made)
    raise failed(FileNotFoundError(errno.ENOENT, ""), "mkdir", directory)


def share(directories: list[str]) -> None:
    """Note on directories that they are there for those below."""
    for directory in directories:
        try:
            os.setxattr(directory, SHARED, b"")
        except OSError:
            continue  # no such attributes here, or it is gone again: who made it removes it, or nobody does


#: On a container's cgroup: the directory of its state.
OWNER = "user.ocipy.owner"


def claim(directory: str, owner: str) -> str:
    """Note whose a cgroup is; "" when that is done, else whose it is already, if there is such a path.

    Of two callers the kernel lets one add an attribute.
    """
    mine = os.fsencode(owner)
    try:
        os.setxattr(directory, OWNER, mine, os.XATTR_CREATE)
    except FileExistsError:
        other = os.fsdecode(os.getxattr(directory, OWNER))
        if other != owner and os.path.exists(other):
            return other
        os.setxattr(directory, OWNER, mine)
    except OSError:
        pass  # no such attributes here
    return ""


def disclaim(directory: str) -> None:
    """Undo claim() on a directory that stays."""
    try:
        os.removexattr(directory, OWNER)
    except OSError:
        pass  # it had none, or is gone


def unshare(directory: str) -> None:
    """Remove the directories above one that were there for those below, and have none any more."""
    while True:
        directory = os.path.dirname(directory)
        try:
            os.getxattr(directory, SHARED)
            os.rmdir(directory)
        except OSError:
            return


def missing(directories: list[str]) -> list[str]:
    """Those directories that do not exist, with what is missing above them."""
    found: list[str] = []
    for directory in directories:
        while directory not in found and not os.path.exists(directory):
            found.append(directory)
            directory = os.path.dirname(directory)
    return found


def unmake(directories: list[str] | tuple[str, ...]) -> None:
    """Remove directories that nobody uses, deepest first; one that is in use or gone is left alone."""
    for directory in sorted(directories, key=len, reverse=True):
        try:
            os.rmdir(directory)
        except OSError:
            continue


def names(directory: str) -> str:
    """The names of a directory's files, one a line, in order."""
    return "\n".join(sorted(os.listdir(directory)))


def has_children(directory: str) -> bool:
    """Whether there are cgroups below one: each is a link to it, as in any file system."""
    try:
        return os.stat(directory).st_nlink > 2
    except OSError:
        return False


def below(directory: str) -> Iterator[tuple[int, str]]:
    """Yield each cgroup below one, those within it first, as (descriptor of the one above it, name).

    A container that may make cgroups can nest them deeper than a path can say (PATH_MAX), and than Python
    calls itself, so they are walked one at a time.  None can be moved into another one: ".." leads back.
    """
    left = [_children(directory)]
    if not left[0]:
        return  # as nearly always
    try:
        fd = os.open(directory, DIRECTORY)
    except FileNotFoundError:
        return
    try:
        trail: list[str] = []
        while trail or left[-1]:
            name = left[-1].pop() if left[-1] else ".."
            try:
                there = os.open(name, DIRECTORY, dir_fd=fd)
            except FileNotFoundError:
                if name == "..":
                    return  # all of it is gone
                continue
            fd, here = there, fd
            os.close(here)
            if name == "..":
                left.pop()
                yield fd, trail.pop()
            else:
                trail.append(name)
                left.append(_children(fd))
    finally:
        os.close(fd)


def _children(directory: str | int) -> list[str]:
    """The names of the cgroups right below one; [] when it is gone."""
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def remove(directory: str, deadline: float) -> None:
    """rmdir a cgroup and those below it; waits while it is busy, until `deadline` (of time.monotonic).

    A cgroup is busy (EBUSY) for a moment after its last process died, until that has passed its exit.
    """
    for _ in looks(deadline):
        if _is_removed(directory):
            return
        found = [_is_removed(name, above) for above, name in below(directory)]
        if found and all(found) and _is_removed(directory):
            return
    raise failed(OSError(errno.EBUSY, ""), "rmdir", directory)


def _is_removed(name: str, above: int | None = None) -> bool:
    """Whether rmdir works now, or is not needed."""
    try:
        os.rmdir(name, dir_fd=above)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
            raise failed(error, "rmdir", name) from None
        return False
    return True


def looks(deadline: float) -> Iterator[None]:
    """Yield at once, and again after growing pauses until `deadline`: for what the kernel tells nobody about.

    That is: when a v1 cgroup has become frozen or empty, and when any cgroup is no longer busy.
    """
    nap = SHORTEST_NAP
    yield
    while time.monotonic() < deadline:
        time.sleep(nap)  # noqa: TID251
        nap = min(nap * 2, LONGEST_NAP)
        yield


def processes(directory: str) -> list[int]:
    """The pids in a cgroup and below it.  A pid that this pid namespace cannot see (0) is left out."""
    found = _processes(directory)
    for above, name in below(directory):
        found += _processes(name, above)
    return list(dict.fromkeys(found))


def _processes(directory: str, above: int | None = None) -> list[int]:
    try:
        pids = _numbers(f"{directory}/cgroup.procs", above)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        # A threaded cgroup: its processes are listed where its domain is, which may be above us.
        pids = [_process_of(tid) for tid in _numbers(f"{directory}/cgroup.threads", above)]
    return [pid for pid in pids if pid]


def _numbers(path: str, above: int | None) -> list[int]:
    """The ids that a file lists; [] when it is gone."""
    try:
        # Digits alone: to kill(2) a negative number is a group, or everybody.
        return [int(word) for word in read(path, above).split() if word.isdecimal()]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return []
        raise


def _process_of(tid: int) -> int:
    """The process that a thread belongs to; 0 when it has ended."""
    try:
        status = read(f"/proc/{tid}/status")
    except OSError:
        return 0
    return next((int(line[5:]) for line in status.split("\n") if line.startswith("Tgid:")), 0)


def failed(error: OSError, call: str, *arguments: object) -> OSError:
    """The error of a call, worded as the call."""
    # Only needed when something went wrong.
    from ocipy.linux.syscalls import failed as worded

    return worded(error.errno, call, *arguments)
