"""Standard output and standard error, without what `print` and text streams bring along."""

import errno

from ocipy.errors import OcipyError
from ocipy.linux import os


def secure_stdio():
    """Have something open at 0, 1 and 2.

    A caller may start us with one of them closed; the next file that we open would then get its number, and
    become the container's standard output.  What stands in behaves as closed: nothing comes in, and writing
    to 1 fails (EBADF), as for a program that was left without it.  Messages to 2 vanish.
    """
    for fd, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is this one, as those below were seen to be open.
            os.set_inheritable(os.open("/dev/null", flags), True)


def write(text, fd=1):
    """Write all of a text to a descriptor, which may be non-blocking."""
    data = text.encode("utf-8", "surrogateescape")
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()


def out(text):
    """Write a text to standard output.  BrokenPipeError goes to the caller of the program: nobody reads."""
    try:
        write(text)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise OcipyError(f"write to standard output: {errno.errorcode.get(e.errno or 0, e.errno)}") from None


def table(rows):
    """Rows of cells as aligned text, in columns at least 12 wide and 3 apart, as runc(8) prints its lists."""
    widths = [max(12, 3 + max(len(row[i]) for row in rows)) for i in range(len(rows[0]) - 1)]
    return "".join("".join(c.ljust(w) for c, w in zip(row, widths)) + row[-1] + "\n" for row in rows)
