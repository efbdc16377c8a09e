"""A seccomp profile as libcontainer's configuration has it: numbers for names, and a rule for each call."""

from __future__ import annotations

from ocipy.formats.libcontainer import names
from ocipy.formats.tree import Node
from ocipy.spec.origin import LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write(profile: Node) -> dict[str, Any]:
    """seccomp."""
    known = {ours: theirs for theirs, ours in names.ARCHITECTURES.items()}
    architectures = []
    for index, name in enumerate(profile.texts("architectures")):
        if name in known:
            architectures.append(known[name])
        else:
            profile.note(("architectures", index), LOSSY, f"libcontainer has no name for {name}")
    found: dict[str, Any] = {
        "default_action": names.ACTIONS.index(profile.text("defaultAction")) + 1,
        "default_errno_ret": profile.number("defaultErrnoRet"),
        "architectures": architectures,
        "flags": profile.texts("flags") or None,
        "syscalls": [rule for entry in profile.nodes("syscalls") for rule in _rules(entry)],
    }
    for theirs, ours in (("listener_path", "listenerPath"), ("listener_metadata", "listenerMetadata")):
        if text := profile.text(ours):
            found[theirs] = text
    return found


def _rules(entry: Node) -> list[dict[str, Any]]:
    arguments = [
        {
            "index": argument.number("index") or 0,
            "value": argument.number("value") or 0,
            "value_two": argument.number("valueTwo") or 0,
            "op": names.OPERATORS.index(argument.text("op")) + 1,
        }
        for argument in entry.nodes("args")
    ]
    rule = {
        "action": names.ACTIONS.index(entry.text("action")) + 1,
        "errnoRet": entry.number("errnoRet"),
        "args": arguments,
    }
    return [{"name": name, **rule} for name in entry.texts("names")]
