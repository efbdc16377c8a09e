"""What a process reads is given to it, and what it prints is kept, by pipes that `Foreground` serves.

A daemon that the process leaves behind may hold the pipes open as long as it likes: what was printed until
the process ended is all there is.
"""

from __future__ import annotations

import select

from ocipy.linux import os
from ocipy.record import Record

CHUNK = 65536  # bytes that a pipe holds: pipe(7)


class Output(Record):
    """How a process ended, and what it had printed."""

    status: int
    stdout: bytes
    stderr: bytes


class Capture:
    """Three pipes; in place of a `Terminal`.

    streams:  the process's ends, to be closed once it has them
    printed:  what came out of 1 and 2
    """

    to_us = b""  # nothing has to be passed on before it is over

    def __init__(self, given):
        self.given = memoryview(given)
        self.fds = []
        try:
            self.stdin, self.feed = self._pipe()
            self.out, stdout = self._pipe()
            self.err, stderr = self._pipe()
        except OSError:
            self.close()
            raise
        self.streams = self.stdin, stdout, stderr
        self.printed = {self.out: [], self.err: []}
        for fd in (self.feed, self.out, self.err):
            os.set_blocking(fd, False)

    def _pipe(self):
        ends = os.pipe2(os.O_CLOEXEC)
        self.fds += ends
        return ends

    def started(self):
        """The process has its ends."""
        for fd in self.streams:
            self._close(fd)

    def interest(self):
        """Descriptors to poll: fd -> events."""
        wanted = dict.fromkeys((fd for fd in self.printed if fd in self.fds), select.POLLIN)
        if self.feed in self.fds:
            wanted[self.feed] = select.POLLOUT
        return wanted

    def handle(self, ready):
        """Copy what can be copied; `ready` is what poll said: fd -> events."""
        if self.feed in ready:
            self._write()
        for fd in self.printed:
            if fd in ready and self._read(fd) == b"":
                self._close(fd)

    def _write(self):
        try:
            self.given = self.given[os.write(self.feed, self.given[:CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.given = self.given[:0]  # it does not want to read, which is its right
        if not self.given:
            self._close(self.feed)

    def _read(self, fd):
        """A piece of what was printed, b"" at its end, None when there is nothing yet."""
        try:
            piece = os.read(fd, CHUNK)
        except BlockingIOError:
            return None
        self.printed[fd].append(piece)
        return piece

    def end(self):
        """The process has ended: take what it still printed."""
        for fd in self.printed:
            if fd in self.fds:
                self._read(fd)  # a pipe holds no more than this
        self.close()

    def result(self):
        """(what it printed to 1, what to 2)."""
        return b"".join(self.printed[self.out]), b"".join(self.printed[self.err])

    def set_raw(self):
        """A terminal would be made so; pipes have no modes."""

    def _close(self, fd):
        self.fds.remove(fd)
        os.close(fd)

    def close(self):
        while self.fds:
            os.close(self.fds.pop())
