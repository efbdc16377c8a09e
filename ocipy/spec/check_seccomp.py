"""Rules of `linux.seccomp`, and what libseccomp would refuse without saying where."""

from __future__ import annotations

from ocipy.spec.findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Largest value that an action carries: MAX_ERRNO of linux/err.h, SECCOMP_RET_DATA of linux/seccomp.h.
_MAX_DATA = {"SCMP_ACT_ERRNO": 4095, "SCMP_ACT_TRACE": 0xFFFF}
#: Those that never let a call through.
_DENYING = {f"SCMP_ACT_{name}" for name in ("ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP")}
#: A system call has six arguments.
MAX_INDEX = 5


def check(seccomp: dict[str, Any], pointer: str, found: Findings) -> None:
    """Everything about the filter ``seccomp``."""
    default = seccomp["defaultAction"]
    _errno(default, seccomp.get("defaultErrnoRet"), f"{pointer}/defaultErrnoRet", found)
    notifies = False
    if default == "SCMP_ACT_NOTIFY":
        message = "SCMP_ACT_NOTIFY can't be the default: init itself would wait for an answer"
        found.problem("seccomp-notify-default", message, pointer, "defaultAction")
        notifies = True
    for index, rule in enumerate(seccomp.get("syscalls", ())):
        action = rule["action"]
        if "errnoRet" in rule:
            _errno(action, rule["errnoRet"], f"{pointer}/syscalls/{index}/errnoRet", found)
        if action == "SCMP_ACT_NOTIFY":
            notifies = True
            if "write" in rule["names"]:
                message = "SCMP_ACT_NOTIFY is not for write: init needs it to say that the filter is there"
                found.problem("seccomp-notify-write", message, pointer, "syscalls", index, "names")
        for place, arg in enumerate(rule.get("args", ())):
            if arg["index"] > MAX_INDEX:
                message = f"{arg['index']} is above {MAX_INDEX}"
                found.problem(
                    "seccomp-arg-index", message, pointer, "syscalls", index, "args", place, "index"
                )
    _listener(seccomp, notifies, pointer, found)
    if actions_of(seccomp, "execve") <= _DENYING:
        # With no_new_privs init is left without a word: it may not even say that it failed.
        message = "the profile never lets execve through: no program could be executed"
        found.problem("seccomp-execve", message, pointer)
    asked = notifies and default != "SCMP_ACT_NOTIFY"
    if asked and not any(passes(seccomp, name) for name in ("sendmsg", "sendmmsg")):
        message = (
            "init hands the listener over by sendmsg or sendmmsg: the profile must let one of them through"
        )
        found.problem("seccomp-hand-over", message, pointer)


def actions_of(seccomp: dict[str, Any], name: str) -> set[str]:
    """Every action that a profile may take on a system call, whatever its arguments are."""
    rules = [rule for rule in seccomp.get("syscalls") or () if name in rule["names"]]
    actions = {rule["action"] for rule in rules}
    return actions | {seccomp["defaultAction"]} if all(rule.get("args") for rule in rules) else actions


def passes(seccomp: dict[str, Any], name: str) -> bool:
    """Does a profile let a system call through, whatever its arguments are?"""
    return actions_of(seccomp, name) <= {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG"}


def _listener(seccomp: dict[str, Any], notifies: bool, pointer: str, found: Findings) -> None:
    path = seccomp.get("listenerPath", "")
    if notifies and not path:
        found.problem("seccomp-listener", "SCMP_ACT_NOTIFY needs it", pointer, "listenerPath")
    elif path and not notifies:
        message = "is not used: no rule has SCMP_ACT_NOTIFY"
        found.warning("seccomp-listener-unused", message, pointer, "listenerPath")
    elif seccomp.get("listenerMetadata") and not path:
        message = "is not used without listenerPath"
        found.warning("seccomp-listener-unused", message, pointer, "listenerMetadata")


def _errno(action: str, value: int | None, pointer: str, found: Findings) -> None:
    """The standard wants an error for an action that carries no value, where older runtimes ignored it."""
    if value is None:
        return
    if action not in _MAX_DATA:
        message = f"{action} has none, only SCMP_ACT_ERRNO and SCMP_ACT_TRACE have"
        found.problem("seccomp-errno", message, pointer)
    elif value > _MAX_DATA[action]:
        found.problem("seccomp-errno", f"{value} is above {_MAX_DATA[action]}", pointer)
