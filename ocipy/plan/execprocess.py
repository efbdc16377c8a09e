"""One more process in a container, as a plan: into the namespaces first, then as the first process was made.

Source: runtime-spec runtime.md; the defaults are those of runc exec.
"""

from __future__ import annotations

from ocipy.plan import identity, scheduling, steps
from ocipy.plan.compile import session_steps
from ocipy.plan.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.facts import Facts, Options
    from ocipy.plan.steps import Step

#: What pointers are into: an object of its own, whether a file or the words of a command line said it.
PROCESS = "process "

#: What the first process is held by, or has, holds for others too unless they say otherwise.
_INHERITED = (
    "capabilities",
    "rlimits",
    "noNewPrivileges",
    "apparmorProfile",
    "selinuxLabel",
    "oomScoreAdj",
    "scheduler",
    "ioPriority",
)


def entry_steps(
    types: tuple[str, ...],
    chroot: bool = False,
    privileged: bool = True,
    directory: str = "",
    groups: bool = True,
) -> tuple[Step, ...]:
    """How a new init enters the namespaces and cgroups of a process; its child is there.

    types:      of the namespaces that the runtime does not share with the process
    chroot:     there is no mount namespace among them, so the root is entered by itself
    privileged: the runtime is root
    directory:  to begin in; root may enter it when the container's root may not
    groups:     the runtime may set its own
    """
    made: list[Step] = []
    late: list[Step] = []
    if "cgroup" in types and "user" not in types:
        # From inside a delegated cgroup namespace nobody can be cloned into one of its cgroups: ENOENT.
        types = tuple(kind for kind in types if kind != "cgroup")
        late.append(steps.JoinProcess(("cgroup",)))
    if "user" in types and privileged and groups:
        # It may deny setgroups: groups of the host's are dropped while it can be done.
        made.append(steps.Op("SETGROUPS", (b"",), "drop all groups"))
    if directory and privileged and "mount" in types:
        made.append(steps.JoinProcess(("mount",)))
        types = tuple(kind for kind in types if kind != "mount")
    if directory:
        made.append(steps.Op("CHDIR", (directory,), f"enter directory {directory}"))
    if types:
        made.append(steps.JoinProcess(types))
    if "user" in types:
        made.append(steps.BecomeRoot())
    if chroot:
        made.append(steps.EnterRoot(how="CHROOT"))
    # The pid namespace holds for the child alone: until here, none of the container's processes sees init
    # (CVE-2016-9962).
    made.append(steps.Op("DUMPABLE", (0,), "keep the container's processes from looking into init"))
    return (*made, steps.Clone(()), steps.JoinCgroup(), *late)


def with_defaults(process: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """A process object with what it does not say taken from the container's own."""
    made = {name: first[name] for name in _INHERITED if name in first}
    made.update({name: value for name, value in process.items() if value != []})
    umask = (first.get("user") or {}).get("umask")
    if umask is not None:
        made["user"] = {"umask": umask, **(process.get("user") or {})}
    return made


def compile_exec(
    config: dict[str, Any],
    process: dict[str, Any],
    options: Options,
    facts: Facts,
    entry: tuple[Step, ...],
    setgroups_denied: bool = False,
) -> steps.Plan:
    """The plan of `process` in the container of `config`.

    entry: as `entry_steps` makes them
    """
    context = exec_context(config, process, options, facts, setgroups_denied)
    process = context.process or {}
    made, warnings = identity.identity_steps(process, context)
    create = (
        *identity.first_steps(process, context),
        *scheduling.initial_affinity(process, context),
        *entry,
        *session_steps(context),
        *made,
    )
    last = identity.last_steps(process, context)
    execve = steps.Execve(process["args"][0], pointer=f"{PROCESS}/args/0")
    return steps.Plan(create, (*last, execve), warnings)


def exec_context(
    config: dict[str, Any],
    process: dict[str, Any],
    options: Options,
    facts: Facts,
    setgroups_denied: bool,
) -> Context:
    """What identity steps need to know, for a process other than the first."""
    context = Context(config, options, facts)
    context.process = with_defaults(process, config.get("process") or {})
    context.pointer, context.executing = PROCESS, True
    context.terminal = bool(process.get("terminal"))
    context.setgroups_denied = setgroups_denied
    return context
