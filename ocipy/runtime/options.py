"""The options of `Runtime.create`, `Runtime.run` and `Container.exec`, for type checkers alone.

What each is, those methods say.
"""

from __future__ import annotations

from typing import Protocol, TypedDict


class HasFileno(Protocol):
    """A file, a socket, a pipe."""

    def fileno(self) -> int: ...


class _Common(TypedDict, total=False):
    stdin: int | HasFileno | None
    stdout: int | HasFileno | None
    stderr: int | HasFileno | None
    console_socket: str | None
    pidfd_socket: str | None
    pid_file: str | None
    preserve_fds: int


class CreateOptions(_Common, total=False):
    """Of `Runtime.create`."""

    no_pivot: bool
    no_new_keyring: bool
    strict: bool
    format: str | None


class RunOptions(CreateOptions, total=False):
    """Of `Runtime.run`."""

    detach: bool
    timeout: float | None
    keep: bool
    no_subreaper: bool
    signals: bool


class ExecOptions(_Common, total=False):
    """Of `Container.exec`."""

    detach: bool
    timeout: float | None
    cgroup: tuple[str, ...]
    ignore_paused: bool
    signals: bool
