"""The runtime: containers of one state root.

from ocipy.runtime import Runtime

container = Runtime().create("bundle/", "web")
container.start()
"""

from __future__ import annotations

from ocipy.errors import ContainerError, OcipyError
from ocipy.runtime.container import Container
from ocipy.runtime.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ocipy.errors import Problem
    from ocipy.plan.steps import Plan

__all__ = ["Container", "Runtime"]


class Runtime:
    """Makes and finds the containers below one state root.

    root:           directory, default /run/ocipy, for ordinary users $XDG_RUNTIME_DIR/ocipy
    cgroup_manager: cgroupfs, systemd or disabled
    warn:           called with each warning, one line
    environ:        where a command finds what its caller means for the container: NOTIFY_SOCKET, LISTEN_FDS
    """

    def __init__(
        self,
        root: str | None = None,
        systemd_cgroup: bool = False,
        rootless: str = "auto",
        cgroup_manager: str = "cgroupfs",
        warn: Callable[[str], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ):
        self.store = Store(root)
        self.root = self.store.root
        self.cgroup_manager = "systemd" if systemd_cgroup else cgroup_manager
        self.rootless = rootless
        self.environ = environ or {}
        self.warn = warn or (lambda text: None)

    # ------------------------------------------------------------ looking

    def validate(self, bundle: str, strict: bool = False, format: str | None = None) -> list[Problem]:
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
        for warning in (*lossy, *(str(loaded.located(warning)) for warning in warnings)):
            self.warn(warning)
        return [*refused, *map(loaded.located, problems)]

    def plan(self, bundle: str, id: str = "plan", **options: Any) -> Plan:
        """What `create` and `start` would do, in order; touches nothing.

        options: those of `create`; the ones that a plan does not depend on are ignored
        """
        from ocipy.runtime.create import Planned

        known = ("no_pivot", "no_new_keyring", "strict", "format")
        return Planned(self, bundle, id, **{name: options[name] for name in known if name in options}).plan

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

    def create(self, bundle: str, id: str, **options: Any) -> Container:
        """Make a container; see `ocipy.runtime.create.create` for the options."""
        from ocipy.runtime import create

        return create.create(self, bundle, id, **options)

    def run(self, bundle: str, id: str, **options: Any) -> int:
        """Create, start, wait, delete; see `ocipy.runtime.run.run`.  Returns the exit status."""
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
            if entry.exists():
                entry.lock()
                entry.remove()
