"""A command in the foreground: signals go to the container, its terminal is ours."""

from __future__ import annotations

import os

import _signal

from ocipy.linux import const
from ocipy.linux.syscalls import prctl

#: Not for the container: they speak of our own children and terminal, or can't be caught.
_OURS = frozenset((_signal.SIGCHLD, _signal.SIGKILL, _signal.SIGSTOP, _signal.SIGURG, _signal.SIGPIPE))


class Foreground:
    """Signals are blocked and taken one by one while a container runs, so that none is lost or half handled."""

    def __init__(self, signals, subreaper):
        self.signals = signals
        self.subreaper = subreaper
        self.master = None
        self._old_mask = None

    def __enter__(self):
        if self.subreaper:
            prctl(const.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if self.signals:
            self._old_mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        return self

    def __exit__(self, *_):
        if self._old_mask is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._old_mask)
        if self.master is not None:
            os.close(self.master)

    def take_terminal(self, master):
        self.master = master

    def wait(self, pid):
        """Wait for our child `pid`; returns its wait status."""
        if not self.signals:
            return os.waitpid(pid, 0)[1]
        while True:
            status = self._reap(pid)
            if status is not None:
                return status
            number = _signal.sigwaitinfo(_signal.valid_signals()).si_signo
            if number not in _OURS:
                os.kill(pid, number)  # our child until we reap it: the pid can't be another's

    def _reap(self, pid):
        """Reap what has ended; the wait status of `pid` if it is among them."""
        while True:
            try:
                found, status = os.waitpid(-1 if self.subreaper else pid, os.WNOHANG)
            except ChildProcessError:
                return 0
            if found == pid:
                return status
            if not found:
                return None
