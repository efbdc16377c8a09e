"""Why a program could not be executed, in words that callers match and a person understands."""

from __future__ import annotations

from ocipy.errors import OcipyError
from ocipy.linux import os
from ocipy.runtime.channel import ExecFailure

_CALLS = ("lookup(", "execve(")  # with what else init does then the program has nothing to do
HEAD = 4096  # bytes of a file that are looked at: an ELF file's segments are listed among them


class ExecError(OcipyError):
    """The container's program could not be executed."""


def explain(error, program):
    """An error of a step as it is, or, if it is one of finding or executing the program, as its reason.

    The words, which engines turn into exit statuses 127 and 126, come first and are runc's:
    ``exec: "nope": executable file not found in $PATH``.
    """
    if not isinstance(error, ExecFailure) or not error.cause.strerror.startswith(_CALLS):
        return error
    from ocipy.plan import execfailure
    from ocipy.plan.steps import Lookup

    number = error.cause.errno
    words = execfailure.words(number, "/" not in program, isinstance(error.step, Lookup))
    seen = ""
    if error.evidence is not None:
        try:
            seen = execfailure.reason(number, *_look(error.evidence))
        finally:
            os.close(error.evidence)
    text = f'exec: "{program}": {words or os.strerror(number).lower()}'
    return ExecError(text + (f" ({seen})" if seen else ""))


def _look(fd):
    """(mode, is mounted noexec, first bytes, machine) of a file."""
    info = os.fstat(fd)
    noexec = bool(os.fstatvfs(fd).f_flag & os.ST_NOEXEC)
    head = b""
    if info.st_mode & 0o170000 == 0o100000:  # S_ISREG: reading from anything else may not end
        try:
            head = os.pread(fd, HEAD, 0)
        except OSError:
            pass  # O_PATH: init was not allowed to read it
    return info.st_mode, noexec, head, os.uname().machine
