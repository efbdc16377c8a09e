"""create: from a bundle to a container whose init waits for start."""

from __future__ import annotations

import os

from ocipy import cgroups, formats
from ocipy.errors import OcipyError, UsageError
from ocipy.plan import steps
from ocipy.runtime import host, process
from ocipy.runtime.container import Container, listen
from ocipy.runtime.execute import Execution
from ocipy.spec import jsontext

#: Hooks that later verbs run; the others are done when create is.
LATER_HOOKS = ("startContainer", "poststart", "poststop")


def create(
    runtime,
    bundle,
    id,
    *,
    console_socket=None,
    pidfd_socket=None,
    pid_file=None,
    no_pivot=False,
    no_new_keyring=False,
    preserve_fds=0,
    strict=False,
    detach=True,
    terminal=None,
):
    """Make the container `id` from a bundle.  On any failure nothing stays.

    console_socket: path of the AF_UNIX socket that gets the terminal's master
    pidfd_socket:   path of the AF_UNIX socket that gets a pidfd of the first process
    pid_file:       written, by rename, before create returns
    preserve_fds:   descriptors from 3 up that the program inherits
    terminal:       called with the terminal's master, instead of a console socket (`run` in the foreground)
    """
    from ocipy.runtime import _bundle, streams

    bundle = _bundle(bundle)
    fds = streams.inherited(preserve_fds)
    notify = os.environ.get("NOTIFY_SOCKET", "")
    entry = runtime._store.entry(id)
    loaded = formats.load(bundle)
    has_terminal = bool((loaded.data.get("process") or {}).get("terminal"))
    streams.check_console(has_terminal, console_socket, detach=terminal is None)
    keywords = {"no_pivot": no_pivot, "no_new_keyring": no_new_keyring, "strict": strict}
    keywords |= {"preserve_fds": fds.count, "env": fds.env}
    if notify:
        keywords["notify_socket"] = f"{entry.path}/notify"
        keywords["env"] += ("NOTIFY_SOCKET=/run/notify/notify.sock",)
    facts = host.facts()
    plan = runtime._compile(loaded, runtime._options(bundle, id, keywords), facts, keywords)
    for warning in plan.warnings:
        runtime.warn(warning)
    rootless = facts.rootless or facts.user_namespace
    path = (loaded.data.get("linux") or {}).get("cgroupsPath") or ""
    cgroup = cgroups.open_manager(facts.cgroup, path, id, rootless, runtime.cgroup_manager)
    entry = runtime._store.create(id)
    making = _Making(runtime, entry, loaded, bundle, cgroup, bool(notify))
    making.private["no_new_keyring"] = no_new_keyring
    try:
        making.run(plan, fds.count)
        if has_terminal:
            streams.hand_over_terminal(making.execution, loaded.data["process"], console_socket, terminal)
        if pidfd_socket:
            streams.send_descriptor(pidfd_socket, making.execution.pidfd, b"pidfd")
        if pid_file:
            write_pid_file(pid_file, making.execution.pid)
        making.finish(plan)
    except BaseException:
        making.undo()
        raise
    finally:
        making.execution.close()
    entry.unlock()
    return making.container


class _Making:
    """A container between mkdir of its state and `created`."""

    def __init__(self, runtime, entry, loaded, bundle, cgroup, notify):
        self.entry = entry
        self.root = runtime.root
        self.config = loaded.data
        self.cgroup = cgroup
        root = self.config["root"]["path"]
        self.document = {
            "ociVersion": self.config["ociVersion"],
            "id": entry.id,
            "pid": 0,
            "status": "creating",
            "bundle": bundle,
            "rootfs": root if root.startswith("/") else os.path.normpath(f"{bundle}/{root}"),
            "created": process.now_rfc3339(),
            "owner": "",
            "annotations": self.config.get("annotations") or {},
            "ocipy": {"phase": "creating", "notify": notify},
        }
        self.container = Container(runtime, entry, self.document)
        self.execution = None

    @property
    def private(self):
        return self.document["ocipy"]

    def run(self, plan, preserve):
        hooks = self.config.get("hooks") or {}
        self.private["hooks"] = {kind: hooks[kind] for kind in LATER_HOOKS if hooks.get(kind)}
        if self.config.get("process"):
            self.private["program"] = self.config["process"]["args"][0]
        self.private["start"] = [[type(step).__name__, str(step), step.pointer] for step in plan.start]
        if any(isinstance(step, steps.LoadSeccomp) for step in plan.start):
            from ocipy.runtime import seccomp

            self.private["listener"] = seccomp.listener_of(self.config)
        self.entry.write("config.json", jsontext.dump(self.config).encode(), durable=False)
        if self.private["notify"]:
            os.mkdir(f"{self.entry.path}/notify", 0o755)
        self._record()
        self.execution = Execution(self.cgroup, self.root, self._run_hooks, preserve, self._record)
        self.execution.notify = self._notify
        self.execution.needed_controllers = {
            step.controller for step in plan.create if isinstance(step, steps.WriteCgroup)
        }
        try:
            self.execution.run(plan.create)
        except OcipyError as error:
            from ocipy.runtime import diagnose

            raise diagnose.explain(error, self.private.get("program", "")) from error

    def _record(self):
        """What a `delete --force` after our death would need to know."""
        if self.execution and self.execution.pid:
            self.document["pid"] = self.execution.pid
            self.private["started"] = self.execution.started
        cgroup = self.cgroup
        self.private["cgroup"] = {"paths": cgroup.paths, "made": list(cgroup.made), "rootless": cgroup.rootless}
        self.entry.save(self.document, durable=self.private["phase"] == "created")

    def _run_hooks(self, kind, _pointer):
        from ocipy.runtime import hooks

        hooks.run(self.container, kind, self.config["hooks"][kind], self.execution)

    def _notify(self, fd):
        from ocipy.runtime import seccomp

        state = self.container._state_for_hooks("creating")
        seccomp.hand_over(seccomp.listener_of(self.config), fd, state, self.document["pid"])

    def finish(self, plan):
        """The container is created when init waits and the state says so."""
        listener = listen(self.entry)
        waiting = self.entry.hold_waiting()
        try:
            if plan.start:
                self.execution.hand_over(plan.start, listener.fileno(), waiting)
            self.private["phase"] = "created"
            self._record()
        finally:
            listener.close()
            os.close(waiting)

    def undo(self):
        if self.execution:
            self.execution.undo()
        try:
            self.cgroup.kill()
            self.cgroup.remove()
        except OSError as error:
            self.container.runtime.warn(f"cgroup of a failed create stays: {error}")
        self._run_poststop()
        self.entry.remove()

    def _run_poststop(self):
        """A create that fails after its hooks began is undone as `delete` would: runtime-spec lifecycle 12, 13."""
        if not (self.execution and self.execution.pid and self.private["hooks"].get("poststop")):
            return
        from ocipy.runtime import hooks

        state = self.container._state_for_hooks("stopped", 0)
        hooks.run_poststop(self.private["hooks"]["poststop"], state, self.document["bundle"], self.container.runtime.warn)


def write_pid_file(path, pid):
    """The pid as decimal text, there at once or not at all."""
    temporary = f"{os.path.dirname(path) or '.'}/.{os.path.basename(path)}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(str(pid))
        os.rename(temporary, path)
    except OSError as error:
        raise UsageError(f"pid file {path}: {error.strerror}") from error
