"""Steps from limits to execve: what the container's process will be."""

from __future__ import annotations

from ocipy.plan.steps.base import InitStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.steps.base import Numbering, Ops


class SetOomScoreAdj(InitStep):
    """While init is the host's: lowering it needs the host's CAP_SYS_RESOURCE.  Its children inherit it."""

    value: int

    def __str__(self) -> str:
        return f"set oom_score_adj {self.value}"

    def ops(self, fd: Numbering) -> Ops:
        return (("WRITE", (fd("proc"), "self/oom_score_adj", str(self.value))),)


class RaiseRlimit(InitStep):
    """Raise a hard limit that is to be higher than init's, while init is the host's."""

    type: str
    number: int
    hard: int

    def __str__(self) -> str:
        return f"raise the hard limit {self.type} to {_limit(self.hard)} if it is lower"

    def ops(self, fd: Numbering) -> Ops:
        return (("RAISE_RLIMIT", (self.number, self.hard)),)


class SetRlimit(InitStep):
    type: str
    number: int
    soft: int
    hard: int

    def __str__(self) -> str:
        return f"limit {self.type} to {_limit(self.soft)}:{_limit(self.hard)}"

    def ops(self, fd: Numbering) -> Ops:
        return (("SET_RLIMIT", (self.number, self.soft, self.hard)),)


def _limit(value: int) -> str:
    return "unlimited" if value in (-1, 2**64 - 1) else str(value)


class LoadSeccomp(InitStep):
    """Load a seccomp filter.  It has no ops before it is compiled (ocipy/runtime/seccomp.py)."""

    profile: str  # linux.seccomp as JSON
    flags: int  # of seccomp(2)
    summary: str

    def __str__(self) -> str:
        return f"load seccomp filter: {self.summary}"


class Process(InitStep):
    """What will be executed: args, env; HOME from the container's /etc/passwd when env has none."""

    args: tuple[Any, ...]
    env: tuple[Any, ...]
    home_uid: int = -1

    def __str__(self) -> str:
        return f"prepare to run {' '.join(self.args)}"

    def ops(self, fd: Numbering) -> Ops:
        return (("PROCESS", (self.args, self.env, self.home_uid)),)


class Lookup(InitStep):
    program: str

    def __str__(self) -> str:
        return f"find {self.program}"

    def ops(self, fd: Numbering) -> Ops:
        return (("LOOKUP", ()),)


class WaitStart(InitStep):
    def __str__(self) -> str:
        return "wait for start"

    def ops(self, fd: Numbering) -> Ops:
        return (("WAIT_START", (fd("listener"),)),)


class Execve(InitStep):
    program: str

    def __str__(self) -> str:
        return f"execute {self.program}"

    def ops(self, fd: Numbering) -> Ops:
        return (("EXECVE", ()),)
