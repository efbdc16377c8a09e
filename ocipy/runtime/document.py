"""What a state document must be like before anything is done for it.

It names a process to be killed, directories to be removed and programs to be run: damaged, or by another
hand, it must not come to mean a stranger's.  That a process and a cgroup are still the ones that were meant,
their start time and inode say when they are looked at.
"""

from __future__ import annotations

from ocipy.errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_PID = 1 << 22  # PID_MAX_LIMIT: linux/threads.h


def check(document: Any, id: str, name: str) -> None:
    """Raises ContainerError, with the first property that is wrong.

    id:   of the container whose it should be
    name: of the file
    """
    wrong = _wrong(document, id)
    if wrong:
        raise ContainerError(f"{name} is damaged: {wrong} is not what ocipy has written")


def _wrong(document: Any, id: str) -> str:
    """JSON pointer of what is wrong, "" for nothing."""
    if type(document) is not dict:
        return "the whole"
    private = document.get("ocipy")
    if type(private) is not dict:
        return "/ocipy"
    for where, rules in ((document, _PUBLIC), (private, _PRIVATE)):
        for key, holds in rules.items():
            if not holds(where.get(key)):
                return f"/{key}" if where is document else f"/ocipy/{key}"
    if document["id"] != id:
        return "/id"
    if document["pid"] and not private.get("started"):
        return "/ocipy/started"
    cgroup = private["cgroup"]
    for key, holds in _CGROUP.items():
        if not holds(cgroup.get(key)):
            return f"/ocipy/cgroup/{key}"
    known = cgroup["inodes"]
    if private["phase"] == "created" and not all(path in known for path in cgroup["paths"].values()):
        return "/ocipy/cgroup/inodes"
    return ""


# ---------------------------------------------------------------- kinds of values


def _number(most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


def _is_text(value: Any) -> bool:
    return type(value) is str and "\0" not in value


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_path(value: Any) -> bool:
    """Absolute, and spelt in the one way that does not climb."""
    return _is_text(value) and value[:1] == "/" and ".." not in value.split("/")


def _all(value: Any, holds: Callable[[Any], bool]) -> bool:
    return type(value) is list and all(map(holds, value))


def _members(value: Any, holds: Callable[[Any], bool]) -> bool:
    return type(value) is dict and all(map(holds, value.values()))


def _is_hook(value: Any) -> bool:
    return (
        type(value) is dict
        and _is_path(value.get("path"))
        and _all(value.get("args") or [], _is_text)
        and _all(value.get("env") or [], _is_text)
        and _number(1 << 31)(value.get("timeout") or 0)
    )


def _is_step(value: Any) -> bool:
    return _all(value, _is_text) and len(value) == 3


def _is_agent(value: Any) -> bool:
    return value is None or (_members(value, _is_text) and set(value) == {"path", "metadata"})


def _is_unit(value: Any) -> bool:
    return value is None or (
        type(value) is dict
        and _is_text(value.get("name"))
        and _is_flag(value.get("user"))
        and _number(1 << 64)(value.get("inode"))
    )


_PUBLIC = {
    "id": _is_text,
    "ociVersion": _is_text,
    "pid": _number(MAX_PID),
    "status": _is_text,
    "bundle": _is_path,
    "rootfs": _is_text,
    "annotations": lambda value: _members(value, _is_text),
}

_PRIVATE = {
    "phase": lambda value: value in ("creating", "created"),
    "started": lambda value: value is None or _number(1 << 64)(value),
    "notify": _is_flag,
    "no_new_keyring": _is_flag,
    "hooks": lambda value: _members(value, lambda listed: _all(listed, _is_hook)),
    "program": _is_text,
    "start": lambda value: _all(value, _is_step),
    "agent": _is_agent,
    "cgroup": lambda value: type(value) is dict,
}

_CGROUP = {
    "paths": lambda value: _members(value, _is_path),
    "made": lambda value: _all(value, _is_path),
    "rootless": _is_flag,
    "inodes": lambda value: _members(value, _number(1 << 64)),
    "unit": _is_unit,
}
