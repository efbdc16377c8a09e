"""System calls under their manual-page names and argument order.

Each raises a plain OSError whose text is the call as strace would word it, so ``except FileNotFoundError``
works and an error needs no second run to be understood.
"""

from __future__ import annotations

import _thread

from ocipy.linux import _syscall, const, os
from ocipy.linux._syscall import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_O_CLOEXEC = os.O_CLOEXEC


def failed(error, name, *arguments) -> OSError:
    """The OSError of a failed call: `error` is errno, `arguments` are shown as strace shows them."""
    return OSError(error, f"{name}({', '.join(map(_show, arguments))})")


class Shown(str):
    """Text that stands among the arguments of a failed call as it is; other text is quoted."""

    __slots__ = ()


def _show(argument):
    if isinstance(argument, str) and not isinstance(argument, Shown):
        return f'"{argument}"'
    return str(argument)


def _path(path):
    return os.fsencode(path)


def _do(name, number, shown, *arguments):
    result = call(number, *arguments)
    if result < 0:
        raise failed(-result, name, *shown)
    return result


def fd_text(fd):
    """A descriptor as strace -y shows it: ``5<"/proc">``.  Only for errors: it costs a readlink."""
    if fd == const.AT_FDCWD:
        return Shown("AT_FDCWD")
    try:
        return Shown(f'{fd}<"{os.readlink(f"/proc/self/fd/{fd}")}">')
    except OSError:
        return Shown(fd)


def _raise(error, name, *arguments) -> NoReturn:
    raise failed(error, name, *arguments)


def openat2(dirfd, path, flags, mode=0, resolve=0):
    """openat2(2), close-on-exec always.  Since Linux 5.6."""
    how = (
        (flags | _O_CLOEXEC).to_bytes(8, "little")
        + mode.to_bytes(8, "little")
        + resolve.to_bytes(8, "little")
    )
    result = call(_syscall.SYS_openat2, dirfd, _path(path), how, 24)
    if result < 0:
        _raise(-result, "openat2", fd_text(dirfd), path, Shown(f"flags={flags:#x} resolve={resolve:#x}"))
    return result


def open_tree(dirfd, path, flags):
    """open_tree(2), close-on-exec always.  Since Linux 5.2."""
    result = call(_syscall.SYS_open_tree, dirfd, _path(path), flags | const.OPEN_TREE_CLOEXEC)
    if result < 0:
        _raise(-result, "open_tree", fd_text(dirfd), path, Shown(f"{flags:#x}"))
    return result


def move_mount(from_fd, from_path, to_fd, to_path, flags):
    """move_mount(2).  Since Linux 5.2."""
    result = call(_syscall.SYS_move_mount, from_fd, _path(from_path), to_fd, _path(to_path), flags)
    if result < 0:
        _raise(
            -result, "move_mount", fd_text(from_fd), from_path, fd_text(to_fd), to_path, Shown(f"{flags:#x}")
        )


def mount_setattr(dirfd, path, flags, attr_set=0, attr_clr=0, propagation=0, userns_fd=0):
    """mount_setattr(2).  Since Linux 5.12 (2a1867219c7b "fs: add mount_setattr()")."""
    attr = b"".join(n.to_bytes(8, "little") for n in (attr_set, attr_clr, propagation, userns_fd))
    result = call(_syscall.SYS_mount_setattr, dirfd, _path(path), flags, attr, len(attr))
    if result < 0:
        what = Shown(f"set={attr_set:#x} clr={attr_clr:#x} propagation={propagation:#x}")
        _raise(-result, "mount_setattr", fd_text(dirfd), path, Shown(f"{flags:#x}"), what)


FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_CMD_CREATE, FSCONFIG_CMD_RECONFIGURE = 0, 1, 6, 7
_FSPICK = 0x1 | 0x8  # FSPICK_CLOEXEC, FSPICK_EMPTY_PATH


def fsopen(fstype):
    """fsopen(2), close-on-exec always.  Since Linux 5.2."""
    return _do("fsopen", _syscall.SYS_fsopen, (fstype,), _path(fstype), 1)


def fsconfig(fs_fd, command, key=None, value=None):
    """fsconfig(2) with a flag, a string or a command."""
    return _do(
        "fsconfig",
        _syscall.SYS_fsconfig,
        (fs_fd, command, str(key), str(value)),
        fs_fd,
        command,
        None if key is None else _path(key),
        None if value is None else _path(value),
        0,
    )


def fsmount(fs_fd, attrs=0):
    """fsmount(2), close-on-exec always."""
    return _do("fsmount", _syscall.SYS_fsmount, (fs_fd, attrs), fs_fd, 1, attrs)


def fspick(fd):
    """fspick(2) of the filesystem that a descriptor is on, close-on-exec always.  Since Linux 5.2."""
    return _do("fspick", _syscall.SYS_fspick, (fd_text(fd),), fd, b"", _FSPICK)


def umount2(path, flags):
    """umount2(2)."""
    return _do("umount2", _syscall.SYS_umount2, (path, Shown(f"{flags:#x}")), _path(path), flags)


def fchownat(dirfd, path, uid, gid, flags):
    """fchownat(2): unlike os.chown it takes AT_EMPTY_PATH, for what is held by O_PATH."""
    result = call(_syscall.SYS_fchownat, dirfd, _path(path), uid, gid, flags)
    if result < 0:
        _raise(-result, "fchownat", fd_text(dirfd), path, uid, gid, Shown(f"{flags:#x}"))


def unshare(flags):
    """unshare(2)."""
    return _do("unshare", _syscall.SYS_unshare, (Shown(f"{flags:#x}"),), flags)


def setns(fd, nstype):
    """setns(2)."""
    result = call(_syscall.SYS_setns, fd, nstype)
    if result < 0:
        _raise(-result, "setns", fd_text(fd), Shown(f"{nstype:#x}"))


def setfsuid(uid):
    """setfsuid(2), for the calling thread; the kernel reports no failure.  Returns the previous one."""
    return call(_syscall.SYS_setfsuid, uid)


def setfsgid(gid):
    """setfsgid(2), see setfsuid."""
    return call(_syscall.SYS_setfsgid, gid)


def in_thread(function):
    """What a function returns in a thread of its own, whose namespaces it may change.

    A signal handler of the program may raise meanwhile: what the thread works with is not taken from it
    before it has ended.
    """
    outcome: list[tuple[Any, BaseException | None]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def thread():
        try:
            outcome.append((function(), None))
        except BaseException as error:  # noqa: BLE001  carried over to the caller's thread, all of them
            outcome.append((None, error))
        finally:
            done.release()

    try:
        _thread.start_new_thread(thread, ())
    except RuntimeError:  # Python does not tell why there is none: EAGAIN is the usual reason
        raise failed(const.EAGAIN, "clone3", "CLONE_THREAD") from None
    interruption = None
    while not outcome:
        try:
            done.acquire()
        except BaseException as error:  # noqa: BLE001
            interruption = error
    result, failure = outcome[0]
    if interruption or failure:
        raise interruption or failure
    return result


def pidfd_open(pid):
    """pidfd_open(2), close-on-exec always.  Since Linux 5.3."""
    return _do("pidfd_open", _syscall.SYS_pidfd_open, (pid,), pid, 0)


def pidfd_send_signal(pidfd, signal):
    """pidfd_send_signal(2).  Since Linux 5.1."""
    return _do("pidfd_send_signal", _syscall.SYS_pidfd_send_signal, (pidfd, signal), pidfd, signal, None, 0)


def signalfd(signals):
    """signalfd4(2) of these signals, close-on-exec and non-blocking."""
    mask = sum(1 << number - 1 for number in signals).to_bytes(8, "little")
    flags = os.O_CLOEXEC | os.O_NONBLOCK
    return _do("signalfd4", _syscall.SYS_signalfd4, (-1, "...", 8, flags), -1, mask, 8, flags)


def fstatfs_type(fd):
    """f_type of fstatfs(2): which filesystem a descriptor is on, a magic number of linux/magic.h."""
    buffer = bytearray(120)
    result = call(_syscall.SYS_fstatfs, fd, buffer)
    if result < 0:
        _raise(-result, "fstatfs", fd_text(fd))
    return int.from_bytes(buffer[:8], "little")


def is_mount_root(fd):
    """Is the descriptor the root of a mount?

    By statx(2), since Linux 5.8 (80340fe3605c "statx: add mount_root").
    """
    buffer = bytearray(256)
    result = call(_syscall.SYS_statx, fd, b"", const.AT_EMPTY_PATH, 0, buffer)
    if result < 0:
        _raise(-result, "statx", fd_text(fd))
    return bool(int.from_bytes(buffer[8:16], "little") & const.STATX_ATTR_MOUNT_ROOT)


def prctl(option, *arguments):
    """prctl(2)."""
    return _do("prctl", _syscall.SYS_prctl, (option, *arguments), option, *arguments)


def capget():
    """capget(2) of the calling thread: (effective, permitted, inheritable) as masks."""
    header = bytearray((0x20080522).to_bytes(4, "little") + bytes(4))
    data = bytearray(24)
    _do("capget", _syscall.SYS_capget, (), header, data)
    word = [int.from_bytes(data[i : i + 4], "little") for i in range(0, 24, 4)]
    return tuple(word[i] | word[i + 3] << 32 for i in range(3))
