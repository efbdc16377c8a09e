"""A container's terminal in our own: what is typed goes in, what is printed comes out.

    our stdin --> to_master --> master | slave: the container's terminal
    our stdout <-- to_us <----- master |

Our terminal is raw meanwhile, so that every key is the container's to interpret, and as it was again whatever
happens.  One difference to plain raw: it keeps turning line feeds into new lines, and the container's does
not, so that output sent to a file has no carriage returns.

No descriptor that is shared with others is made non-blocking: they would be, too.
"""

from __future__ import annotations

import _signal
import fcntl
import select
import termios

from ocipy.errors import UsageError, describe
from ocipy.linux import os

CHUNK = 65536
PIPE_BUF = 4096  # a pipe that is ready for writing takes as much without blocking: pipe(7)
#: More than a terminal can hold back: whatever was printed before the end, and not what never ends.
LAST_WORDS = 1 << 20

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


def find():
    """A new descriptor of our terminal: one of the standard streams, else the controlling one.

    Raises UsageError when there is none.
    """
    for fd in (2, 1, 0):
        if os.isatty(fd):
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"the process wants a terminal, but there is none here: {describe(error)}") from None


class Terminal:
    """The master of a container's terminal, and our own beside it."""

    def __init__(self, master):
        self.ours = find()
        self.master = master
        self.output, self.chunk = _output()
        self.to_master = self.to_us = b""
        self.idle = None  # an epoll that wakes us when the master, which nobody has open, changes
        self.reads_stdin = True
        self.can_print = True
        self._typed = b""  # the last byte
        self._saved = None
        os.set_blocking(master, False)
        attributes = termios.tcgetattr(master)
        attributes[_OFLAG] &= ~termios.ONLCR
        termios.tcsetattr(master, termios.TCSANOW, attributes)
        self.resize()

    # ------------------------------------------------------------ our terminal

    def resize(self):
        """Give the container's terminal the size of ours."""
        size = fcntl.ioctl(self.ours, termios.TIOCGWINSZ, bytes(8))
        if any(size[:4]) and self.master >= 0:
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def set_raw(self):
        """Source: cfmakeraw(3), but for OPOST.  In the background this stops us, as it should."""
        attributes = termios.tcgetattr(self.ours)
        if self._saved is None:
            self._saved = list(attributes)
        attributes[_IFLAG] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        attributes[_LFLAG] &= ~(
            termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
        )
        attributes[_CFLAG] = attributes[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        attributes[_CC] = list(attributes[_CC])
        attributes[_CC][termios.VMIN], attributes[_CC][termios.VTIME] = 1, 0
        try:
            termios.tcsetattr(self.ours, termios.TCSANOW, attributes)
        except termios.error:
            pass  # in the background with nobody to bring us back: nothing is typed then

    def close(self):
        """Put our terminal back as it was."""
        if self._saved is not None:
            # From the background too: SIGTTOU would stop us at the very end.
            old = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGTTOU})
            try:
                termios.tcsetattr(self.ours, termios.TCSANOW, self._saved)
            except termios.error:
                pass  # it is gone
            _signal.pthread_sigmask(_signal.SIG_SETMASK, old)
            self._saved = None
        self._hang_up()
        for fd in (self.ours, self.output):
            os.close(fd)

    def _hang_up(self):
        self._resume()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    # ------------------------------------------------------------ copying

    def interest(self):
        """Descriptors to poll: fd -> events."""
        wanted = {}
        if self.master >= 0:
            if self.idle:
                wanted[self.idle.fileno()] = select.POLLIN
            elif len(self.to_us) < CHUNK:
                wanted[self.master] = select.POLLIN
            if self.to_master and not self.idle:
                wanted[self.master] = wanted.get(self.master, 0) | select.POLLOUT
            if self.reads_stdin and len(self.to_master) < CHUNK:
                wanted[0] = select.POLLIN
        if self.to_us:
            wanted[self.output] = select.POLLOUT
        return wanted

    def handle(self, ready):
        """Copy what can be copied; `ready` is what poll said: fd -> events."""
        if ready.get(0, 0) and self.reads_stdin:
            self._read_stdin()
        if self.idle and ready.get(self.idle.fileno(), 0):
            self.idle.poll(0)
            self._read_master()
        elif ready.get(self.master, 0) & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._read_master()
        if self.to_master and not self.idle:
            self._write_master()
        if ready.get(self.output, 0) and self.to_us:
            self._print()

    def _read_stdin(self):
        try:
            typed = os.read(0, CHUNK)
        except OSError:
            typed = b""  # hung up
        if typed:
            self.to_master += typed
            self._typed = typed[-1:]
            return
        self.reads_stdin = False
        self._type_end_of_file()

    def _type_end_of_file(self):
        """A terminal knows no end of file but the one that is typed.  After half a line the first of two only
        ends the line."""
        attributes = termios.tcgetattr(self.master)
        canonical = attributes[_LFLAG] & termios.ICANON
        key = attributes[_CC][termios.VEOF] if canonical else b"\x04"
        self.to_master += key * (2 if self._typed not in (b"", b"\n", b"\r") and canonical else 1)

    def _write_master(self):
        try:
            self.to_master = self.to_master[os.write(self.master, self.to_master) :]
        except BlockingIOError:
            pass
        except OSError:
            self.to_master = b""
            self.reads_stdin = False

    def _read_master(self):
        """Take what was printed; False when there is nothing."""
        try:
            printed = os.read(self.master, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            printed = b""  # EIO: nobody has the terminal open
        if not printed:
            return self._wait_for_others()
        self._resume()
        if self.can_print:
            self.to_us += printed
        return True

    def _wait_for_others(self):
        """Nobody has the terminal open: an init lets go of its console, or has it hung up, and opens it anew.

        To poll(2) the master would be ready all the time, to an epoll at its edge only when something
        happens.
        """
        if self.idle:
            return False
        self.idle = select.epoll()
        self.idle.register(self.master, select.EPOLLIN | select.EPOLLET)
        self.idle.poll(0)  # what has been up to now
        return self._read_master()  # what has been printed since we looked

    def _resume(self):
        if self.idle:
            self.idle.close()
            self.idle = None

    def _print(self):
        try:
            self.to_us = self.to_us[os.write(self.output, self.to_us[: self.chunk]) :]
        except BlockingIOError:
            pass
        except OSError:
            # Nobody reads: the program goes on all the same, as it would with its output thrown away.
            self.can_print, self.to_us = False, b""

    def end(self):
        """The program has ended: take what it still printed, but wait for no one else who has it open."""
        before = len(self.to_us)
        while self.master >= 0 and len(self.to_us) - before < LAST_WORDS and self._read_master():
            pass
        self._hang_up()


def _output():
    """(a descriptor of our own for stdout, how many bytes it takes at a time).

    What is opened anew can be non-blocking without others noticing; a socket can't.
    """
    if os.isatty(1) or _is_pipe(1):
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open("/proc/self/fd/1", flags), CHUNK
        except OSError:
            pass  # another user's
    return fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3), PIPE_BUF


def _is_pipe(fd):
    return os.fstat(fd).st_mode & 0o170000 == 0o010000
