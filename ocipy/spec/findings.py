"""Where checks put what they find."""

from __future__ import annotations

from ocipy.errors import Problem

#: Of each kind.  Nobody reads more, and a file of a million wrong items must not become a million problems.
MOST = 50


class Findings:
    """Problems, for which a container is refused, and warnings, which are said and ignored.

    A pointer's last part may be any key of the document: it is escaped here.
    """

    __slots__ = ("problems", "warnings")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, rule: str, message: str, pointer: str, *steps: object) -> None:
        _add(self.problems, "problems", rule, message, pointer, steps)

    def warning(self, rule: str, message: str, pointer: str, *steps: object) -> None:
        _add(self.warnings, "warnings", rule, message, pointer, steps)


def _add(
    found: list[Problem], kind: str, rule: str, message: str, pointer: str, steps: tuple[object, ...]
) -> None:
    if len(found) < MOST:
        found.append(Problem(at(pointer, *steps), message, rule))
    elif len(found) == MOST:
        found.append(Problem("", f"only the first {MOST} {kind} are shown", rule))


def at(pointer: str, *steps: object) -> str:
    """``pointer`` with more steps (RFC 6901)."""
    return pointer + "".join(["/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps])


def quoted(text: str, most: int = 60) -> str:
    """A string of the document in a message."""
    return f'"{text}"' if len(text) <= most else f'"{text[:most]}..."'
