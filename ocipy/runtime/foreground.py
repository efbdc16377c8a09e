"""A command in the foreground: signals go to the container, its terminal is ours."""

from __future__ import annotations

import _signal
import select

from ocipy.errors import ContainerError, TimedOut
from ocipy.linux import const, os
from ocipy.linux.syscalls import pidfd_open, pidfd_send_signal, prctl, signalfd
from ocipy.runtime import process

#: They stop us when we touch a terminal from the background, which is what the shell's user expects; and
#: those that a fault of our own raises.
_UNBLOCKED = frozenset(
    (_signal.SIGTTIN, _signal.SIGTTOU, _signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL)
)
#: Not for the container: they speak of our own children and pipes, or can't be caught.
_OURS = frozenset((_signal.SIGCHLD, _signal.SIGKILL, _signal.SIGSTOP, _signal.SIGURG, _signal.SIGPIPE))
#: They end the wait for somebody to read a terminal's last words.
_FATAL = frozenset((_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM))
_SIGINFO = 128  # bytes of struct signalfd_siginfo; the first four are the number


class Foreground:
    """Signals are blocked and taken one by one while a container runs, so that none is lost or half handled.

    signals:   whether to do so: a command does, a library leaves them alone
    subreaper: adopt what the container leaves behind
    """

    def __init__(self, signals, subreaper):
        self.signals = signals
        self.subreaper = subreaper
        self.terminal = None
        self.relay = None
        self.eye = None
        self._blocked = frozenset()
        self._old_mask = None

    def __enter__(self):
        if self.subreaper:
            prctl(const.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if self.signals:
            self._blocked = frozenset(_signal.valid_signals()) - _UNBLOCKED
            self._old_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, self._blocked)
        return self

    def __exit__(self, *_):
        if self.terminal:
            self.terminal.close()
        if self.relay:
            self.relay.close()
        if self.eye:
            self.eye.close()
        if self._old_mask is not None:
            # What came too late for the container must not end us: our exit status is the container's.
            while _signal.sigtimedwait(self._blocked, 0):
                pass
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._old_mask)

    def take_terminal(self, master):
        """Serve a container's terminal, by its master, which is used up."""
        from ocipy.runtime.terminal import Terminal

        try:
            self.terminal = Terminal(master)
        except BaseException:
            os.close(master)
            raise

    def take_relay(self, relay):
        """Serve the sd_notify socket of a container."""
        self.relay = relay

    def take_eye(self, eye):
        """Look when the OOM killer is at work in a container; None if there is nothing to look at."""
        self.eye = eye

    def take_capture(self, capture):
        """Serve the pipes of a process that has no terminal."""
        self.terminal = capture

    def wait(self, pid, timeout=None):
        """Wait for our child `pid` and meanwhile serve it; its wait status.  It does not outlive a failure.

        timeout: seconds after which TimedOut is raised
        """
        deadline = process.deadline(timeout)
        pidfd = _checked(lambda: pidfd_open(pid))
        signal_fd = signalfd(self._blocked) if self.signals else -1
        try:
            if self.terminal:
                self.terminal.set_raw()
            return self._serve(pid, pidfd, signal_fd, deadline)
        except BaseException:
            process.end(pidfd)
            raise
        finally:
            os.close(pidfd)
            if signal_fd >= 0:
                os.close(signal_fd)

    def _serve(self, pid, pidfd, signal_fd, deadline):
        status, poll, polled = None, select.poll(), {}
        while True:
            if status is None:
                status = self._reap(pid)
                if status is not None and self.terminal:
                    self.terminal.end()
            if status is not None and not (self.terminal and self.terminal.to_us):
                return status
            wanted = self._interest(pidfd if status is None else -1, signal_fd)
            if wanted != polled:
                poll, polled = select.poll(), wanted
                for fd, events in wanted.items():
                    poll.register(fd, events)
            left = process.left(deadline)
            if left == 0:
                raise TimedOut("the process did not end in time")
            ready = dict(os.worded("poll", poll.poll)(left))
            if self.eye and not {self.eye.fd, pidfd}.isdisjoint(ready):
                self.eye.look()
            if signal_fd in ready and not self._take_signals(signal_fd, pidfd, status is not None):
                return status
            if self.terminal:
                self.terminal.handle(ready)
            if self.relay and self.relay.fd in ready and self.relay.receive(0):
                self.relay.close()
                self.relay = None

    def _interest(self, pidfd, signal_fd):
        wanted = self.terminal.interest() if self.terminal else {}
        for fd in (pidfd, signal_fd, self.relay.fd if self.relay else -1):
            if fd >= 0:
                wanted[fd] = select.POLLIN
        # When it has ended, poll(2) would say all the time that the cgroup is gone.
        if self.eye and self.eye.fd >= 0 and pidfd >= 0:
            wanted[self.eye.fd] = self.eye.events
        return wanted

    def _take_signals(self, signal_fd, pidfd, ended):
        """Forward what came; False when it ends us."""
        while True:
            try:
                number = int.from_bytes(os.read(signal_fd, _SIGINFO)[:4], "little")
            except BlockingIOError:
                return True
            if ended:
                if number in _FATAL:
                    return False
            elif number == _signal.SIGWINCH and self.terminal:
                self.terminal.resize()
            elif number not in _OURS:
                if number == _signal.SIGCONT and self.terminal:
                    self.terminal.set_raw()  # a shell that brings us back gives us its own modes
                try:
                    pidfd_send_signal(pidfd, number)
                except ProcessLookupError:
                    pass  # it has just ended

    def _reap(self, pid):
        """Reap what has ended; the wait status of `pid` if it is among them."""
        while True:
            found, status = _checked(lambda: os.waitpid(-1 if self.subreaper else pid, os.WNOHANG))
            if found == pid:
                return status
            if not found:
                return None


def _checked(call):
    try:
        return call()
    except (ChildProcessError, ProcessLookupError):
        raise ContainerError(process.LOST) from None
