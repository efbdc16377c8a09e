"""The laws that the order of a plan's steps obeys, as data: what comes before what, why, and who says so.

compile.py makes plans that obey them, and does not read them: they are what its tests hold it to, over every
example and whatever a generator can think of.  A law speaks of steps by name: the class, for an `Op` its op,
for some the class and what it is about ("RunHooks prestart").
"""

from __future__ import annotations

from ocipy.plan import steps as kinds
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ocipy.plan.facts import Facts
    from ocipy.plan.steps import Step


class Law(Record):
    """All of the steps `first` come before any of the steps `then`.

    given, unless: a name that must, or must not, be there for the law to hold: a step's, or a fact's
                   ("rootless", "cgroup v2")
    """

    first: tuple[str, ...]
    then: tuple[str, ...]
    reason: str
    source: str
    given: str = ""
    unless: str = ""

    def __str__(self) -> str:
        return f"{' '.join(self.first)} before {' '.join(self.then)}: {self.reason}"


#: What makes a place in the root or mounts something there.
_BUILDING = ("MountFs", "Bind", "BindCgroup", "MakeDir", "MakeFile", "MakeDevice", "MakeSymlink")
_RESTRICTING = ("ReadonlyPath", "Mask", "ReadonlyRoot")
_HOOKS = ("RunHooks prestart", "RunHooks createRuntime", "RunHooks createContainer")
#: Groups may be dropped earlier: before a user namespace is joined that may deny it.
_CREDENTIALS = ("BOUNDING", "SETGID", "SETUID", "CAPSET", "AMBIENT")

LAWS = (
    # ------------------------------------------------------------ cgroups
    Law(("Clone",), ("MakeScope",), "a scope is made for processes that there are", "systemd.scope(5)"),
    Law(
        ("MakeCgroup", "MakeScope"),
        ("WriteCgroup", "LoadDevices", "DelegateCgroup", "JoinCgroup"),
        "a cgroup must be there to be written to",
        "cgroups(7)",
    ),
    Law(
        ("WriteCgroup", "LoadDevices", "DelegateCgroup"),
        ("JoinCgroup", *_HOOKS, *_BUILDING),
        "nothing of the container may run, or make anything, outside of its limits",
        "runtime-spec config-linux.md#control-groups",
    ),
    Law(
        ("WriteCgroup", "LoadDevices"),
        ("Clone",),
        "the clone itself puts the first process into its cgroup",
        "clone(2), CLONE_INTO_CGROUP",
        given="cgroup v2",
        unless="MakeScope",
    ),
    Law(
        ("JoinCgroup",),
        ("NewNamespaces cgroup",),
        "the root of a cgroup namespace is the cgroup of who makes it",
        "cgroup_namespaces(7)",
    ),
    # ------------------------------------------------------------ namespaces
    Law(
        ("OpenNamespace",),
        ("JoinNamespace", "NewNamespaces", "Clone"),
        "a path means what the caller means by it only as long as nothing has changed",
        "runtime-spec config-linux.md#namespaces",
    ),
    Law(
        ("SetOomScoreAdj", "RaiseRlimit"),
        ("JoinNamespace user", "NewNamespaces user", "DUMPABLE 0"),
        "they need the host's CAP_SYS_RESOURCE, and files of /proc/self that belong to root once undumpable",
        "proc(5), oom_score_adj; getrlimit(2)",
    ),
    Law(
        ("JoinNamespace other",),
        ("JoinNamespace user", "NewNamespaces user"),
        "a namespace to join may belong to another user namespace: joining takes the host's privileges",
        "setns(2)",
        unless="rootless",
    ),
    Law(
        ("JoinNamespace user",),
        ("JoinNamespace other",),
        "without privileges of the host, those of the user namespace are the only ones there are",
        "setns(2)",
        given="rootless",
    ),
    Law(
        ("NewNamespaces user",),
        ("MapIds",),
        "the mappings are the new namespace's",
        "user_namespaces(7)",
    ),
    Law(
        ("MapIds", "JoinNamespace user"),
        ("BecomeRoot",),
        "there is no id 0 to become before it is mapped",
        "user_namespaces(7)",
    ),
    Law(
        ("JoinNamespace user", "NewNamespaces user"),
        ("NewNamespaces time", "Clone"),
        "namespaces belong to the user namespace of who makes them",
        "user_namespaces(7)",
    ),
    Law(
        ("NewNamespaces time", "TimeOffsets"),
        ("BecomeRoot",),
        "to become another user makes init undumpable, and its own offsets the host's root's to write",
        "proc(5), PR_SET_DUMPABLE",
    ),
    Law(
        ("BecomeRoot",),
        ("Clone",),
        "files made in a user namespace belong to the root of who makes them",
        "user_namespaces(7)",
    ),
    Law(
        ("NewNamespaces time",),
        ("TimeOffsets",),
        "the offsets are the new namespace's",
        "time_namespaces(7)",
    ),
    Law(
        ("NewNamespaces time", "TimeOffsets"),
        ("Clone",),
        "a time namespace is entered by children, and its offsets are fixed by the first one",
        "time_namespaces(7)",
    ),
    Law(
        ("Clone",),
        ("SetHostname", "SetDomainname", "LoopbackUp", "Isolate", *_BUILDING, *_HOOKS, "EnterRoot"),
        "they belong to the namespaces that the clone makes",
        "namespaces(7)",
    ),
    Law(
        ("DUMPABLE 0",),
        ("Clone",),
        "processes of a joined pid namespace must not look into init while it still has the host's things",
        "CVE-2016-9962",
    ),
    # ------------------------------------------------------------ the root
    Law(
        ("Isolate",),
        ("AttachRoot", *_BUILDING),
        "a clone of a mount that is shared with the host would share with it what is mounted inside",
        "mount_namespaces(7)",
    ),
    Law(
        ("AttachRoot",),
        (*_BUILDING, "SetMountAttr", *_RESTRICTING, "EnterRoot"),
        "all places are looked up below its descriptor",
        "CVE-2021-30465",
    ),
    Law(
        _BUILDING,
        (*_HOOKS, *_RESTRICTING),
        "hooks find everything mounted; a mask must lie on top, and nothing can be made in what is read-only",
        "runtime-spec config.md#posix-platform-hooks",
    ),
    Law(
        _HOOKS,
        (*_RESTRICTING, "EnterRoot"),
        "hooks may still have to write, and createContainer hooks are found by the host's paths",
        "runtime-spec runtime.md#lifecycle",
    ),
    Law(
        ("RunHooks prestart",),
        ("RunHooks createRuntime", "RunHooks createContainer"),
        "the lifecycle's order",
        "runtime-spec runtime.md#lifecycle",
    ),
    Law(
        ("RunHooks createRuntime",),
        ("RunHooks createContainer",),
        "the lifecycle's order",
        "runtime-spec runtime.md#lifecycle",
    ),
    Law(
        ("CheckNetDevice",),
        ("MoveNetDevice",),
        "if one can't go in none does: a virtual one would end with the container",
        "runtime-spec config-linux.md#network-devices",
    ),
    Law(
        ("MoveNetDevice",),
        _HOOKS,
        "hooks that set up networks find the devices where they belong",
        "runtime-spec config-linux.md#network-devices",
    ),
    Law(
        ("ReadonlyPath",),
        ("Mask",),
        "what is masked inside a read-only path must be covered in the copy that is seen",
        "runtime-spec config-linux.md#masked-paths",
    ),
    Law(
        (*_RESTRICTING, "SetMountAttr"),
        ("HideHost", "EnterRoot"),
        "the host's devices are still at hand; afterwards nobody of the host has business inside",
        "CVE-2019-5736, CVE-2019-14271",
    ),
    Law(("HideHost",), ("EnterRoot",), "its paths are the host's", "pivot_root(2)"),
    Law(
        (*_HOOKS, "EnterRoot"),
        ("SetSysctl",),
        "a network hook may have made the device that a net.* name speaks of",
        "runtime-spec config-linux.md#sysctl",
    ),
    Law(
        ("EnterRoot",),
        ("OPEN_PTY", "TERMINAL", "CHDIR", "LOOKUP"),
        "the terminal, the directory and the program are the container's",
        "CVE-2024-21626",
    ),
    # ------------------------------------------------------------ identity
    Law(
        ("SETSID",),
        ("TERMINAL",),
        "only a session's leader gets a controlling terminal",
        "credentials(7)",
    ),
    Law(
        ("OPEN_PTY",),
        ("TERMINAL",),
        "there must be a terminal",
        "pty(7)",
    ),
    Law(
        (
            "TERMINAL",
            "OPEN_PTY",
            "SESSION_KEYRING",
            "SCHEDULER",
            "IOPRIO",
            "MEMPOLICY",
            "AFFINITY",
            "CHOWN_STDIO",
        ),
        _CREDENTIALS,
        "they may need what root may",
        "capabilities(7)",
    ),
    Law(
        ("BOUNDING", "KEEP_CAPS 1", "SETGROUPS"),
        ("SETUID",),
        "they need CAP_SETPCAP and CAP_SETGID, which go with the user",
        "capabilities(7)",
    ),
    Law(
        ("SETGID",),
        ("SETUID",),
        "it needs CAP_SETGID",
        "credentials(7)",
    ),
    Law(
        ("SETUID",),
        ("KEEP_CAPS 0", "CAPSET", "UMASK"),
        "the change of user clears the effective set whatever was in it",
        "capabilities(7)",
    ),
    Law(
        ("CAPSET",),
        ("AMBIENT",),
        "ambient is only what is permitted and inheritable",
        "capabilities(7)",
    ),
    Law(
        ("CHDIR", "SETGROUPS", *_CREDENTIALS, "PROCESS"),
        ("LOOKUP",),
        "the program is looked for from its directory, by who will execute it, in its PATH",
        "runtime-spec config.md#process",
    ),
    # ------------------------------------------------------------ confinement
    Law(
        ("EnterRoot", "LANDLOCK_RULESET"),
        ("LANDLOCK_RULE",),
        "its paths are the container's",
        "landlock(7)",
    ),
    Law(
        ("LANDLOCK_RULE",),
        ("SETUID", "LANDLOCK_RESTRICT"),
        "root may look at every path, and what is restricted may no longer be changed",
        "landlock(7)",
    ),
    Law(
        ("NO_NEW_PRIVS", "CHDIR", "PROCESS", "LOOKUP"),
        ("LANDLOCK_RESTRICT",),
        "without no_new_privs it needs CAP_SYS_ADMIN; and init itself reads /etc/passwd",
        "landlock_restrict_self(2)",
    ),
    # ------------------------------------------------------------ the end
    Law(
        ("LOOKUP", "Lookup"),
        ("WaitStart",),
        "create itself says that there is no such program",
        "runtime-spec runtime.md#create",
    ),
    Law(
        ("SetRlimit",),
        ("LoadSeccomp",),
        "a filter need not allow prlimit(2)",
        "seccomp(2)",
    ),
    Law(
        ("NO_NEW_PRIVS", *_CREDENTIALS, "LOOKUP", "LANDLOCK_RESTRICT", "WaitStart", "SetRlimit"),
        ("LoadSeccomp",),
        "with no_new_privs it needs no capability: it is loaded last, and need allow little but execve(2)",
        "seccomp(2)",
        given="NO_NEW_PRIVS",
    ),
    Law(
        ("LoadSeccomp",),
        _CREDENTIALS,
        "without no_new_privs loading a filter needs CAP_SYS_ADMIN",
        "seccomp(2)",
        unless="NO_NEW_PRIVS",
    ),
    Law(
        ("WaitStart", "LoadSeccomp", "SetRlimit"),
        ("Execve",),
        "nothing of init is left after it",
        "execve(2)",
    ),
)

#: Steps that a plan has at most one of.
SINGLE = (
    "MakeCgroup",
    "MakeScope",
    "MapIds",
    "Clone",
    "AttachRoot",
    "EnterRoot",
    "ReadonlyRoot",
    "WaitStart",
    "Execve",
)

#: Steps whose name says more than their class.
_ABOUT: dict[type, Callable[[Any], tuple[str, ...]]] = {
    kinds.RunHooks: lambda step: (f"RunHooks {step.kind}",),
    kinds.NewNamespaces: lambda step: tuple(f"NewNamespaces {kind}" for kind in step.types),
    kinds.JoinNamespace: lambda step: (f"JoinNamespace {'user' if step.type == 'user' else 'other'}",),
    kinds.Op: lambda step: (step.op, *(f"{step.op} {n}" for n in step.arguments[:1] if isinstance(n, int))),
    kinds.Process: lambda step: ("PROCESS",),
    kinds.Lookup: lambda step: ("LOOKUP",),
}


def names(step: Step) -> tuple[str, ...]:
    """What laws may call a step."""
    about = _ABOUT.get(type(step))
    return (type(step).__name__, *(about(step) if about else ()))


def violations(steps: Sequence[Step], facts: Facts | None = None) -> list[str]:
    """Every law that a sequence of steps breaks, in words; none for a good plan."""
    places: dict[str, list[int]] = {}
    for i, step in enumerate(steps):
        for name in names(step):
            places.setdefault(name, []).append(i)
    cgroup_v2 = facts and facts.cgroup.mode == "v2"
    known = {*places, "rootless" if facts and facts.rootless else "", "cgroup v2" if cgroup_v2 else ""}
    broken = [
        f"{steps[late]} comes after {steps[early]}; {law}"
        for law in LAWS
        if (not law.given or law.given in known) and not (law.unless and law.unless in known)
        for late in _ends(places, law.first, max)
        for early in _ends(places, law.then, min)
        if late > early
    ]
    broken += [
        f"{name} is there {len(places[name])} times" for name in SINGLE if len(places.get(name, ())) > 1
    ]
    return broken


def _ends(
    places: dict[str, list[int]], wanted: tuple[str, ...], end: Callable[[list[int]], int]
) -> list[int]:
    return [end(found) for name in wanted if (found := places.get(name))]
