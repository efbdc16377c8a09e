"""The executor: one dull loop over a plan's steps.  What a step does is one function.

Neighbouring steps of the same actor go together: those of init as one program, those of the root as one stay
in the container's mount namespace, the runtime's own one by one.
"""

from __future__ import annotations

import os
from itertools import groupby

from ocipy import rootfs
from ocipy.errors import OcipyError, StepError
from ocipy.linux import const
from ocipy.linux.syscalls import failed, openat2
from ocipy.plan import steps
from ocipy.rootfs.build import Session
from ocipy.runtime import channel, host, process


class Execution:
    """The making of one container, or of one more process in it.

    After `run`: pid, pidfd and started of its first process, master of its terminal, if any.
    """

    def __init__(self, cgroup, root, hooks=None, preserve=0, record=None, notify=None, streams=()):
        self.cgroup = cgroup
        self.root = root  # the state root
        self.run_hooks = hooks  # called with (kind, pointer)
        self.preserve = preserve
        self.streams = streams  # descriptors to be its 0, 1, 2; none: the runtime's own
        self.record = record  # called whenever there is something new to remember
        self.channel = None
        self.fds = {"proc": host.proc_fd()}
        self.pid = self.pidfd = self.started = None
        self.master = None
        self.notify = notify  # called with the descriptor of a seccomp filter that notifies
        self.needed_controllers = ()
        self.userns_ids = None
        self.session = None
        self._program = None  # that init is running
        self._mounts = True  # has the container a mount namespace, in which its root is built?
        self.namespaces = {}  # of the container, opened through /proc: "mnt", "user"

    # ------------------------------------------------------------ the loop

    def run(self, plan_steps):
        plan_steps = [self._bind(step) for step in plan_steps]
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

    def _bind(self, step):
        if not isinstance(step, steps.LoadSeccomp):
            return step
        from ocipy.runtime import seccomp

        return seccomp.bind(step, self.root)

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
        """Send steps of init; the mounts that the root's steps will attach are made by the same program."""
        if self.channel is None:
            self.channel = channel.spawn(self.streams, self.preserve)
        for i, step in enumerate(group):
            if isinstance(step, steps.Clone):
                self._clone(group[: i + 1])
                group = group[i + 1 :]
                break
        mounts = [step for step in root_steps if isinstance(step, steps.MountFs)]
        if group or mounts:
            self.settle()
            self._program = self.channel.send(group, self.fds, mounts, self._made)

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
        if self.cgroup and not self._in_user_namespace(group):
            self.fds["cgroup"] = self.cgroup.join_fd()
        self._program = self.channel.send(group, self.fds)

    def _cloned(self, pid, pidfd):
        os.waitpid(self.channel.pid, 0)
        self.pidfd = pidfd
        self.pid = self.channel.pid = pid  # the stage sits in our own pid namespace
        self.started = process.start_time(self.pid)
        self.fds["tasks"] = self._cgroup_files() if self.cgroup else ()
        if self.record:
            self.record()

    def _in_user_namespace(self, group):
        """Has init left the host's user namespace when it clones?  Then it may not choose a cgroup for its
        child: it needs a file that we have opened."""
        kinds = (steps.MapIds, steps.BecomeRoot)
        return bool(self.userns_ids) or any(isinstance(step, kinds) for step in group)

    def _cgroup_files(self):
        """Descriptors of files by which init moves itself into the container's cgroups."""
        files = self.cgroup.join_files()
        unified = self.cgroup.paths.get("")
        if unified and self.fds.get("cgroup") is None:
            files += (os.open(f"{unified}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC),)
        return files

    # ------------------------------------------------------------ the root

    def _session(self):
        owner = None
        if self.userns_ids:
            owner = tuple(_outside(ids) for ids in self.userns_ids)
        return Session(
            mount_of=lambda step: self._program.take(step),
            userns=self._user_namespace_of,
            cgroup=lambda controller: self.cgroup.paths[controller],
            owner=owner,
            container=self._namespace("user") if self.userns_ids else None,
        )

    def _root(self, group):
        """One stay in the container's mount namespace, while init still makes the mounts for it."""
        self.session = self.session or self._session()
        if isinstance(group[0], steps.AttachRoot):
            self._mounts = group[0].mount
        rootfs.build(self.session, self._namespace("mnt") if self._mounts else None, group)
        self.fds["root"] = self.session.root.fd

    def _namespace(self, name):
        if name not in self.namespaces:
            flags = os.O_RDONLY
            self.namespaces[name] = openat2(self.fds["proc"], f"{self.pid}/ns/{name}", flags)
        return self.namespaces[name]

    def _user_namespace_of(self, uids, gids):
        """A user namespace with these mappings: a short-lived init makes it, its descriptor outlives it."""
        helper = channel.spawn()
        try:
            helper.run([steps.NewNamespaces(("user",))], self.fds)
            _write_map(self.fds["proc"], helper.pid, "uid", uids)
            _write_map(self.fds["proc"], helper.pid, "gid", gids)
            return openat2(self.fds["proc"], f"{helper.pid}/ns/user", os.O_RDONLY)
        finally:
            helper.close()
            os.waitpid(helper.pid, 0)

    # ------------------------------------------------------------ the end

    def launch(self, last_steps):
        """Send the steps that end in Execve; the running `Program`."""
        return self.channel.send([self._bind(step) for step in last_steps], self.fds, (), self._made)

    def hand_over(self, last_steps, listener, waiting):
        """Tell init to wait for start.  From here on it lives without us."""
        self.fds["listener"] = listener
        self.fds["held"] = (waiting,)
        self.launch(last_steps)
        self.channel.close()

    def undo(self):
        """Nothing that was made stays."""
        try:
            self.settle()
        except OcipyError:
            pass  # it is being undone because something failed: this, or what follows from it
        if self.channel:
            self.channel.close()
        if self.pidfd is not None:
            process.signal(self.pidfd, 9)
            process.wait_gone(self.pidfd, 10)
            process.reap(self.pid)
        elif self.channel:
            process.reap_now(self.channel.pid)
        if self.session:
            self.session.undo()

    def close(self):
        if self.session:
            self.session.close()
        self.fds.pop("root", None)
        for name in ("listener", "held"):
            self.fds.pop(name, None)
        for fd in (*self.fds.values(), *self.namespaces.values(), self.master, self.pidfd):
            for each in fd if isinstance(fd, tuple) else (fd,):
                if each is not None:
                    os.close(each)
        self.fds, self.namespaces, self.master, self.pidfd = {}, {}, None, None


def _outside(mappings):
    """The host's id of the container's 0, or of the first one it has."""
    inside, outside, _ = min(mappings)
    return outside if inside == 0 else outside


# ---------------------------------------------------------------- effects of the runtime's own steps


def _make_cgroup(execution, step):
    execution.cgroup.make(execution.needed_controllers)
    if execution.record:
        execution.record()


def _apply(execution, step):
    execution.cgroup.apply(step)


def _open_namespace(execution, step):
    execution.fds[f"ns:{step.type}"] = os.open(step.path, os.O_RDONLY | os.O_CLOEXEC)


def _write_map(proc, pid, kind, mappings):
    text = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in mappings)
    fd = openat2(proc, f"{pid}/{kind}_map", os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise failed(error.errno, "write", f"/proc/{pid}/{kind}_map", text.strip()) from None
    finally:
        os.close(fd)


def _map_ids(execution, step):
    pid, proc = execution.channel.pid, execution.fds["proc"]
    execution.userns_ids = (step.uids, step.gids)
    if step.deny_setgroups:
        fd = openat2(proc, f"{pid}/setgroups", os.O_WRONLY)
        os.write(fd, b"deny")
        os.close(fd)
    for kind, mappings in (("uid", step.uids), ("gid", step.gids)):
        if step.tool:
            _map_by_tool(f"new{kind}map", pid, mappings)
        else:
            _write_map(proc, pid, kind, mappings)


def _map_by_tool(tool, pid, mappings):
    """newuidmap(1) and newgidmap(1): set-user-ID programs that know /etc/subuid."""
    for directory in ("/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin"):
        path = f"{directory}/{tool}"
        if os.access(path, os.X_OK):
            break
    else:
        raise failed(const.ENOENT, "execve", tool, "an unprivileged user needs it to map more than one id")
    arguments = [tool, str(pid), *(str(n) for mapping in mappings for n in mapping)]
    child = os.posix_spawn(path, arguments, {})
    _, status = os.waitpid(child, 0)
    if status:
        raise failed(const.EPERM, tool, *arguments[1:], f"status {process.exit_status(status)}")


def _run_hooks(execution, step):
    execution.run_hooks(step.kind, step.pointer)


def _move_net_device(execution, step):
    from ocipy.runtime import netdevices

    netdevices.move(step.device, step.name, execution._namespace("net"))


#: What needs nothing of init: done while it makes namespaces.
_WHILE_INIT_WORKS = (steps.MakeCgroup, steps.WriteCgroup, steps.LoadDevices, steps.OpenNamespace)

EFFECTS = {
    steps.MakeCgroup: _make_cgroup,
    steps.WriteCgroup: _apply,
    steps.LoadDevices: _apply,
    steps.OpenNamespace: _open_namespace,
    steps.MapIds: _map_ids,
    steps.RunHooks: _run_hooks,
    steps.MoveNetDevice: _move_net_device,
}
