"""What a container's process inherits from its caller, and what the caller gets from it: descriptors."""

from __future__ import annotations

import _socket
import fcntl

from ocipy.errors import OcipyError, UsageError, describe
from ocipy.linux import os
from ocipy.record import Record

TIOCSWINSZ = 0x5414


class Inherited(Record):
    """Descriptors from 3 up that the program inherits, and the variables that tell it so."""

    count: int
    env: tuple = ()


def inherited(preserve_fds, environ) -> Inherited:
    """Those of systemd's socket activation (sd_listen_fds(3)) first, then `preserve_fds` more.

    environ: of a command; a program that uses the library keeps its own sockets, and has none to pass on
    LISTEN_FDS counts only if it is meant for this process: the caller may have got it for itself.
    Raises UsageError when one of them is not open.
    """
    count = 0
    env: tuple[str, ...] = ()
    listen = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") == str(os.getpid()) and listen.isascii() and listen.isdigit():
        count = int(listen)
        env = (f"LISTEN_FDS={count}", "LISTEN_PID=1")
        if names := environ.get("LISTEN_FDNAMES"):
            env += (f"LISTEN_FDNAMES={names}",)
    total = count + preserve_fds
    for fd in range(3, 3 + total):
        # One that is close-on-exec we have opened ourselves.
        if not _is_open(fd) or fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
            raise UsageError(f"file descriptor {fd} is to be passed on, but is not open")
    return Inherited(total, env)


def _is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def standard(stdin, stdout, stderr):
    """Descriptors of what a caller gives as a program's standard streams, for `channel.spawn`.

    Each is a number, or something with a fileno(); None is the runtime's own.
    Raises UsageError for what is no open descriptor.
    """
    given = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    if all(stream is None for stream in given.values()):
        return ()
    return tuple(None if stream is None else _descriptor(name, stream) for name, stream in given.items())


def _descriptor(name, stream):
    try:
        fd = stream if isinstance(stream, int) else stream.fileno()
    except (AttributeError, OSError, ValueError):
        raise UsageError(f"{name} is not a file descriptor, and has none") from None
    if fd < 0 or not _is_open(fd):
        raise UsageError(f"{name} is to be file descriptor {fd}, which is not open")
    return fd


def check_console(has_terminal, console_socket, detach, streams=()):
    """A terminal needs someone to hold its other end.  In runc's words."""
    if has_terminal and streams:
        raise UsageError("the process has a terminal for its standard streams: it takes no others")
    if has_terminal and detach and not console_socket:
        raise UsageError("cannot allocate tty if runc will detach without setting console socket")
    if console_socket and not (has_terminal and detach):
        raise UsageError("cannot use console socket if runc will not detach or allocate tty")
    if has_terminal and not console_socket:
        from ocipy.runtime import terminal

        os.close(terminal.find())  # before anything is made


def hand_out(execution, process, terminal, console_socket, pidfd_socket, pid_file):
    """What callers get of a process that is made and not yet let go.

    terminal: called with the master of its terminal, None to send that to `console_socket`
    """
    if process.get("terminal"):
        _hand_over_terminal(execution, process, console_socket, terminal)
    if pidfd_socket:
        send_descriptor(pidfd_socket, execution.pidfd, b"pidfd")
    if pid_file:
        _write_pid_file(pid_file, execution.pid)


def _hand_over_terminal(execution, process, console_socket, terminal):
    """Set the size, and give the master to who asked for it."""
    size = process.get("consoleSize")
    if size:
        words = [size["height"], size["width"], 0, 0]
        fcntl.ioctl(execution.master, TIOCSWINSZ, b"".join(n.to_bytes(2, "little") for n in words))
    if terminal:
        master, execution.master = execution.master, None
        terminal(master)
    else:
        send_descriptor(console_socket, execution.master, b"/dev/ptmx")


def send_descriptor(path, fd, name):
    """Send one descriptor, with a name for it, to an AF_UNIX stream socket that listens at a path."""
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    directory = -1
    try:
        # sun_path has 108 bytes, paths may have more.
        parent, _, base = path.rpartition("/")
        directory = os.open(parent or ("/" if path[:1] == "/" else "."), os.O_PATH | os.O_CLOEXEC)
        socket.connect(f"/proc/self/fd/{directory}/{base}")
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fd.to_bytes(4, "little"))]
        socket.sendmsg([name], rights, _socket.MSG_NOSIGNAL)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OcipyError(f"socket {path}: {reason.lower()}") from error
    finally:
        socket.close()
        if directory >= 0:
            os.close(directory)


def _write_pid_file(path, pid):
    """The pid as decimal text, there at once or not at all."""
    temporary = f"{os.path.dirname(path) or '.'}/.{os.path.basename(path)}"
    try:
        # Whatever lies there already: no symlink is followed, and no FIFO keeps us waiting.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(temporary, flags, 0o644)
        os.write(fd, str(pid).encode())
        os.close(fd)
        os.rename(temporary, path)
    except OSError as error:
        raise UsageError(f"pid file {describe(error)}") from error
