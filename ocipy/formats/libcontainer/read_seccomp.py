"""The seccomp profile of libcontainer's configuration."""

from __future__ import annotations

from ocipy.formats.libcontainer import names
from ocipy.formats.tree import Building, Node
from ocipy.spec.origin import REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(profile: Node, out: Building) -> None:
    """All of it, or a note that refuses it: a filter that is half right is none."""
    if not profile.has("default_action"):
        reason = "is of before 2015, with numbers of system calls: it can't be read"
        profile.note("", REFUSED, reason)
        profile.dismiss()
        return
    found: dict[str, Any] = {"defaultAction": _named(profile, "default_action", names.ACTIONS)}
    if (number := profile.number("default_errno_ret")) is not None:
        found["defaultErrnoRet"] = number
    if architectures := profile.texts("architectures"):
        found["architectures"] = [names.ARCHITECTURES.get(name, name) for name in architectures]
    if flags := profile.texts("flags"):
        found["flags"] = flags
    for ours, theirs in (("listenerPath", "listener_path"), ("listenerMetadata", "listener_metadata")):
        if text := profile.text(theirs):
            found[ours] = text
    rules: list[dict[str, Any]] = []
    for entry in profile.nodes("syscalls"):
        name, rule = entry.text("name"), _rule(entry)
        # One rule for each name is what was made of one for several.
        if rules and {**rules[-1], "names": ()} == {**rule, "names": ()} and name not in rules[-1]["names"]:
            rules[-1]["names"].append(name)
        else:
            rules.append({"names": [name], **rule})
    if rules:
        found["syscalls"] = rules
    out.put("/linux/seccomp", found, profile.place())


def _rule(entry: Node) -> dict[str, Any]:
    rule: dict[str, Any] = {"action": _named(entry, "action", names.ACTIONS)}
    if (number := entry.number("errnoRet")) is not None:
        rule["errnoRet"] = number
    arguments = []
    for argument in entry.nodes("args"):
        found: dict[str, Any] = {key: argument.number(key) or 0 for key in ("index", "value")}
        if second := argument.number("value_two"):
            found["valueTwo"] = second
        arguments.append({**found, "op": _named(argument, "op", names.OPERATORS)})
    return {**rule, "args": arguments} if arguments else rule


def _named(entry: Node, key: str, known: tuple[str, ...]) -> str:
    number = entry.number(key) or 0
    if 1 <= number <= len(known):
        return known[number - 1]
    entry.note(key, REFUSED, f"{number} is no {key.rpartition('_')[2]} of a seccomp rule")
    return str(number)
