"""What every step is; the plan."""

from __future__ import annotations

from ocipy.record import Record, keyword

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    #: Numbers a descriptor by its name, or several: the index that an op has for it.
    Numbering = Callable[[str], Any]
    #: ((op, arguments), ...) of the protocol.
    Ops = tuple[tuple[str, tuple[Any, ...]], ...]


class Step(Record):
    """One thing to do."""

    #: JSON pointer into config.json of the property that caused the step.
    pointer: str = keyword(default="", kw_only=True)

    where = "runtime"


class InitStep(Step):
    """One thing that ocipy-init does."""

    where = "init"

    def ops(self, fd: Numbering) -> Ops:
        """The step as ops of the protocol: ((op, arguments), ...).  `fd(name)` numbers a descriptor."""
        raise TypeError(f"{type(self).__name__} has no ops")


class Op(InitStep):
    """A step of init that is one op with plain arguments."""

    op: str
    arguments: tuple[Any, ...]
    text: str

    def __str__(self) -> str:
        return self.text

    def ops(self, fd: Numbering) -> Ops:
        return ((self.op, self.arguments),)


class WriteProc(InitStep):
    """Write an attribute of the process through the runtime's own, verified procfs."""

    path: str
    value: str
    text: str

    def __str__(self) -> str:
        return self.text

    def ops(self, fd: Numbering) -> Ops:
        return (("WRITE", (fd("proc"), self.path, self.value)),)


class RunHooks(Step):
    """Run the hooks of one kind, in listed order."""

    kind: str
    count: int

    def __str__(self) -> str:
        return f"run {self.count} {self.kind} hook{'s' if self.count > 1 else ''}"


class Plan(Record):
    """The whole of a verb's work, in order.

    create: everything up to the moment at which the container is `created`
    start:  what init still has to do when `start` comes
    """

    create: tuple[Any, ...]
    start: tuple[Any, ...] = ()
    warnings: tuple[Any, ...] = ()

    def has(self, kind: type[Step]) -> bool:
        """Is there a step of this kind?"""
        return any(isinstance(step, kind) for step in (*self.create, *self.start))

    def __str__(self) -> str:
        return "\n".join(
            f"{step}{f'  [{step.pointer}]' if step.pointer else ''}" for step in (*self.create, *self.start)
        )
