"""`process` of config.json as steps of init: who the program will be, from the keyring to execve.

The same function serves create and exec, so that a process executed later is held by no less.
Source: runtime-spec config.md#process, config.md#linux-process; capabilities(7), credentials(7).
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import scheduling, steps
from ocipy.spec.names import CAPABILITIES, LANDLOCK, RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step

CAPABILITY_NUMBER = {name: number for number, name in enumerate(CAPABILITIES)}
RLIMIT_NUMBER = {name: number for number, name in enumerate(RLIMITS)}

_MAX_UINT32 = 0xFFFFFFFF
#: Where config.json has no umask, as both runc and crun have it: some daemons that call us run with none.
_UMASK = 0o022


def capability_masks(
    capabilities: dict[str, list[str]] | None, possible: int, pointer: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The five sets as masks, and a warning of what can't be had here.

    capabilities: `process.capabilities`, or None: no capability at all
    possible:     mask of those that can be granted
    Unknown names are passed over: the check of the config has warned of them.
    Returns ({set: mask}, warnings).
    """
    masks: dict[str, int] = {}
    refused: dict[str, None] = {}
    for kind in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        mask = 0
        for name in (capabilities or {}).get(kind) or ():
            number = CAPABILITY_NUMBER.get(name)
            if number is not None and possible >> number & 1:
                mask |= 1 << number
            elif number is not None:
                refused[name] = None
        masks[kind] = mask
    # The kernel grants as ambient only what is permitted and inheritable; runc tries all and takes what it
    # gets, and `runc spec` has written configs that count on it.
    masks["ambient"] &= masks["permitted"] & masks["inheritable"]
    return masks, (f"{pointer}: {', '.join(refused)} can't be granted here, ignored",) if refused else ()


def environment(process: dict[str, Any], extra: Iterable[str] = ()) -> tuple[str, ...]:
    """`process.env` with the runtime's own additions; of a name given twice the last value counts.

    An empty HOME is none: engines that could not find one out send it so.
    """
    env = {}
    for entry in (*(process.get("env") or ()), *extra):
        name, _, value = entry.partition("=")
        env[name] = value
    if not env.get("HOME", "/"):
        del env["HOME"]
    return tuple(f"{name}={value}" for name, value in env.items())


def first_steps(process: dict[str, Any], context: Context) -> list[Step]:
    """What needs the host's privileges: done before any namespace is entered, and inherited by the child."""
    at, facts = context.pointer, context.facts
    made: list[Step] = []
    score = process.get("oomScoreAdj")
    # Nobody may lower the score without the host's CAP_SYS_RESOURCE; engines ask rootless for it all the
    # same, and runc carries on.
    hopeless = facts.rootless or facts.user_namespace
    if score is not None and not (hopeless and score < facts.oom_score_adj):
        made.append(steps.SetOomScoreAdj(score, pointer=f"{at}/oomScoreAdj"))
    for i, limit in enumerate(process.get("rlimits") or ()):
        number = RLIMIT_NUMBER[limit["type"]]
        made.append(steps.RaiseRlimit(limit["type"], number, limit["hard"], pointer=f"{at}/rlimits/{i}"))
    return made


def last_steps(process: dict[str, Any], context: Context) -> list[Step]:
    """What would hamper init: its last steps before execve."""
    if not process.get("noNewPrivileges"):
        return [] if context.seccomp else _rlimits(process, context)
    # With no_new_privs a filter needs no capability: it is loaded last, and need allow little but execve.
    return [*_rlimits(process, context), *context.seccomp]


def _rlimits(process: dict[str, Any], context: Context) -> list[Step]:
    return [
        steps.SetRlimit(
            limit["type"],
            RLIMIT_NUMBER[limit["type"]],
            limit["soft"],
            limit["hard"],
            pointer=f"{context.pointer}/rlimits/{i}",
        )
        for i, limit in enumerate(process.get("rlimits") or ())
    ]


def identity_steps(process: dict[str, Any], context: Context) -> tuple[list[Step], tuple[str, ...]]:
    """Steps of init from a new session keyring to LOOKUP, and the warnings."""
    at = context.pointer
    made, rules, restrict = _confinement(process, context)
    if not context.options.no_new_keyring:
        made.append(_op("SESSION_KEYRING", (f"_ses.{context.options.id}",), "join a new session keyring"))
    made += scheduling.priorities(process, context)
    made += rules
    user = process.get("user") or {}
    uid, gid = user.get("uid", 0), user.get("gid", 0)
    # The group stays: a terminal's is what its devpts says, a file's is its owner's business.
    made.append(_op("CHOWN_STDIO", (uid, -1), f"give the standard streams to {uid}", f"{at}/user/uid"))
    # As root, and if root may not (a network's filesystem) once more as the user, which init does by itself.
    # Before a filter, which may forbid to look where that is.
    made.append(_op("CHDIR", (process["cwd"],), f"enter directory {process['cwd']}", f"{at}/cwd"))
    env = environment(process, context.options.env)
    has_home = any(entry.startswith("HOME=") for entry in env)
    args = tuple(process["args"])
    program = steps.Process(args, env, pointer=f"{at}/args", home_uid=-1 if has_home else uid)
    if process.get("noNewPrivileges"):
        made.append(_op("NO_NEW_PRIVS", (), "set no_new_privs", f"{at}/noNewPrivileges"))
    elif context.seccomp:
        # Without no_new_privs, loading needs CAP_SYS_ADMIN: before the capabilities go.  The home
        # directory is looked up first, by a call that older profiles do not know.
        made += [program, *_rlimits(process, context), *context.seccomp]
    credentials, warnings = _credentials(process, uid, gid, context)
    made += credentials
    umask = user.get("umask", _UMASK)
    made.append(
        _op("UMASK", (umask,), f"set umask {umask:04o}", f"{at}/user/umask" if "umask" in user else "")
    )
    if program not in made:
        made.append(program)
    made.append(steps.Lookup(args[0], pointer=f"{at}/args/0"))
    # After what init itself reads.
    return made + restrict, warnings


def _confinement(process: dict[str, Any], context: Context) -> tuple[list[Step], list[Step], list[Step]]:
    """Steps of security modules: labels, Landlock's rules, and what applies these."""
    landlock = LANDLOCK in (context.config.get("annotations") or {})
    if not (landlock or process.get("apparmorProfile") or process.get("selinuxLabel")):
        return [], [], []
    from ocipy.plan import confinement

    return confinement.labels(process, context), *confinement.landlock(process, context)


def _op(op: str, arguments: tuple[Any, ...], text: str, pointer: str = "") -> Step:
    return steps.Op(op, arguments, text, pointer=pointer)


def _credentials(
    process: dict[str, Any], uid: int, gid: int, context: Context
) -> tuple[list[Step], tuple[str, ...]]:
    """Bounding set, groups, ids, then the other capability sets: each step needs what the next one drops."""
    at, facts = context.pointer, context.facts
    everything = (1 << facts.last_capability + 1) - 1
    possible = everything if context.has_namespace("user") else facts.capabilities & everything
    masks, warnings = capability_masks(process.get("capabilities"), possible, f"{at}/capabilities")
    where = f"{at}/capabilities"
    made = [
        _op("BOUNDING", (masks["bounding"],), f"bound capabilities to {_names(masks['bounding'])}", where),
        _op("KEEP_CAPS", (1,), "keep capabilities over the change of user"),
    ]
    groups = tuple(process.get("user", {}).get("additionalGids") or ())
    if not context.setgroups_denied:
        packed = b"".join((g & _MAX_UINT32).to_bytes(4, "little") for g in groups)
        text = f"set groups {', '.join(map(str, groups)) or 'to none'}"
        made.append(_op("SETGROUPS", (packed,), text, f"{at}/user/additionalGids"))
    elif groups:
        message = "additional groups can't be set in a user namespace that denies setgroups"
        raise ConfigError(Problem(f"{at}/user/additionalGids", message, "setgroups-denied"))
    made += [
        _op("SETGID", (gid,), f"become gid {gid}", f"{at}/user/gid"),
        _op("SETUID", (uid,), f"become uid {uid}", f"{at}/user/uid"),
        _op("KEEP_CAPS", (0,), "lose capabilities at the next change of user"),
        _op("CAPSET", (masks["effective"], masks["permitted"], masks["inheritable"]), _sets(masks), where),
        _op("AMBIENT", (masks["ambient"],), f"set ambient capabilities {_names(masks['ambient'])}", where),
    ]
    return made, warnings


def _sets(masks: dict[str, int]) -> str:
    sets = "; ".join(f"{kind} {_names(masks[kind])}" for kind in ("effective", "permitted", "inheritable"))
    return f"set capabilities: {sets}"


def _names(mask: int) -> str:
    return (
        " ".join(name[4:].lower() for name, number in CAPABILITY_NUMBER.items() if mask >> number & 1)
        or "none"
    )
