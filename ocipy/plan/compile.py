"""Configuration, options and facts in; a Plan out.

The order of a create, each part with its reason where it is made (laws: order.py):

    cgroup and its limits           before, beside or after the clone (see _beginning)
    namespaces to join              while paths are the host's and nothing runs yet
    init: oom_score_adj, hard limits   with the host's privileges
    init: namespaces                user first or last (see _namespaces), then the clone
    cgroup join                     before the first process does anything
    init: names, loopback
    root: mounts, /dev              through descriptors, from outside
    hooks                           prestart, createRuntime, createContainer: mounted, not yet entered
    root: masks, read-only          after hooks, which may still have to write
    init: pivot, sysctl, terminal, identity
    start: rlimits, seccomp         last: a small RLIMIT_NOFILE must not hit init
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import identity, naming, resources, root, steps
from ocipy.plan.context import Context, is_own_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.facts import Facts, Options
    from ocipy.plan.steps import Step

HOOKS_BEFORE_START = ("prestart", "createRuntime", "createContainer")


def compile(config: dict[str, Any], options: Options, facts: Facts) -> steps.Plan:
    """The plan of a create and the start after it.  Raises ConfigError for what can't be planned."""
    context = Context(config, options, facts)
    _refuse_unsupported(context)
    mounted, late = root.building(context)
    identity_made: list[Step] = []
    warnings: tuple[str, ...] = ()
    started: tuple[Step, ...] = (steps.WaitStart(),)  # for ever, if there is no process
    if context.process:
        identity_made, warnings = identity.identity_steps(context.process, context)
        started = _start(context.process, context)
    # Masks, a read-only root and what else must wait for the hooks: one more stay in the mount namespace.
    late += root.restrictions(context)
    create = (
        *_beginning(context),
        steps.JoinCgroup(pointer="/linux/cgroupsPath"),
        *_names(context),
        *mounted,
        *_net_devices(context),
        *_hooks(context, HOOKS_BEFORE_START),
        *late,
        *_enter(context),
        *identity_made,
    )
    return steps.Plan(create, started, (*context.warnings, *warnings))


def _refuse_unsupported(context: Context) -> None:
    """What a container would be held by but for us must not be passed over in silence."""
    problems = [
        Problem(f"/linux/{name}", "not supported by this version of ocipy", "unsupported")
        for name in ("intelRdt",)
        if context.linux.get(name)
    ]
    if problems:
        raise ConfigError(problems)


def _beginning(context: Context) -> tuple[Step, ...]:
    """The cgroup and the first process.

    On cgroup v2 the clone puts the process into its cgroup, with all limits in force.  On v1 it moves itself
    later, so that limits can be written while init makes namespaces.  systemd makes scopes for processes that
    there are.
    """
    path = context.linux.get("cgroupsPath") or ""
    pointer = "/linux/cgroupsPath" if path else ""
    limits = resources.cgroup_steps(
        context.linux.get("resources") or {},
        context.facts.cgroup,
        rootless=context.rootless_cgroups,
        disabled=not context.options.cgroups,
        warnings=context.warnings,
    )
    limits = (*limits, *_delegation(context))
    if context.options.systemd:
        return (*_namespaces(context), _scope(path, pointer, context), *limits)
    made = (steps.MakeCgroup(path, pointer=pointer),)
    if context.facts.cgroup.mode in ("v1", "hybrid"):
        return (*made, *_namespaces(context), *limits)
    return (*made, *limits, *_namespaces(context))


def _scope(path: str, pointer: str, context: Context) -> Step:
    # Only here: most containers have nothing to do with systemd.
    from ocipy.plan.systemd_properties import scope_properties
    from ocipy.plan.systemd_unit import unit_of

    id, rootless = context.options.id, context.rootless_cgroups
    unit = unit_of(path, id, rootless)
    properties = scope_properties(context.config, id, context.facts.cgroup, rootless)
    return steps.MakeScope(unit.name, unit.slice, properties, pointer=pointer)


def _delegation(context: Context) -> list[Step]:
    """The cgroup is its process's user's if that is of any use: in a cgroup namespace, where it is writable.

    Source: runtime-spec config-linux.md#cgroup-ownership; on v1 a cgroup can't be given away safely.
    """
    writable = any(
        mount["destination"].rstrip("/") == "/sys/fs/cgroup"
        and mount.get("type") in ("cgroup", "cgroup2")
        and "ro" not in (mount.get("options") or ())
        for mount in context.config.get("mounts") or ()
    )
    facts = context.facts
    if not (writable and facts.cgroup.mode == "v2" and context.options.cgroups and context.is_new("cgroup")):
        return []
    uid = ((context.process or {}).get("user") or {}).get("uid", 0)
    for inside, outside, size in context.uids:
        if inside <= uid < inside + size:
            uid = outside + uid - inside
            break
    # Whoever has no privilege owns what it makes, and can't give it to anybody.
    return [] if facts.rootless or uid == facts.euid else [steps.DelegateCgroup(uid)]


# ---------------------------------------------------------------- namespaces


def _namespaces(context: Context) -> list[Step]:
    """Join what is to be joined, make what is new, start the first process.

    With privilege, namespaces to join may belong to any user namespace: they are joined while init still has
    the host's credentials, the user namespace last.  Rootless there is no privilege but what the user
    namespace gives: it comes first.
    """
    joined = [kind for kind in naming.NAMESPACES if context.is_joined(kind)]
    opened = [
        steps.OpenNamespace(kind, context.namespaces[kind][0], pointer=context.where(kind)) for kind in joined
    ]
    join = [_join(kind, context) for kind in joined if kind != "cgroup" or not _joins_cgroup_late(context)]
    if not context.facts.rootless:
        join.sort(key=lambda step: step.type == "user")
    made: list[Step] = [*opened]
    if context.process:
        made += identity.first_steps(context.process, context)
    if context.facts.may_set_groups and context.has_namespace("user") and not context.new_user:
        # The namespace may deny setgroups: groups of the host's are dropped while it can be done.
        made.append(steps.Op("SETGROUPS", (b"",), "drop all groups", pointer=context.where("user")))
    made += join
    if context.new_user:
        made += _new_user(context)
    if context.is_new("time"):
        # To become another user makes init undumpable, and its own offsets the host's root's to write.
        made.append(steps.NewNamespaces(("time",), pointer=context.where("time")))
        if offsets := context.linux.get("timeOffsets"):
            made.append(_time_offsets(offsets))
    if context.has_namespace("user"):
        made.append(steps.BecomeRoot(pointer=context.where("user")))
        if context.facts.rootless:
            made.append(steps.Op("DUMPABLE", (1,), "let the runtime look at init"))
    new = [
        kind for kind in naming.NAMESPACES if context.is_new(kind) and kind not in ("user", "time", "cgroup")
    ]
    clone = steps.Clone(tuple(new), pointer="/linux/namespaces")
    undumpable = steps.Op("DUMPABLE", (0,), "keep the container's processes from looking into init")
    # A rootless runtime has no power over a process that is not dumpable, and exec must be able to look at it
    # while it waits.  Only where namespaces are joined is somebody there to be kept out.
    return [*made, clone] if context.facts.rootless and not joined else [*made, undumpable, clone]


def _join(kind: str, context: Context) -> steps.JoinNamespace:
    path, pointer = context.namespaces[kind]
    return steps.JoinNamespace(kind, path, pointer=pointer)


def _joins_cgroup_late(context: Context) -> bool:
    """From inside a delegated cgroup namespace nobody can be cloned into a cgroup of it: the child joins it.

    In a user namespace it could not, and there nobody is cloned into a cgroup.
    """
    return context.is_joined("cgroup") and not context.has_namespace("user")


def _new_user(context: Context) -> list[Step]:
    uids, gids, facts = context.uids, context.gids, context.facts
    own = is_own_id(uids, facts.euid) and is_own_id(gids, facts.egid)
    return [
        steps.NewNamespaces(("user",), pointer=context.where("user")),
        steps.MapIds(
            uids,
            gids,
            pointer="/linux/uidMappings",
            tool=facts.rootless and not own,
            deny_setgroups=context.deny_setgroups,
        ),
    ]


def _time_offsets(offsets: dict[str, dict[str, int]]) -> Step:
    clocks = tuple(
        (clock, offsets[clock].get("secs", 0), offsets[clock].get("nanosecs", 0))
        for clock in ("monotonic", "boottime")
        if clock in offsets
    )
    return steps.TimeOffsets(clocks, pointer="/linux/timeOffsets")


def _names(context: Context) -> list[Step]:
    """What belongs to the new namespaces: it needs the container's first process, not its root."""
    config = context.config
    made: list[Step] = []
    if context.is_new("cgroup"):
        # Its root is the cgroup of the process that makes it: after the join.
        made.append(steps.NewNamespaces(("cgroup",), pointer=context.where("cgroup")))
    elif _joins_cgroup_late(context):
        made.append(_join("cgroup", context))
    if config.get("hostname"):
        made.append(steps.SetHostname(config["hostname"], pointer="/hostname"))
    if config.get("domainname"):
        made.append(steps.SetDomainname(config["domainname"], pointer="/domainname"))
    if context.is_new("network"):
        made.append(steps.LoopbackUp(pointer=context.where("network")))
    return made


def _sysctls(context: Context) -> list[Step]:
    """After the hooks: a network hook may have made the device that a net.* name speaks of."""
    made: list[Step] = []
    for name, value in (context.linux.get("sysctl") or {}).items():
        token = name.replace("~", "~0").replace("/", "~1")
        made.append(steps.SetSysctl(name, value, pointer=f"/linux/sysctl/{token}"))
    return made


def _net_devices(context: Context) -> list[Step]:
    devices = [
        (device, settings.get("name") or device, "/linux/netDevices/" + device.replace("~", "~0"))
        for device, settings in (context.linux.get("netDevices") or {}).items()
    ]
    kinds = (steps.CheckNetDevice, steps.MoveNetDevice)
    return [kind(device, name, pointer=at) for kind in kinds for device, name, at in devices]


def _hooks(context: Context, kinds: tuple[str, ...]) -> list[Step]:
    hooks = context.config.get("hooks") or {}
    return [
        steps.RunHooks(kind, len(hooks[kind]), pointer=f"/hooks/{kind}") for kind in kinds if hooks.get(kind)
    ]


# ---------------------------------------------------------------- inside the root


def _enter(context: Context) -> list[Step]:
    return [*root.entering(context), *_sysctls(context), *session_steps(context)]


def session_steps(context: Context) -> list[Step]:
    """A session of its own, and the terminal."""
    made: list[Step] = [steps.Op("SETSID", (), "start a new session")]
    if context.terminal:
        at = f"{context.pointer}/terminal"
        console = int(not context.executing)
        made.append(steps.Op("OPEN_PTY", (), "open a terminal of the container's devpts", pointer=at))
        made.append(steps.Op("TERMINAL", (console,), "make it the controlling terminal", pointer=at))
    return made


def _start(process: dict[str, Any], context: Context) -> tuple[Step, ...]:
    last = identity.last_steps(process, context)
    return (steps.WaitStart(), *last, steps.Execve(process["args"][0], pointer="/process/args"))
