"""What may be the reason when the kernel refuses a step of init: one line, where the error itself does not tell.

Source: the manual pages of the calls; for realtime on cgroup v1 also kernel Documentation/scheduler/sched-rt-group.rst.
"""

from __future__ import annotations

from ocipy.linux.const import EACCES, EINVAL, ENOSPC, EPERM

#: (name of a step or, for an Op, of its op; errno) -> hint
HINTS = {
    ("RaiseRlimit", EPERM): "raising a hard limit needs CAP_SYS_RESOURCE on the host",
    ("SetOomScoreAdj", EACCES): "lowering it needs CAP_SYS_RESOURCE on the host",
    ("SCHEDULER", EPERM): (
        "it needs CAP_SYS_NICE on the host and, for realtime in a cgroup v1, linux.resources.cpu.realtimeRuntime"
    ),
    ("IOPRIO", EPERM): "realtime needs CAP_SYS_NICE on the host",
    ("SETUID", EINVAL): "the user namespace does not map it",
    ("SETGID", EINVAL): "the user namespace does not map it",
    ("SETGROUPS", EINVAL): "the user namespace does not map one of them",
    ("SETGROUPS", EPERM): "the user namespace denies setgroups",
    ("MEMPOLICY", EINVAL): "are there such nodes, and may this cpuset use them?",
    ("NewNamespaces", ENOSPC): "too many namespaces, one in another, or more than a sysctl user.max_* allows",
    ("Clone", ENOSPC): "more namespaces than a sysctl user.max_* allows",
}


def hint(step, error):
    """A hint for the step that failed with this errno, "" when there is none."""
    return HINTS.get((getattr(step, "op", type(step).__name__), error), "")
