"""`process` of config.json as steps of init: who the program will be, from the keyring to execve.

The same function serves create and exec, so that a process executed later is held by no less.
Source: runtime-spec config.md#process, config.md#linux-process; capabilities(7), credentials(7).
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import steps

#: Number of each capability is its place.  Source: linux/capability.h.
CAPABILITIES = (
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
    "CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW "
    "CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT "
    "CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD "
    "CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG "
    "CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
).split()
CAPABILITY_NUMBER = {name: number for number, name in enumerate(CAPABILITIES)}

#: RLIMIT_* by number.  Source: asm-generic/resource.h.
RLIMITS = (
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE "
    "RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO "
    "RLIMIT_RTTIME"
).split()
RLIMIT_NUMBER = {name: number for number, name in enumerate(RLIMITS)}

#: linux/sched.h
SCHED_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}

#: linux/ioprio.h
IOPRIO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}

#: linux/mempolicy.h
MEMPOLICY_MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMPOLICY_FLAGS = {
    "MPOL_F_STATIC_NODES": 1 << 15,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_NUMA_BALANCING": 1 << 13,
}

#: linux/personality.h
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}

_MAX_UINT32 = 0xFFFFFFFF
#: Where config.json has no umask, as both runc and crun have it: some daemons that call us run with none.
_UMASK = 0o022


def capability_masks(capabilities, possible, pointer):
    """The five sets as masks, and a warning for each name that can't be had here.

    capabilities: `process.capabilities`, or None: no capability at all
    possible:     mask of those that can be granted
    Returns ({set: mask}, warnings).
    """
    masks, warnings = {}, []
    for kind in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        mask = 0
        for i, name in enumerate((capabilities or {}).get(kind) or ()):
            number = CAPABILITY_NUMBER.get(name)
            if number is None:
                warnings.append(f"{pointer}/{kind}/{i}: {name} is not a known capability, ignored")
            elif not possible >> number & 1:
                warnings.append(f"{pointer}/{kind}/{i}: {name} can't be granted here, ignored")
            else:
                mask |= 1 << number
        masks[kind] = mask
    # The kernel grants as ambient only what is permitted and inheritable; runc tries all and takes what it
    # gets, and `runc spec` has written configs that count on it.
    masks["ambient"] &= masks["permitted"] & masks["inheritable"]
    return masks, tuple(dict.fromkeys(warnings))


def scheduler_bytes(scheduler):
    """struct sched_attr of sched_setattr(2), 56 bytes, in host order (little-endian)."""
    flags = 0
    for name in scheduler.get("flags") or ():
        flags |= SCHED_FLAGS[name]

    def number(value, size, signed=False):
        return value.to_bytes(size, "little", signed=signed)

    return (
        number(56, 4)
        + number(SCHED_POLICIES[scheduler["policy"]], 4)
        + number(flags, 8)
        + number(scheduler.get("nice", 0), 4, signed=True)
        + number(scheduler.get("priority", 0), 4)
        + number(scheduler.get("runtime", 0), 8)
        + number(scheduler.get("deadline", 0), 8)
        + number(scheduler.get("period", 0), 8)
        + bytes(8)
    )


def number_list(text):
    """The numbers of a list such as "0-3,7" (cpuset(7), list format).  Raises ValueError."""
    numbers = []
    for part in text.split(","):
        part = part.strip()
        if not part:
            continue
        low, dash, high = part.partition("-")
        high = high if dash else low
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()):
            raise ValueError(f"bad range {part}")
        if not int(low) <= int(high) < 65536:
            raise ValueError(f"bad range {part}")
        numbers += range(int(low), int(high) + 1)
    return numbers


def bit_bytes(numbers):
    """A bit mask as the kernel takes it: whole unsigned longs, little-endian."""
    mask = 0
    for n in numbers:
        mask |= 1 << n
    return mask.to_bytes((mask.bit_length() // 64 + 1) * 8, "little")


def environment(process, extra=()):
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


def first_steps(process, context):
    """What needs the host's privileges: init does it before it enters any namespace, and its child inherits it."""
    at, facts, made = context.pointer, context.facts, []
    score = process.get("oomScoreAdj")
    # Nobody may lower the score without the host's CAP_SYS_RESOURCE; engines ask rootless for it all the same,
    # and runc carries on.
    hopeless = facts.rootless or facts.user_namespace
    if score is not None and not (hopeless and score < facts.oom_score_adj):
        made.append(steps.SetOomScoreAdj(score, pointer=f"{at}/oomScoreAdj"))
    for i, limit in enumerate(process.get("rlimits") or ()):
        number = RLIMIT_NUMBER[limit["type"]]
        made.append(steps.RaiseRlimit(limit["type"], number, limit["hard"], pointer=f"{at}/rlimits/{i}"))
    return made


def last_steps(process, context):
    """What would hamper init: its last steps before execve."""
    if not process.get("noNewPrivileges"):
        return [] if context.seccomp else _rlimits(process, context)
    # With no_new_privs a filter needs no capability: it is loaded last, and need allow little but execve.
    return [*_rlimits(process, context), *context.seccomp]


def _rlimits(process, context):
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


def identity_steps(process, context):
    """Steps of init from a new session keyring to LOOKUP, and the warnings.

    context: has pointer (of `process`), facts, options, has_namespace, setgroups_denied, seccomp (steps), linux
    (the section), executing (True for exec, whose affinity it also sets) and terminal
    """
    at = context.pointer
    made = []
    if not context.options.no_new_keyring:
        made.append(_op("SESSION_KEYRING", (f"_ses.{context.options.id}",), "join a new session keyring"))
    made += _priorities(process, context)
    made += _labels(process, context)
    user = process.get("user") or {}
    uid, gid = user.get("uid", 0), user.get("gid", 0)
    # The group stays: a terminal's is what its devpts says, a file's is its owner's business.
    made.append(_op("CHOWN_STDIO", (uid, -1), f"give the standard streams to {uid}", f"{at}/user/uid"))
    # As root, and if root may not (a network's filesystem) once more as the user, which init does by itself.
    # Before a filter, which may forbid to look where that is.
    made.append(_op("CHDIR", (process["cwd"],), f"enter directory {process['cwd']}", f"{at}/cwd"))
    if process.get("noNewPrivileges"):
        made.append(_op("NO_NEW_PRIVS", (), "set no_new_privs", f"{at}/noNewPrivileges"))
    elif context.seccomp:
        # Without no_new_privs, loading needs CAP_SYS_ADMIN: before the capabilities go.
        made += [*_rlimits(process, context), *context.seccomp]
    credentials, warnings = _credentials(process, uid, gid, context)
    made += credentials
    umask = user.get("umask", _UMASK)
    made.append(
        _op("UMASK", (umask,), f"set umask {umask:04o}", f"{at}/user/umask" if "umask" in user else "")
    )
    env = environment(process, context.options.env)
    has_home = any(entry.startswith("HOME=") for entry in env)
    args = tuple(process["args"])
    made.append(steps.Process(args, env, pointer=f"{at}/args", home_uid=-1 if has_home else uid))
    made.append(steps.Lookup(args[0], pointer=f"{at}/args/0"))
    return made, warnings


def _op(op, arguments, text, pointer=""):
    return steps.Op(op, arguments, text, pointer=pointer)


def _priorities(process, context):
    at, made = context.pointer, []
    if context.executing:
        made += _affinity(process, context, "final")
    if scheduler := process.get("scheduler"):
        text = f"set scheduler {scheduler['policy']}"
        made.append(_op("SCHEDULER", (scheduler_bytes(scheduler),), text, f"{at}/scheduler"))
    if ioprio := process.get("ioPriority"):
        kind, level = ioprio["class"], ioprio.get("priority", 0)
        value = IOPRIO_CLASSES[kind] << 13 | level
        made.append(_op("IOPRIO", (value,), f"set I/O priority {kind} {level}", f"{at}/ioPriority"))
    if personality := context.linux.get("personality"):
        value = PERSONALITIES[personality["domain"]]
        made.append(
            _op("PERSONALITY", (value,), f"set personality {personality['domain']}", "/linux/personality")
        )
    if policy := context.linux.get("memoryPolicy"):
        made.append(_memory_policy(policy))
    return made


def initial_affinity(process, context):
    """Before init joins the container's cgroup, so that it need not wait there for a processor."""
    return _affinity(process, context, "initial")


def _affinity(process, context, which):
    processors = (process.get("execCPUAffinity") or {}).get(which)
    if not processors:
        return []
    pointer = f"{context.pointer}/execCPUAffinity/{which}"
    bits = bit_bytes(_numbers(processors, pointer))
    return [_op("AFFINITY", (bits,), f"run on processors {processors}", pointer)]


def _numbers(text, pointer):
    try:
        return number_list(text)
    except ValueError:
        raise ConfigError(Problem(pointer, f'"{text}" is not a list of numbers', "number-list")) from None


def _memory_policy(policy):
    mode = MEMPOLICY_MODES[policy["mode"]]
    for flag in policy.get("flags") or ():
        mode |= MEMPOLICY_FLAGS[flag]
    nodes = policy.get("nodes") or ""
    bits = bit_bytes(_numbers(nodes, "/linux/memoryPolicy/nodes")) if nodes else b""
    text = f"set memory policy {policy['mode']}" + (f" on nodes {nodes}" if nodes else "")
    return _op("MEMPOLICY", (mode, bits), text, "/linux/memoryPolicy")


def _labels(process, context):
    """Labels that the next execve(2) applies."""
    at, made = context.pointer, []
    if profile := process.get("apparmorProfile"):
        if not context.facts.apparmor:
            raise ConfigError(
                Problem(f"{at}/apparmorProfile", "AppArmor is not enabled on this host", "no-apparmor")
            )
        text = f"use AppArmor profile {profile} from execve on"
        path = "self/attr/apparmor/exec"
        made.append(steps.WriteProc(path, f"exec {profile}", text, pointer=f"{at}/apparmorProfile"))
    if label := process.get("selinuxLabel"):
        if not context.facts.selinux:
            raise ConfigError(
                Problem(f"{at}/selinuxLabel", "SELinux is not enabled on this host", "no-selinux")
            )
        text = f"use SELinux label {label} from execve on"
        made.append(steps.WriteProc("self/attr/exec", label, text, pointer=f"{at}/selinuxLabel"))
    return made


def _credentials(process, uid, gid, context):
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
        _op(
            "CAPSET",
            (masks["effective"], masks["permitted"], masks["inheritable"]),
            f"set capabilities: effective {_names(masks['effective'])}; permitted {_names(masks['permitted'])}; "
            f"inheritable {_names(masks['inheritable'])}",
            where,
        ),
        _op("AMBIENT", (masks["ambient"],), f"set ambient capabilities {_names(masks['ambient'])}", where),
    ]
    return made, warnings


def _names(mask):
    return (
        " ".join(name[4:].lower() for name, number in CAPABILITY_NUMBER.items() if mask >> number & 1)
        or "none"
    )
