"""Processes: one that need not be our child is held, so that a recycled pid can't be mistaken for it."""

from __future__ import annotations

import select
import time

from ocipy.errors import ContainerError, UsageError
from ocipy.linux import const, os
from ocipy.linux.syscalls import pidfd_open, pidfd_send_signal

LONGEST_POLL = 2_000_000_000  # milliseconds
LOST = "its exit status is lost: SIGCHLD is ignored, or somebody else waited"


def start_time(pid, ended=False):
    """When the process started, in clock ticks since boot, or None when it is gone.

    ended: tell it of a zombie too, which is gone otherwise
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
    if len(fields) < 20 or (fields[0] in (b"Z", b"X") and not ended):
        return None
    return int(fields[19])


def hold(pid, started, ended=False):
    """A pidfd of the process that had this pid and start time, or None when it is gone.

    ended: hold a zombie too

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
        found = start_time(pid, ended)
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
    """Wait until the process has ended, as a zombie at least; False after so many seconds, None for ever."""
    poll, until = select.poll(), deadline(seconds)
    poll.register(pidfd, select.POLLIN)
    while not os.worded("poll", poll.poll)(left(until)):
        if left(until) == 0:
            return False
    return True


def require_waiting(detach, timeout):
    if detach and timeout is not None:
        raise UsageError("a process that nobody waits for has no timeout")


def deadline(seconds):
    """When so many seconds will have passed, by time.monotonic; None for never."""
    return None if seconds is None else time.monotonic() + seconds


def left(deadline):
    """Milliseconds until then, for poll(2), or None for ever.  It takes an int: ask again."""
    return None if deadline is None else min(max(0, (deadline - time.monotonic()) * 1000), LONGEST_POLL)


def reap(pidfd):
    """Wait for our child, if it is one and has ended: its exit status, as `exit_status` has it; else None."""
    try:
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else 128 + ended.si_status


def end(pidfd, seconds=10):
    """Kill a process and wait for it, reaping it if it is our child; False if it has not ended in time."""
    signal(pidfd, 9)
    gone = wait_gone(pidfd, seconds)
    reap(pidfd)
    return gone


def forget(pid):
    """Wait for our child, whose exit status tells nothing that is not known already."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # SIGCHLD is ignored, or whoever uses us waits for all of its children


def wait(pid):
    """The wait status of our child, when it has ended.  Raises ContainerError when somebody else got it."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        raise ContainerError(LOST) from None


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
