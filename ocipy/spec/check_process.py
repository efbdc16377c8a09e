"""Rules of a process object: of config.json, and of what `exec --process` reads."""

from __future__ import annotations

from ocipy.spec.findings import Findings, quoted
from ocipy.spec.names import CAPABILITIES, RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The kernel's "no id": setuid(2) with it fails, setresuid(2) with it changes nothing.
NO_ID = 2**32 - 1
_REALTIME = ("SCHED_FIFO", "SCHED_RR")


def check(process: dict[str, Any], pointer: str, found: Findings) -> None:
    """Everything about the process ``process``, whose pointer is ``pointer``."""
    cwd = process["cwd"]
    if cwd[:1] != "/":
        found.problem("cwd-relative", f"{quoted(cwd)} is not an absolute path", pointer, "cwd")
    if not process.get("args"):
        message = "must name the program to execute" if "args" in process else "is required"
        found.problem("args-empty", message, pointer, "args")
    for index, entry in enumerate(process.get("env", ())):
        if entry.find("=") < 1:
            message = f"{quoted(entry)} is not NAME=value"
            found.problem("env-form", message, pointer, "env", index)
    if process.get("terminal") and "consoleSize" in process:
        for side in ("height", "width"):
            if process["consoleSize"][side] > 0xFFFF:  # struct winsize has unsigned shorts
                message = f"{process['consoleSize'][side]} is above 65535"
                found.problem("console-size", message, pointer, "consoleSize", side)
    if not -1000 <= process.get("oomScoreAdj", 0) <= 1000:
        message = f"{process['oomScoreAdj']} is not between -1000 and 1000"
        found.problem("oom-score-adj", message, pointer, "oomScoreAdj")
    _user(process.get("user", {}), f"{pointer}/user", found)
    _rlimits(process.get("rlimits", ()), f"{pointer}/rlimits", found)
    _capabilities(process.get("capabilities", {}), f"{pointer}/capabilities", found)
    if "scheduler" in process:
        _scheduler(process["scheduler"], f"{pointer}/scheduler", found)
    priority = process.get("ioPriority", {}).get("priority", 0)
    if not 0 <= priority <= 7:
        message = f"{priority} is not between 0 and 7"
        found.problem("io-priority", message, pointer, "ioPriority", "priority")


def _user(user: dict[str, Any], pointer: str, found: Findings) -> None:
    message = f"{NO_ID} is no id: the kernel takes it as -1"
    for kind in ("uid", "gid"):
        if user.get(kind) == NO_ID:
            found.problem("user-id", message, pointer, kind)
    for index, gid in enumerate(user.get("additionalGids", ())):
        if gid == NO_ID:
            found.problem("user-id", message, pointer, "additionalGids", index)
    if user.get("umask", 0) > 0o777:
        message = f"{user['umask']} is above 511, 0777: the bits above it have no meaning"
        found.warning("umask", message, pointer, "umask")


def _rlimits(rlimits: list[dict[str, Any]], pointer: str, found: Findings) -> None:
    seen = set()
    for index, limit in enumerate(rlimits):
        kind = limit["type"]
        if kind not in RLIMITS:
            message = f"{quoted(kind)} is not one of {', '.join(RLIMITS)}"
            found.problem("rlimit-unknown", message, pointer, index, "type")
        if kind in seen:
            found.problem("rlimit-duplicate", f"{kind} is set twice", pointer, index, "type")
        seen.add(kind)
        if limit["soft"] > limit["hard"]:
            message = f"{limit['soft']} is above hard, {limit['hard']}"
            found.problem("rlimit-order", message, pointer, index, "soft")


def _capabilities(capabilities: dict[str, list[str]], pointer: str, found: Findings) -> None:
    """Unknown names are no error: the config may come from a newer kernel's world."""
    told = set()
    for kind in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        for index, name in enumerate(capabilities.get(kind, ())):
            if name not in CAPABILITIES and name not in told:
                told.add(name)
                message = f"{name} is not a known capability, ignored"
                found.warning("capability-unknown", message, pointer, kind, index)
    permitted = capabilities.get("permitted", ())
    # capset(2) fails with EPERM for the first; runc skips the second in silence, and what `runc spec` writes
    # has an ambient set without any inheritable one.
    for index, name in enumerate(capabilities.get("effective", ())):
        if name in CAPABILITIES and name not in permitted:
            message = f"{name} can't be effective without being permitted"
            found.problem("capability-effective", message, pointer, "effective", index)
    inheritable = capabilities.get("inheritable") or CAPABILITIES
    for index, name in enumerate(capabilities.get("ambient", ())):
        if name in CAPABILITIES and not (name in permitted and name in inheritable):
            message = f"{name} is not raised: that needs it permitted and inheritable"
            found.warning("capability-ambient", message, pointer, "ambient", index)


def _scheduler(scheduler: dict[str, Any], pointer: str, found: Findings) -> None:
    """Source: sched_setattr(2); kernel/sched/syscalls.c, __checkparam_dl and valid_policy."""
    policy, nice, priority = scheduler["policy"], scheduler.get("nice", 0), scheduler.get("priority", 0)
    if not -20 <= nice <= 19:
        found.problem("scheduler-nice", f"{nice} is not between -20 and 19", pointer, "nice")
    if policy in _REALTIME and not 1 <= priority <= 99:
        message = f"{policy} needs a priority between 1 and 99, not {priority}"
        found.problem("scheduler-priority", message, pointer, "priority")
    elif policy not in _REALTIME and priority:
        message = f"{policy} has no priority, only SCHED_FIFO and SCHED_RR have"
        found.problem("scheduler-priority", message, pointer, "priority")
    runtime, deadline, period = (scheduler.get(name, 0) for name in ("runtime", "deadline", "period"))
    if policy != "SCHED_DEADLINE":
        for name in ("runtime", "deadline", "period"):
            if scheduler.get(name):
                message = f"{policy} has none, only SCHED_DEADLINE has"
                found.problem("scheduler-deadline", message, pointer, name)
    elif not runtime or not deadline:
        message = "SCHED_DEADLINE needs runtime and deadline"
        found.problem("scheduler-deadline", message, pointer, "deadline" if runtime else "runtime")
    elif not runtime <= deadline <= (period or deadline):
        message = "SCHED_DEADLINE needs runtime <= deadline <= period"
        found.problem("scheduler-deadline", message, pointer)
