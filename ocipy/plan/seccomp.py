"""`linux.seccomp` as steps.  Pure; how a profile becomes a program: profile.py, filtercode.py.

Source: runtime-spec config-linux.md#seccomp; seccomp(2).
"""

from __future__ import annotations

from ocipy.linux.const import SECCOMP_FILTER_FLAG_NEW_LISTENER as NEW_LISTENER
from ocipy.plan import steps
from ocipy.spec import jsontext
from ocipy.spec.check_seccomp import passes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: linux/seccomp.h, flags of SECCOMP_SET_MODE_FILTER.
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1 << 0,
    "SECCOMP_FILTER_FLAG_LOG": 1 << 1,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 1 << 2,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 1 << 5,
}

#: What the compiled program depends on: the rest of a profile says how it is loaded, and for whom.
_COMPILED = ("defaultAction", "defaultErrnoRet", "architectures", "syscalls")


def flags(profile: dict[str, Any]) -> int:
    """Flags of seccomp(2).  Without `flags` speculation stays as it is (SPEC_ALLOW), as with runc.

    TSYNC is left out: init has one thread, and beside a listener the kernel refuses it.
    """
    names = profile.get("flags")
    value = 0
    for name in ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",) if names is None else names:
        value |= FLAGS[name]
    if any(call["action"] == "SCMP_ACT_NOTIFY" for call in profile.get("syscalls") or ()):
        value |= NEW_LISTENER
    return value & ~FLAGS["SECCOMP_FILTER_FLAG_TSYNC"]


def seccomp_steps(profile: dict[str, Any]) -> list[steps.Step]:
    """The steps that load the filter of `linux.seccomp`."""
    count = sum(len(call["names"]) for call in profile.get("syscalls") or ())
    summary = f"{count} system calls, else {profile['defaultAction']}"
    compiled = jsontext.dump({key: profile[key] for key in _COMPILED if profile.get(key) is not None})
    load = steps.LoadSeccomp(compiled, flags(profile), summary, pointer="/linux/seccomp")
    return [*_answering(profile), load]


def _answering(profile: dict[str, Any]) -> list[steps.Step]:
    """By which call init answers once it is held by the filter.

    Until the agent has the listener no one answers for a call that notifies, and it is an answer of init that
    carries the listener out: a call that notifies there is a deadlock.  That one of two calls passes, if the
    profile has an agent, is checked (spec/check_seccomp.py).
    """
    if passes(profile, "sendmsg"):
        return []
    if passes(profile, "sendmmsg"):
        text = "answer by sendmmsg, which the filter lets through"
        return [steps.Op("ANSWER_BY_SENDMMSG", (), text, pointer="/linux/seccomp")]
    return []
