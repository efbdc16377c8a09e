"""The steps that a plan is made of.

A step is a value that says what will be done and which property of config.json caused it.  It prints as one
line.  `where` names the actor and the place of its effect:

    runtime   on the host's side, in the runtime's own namespaces
    root      by the runtime, through descriptors, in the container's mount namespace, before its root is
              entered (ocipy/rootfs)
    init      by ocipy-init; `ops()` says how init's protocol has it (ocipy/plan/protocol.py)

The order of steps is the plan's (compile.py, laws in order.py); what a step does is one function elsewhere.
"""

from __future__ import annotations

from ocipy.plan import naming
from ocipy.record import Record


class Step(Record):
    """One thing to do."""

    pointer: str = ""  # JSON pointer into config.json of the property that caused the step

    where = "runtime"


class InitStep(Step):
    """One thing that ocipy-init does."""

    where = "init"

    def ops(self, fd):
        """The step as ops of the protocol: ((op, arguments), ...).  `fd(name)` numbers a descriptor."""
        raise TypeError(f"{type(self).__name__} has no ops")


# ---------------------------------------------------------------- cgroups (effects: ocipy/cgroups)


class MakeCgroup(Step):
    """Create the container's cgroups, in every hierarchy there is."""

    path: str  # as config.json has it; "" when it has none

    def __str__(self):
        return f"make cgroup {self.path or '(default)'}"


class WriteCgroup(Step):
    """Write one control file of the container's cgroup."""

    controller: str  # as cgroup v1 names it; "" for a file of cgroup v2
    file: str
    value: str

    def __str__(self):
        return f"write {self.value} to {self.file}"


class LoadDevices(Step):
    """Attach a device program (BPF_PROG_TYPE_CGROUP_DEVICE) to the container's cgroup v2."""

    program: bytes

    def __str__(self):
        return f"attach a device program of {len(self.program) // 8} instructions"


class JoinCgroup(InitStep):
    """Move the container's first process into its cgroups, before it has run anything of the container.

    On cgroup v2 the clone has done it (CLONE_INTO_CGROUP); v1 has no such way, so init moves itself.
    """

    def __str__(self):
        return "move init into the container's cgroups"

    def ops(self, fd):
        return tuple(("JOIN_CGROUP", (number,)) for number in fd("tasks"))


# ---------------------------------------------------------------- namespaces


class OpenNamespace(Step):
    """Open a namespace to join, while paths mean what the caller means by them."""

    type: str
    path: str

    def __str__(self):
        return f"open {self.type} namespace {self.path}"


class JoinNamespace(InitStep):
    type: str
    path: str

    def __str__(self):
        return f"join {self.type} namespace {self.path}"

    def ops(self, fd):
        return (("JOIN", (fd(f"ns:{self.type}"), naming.NAMESPACES[self.type])),)


class NewNamespaces(InitStep):
    """unshare(2): user, time and cgroup namespaces, which have their moment of their own."""

    types: tuple

    def __str__(self):
        return f"new {' '.join(self.types)} namespace"

    def ops(self, fd):
        return (("UNSHARE", (naming.namespace_flags(self.types),)),)


class MapIds(Step):
    """Write uid_map and gid_map of the new user namespace, directly or by newuidmap and newgidmap."""

    uids: tuple  # (inside, outside, size) each
    gids: tuple
    tool: bool = False  # by newuidmap and newgidmap
    deny_setgroups: bool = False

    def __str__(self):
        text = ", ".join(
            f"{kind} {a}->{b} +{n}" for kind in ("uid", "gid") for a, b, n in getattr(self, f"{kind}s")
        )
        return f"map {text}" + (" by newuidmap and newgidmap" if self.tool else "")


class BecomeRoot(InitStep):
    def __str__(self):
        return "become root of the user namespace"

    def ops(self, fd):
        return (("BECOME_ROOT", ()),)


class TimeOffsets(InitStep):
    offsets: tuple  # (clock, secs, nanosecs) each

    def __str__(self):
        return "offset " + ", ".join(f"{c} by {s}.{n:09d} s" for c, s, n in self.offsets)

    def ops(self, fd):
        text = "".join(f"{clock} {secs} {nanosecs}\n" for clock, secs, nanosecs in self.offsets)
        return (("WRITE", (fd("proc"), "self/timens_offsets", text)),)


class Clone(InitStep):
    """Start the container's first process in its new namespaces; it becomes the runtime's child."""

    types: tuple

    def __str__(self):
        return (
            f"start the first process in new {' '.join(self.types)} namespaces"
            if self.types
            else "start the process"
        )

    def ops(self, fd):
        return (("CLONE", (naming.namespace_flags(self.types), fd("cgroup"))),)


class JoinProcess(InitStep):
    """Enter namespaces of a running container, by its first process's pidfd: no path to race with."""

    types: tuple

    def __str__(self):
        return f"join the container's {' '.join(self.types)} namespaces"

    def ops(self, fd):
        return (("JOIN_PROCESS", (fd("container"), naming.namespace_flags(self.types))),)


class SetHostname(InitStep):
    name: str

    def __str__(self):
        return f"set host name {self.name}"

    def ops(self, fd):
        return (("SETHOSTNAME", (self.name,)),)


class SetDomainname(InitStep):
    name: str

    def __str__(self):
        return f"set domain name {self.name}"

    def ops(self, fd):
        return (("SETDOMAINNAME", (self.name,)),)


class LoopbackUp(InitStep):
    def __str__(self):
        return "bring loopback up"

    def ops(self, fd):
        return (("LOOPBACK_UP", ()),)


class SetSysctl(InitStep):
    name: str
    value: str

    def __str__(self):
        return f"set sysctl {self.name} = {self.value}"

    def ops(self, fd):
        return (("WRITE", (fd("proc"), "sys/" + naming.sysctl_path(self.name), self.value)),)


# ---------------------------------------------------------------- the root filesystem (effects: ocipy/rootfs)


class Propagation(InitStep):
    """Set the propagation of "/" of the mount namespace that init sits in."""

    propagation: str  # rslave, private, ...

    def __str__(self):
        return f"make / {self.propagation}"

    def ops(self, fd):
        flag, recursive = naming.PROPAGATION[self.propagation]
        return (("PROPAGATION", (flag, int(recursive))),)


class RootStep(Step):
    """One thing done to the container's root filesystem, before it is entered."""

    where = "root"


class AttachRoot(RootStep):
    """Bind the root directory on itself, so that it is a mount, and hold it by a descriptor."""

    path: str
    mount: bool = True  # without a mount namespace the directory is only held

    def __str__(self):
        return f"attach root {self.path}"


class MountFs(RootStep):
    """Attach a new filesystem inside the container's root; init makes it, in its namespaces."""

    fstype: str
    target: str  # absolute, as the container sees it
    source: str = ""
    options: tuple = ()  # what fsconfig(2) takes: key=value or a flag
    attr_set: int = 0  # MOUNT_ATTR_*
    attr_clr: int = 0
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple = ()
    ids: tuple = ()  # (uids, gids) of an id-mapped mount, () for none
    copyup: bool = False
    plain: bool = False  # the target must be a directory that no symlink leads to

    def __str__(self):
        shown = dict.fromkeys((*self.options, *naming.attr_names(self.attr_set)))
        if self.copyup:
            shown["tmpcopyup"] = None
        return f"mount {self.fstype} at {self.target}" + (f" ({','.join(shown)})" if shown else "")


class Bind(RootStep):
    """Bind a host's file or directory inside the container's root."""

    source: str  # absolute, on the host
    target: str
    recursive: bool = False
    attr_set: int = 0
    attr_clr: int = 0
    recursive_set: int = 0
    recursive_clr: int = 0
    propagation: tuple = ()
    ids: tuple = ()  # (uids, gids), ("container",) for the container's own user namespace
    ids_recursive: bool = False
    optional: bool = False  # nothing to do when the source does not exist
    nofollow: bool = False
    device: tuple = ()  # (kind, major, minor) that the source must be: a device made by binding the host's

    def __str__(self):
        names = naming.attr_names(self.attr_set) + tuple(
            "r" + n for n in naming.attr_names(self.recursive_set)
        )
        names += tuple(("ridmap" if self.ids_recursive else "idmap",) if self.ids else ())
        return f"{'rbind' if self.recursive else 'bind'} {self.source} at {self.target}" + (
            f" ({','.join(names)})" if names else ""
        )


class BindCgroup(RootStep):
    """Bind the container's own cgroup of one hierarchy."""

    controller: str  # "" for cgroup v2
    target: str
    attr_set: int = 0
    propagation: tuple = ()

    def __str__(self):
        names = naming.attr_names(self.attr_set)
        return f"bind own {self.controller or 'unified'} cgroup at {self.target}" + (
            f" ({','.join(names)})" if names else ""
        )


class SetMountAttr(RootStep):
    """Change the flags of a mount inside the container's root, after what had to be written there."""

    target: str
    attr_set: int = 0
    attr_clr: int = 0

    def __str__(self):
        return f"set {','.join(naming.attr_names(self.attr_set)) or 'nothing'} on {self.target}"


class MakeDir(RootStep):
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0

    def __str__(self):
        return f"make directory {self.path}"


class MakeFile(RootStep):
    """An empty regular file, to bind something on; one that exists is left alone."""

    path: str

    def __str__(self):
        return f"make file {self.path}"


class MakeDevice(RootStep):
    path: str
    kind: str  # c, b or p
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0

    def __str__(self):
        number = "" if self.kind == "p" else f" {self.major}:{self.minor}"
        return f"make device {self.path} {self.kind}{number} {self.mode:04o}"


class MakeSymlink(RootStep):
    path: str
    to: str
    replace: bool = False  # a file that is there gives way (/dev/ptmx)

    def __str__(self):
        return f"link {self.path} to {self.to}"


class Mask(RootStep):
    """Hide a path: a directory under an empty read-only tmpfs, a file under /dev/null."""

    path: str

    def __str__(self):
        return f"mask {self.path}"


class ReadonlyPath(RootStep):
    path: str

    def __str__(self):
        return f"make {self.path} read-only"


class ReadonlyRoot(RootStep):
    def __str__(self):
        return "make the root read-only"


class EnterRoot(InitStep):
    """Make the container's root the root of init's mount namespace."""

    how: str = "PIVOT"  # or MOVE_ROOT (--no-pivot), CHROOT (no mount namespace)

    def __str__(self):
        return {
            "PIVOT": "pivot into the root",
            "MOVE_ROOT": "move the root over /",
            "CHROOT": "chroot into the root",
        }[self.how]

    def ops(self, fd):
        return ((self.how, (fd("root"),)),)


# ---------------------------------------------------------------- hooks, state, the host's side


class RunHooks(Step):
    """Run the hooks of one kind, in listed order."""

    kind: str
    count: int

    def __str__(self):
        return f"run {self.count} {self.kind} hook{'s' if self.count > 1 else ''}"


class SetOomScoreAdj(InitStep):
    """While init is the host's: lowering it needs the host's CAP_SYS_RESOURCE.  Its children inherit it."""

    value: int

    def __str__(self):
        return f"set oom_score_adj {self.value}"

    def ops(self, fd):
        return (("WRITE", (fd("proc"), "self/oom_score_adj", str(self.value))),)


class RaiseRlimit(InitStep):
    """Raise a hard limit that is to be higher than init's, while init is the host's."""

    type: str
    number: int
    hard: int

    def __str__(self):
        return f"raise the hard limit {self.type} to {_limit(self.hard)} if it is lower"

    def ops(self, fd):
        return (("RAISE_RLIMIT", (self.number, self.hard)),)


class SetRlimit(InitStep):
    type: str
    number: int
    soft: int
    hard: int

    def __str__(self):
        return f"limit {self.type} to {_limit(self.soft)}:{_limit(self.hard)}"

    def ops(self, fd):
        return (("SET_RLIMIT", (self.number, self.soft, self.hard)),)


def _limit(value):
    return "unlimited" if value in (-1, 2**64 - 1) else str(value)


class MoveNetDevice(Step):
    """Move a network device of the host into the container's network namespace."""

    device: str
    name: str

    def __str__(self):
        return f"move network device {self.device} into the container as {self.name}"


# ---------------------------------------------------------------- identity of the container's process


class Op(InitStep):
    """A step of init that is one op with plain arguments."""

    op: str
    arguments: tuple
    text: str

    def __str__(self):
        return self.text

    def ops(self, fd):
        return ((self.op, self.arguments),)


class WriteProc(InitStep):
    """Write an attribute of the process through the runtime's own, verified procfs."""

    path: str
    value: str
    text: str

    def __str__(self):
        return self.text

    def ops(self, fd):
        return (("WRITE", (fd("proc"), self.path, self.value)),)


class LoadSeccomp(InitStep):
    """Load a seccomp filter.  It has no ops before it is compiled (ocipy/runtime/seccomp.py)."""

    profile: str  # linux.seccomp as JSON
    flags: int  # of seccomp(2)
    summary: str

    def __str__(self):
        return f"load seccomp filter: {self.summary}"


class Process(InitStep):
    """What will be executed: args, env; HOME from the container's /etc/passwd when env has none."""

    args: tuple
    env: tuple
    home_uid: int = -1

    def __str__(self):
        return f"prepare to run {' '.join(self.args)}"

    def ops(self, fd):
        return (("PROCESS", (self.args, self.env, self.home_uid)),)


class Lookup(InitStep):
    program: str

    def __str__(self):
        return f"find {self.program}"

    def ops(self, fd):
        return (("LOOKUP", ()),)


class WaitStart(InitStep):
    def __str__(self):
        return "wait for start"

    def ops(self, fd):
        return (("WAIT_START", (fd("listener"),)),)


class Execve(InitStep):
    program: str

    def __str__(self):
        return f"execute {self.program}"

    def ops(self, fd):
        return (("EXECVE", ()),)


class Plan(Record):
    """The whole of a verb's work, in order.

    create: everything up to the moment at which the container is `created`
    start:  what init still has to do when `start` comes
    """

    create: tuple
    start: tuple = ()
    warnings: tuple = ()

    def __str__(self):
        return "\n".join(
            f"{step}{f'  [{step.pointer}]' if step.pointer else ''}" for step in (*self.create, *self.start)
        )
