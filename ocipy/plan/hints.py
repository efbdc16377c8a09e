"""What may be the reason when the kernel refuses a step of init, where the error itself does not tell.

Source: the manual pages of the calls; for realtime on cgroup v1 also kernel
Documentation/scheduler/sched-rt-group.rst.
"""

from __future__ import annotations

from ocipy.linux.const import EACCES, EINVAL, ENOENT, ENOSPC, EPERM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.plan.steps import Step

_REALTIME = "it needs CAP_SYS_NICE on the host"

#: (name of a step or, for an Op, of its op; errno) -> hint
HINTS = {
    ("RaiseRlimit", EPERM): "raising a hard limit needs CAP_SYS_RESOURCE on the host",
    ("SetOomScoreAdj", EACCES): "lowering it needs CAP_SYS_RESOURCE on the host",
    ("SCHEDULER", EPERM): f"{_REALTIME} and, in a cgroup v1, linux.resources.cpu.realtimeRuntime",
    ("IOPRIO", EPERM): _REALTIME,
    ("SETUID", EINVAL): "the user namespace does not map it",
    ("SETGID", EINVAL): "the user namespace does not map it",
    ("SETGROUPS", EINVAL): "the user namespace does not map one of them",
    ("SETGROUPS", EPERM): "the user namespace denies setgroups",
    ("MEMPOLICY", EINVAL): "are there such nodes, and may this cpuset use them?",
    ("apparmorProfile", ENOENT): "it is not loaded",
    ("selinuxLabel", EINVAL): "the policy has no such label",
    ("NewNamespaces", ENOSPC): "too deep in namespaces, or more than a sysctl user.max_* allows",
    (
        "Clone",
        EPERM,
    ): "without privileges a container needs a user namespace, as `ocipy bundle --rootless` writes it",
    ("Clone", ENOSPC): "more namespaces than a sysctl user.max_* allows",
}


def hint(step: Step, error: int) -> str:
    """A hint for the step that failed with this errno, "" when there is none."""
    name = getattr(step, "op", type(step).__name__)
    if name == "WriteProc":
        name = step.pointer.rpartition("/")[2]
    return HINTS.get((name, error), "")
