"""No cgroups: the container stays in those of its caller, and nothing can be limited, listed or frozen."""

from __future__ import annotations

from ocipy.cgroups.manager import Manager
from ocipy.errors import ContainerError, StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.plan.steps import LoadDevices, WriteCgroup


class Disabled(Manager):
    """The manager of ``--cgroup-manager disabled``, and of a host without cgroups."""

    def _make(self, made: list[str], needed: Iterable[str]) -> None:
        return

    def _apply(self, step: WriteCgroup | LoadDevices) -> None:
        if getattr(step, "controller", "devices") != "devices":
            raise StepError(str(step), "the container has no cgroup", step.pointer, "cgroups are disabled")

    def freeze(self) -> None:
        raise ContainerError("the container has no cgroup: it can't be paused")

    def thaw(self) -> None:
        return

    def frozen(self) -> bool:
        return False
