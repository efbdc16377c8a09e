"""The runtime: containers of one state root."""

from __future__ import annotations

from ocipy import cgroups
from ocipy.errors import ContainerError, OcipyError, UsageError
from ocipy.runtime.container import Container
from ocipy.runtime.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike
    from typing import Any, Unpack

    from ocipy.errors import Problem
    from ocipy.plan.steps import Plan
    from ocipy.runtime.options import CreateOptions, RunOptions

__all__ = ["Container", "Runtime"]


class Runtime:
    """Makes and finds the containers below one state root.  May be used by many threads at once.

    root:           directory, default /run/ocipy, for ordinary users $XDG_RUNTIME_DIR/ocipy
    cgroup_manager: cgroupfs, systemd or disabled
    rootless:       go without cgroups that are not permitted, until a limit is asked for? by default if we
                    are not the host's root
    warn:           called with each warning, one line
    environ:        where a command finds what its caller means for the container: NOTIFY_SOCKET, LISTEN_FDS
    """

    def __init__(
        self,
        root: str | PathLike[str] | None = None,
        cgroup_manager: str = "cgroupfs",
        rootless: bool | None = None,
        warn: Callable[[str], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ):
        if cgroup_manager not in cgroups.MANAGERS:
            known = ", ".join(cgroups.MANAGERS)
            raise UsageError(f'cgroup manager "{cgroup_manager}" is not one of {known}')
        self.store = Store(root)
        self.root = self.store.root
        self.cgroup_manager = cgroup_manager
        self.rootless = rootless
        self.environ = environ or {}
        self.warn = warn or (lambda text: None)

    # ------------------------------------------------------------ looking

    def validate(
        self, bundle: str | PathLike[str], strict: bool = False, format: str | None = None
    ) -> list[Problem]:
        """All that is wrong with a bundle's configuration; raises ConfigError for one that can't be read.

        strict: count what is otherwise warned of: unknown properties, and what a format can't carry over
        format: name of the one that it is written in; by default it is found out
        """
        from ocipy import formats, spec
        from ocipy.runtime.create import bundle_directory
        from ocipy.spec.origin import judge

        loaded = formats.load(bundle_directory(bundle), format)
        refused, lossy = judge(loaded.notes, strict)
        problems, warnings = spec.validate(loaded.data, strict)
        if not problems and not strict:
            warnings += spec.unknown_properties(loaded.data)
        for warning in (*lossy, *(loaded.located(warning).within(loaded.source) for warning in warnings)):
            self.warn(warning)
        return [*refused, *map(loaded.located, problems)]

    def plan(self, bundle: str | PathLike[str], id: str = "plan", **options: Unpack[CreateOptions]) -> Plan:
        """What `create` and `start` would do, in order; touches nothing.

        options: those of `create`; the ones that a plan does not depend on are ignored

        Its tuples `create` and `start` hold the steps; each prints as a line, and has a `pointer`.
        """
        from ocipy.runtime.create import Planned

        known = ("no_pivot", "no_new_keyring", "strict", "format")
        chosen: dict[str, Any] = {name: value for name, value in options.items() if name in known}
        return Planned(self, bundle, id, **chosen).plan

    def load(self, id: str) -> Container:
        """The container of this id.  Raises ContainerError when there is none."""
        entry = self.store.entry(id)
        return Container(self, entry, entry.load())

    def list(self) -> list[dict[str, Any]]:
        """The state of every container, as `Container.state` has it."""
        found = []
        for id in self.store.ids():
            try:
                found.append(self.load(id).state())
            except OcipyError as error:
                # Being made, or gone in between; else worth a word, but no reason to keep the others back.
                if self.store.entry(id).holds("state.json"):
                    self.warn(f"{id}: {error}")
        return found

    # ------------------------------------------------------------ making

    def create(self, bundle: str | PathLike[str], id: str, **options: Unpack[CreateOptions]) -> Container:
        """Make a container, all but its program, which `Container.start` lets run.  A failure leaves nothing.

        bundle:         directory with a config.json, or a container in another format
        stdin, stdout, stderr: of the program: a descriptor or a file; by default those of this process
        console_socket: path of the AF_UNIX socket that gets the terminal's master
        pidfd_socket:   path of the AF_UNIX socket that gets a pidfd of the first process
        pid_file:       written, by rename, before create returns
        preserve_fds:   descriptors from 3 up that the program inherits
        no_pivot:       for a root on a ramdisk, which pivot_root(2) can't leave
        no_new_keyring: keep the session keyring of this process
        strict:         refuse unknown properties, ignored otherwise, and what a format can't carry over
        format:         name of the one that the bundle is written in; by default it is found out

        Raises ConfigError, StepError, UsageError, ContainerError if the id is taken.
        """
        from ocipy.runtime import create

        return create.create(self, bundle, id, **options)

    def run(self, bundle: str | PathLike[str], id: str, **options: Unpack[RunOptions]) -> int:
        """Create, start, wait, delete; returns the program's exit status, 128 and the signal if one ended it.

        Beside the options of `create`:

        timeout:      seconds after which it is killed, and TimedOut raised
        detach:       return 0 once it runs
        keep:         leave the stopped container there
        signals:      take and forward this process's signals meanwhile, as a command does (main thread only)
        no_subreaper: with `signals`, don't adopt what the container leaves behind
        """
        from ocipy.runtime import run

        return run.run(self, bundle, id, **options)

    def delete(self, id: str, force: bool = False) -> None:
        """Delete a container; with force, one that is missing or half made too."""
        entry = self.store.entry(id)
        try:
            Container(self, entry, entry.load()).delete(force)
        except ContainerError:
            if not force or entry.read("state.json") is not None:
                raise
            # Another delete was faster, or a create died before it knew anything.
            entry.require_ours()
            if entry.exists():
                entry.lock()
                entry.remove()
