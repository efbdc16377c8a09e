"""What the controllers' modules produce: steps, problems, warnings."""

from __future__ import annotations

from ocipy.errors import Problem
from ocipy.plan.steps import Step, WriteCgroup

INT64_MAX = 2**63 - 1


class CheckUsage(Step):
    """Go on only if no more than a new limit is in use already (memory.checkBeforeUpdate)."""

    controller: str
    file: str  # which says how much is in use
    most: int

    def __str__(self) -> str:
        return f"check that {self.file} is at most {self.most}"


class Out:
    """Collects what a property of linux.resources turns into.

    pointer: JSON pointer of the property; the methods' pointers count from there
    update:  the cgroup has limits already
    """

    __slots__ = ("pointer", "problems", "steps", "update", "warnings")

    def __init__(self, pointer: str, update: bool = False):
        self.pointer = pointer
        self.update = update
        self.steps: list[Step] = []
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def below(self, name: str) -> Out:
        """An Out for a property of this one, which shares the lists."""
        out = Out(f"{self.pointer}/{name}", self.update)
        out.steps, out.problems, out.warnings = self.steps, self.problems, self.warnings
        return out

    def write(self, controller: str, file: str, value: int | str, pointer: str) -> None:
        """Add a WriteCgroup; `pointer` is the property below this one that causes it."""
        self.steps.append(WriteCgroup(controller, file, str(value), pointer=self.pointer + pointer))

    def problem(self, pointer: str, message: str, rule: str) -> None:
        """Note that the config is at fault."""
        self.problems.append(Problem(self.pointer + pointer, message, rule))

    def ignored(self, pointer: str, why: str) -> None:
        """Note that a property has no effect here, in the words that reach the log; an update is refused."""
        if self.update:
            self.problem(pointer, why, "no-effect")
            return
        self.warnings.append(f"config.json: {self.pointer}{pointer} is ignored: {why}")

    def limit(self, value: int, pointer: str) -> bool:
        """Whether a value is one that a limit can have: -1 for unlimited, or a number of bytes."""
        if -1 <= value <= INT64_MAX:
            return True
        self.problem(pointer, f"{value} is neither -1 (unlimited) nor a size in bytes", "limit-range")
        return False


def unlimited(value: int) -> str:
    """A limit as cgroup v2 writes it: "max" for -1."""
    return "max" if value == -1 else str(value)
