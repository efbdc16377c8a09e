"""create: from a bundle to a container whose init waits for start."""

from __future__ import annotations

from ocipy import cgroups, formats, spec
from ocipy.errors import ConfigError, OcipyError, UsageError, describe
from ocipy.linux import os
from ocipy.plan import resources
from ocipy.plan.compile import compile
from ocipy.plan.facts import Options
from ocipy.runtime import host, process, streams
from ocipy.runtime.container import Container
from ocipy.runtime.execute import Execution, confined
from ocipy.runtime.store import check_id
from ocipy.spec import jsontext

#: Hooks that later verbs run; the others are done when create is.
LATER_HOOKS = ("startContainer", "poststart", "poststop")


def create(
    runtime,
    bundle,
    id,
    *,
    stdin=None,
    stdout=None,
    stderr=None,
    console_socket=None,
    pidfd_socket=None,
    pid_file=None,
    no_pivot=False,
    no_new_keyring=False,
    preserve_fds=0,
    strict=False,
    format=None,
    terminal=None,
):
    """Make the container `id` from a bundle; see `Runtime.create`.

    terminal: called with the terminal's master, instead of a console socket (`run` in the foreground)
    """
    check_id(id)
    inherited = streams.inherited(preserve_fds, runtime.environ)
    planned = Planned(
        runtime,
        bundle,
        id,
        no_pivot=no_pivot,
        no_new_keyring=no_new_keyring,
        strict=strict,
        format=format,
        inherited=inherited,
    )
    asked = planned.config.get("process") or {}
    given = streams.standard(stdin, stdout, stderr)
    streams.check_console(bool(asked.get("terminal")), console_socket, terminal is None, given)
    with planned.making() as making:
        execution = making.run(given)
        streams.hand_out(execution, asked, terminal, console_socket, pidfd_socket, pid_file)
        making.finish()
    return making.container


class Planned:
    """A bundle, read and checked, with the plan for it: all that comes before the first effect."""

    def __init__(
        self,
        runtime,
        bundle,
        id,
        *,
        no_pivot=False,
        no_new_keyring=False,
        strict=False,
        format=None,
        inherited=None,
    ):
        directory = bundle_directory(bundle)
        self.runtime = runtime
        self.spec = formats.load(directory, format)
        self.config = self.spec.data
        self.facts = host.facts()
        notify = inherited is not None and bool(runtime.environ.get("NOTIFY_SOCKET"))
        env = inherited.env if inherited else ()
        self.options = Options(
            id,
            directory,
            no_pivot=no_pivot,
            no_new_keyring=no_new_keyring,
            preserve_fds=inherited.count if inherited else 0,
            env=(*env, "NOTIFY_SOCKET=/run/notify/notify.sock") if notify else env,
            notify_socket=f"{runtime.root}/{id}/notify" if notify else "",
            cgroups=runtime.cgroup_manager != "disabled",
            systemd=runtime.cgroup_manager == "systemd",
            rootless=runtime.rootless,
        )
        try:
            self._check(strict)
            self.plan = compile(self.config, self.options, self.facts)
        except ConfigError as error:
            raise self._located(error) from None
        if self.spec.places:
            self._trace()
        for warning in self.plan.warnings:
            runtime.warn(f"{self.spec.source}: {warning}" if warning.startswith("/") else warning)

    def _check(self, strict):
        if self.spec.notes:
            from ocipy.spec.origin import judge

            problems, warnings = judge(self.spec.notes, strict)
            for warning in warnings:
                self.runtime.warn(warning)
            if problems:
                raise ConfigError(problems, self.spec.source)
        for warning in spec.require(self.config, self.spec.source, strict):
            self.runtime.warn(self.spec.located(warning).within(self.spec.source))

    def _located(self, error):
        return ConfigError(map(self.spec.located, error.problems), self.spec.source)

    def _trace(self):
        """Have each step of a container in another format say which line of that asked for it."""
        from ocipy.spec.origin import retold

        create, start = (
            tuple(
                step.replace(pointer=self.spec.place(step.pointer)) if step.pointer else step
                for step in phase
            )
            for phase in (self.plan.create, self.plan.start)
        )
        warnings = tuple(retold(self.spec, warning) for warning in self.plan.warnings)
        self.plan = self.plan.replace(create=create, start=start, warnings=warnings)

    def making(self):
        """What will make it, once it is entered."""
        try:
            return _Making(self.runtime, self)
        except ConfigError as error:
            raise self._located(error) from None

    def cgroup(self, manager):
        """The manager of the cgroup that the plan makes."""
        path = (self.config.get("linux") or {}).get("cgroupsPath") or ""
        rootless = self.options.rootless_cgroups(self.facts)
        return cgroups.open_manager(self.facts.cgroup, path, self.options.id, rootless, manager)


def bundle_directory(bundle):
    """The absolute path of a bundle that is a directory."""
    directory = os.path.abspath(os.fspath(bundle))
    try:
        found = os.stat(directory).st_mode & 0o170000 == 0o040000  # S_ISDIR
    except (FileNotFoundError, NotADirectoryError, ValueError):
        found = False
    except OSError as error:
        raise UsageError(f"bundle {describe(error)}") from error
    if not found:
        raise UsageError(f"bundle {bundle}: no such directory")
    return directory


class _Making:
    """A container between mkdir of its state and `created`; leaving it with an error undoes everything."""

    def __init__(self, runtime, planned):
        self.plan, self.agent = confined(planned.plan, planned.config, runtime.root)
        self.config = planned.config
        self.preserve = planned.options.preserve_fds
        self.cgroup = planned.cgroup(runtime.cgroup_manager)
        self.document = _document(planned)
        self.private = self.document["ocipy"]
        self.private["agent"] = self.agent
        self.execution = None
        self.entry = runtime.store.create(planned.options.id)
        self.cgroup.owner = self.entry.path
        self.container = Container(runtime, self.entry, self.document)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        try:
            if kind:
                try:
                    explained = self._explained(error)
                finally:
                    self._undo()
                if explained is not error:
                    raise explained from error
            else:
                self.entry.unlock()
        finally:
            if self.execution:
                self.execution.close()

    def _explained(self, error):
        """The error, or one that says that the OOM killer had to do with it."""
        if not isinstance(error, (OcipyError, OSError)):
            return error
        from ocipy.cgroups import oom

        return oom.explain(error, self.cgroup, new=True)

    def run(self, given):
        """Do the plan up to the moment at which init could be told to wait for start.

        given: descriptors for its standard streams
        """
        self.entry.write("config.json", jsontext.dump(self.config).encode(), durable=False)
        if self.private["notify"]:
            os.mkdir(f"{self.entry.path}/notify", 0o755)
        self._record()
        self.execution = Execution(
            self.cgroup,
            self.container.runtime.root,
            self._run_hooks,
            self.preserve,
            self._record,
            self._notify,
            given,
        )
        self.execution.needed_controllers = resources.needed(self.plan.create)
        try:
            self.execution.run(self.plan.create)
        except OcipyError as error:
            from ocipy.runtime import diagnose

            raise diagnose.explain(error, self.private["program"]) from error
        return self.execution

    def _record(self):
        """What a `delete --force` after our death would need to know."""
        if self.execution and self.execution.pid:
            self.document["pid"] = self.execution.pid
            self.private["started"] = self.execution.started
        self.private["cgroup"] = self.cgroup.kept()
        self.entry.save(self.document, durable=self.private["phase"] == "created")

    def _run_hooks(self, kind, _pointer):
        from ocipy.runtime import hooks

        hooks.run(self.container, kind, self.config["hooks"][kind], self.execution)

    def _notify(self, fd):
        from ocipy.runtime import agent

        agent.hand_over(self.agent, fd, self.container._state_for_hooks("creating"), self.document["pid"])

    def finish(self):
        """The container is created when init waits and the state says so."""
        listener = self.entry.listen()
        waiting = self.entry.hold_waiting()
        try:
            self.execution.hand_over(self.plan.start, listener.fileno(), waiting)
            self.private["phase"] = "created"
            self._record()
        finally:
            listener.close()
            os.close(waiting)

    def _undo(self):
        """As far as it can be done: what one part of it meets is no reason to leave out the next."""
        if self.execution:
            self.execution.undo()
        for part in (self.cgroup.kill, self.cgroup.remove, self._run_poststop, self.entry.remove):
            try:
                part()
            except (OcipyError, OSError) as error:
                self.container.runtime.warn(f"something of a failed create stays: {describe(error)}")

    def _run_poststop(self):
        """A create that fails after its hooks began is undone as `delete` would do it."""
        listed = self.private["hooks"].get("poststop")
        if not (listed and self.execution and self.execution.pid):
            return
        from ocipy.runtime import hooks

        state = self.container._state_for_hooks("stopped", 0)
        warn, places = self.container.runtime.warn, self.private["places"]
        hooks.run_poststop(listed, state, self.document["bundle"], warn, places)


def _document(planned):
    """The state document; what is not for the public is below "ocipy"."""
    config, bundle = planned.config, planned.options.bundle
    root = config["root"]["path"]
    hooks = config.get("hooks") or {}
    private = {
        "phase": "creating",
        "notify": bool(planned.options.notify_socket),
        "no_new_keyring": planned.options.no_new_keyring,
        "hooks": {kind: hooks[kind] for kind in LATER_HOOKS if hooks.get(kind)},
        # What hooks come from, where there is no config.json to point into.
        "places": _places_of_hooks(planned.spec, hooks) if planned.spec.places else {},
        "program": config["process"]["args"][0] if config.get("process") else "",
        # How to speak of what init still has to do when start comes.
        "start": [[type(step).__name__, str(step), step.pointer] for step in planned.plan.start],
    }
    return {
        "ociVersion": config["ociVersion"],
        "id": planned.options.id,
        "pid": 0,
        "status": "creating",
        "bundle": bundle,
        "rootfs": root if root.startswith("/") else os.path.normpath(f"{bundle}/{root}"),
        "created": process.now_rfc3339(),
        "owner": "",
        "annotations": config.get("annotations") or {},
        "ocipy": private,
    }


def _places_of_hooks(loaded, hooks):
    pointers = [f"/hooks/{kind}/{index}" for kind, listed in hooks.items() for index in range(len(listed))]
    return {pointer: loaded.place(pointer) for pointer in pointers}
