"""Messages: to the log that the caller named, to standard error, or to both.

With ``--log FILE`` every message is a line of it, in logrus's two formats, which callers parse: containerd
shows its user the ``msg`` of the last line whose level is error, podman expects the one JSON object.  An
error goes to standard error as well, where conmon reads it.  Without ``--log`` messages are for a person,
unless ``--log-format json`` says otherwise.
"""

import time
from _json import encode_basestring

from ocipy.cli.output import write
from ocipy.errors import OcipyError, one_line
from ocipy.linux import os


class Log:
    """Where messages go; as made, to standard error."""

    def __init__(self):
        self.fd = -1
        self.format = ""
        self.verbose = False

    def open(self, path, form, verbose):
        """Take the global flags into account.  Raises OcipyError if the file cannot be appended to."""
        self.format, self.verbose = form, verbose
        if not path:
            return
        try:
            # A FIFO or a terminal would otherwise block, or become the controlling terminal.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
            self.fd = os.open(path, flags, 0o644)
        except (OSError, ValueError) as e:
            raise OcipyError(f"--log {path}: {getattr(e, 'strerror', None) or e}".lower()) from None

    def error(self, message):
        self._say("error", message)

    def warning(self, message):
        self._say("warning", message)

    def info(self, message):
        self._say("info", message)

    def debug(self, message):
        if self.verbose:
            self._say("debug", message)

    def _say(self, level, message):
        message = one_line(message)
        now = time.time()
        if self.fd >= 0:
            _try(line(level, message, now, self.format), self.fd)
        if self.fd < 0 and self.format == "json":
            _try(line(level, message, now, "json"), 2)
        elif self.fd < 0 or level == "error":
            _try(f"ocipy: {'' if level == 'error' else level + ': '}{message}\n", 2)


def _try(text, fd):
    try:
        write(text, fd)
    except OSError:
        # Nobody reads it, or the disk is full: what is to be done matters more than what is said.
        pass


def line(level, message, now, form):
    """One line of a log, as logrus's JSONFormatter or TextFormatter writes it.

    >>> line("error", "container does not exist", 0, "json")
    '{"level":"error","msg":"container does not exist","time":"1970-01-01T00:00:00Z"}\\n'
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    if form == "json":
        return f'{{"level":"{level}","msg":{encode_basestring(message)},"time":"{stamp}"}}\n'
    plain = message and all(c.isascii() and (c.isalnum() or c in "-._/@^+") for c in message)
    return f'time="{stamp}" level={level} msg={message if plain else encode_basestring(message)}\n'
