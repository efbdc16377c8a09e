"""The errors of ocipy: is it *your config*, or *this host*?

Each is worded once, where it happens, on one line, lower case, without a full stop, and printed once, in
``__main__``.  Nothing that was made stays behind one.
"""

from __future__ import annotations

import errno
from posix import strerror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def one_line(text: object) -> str:
    """Text as one line that a terminal and a log parser can take: control characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def describe(error: object) -> str:
    """An exception as the end of a sentence: the failed call, the errno by name and in words.

    >>> describe(FileNotFoundError(2, 'open_tree(AT_FDCWD, "/x", 0x1)'))
    'open_tree(AT_FDCWD, "/x", 0x1): ENOENT: no such file or directory'
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    call = error.strerror or ""
    words = strerror(error.errno)
    if call == words:  # raised by Python's own os functions: the path is all they say of the call
        name = error.filename
        name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
        call = f'"{name}"' if isinstance(name, str) else ""
    name = errno.errorcode.get(error.errno, str(error.errno))
    # Callers look for the words in lower case, as Go prints them ("permission denied").
    return f"{call}{': ' if call else ''}{name}: {words[:1].lower()}{words[1:]}"


class OcipyError(Exception):
    """Base of every error that ocipy raises on purpose; its text is one line for a person."""

    exit_status = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(OcipyError):
    """The command line, or the call, does not make sense."""


class TimedOut(OcipyError, TimeoutError):
    """What was waited for did not come within the time that the caller gave."""


class ContainerError(OcipyError):
    """The container is not in a state in which the verb may act: missing, running, stopped, paused."""


class Problem:
    """One thing wrong with a configuration.

    pointer: JSON pointer into config.json (RFC 6901), "" for the whole document
    message: what is wrong, on one line
    rule:    short kebab-case name of the rule that it breaks ("schema", "duplicate-namespace", ...)
    place:   of a container in another format, what is at fault in its own file: "config:12: lxc.uts.name"
    """

    __slots__ = ("message", "place", "pointer", "rule")

    def __init__(self, pointer: str, message: str, rule: str, place: str = ""):
        self.pointer = pointer
        self.message = message
        self.rule = rule
        self.place = place

    def __str__(self) -> str:
        where = self.place or self.pointer
        return one_line(f"{where}: {self.message}" if where else self.message)

    def __repr__(self) -> str:
        place = f", {self.place!r}" if self.place else ""
        return f"Problem({self.pointer!r}, {self.message!r}, {self.rule!r}{place})"

    def within(self, source: str) -> str:
        """As a line of its own, with the file that it is about."""
        return str(self) if self.place else f"{source}: {self}"

    def __eq__(self, other: object) -> bool:
        return type(other) is Problem and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class ConfigError(OcipyError):
    """The configuration is at fault; carries every `Problem` found, not only the first.

    >>> str(ConfigError([Problem("/hostname", "needs a uts namespace", "hostname-without-uts")]))
    'config.json: /hostname: needs a uts namespace'
    """

    def __init__(self, problems: Problem | Iterable[Problem], source: str = "config.json"):
        if isinstance(problems, Problem):
            problems = [problems]
        self.problems = tuple(problems)
        self.source = source
        placed = all(problem.place or problem.pointer[:1] not in ("", "/") for problem in self.problems)
        super().__init__(("" if placed else f"{source}: ") + "; ".join(map(str, self.problems)))


def cause_of(pointer: str) -> str:
    """A step's pointer for a sentence: only a JSON pointer has to be said to be one of config.json."""
    return f"config.json {pointer}" if pointer.startswith("/") else pointer


class StepError(OcipyError):
    """A step of a plan failed on this host.

    step:    what was to be done, in the plan's words ("mount proc at /proc")
    cause:   what came back, usually an OSError worded as the call that failed
    pointer: JSON pointer of the config property that caused the step, or its place in another format's file
    hint:    what might be the reason, where known
    """

    def __init__(self, step: object, cause: object, pointer: str = "", hint: str = ""):
        self.step, self.cause, self.pointer, self.hint = step, cause, pointer, hint
        where = f" ({cause_of(pointer)})" if pointer else ""
        why = f" ({hint})" if hint else ""
        super().__init__(f"{step}{where}: {describe(cause)}{why}")
