"""What security modules hold a process by: labels that its execve(2) applies, and Landlock's rules.

Source: runtime-spec config.md#linux-process; kernel Documentation/userspace-api/lsm.rst,
Documentation/admin-guide/LSM/apparmor.rst; landlock(7).
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import steps
from ocipy.spec.landlock import ACCESS, ANNOTATION, KINDS, known, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step


def labels(process: dict[str, Any], context: Context) -> list[Step]:
    """Labels that the next execve(2) applies.  Before the session keyring is made, which takes one, too."""
    at, facts = context.pointer, context.facts
    made: list[Step] = []
    if profile := process.get("apparmorProfile"):
        if not facts.apparmor:
            raise _lacking(f"{at}/apparmorProfile", "AppArmor is not enabled on this host", "no-apparmor")
        text = f"use AppArmor profile {profile} from execve on"
        path = f"self/attr/{facts.apparmor_attributes}exec"
        made.append(steps.WriteProc(path, f"exec {profile}", text, pointer=f"{at}/apparmorProfile"))
    if label := process.get("selinuxLabel"):
        at += "/selinuxLabel"
        if not facts.selinux:
            raise _lacking(at, "SELinux is not enabled on this host", "no-selinux")
        if not context.options.no_new_keyring:
            text = f"make keyrings with SELinux label {label}"
            made.append(steps.WriteProc("self/attr/keycreate", label, text, pointer=at))
        text = f"use SELinux label {label} from execve on"
        made.append(steps.WriteProc("self/attr/exec", label, text, pointer=at))
    return made


def _lacking(pointer: str, message: str, rule: str) -> ConfigError:
    return ConfigError(Problem(pointer, message, rule))


def landlock(process: dict[str, Any], context: Context) -> tuple[list[Step], list[Step]]:
    """(steps that make the annotation's rules, while root may look at every path, steps that apply them)."""
    text = (context.config.get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return [], []
    at = f"/annotations/{ANNOTATION}"
    try:
        asked = parse(text)
    except ValueError as error:
        raise _lacking(at, str(error), "landlock") from None
    abi = context.facts.landlock
    if not abi:
        raise _lacking(at, "this kernel has no Landlock, or it is not enabled", "no-landlock")
    if abi < asked.abi:
        message = f"this kernel has version {abi} of Landlock, not {asked.abi}"
        raise _lacking(at, message, "no-landlock")
    if not process.get("noNewPrivileges"):
        # Else a set-user-ID program could be confused by what it is denied.
        raise _lacking(at, "needs process.noNewPrivileges", "landlock-privileges")
    handled = asked.handles & known(abi)

    def op(name: str, arguments: tuple[Any, ...], words: str) -> Step:
        return steps.Op(name, arguments, words, pointer=at)

    made = [op("LANDLOCK_RULESET", (handled,), f"make a Landlock ruleset: {_names(handled)}")]
    made += [
        op("LANDLOCK_RULE", (allowed & handled, path), f"allow beneath {path}: {_names(allowed & handled)}")
        for allowed, path in asked.rules
    ]
    return made, [op("LANDLOCK_RESTRICT", (), "have Landlock deny all else")]


def _names(mask: int) -> str:
    """As few words as say it."""
    words = []
    for name in ("all", "write", "read", *KINDS):
        if mask and mask & ACCESS[name] == ACCESS[name]:
            words.append(name)
            mask &= ~ACCESS[name]
    return " ".join(words) or "nothing"
