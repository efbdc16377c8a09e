"""Why a program could not be executed, in words that callers match and a person understands."""

from __future__ import annotations

import os

from ocipy.errors import OcipyError
from ocipy.linux import const
from ocipy.runtime.channel import ExecFailure


class ExecError(OcipyError):
    """The container's program could not be executed."""


def explain(error, program):
    """An error of a step as it is, or, if it is one of finding or executing the program, as its reason.

    runc's words, which engines turn into exit statuses 127 and 126, come first.
    """
    if not isinstance(error, ExecFailure):
        return error
    number = error.cause.errno
    evidence = error.evidence
    try:
        reason = ""
        if evidence is not None:
            from ocipy.plan import execfailure

            reason = execfailure.reason(number, *_look(evidence))
    finally:
        if evidence is not None:
            os.close(evidence)
    bare = "/" not in program
    if number == const.ENOENT and bare and not reason:
        words = "executable file not found in $PATH"
    elif number == const.ENOENT:
        words = "no such file or directory"
    elif number in (const.EACCES, const.EPERM):
        words = "permission denied" if number == const.EACCES else "operation not permitted"
    else:
        words = os.strerror(number).lower()
    text = f'exec: "{program}": {words}' if bare and "PATH" in words else f'exec "{program}": {words}'
    return ExecError(text + (f" ({reason})" if reason else ""))


def _look(fd):
    """(mode, is mounted noexec, first bytes, machine) of a file."""
    info = os.fstat(fd)
    noexec = bool(os.fstatvfs(fd).f_flag & os.ST_NOEXEC)
    try:
        head = os.pread(fd, 4096, 0)
    except OSError:  # a descriptor without reading, or a directory
        head = b""
    return info.st_mode, noexec, head, os.uname().machine
