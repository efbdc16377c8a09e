"""A process that is not our child, held so that a recycled pid can't be mistaken for it."""

from __future__ import annotations

import select
import time

from ocipy.linux import const, os
from ocipy.linux.syscalls import pidfd_open, pidfd_send_signal


def start_time(pid):
    """When the process started, in clock ticks since boot, or None when it is gone or a zombie.

    Source: proc(5), /proc/PID/stat, field 22; the command's name in field 2 may hold anything.
    """
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        fields = os.read(fd, 4096).rpartition(b")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def hold(pid, started):
    """A pidfd of the process that had this pid and start time, or None when it is gone.

    The pidfd is opened first: whatever it names can't change, and the start time then tells whether it is
    the one that was meant.
    """
    if not pid or pid < 1:
        return None
    try:
        pidfd = pidfd_open(pid)
    except OSError as error:
        if error.errno in (const.ESRCH, const.EINVAL, const.ENOENT):
            return None
        raise  # it may well be there
    found = None
    try:
        found = start_time(pid)
    finally:
        if found is None or found != started:
            os.close(pidfd)
    return pidfd if found is not None and found == started else None


def signal(pidfd, number):
    """Send a signal; False when the process is gone."""
    try:
        pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pidfd, seconds):
    """Wait until the process has ended, as a zombie at least; False after so many seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(os.worded("poll", poll.poll)(max(0, int(seconds * 1000))))


def reap(pid):
    """Wait for our child, if it is one and has ended; None otherwise."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if found else None


def exit_status(status):
    """A wait status as a shell has it: the exit status, or 128 and the signal."""
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def now_rfc3339():
    """The time, to nanoseconds, in UTC, as state documents have it."""
    nanoseconds = time.time_ns()
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def reap_now(pid):
    """Kill our child, if it still runs, and wait for it."""
    try:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
