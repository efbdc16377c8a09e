"""A person at a terminal: types, reads, and looks whether it is as before."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time


class Person:
    """A command on a terminal of its own, in a session of its own.

    shown: all that was printed
    """

    def __init__(self, words, size=(24, 80), stdin=None, stdout=None):
        self.master, self.slave = os.openpty()
        self.resize(*size, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""

        def control():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        stdin = self.slave if stdin is None else stdin
        stdout = self.slave if stdout is None else stdout
        self.process = subprocess.Popen(
            [*map(str, words)], stdin=stdin, stdout=stdout, stderr=self.slave, preexec_fn=control
        )

    def resize(self, rows, columns, tell=True):
        """Change the size of the window; the kernel tells the foreground process group by SIGWINCH."""
        fcntl.ioctl(
            self.master if tell else self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0)
        )

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            self.shown += os.read(self.master, 65536)
        except OSError:
            return False  # EIO: nobody has the terminal open
        return True

    def expect(self, text, seconds=20):
        """Wait until this was printed; all before it is forgotten."""
        text = text if isinstance(text, bytes) else text.encode()
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"waiting for {text!r}, but {self.shown[-2000:]!r}"
            self._read(0.1)
        before, _, self.shown = self.shown.partition(text)
        return before

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def end(self, seconds=30):
        """Wait for the end of the command: its exit status.  The terminal must be as it was."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.shown[-2000:]!r}"
            self._read(0.02)
        while self._read(0):
            pass
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
