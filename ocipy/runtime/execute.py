"""The executor: one dull loop over a plan's steps.  What a step does is one function.

Neighbouring steps of the same actor go together: those of init as one program, those of the root as one stay
in the container's mount namespace, the runtime's own one by one.
"""

from __future__ import annotations

from itertools import groupby

from ocipy.errors import OcipyError, StepError
from ocipy.linux import os
from ocipy.linux.syscalls import openat2
from ocipy.plan import steps
from ocipy.runtime import channel, host, process


def confined(plan, config, root):
    """(the plan as this host can do it, the agent that its seccomp filter notifies or None)."""
    if not plan.has(steps.LoadSeccomp):
        return plan, None
    from ocipy.runtime import filters

    return filters.confine(plan, config, root)


class Execution:
    """The making of one container, or of one more process in it.

    After `run`: pid, pidfd and started of its first process, master of its terminal, if any.
    """

    def __init__(self, cgroup, root, hooks=None, preserve=0, record=None, notify=None, streams=()):
        self.cgroup = cgroup
        self.root = root  # the state root
        self.run_hooks = hooks  # called with (kind, pointer)
        self.preserve = preserve
        self.streams = streams  # see `channel.spawn`
        self.record = record  # called whenever there is something new to remember
        self.channel = None
        self.fds = {"proc": host.proc_fd()}
        self.pid = self.pidfd = self.started = None
        self.master = None
        self.notify = notify  # called with the descriptor of a seccomp filter that notifies
        self.needed_controllers = ()
        self.has_user_namespace = False
        self._admitted = False  # is the stage in the container's cgroup, and so whoever it starts?
        self.eye = None  # on what the OOM killer does to a scope
        self._building = None
        self._program = None  # that init is running
        self._namespaces = {}  # of the container, opened through /proc: "mnt", "user"

    # ------------------------------------------------------------ the loop

    def run(self, plan_steps):
        try:
            self._run(plan_steps)
        except (OSError, OcipyError):
            # If init has failed meanwhile, what failed here is but a consequence: its /proc is gone, say.
            if self._program:
                self._program.finish()
            raise

    def _run(self, plan_steps):
        if self.channel is None:  # already here: it starts while we make cgroups
            self.channel = channel.spawn(self.streams, self.preserve)
        groups = [(where, list(group)) for where, group in groupby(plan_steps, lambda step: step.where)]
        for i, (where, group) in enumerate(groups):
            if where == "init":
                following = groups[i + 1] if i + 1 < len(groups) else ("", ())
                self._init(group, following[1] if following[0] == "root" else ())
            elif where == "root":
                self._root(group)
            else:
                for step in group:
                    self._runtime(step)
        self.settle()

    def _made(self, step, fd):
        """What init's own ops make: a terminal's master, or a seccomp listener, which can't wait."""
        op = getattr(step, "op", "")
        if op == "OPEN_PTY":
            self.master = fd
        elif op == "SECCOMP":
            try:
                self.notify(fd)
            finally:
                os.close(fd)
        return op in ("OPEN_PTY", "SECCOMP")

    def _runtime(self, step):
        if not isinstance(step, _WHILE_INIT_WORKS):
            self.settle()
        try:
            EFFECTS[type(step)](self, step)
        except OcipyError:
            raise
        except (OSError, ValueError) as error:
            raise StepError(step, error, step.pointer) from error

    def _init(self, group, root_steps):
        """Send steps of init, and after them the making of the mounts that the root's steps will attach.

        The root is begun while init makes them, but not before the steps have run: as long as "/" still
        shares its mounts with the host's, whatever is attached would appear there.
        """
        for i, step in enumerate(group):
            if isinstance(step, steps.Clone):
                self._clone(group[: i + 1])
                group = group[i + 1 :]
                break
        if root_steps:
            self.building()  # imports what it needs while init is busy
        self.settle()
        if any(isinstance(step, steps.JoinCgroup) for step in group):
            self.fds["tasks"] = self._cgroup_files()
        if group:
            self._program = self.channel.send(group, self.fds, (), self._made)
        mounts = self.building().mounts(root_steps) if root_steps else ()
        if mounts:
            # init takes one program after the other: the first one's end is all that has to be waited for.
            then = self.channel.send((), self.fds, mounts, self._made)
            self.settle()
            self._program = then
        elif root_steps:
            self.settle()

    def settle(self):
        """Wait for the program that init is running, if it is running one."""
        program, self._program = self._program, None
        if program:
            program.finish()
            if program.process:
                self._cloned(*program.process)

    def _clone(self, group):
        """The stage makes the namespaces and the first process, and ends; the socket passes to its child."""
        self.settle()
        self._admitted = bool(self.cgroup) and self.cgroup.admit(self.channel.pid)
        if self.cgroup and not self._admitted and not self._in_user_namespace(group):
            self.fds["cgroup"] = self.cgroup.join_fd()
        self._program = self.channel.send(group, self.fds)

    def _cloned(self, pid, pidfd):
        process.forget(self.channel.pid)
        self.pidfd = pidfd
        self.pid = self.channel.pid = pid  # the stage sits in our own pid namespace
        self.started = process.start_time(self.pid)
        if os.geteuid() != 0 and self.has_user_namespace:
            self._hold_namespaces()
        if self.record:
            self.record()

    def _hold_namespaces(self):
        """Once init is not dumpable, its /proc/PID/ns is closed to who has no capability outside.

        Where namespaces are joined it never is, for there is somebody who would look into it: what is new
        init hands out itself, what is joined we have opened.
        """
        names = {"user": "user", "mnt": "mount", "net": "network"}
        joined = {kind: self.fds[f"ns:{kind}"] for kind in names.values() if f"ns:{kind}" in self.fds}
        if not any(name.startswith("ns:") for name in self.fds):
            for name in names:
                self.namespace(name)
            return
        for name, kind in names.items():
            if kind in joined:
                self._namespaces[name] = os.dup(joined[kind])
        asked = [
            steps.Op("NAMESPACE", (name,), f"hand out the {kind} namespace")
            for name, kind in names.items()
            if kind not in joined
        ]
        program = self.channel.run(asked, self.fds)
        for step in asked:
            self._namespaces[step.arguments[0]] = program.take(step)

    def _in_user_namespace(self, group):
        """Has init left the host's user namespace when it clones?  Then it may not choose a cgroup for its
        child: it needs a file that we have opened."""
        kinds = (steps.MapIds, steps.BecomeRoot)
        return self.has_user_namespace or any(isinstance(step, kinds) for step in group)

    def _cgroup_files(self):
        """Descriptors of files by which init moves itself into the container's cgroups."""
        if not self.cgroup or self._admitted:
            return ()
        files = self.cgroup.join_files()
        unified = self.cgroup.paths.get("")
        if unified and self.fds.get("cgroup") is None and not self.cgroup.placed:
            files += (os.open(f"{unified}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC),)
        return files

    # ------------------------------------------------------------ the root

    def building(self):
        if self._building is None:
            from ocipy.runtime.building import Building

            self._building = Building(self)
        return self._building

    def _root(self, group):
        self.building().run(group, self._program)
        self.fds["root"] = self._building.root_fd

    def namespace(self, name):
        """A descriptor of a namespace of the container, by its name in /proc/PID/ns."""
        if name not in self._namespaces:
            flags = os.O_RDONLY
            self._namespaces[name] = openat2(self.fds["proc"], f"{self.pid}/ns/{name}", flags)
        return self._namespaces[name]

    # ------------------------------------------------------------ the end

    def launch(self, last_steps):
        """Send the steps that end in Execve; the running `Program`."""
        return self.channel.send(last_steps, self.fds, (), self._made)

    def hand_over(self, last_steps, listener, waiting):
        """Tell init to wait for start.  From here on it lives without us."""
        self.fds["listener"] = listener
        self.fds["held"] = (waiting,)
        self.launch(last_steps).finish_waiting()
        self.channel.close()

    def undo(self):
        """Nothing that was made stays.  What one part of it meets is no reason to leave out the next."""
        parts = [self.settle, self._end]
        if self._building:
            parts.append(self._building.undo)
        for part in parts:
            try:
                part()
            except (OcipyError, OSError, ValueError):
                pass  # it is being undone because something failed: this, or what follows from it

    def _end(self):
        """The end of init, wherever it is."""
        if self.channel:
            self.channel.close()
        if self.pidfd is not None:
            process.end(self.pidfd)
        elif self.channel:
            process.reap_now(self.channel.pid)

    def close(self):
        if self._building:
            self._building.close()
        if self.eye:
            self.eye.close()
        self.fds.pop("root", None)
        for name in ("listener", "held"):
            self.fds.pop(name, None)
        for fd in (*self.fds.values(), *self._namespaces.values(), self.master, self.pidfd):
            for each in fd if isinstance(fd, tuple) else (fd,):
                if each is not None:
                    os.close(each)
        self.fds, self._namespaces, self.master, self.pidfd = {}, {}, None, None


# ---------------------------------------------------------------- effects of the runtime's own steps


def _make_cgroup(execution, step):
    execution.cgroup.make(execution.needed_controllers)
    if execution.record:
        execution.record()


def _make_scope(execution, step):
    from ocipy.cgroups.oom_log import Eye  # when init ends it would take too long to import

    execution.eye = Eye(execution.cgroup)
    execution.cgroup.start(step, execution.pid, execution.needed_controllers)
    execution.channel.on_end = execution.eye.look
    if execution.record:
        execution.record()


def _delegate(execution, step):
    execution.cgroup.chown(step.uid)


def _apply(execution, step):
    execution.cgroup.apply(step)


def _open_namespace(execution, step):
    execution.fds[f"ns:{step.type}"] = os.open(step.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    execution.has_user_namespace |= step.type == "user"


def _map_ids(execution, step):
    from ocipy.runtime import usermaps

    execution.has_user_namespace = True
    usermaps.map_ids(step, execution.fds["proc"], execution.channel.pid)


def _run_hooks(execution, step):
    execution.run_hooks(step.kind, step.pointer)


def _check_net_device(execution, step):
    from ocipy.runtime import netdevices

    netdevices.check(step.device, step.name, execution.namespace("net"))


def _move_net_device(execution, step):
    from ocipy.runtime import netdevices

    netdevices.move(step.device, step.name, execution.namespace("net"))


#: What needs nothing of init: done while it makes namespaces.
_WHILE_INIT_WORKS = (
    steps.MakeCgroup,
    steps.WriteCgroup,
    steps.LoadDevices,
    steps.DelegateCgroup,
    steps.OpenNamespace,
)

EFFECTS = {
    steps.MakeCgroup: _make_cgroup,
    steps.MakeScope: _make_scope,
    steps.DelegateCgroup: _delegate,
    steps.WriteCgroup: _apply,
    steps.LoadDevices: _apply,
    steps.OpenNamespace: _open_namespace,
    steps.MapIds: _map_ids,
    steps.RunHooks: _run_hooks,
    steps.CheckNetDevice: _check_net_device,
    steps.MoveNetDevice: _move_net_device,
}
