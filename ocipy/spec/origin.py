"""What becomes of a container's configuration on its way from one format to another.

A backend of `ocipy.formats` says it in `Note`s, one for each key that does not arrive as it was.  What does
arrive as it was needs no words.

    changed   carried over, but in another way, or with a value that the backend had to decide on
    lossy     not carried over, or not all of it: the container will run, and behave a little differently
    refused   not carried over, and without it the container would be another one: it is not run
"""

from __future__ import annotations

from ocipy.errors import Problem, one_line
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocipy.spec import Spec

CHANGED, LOSSY, REFUSED = ("changed", "lossy", "refused")


class Note(Record):
    """What becomes of one key.

    key:    "lxc.tty.max", or a JSON pointer
    place:  file and line, "config:12"; "" of a Spec that is written, whose reader knows the lines
    fate:   CHANGED, LOSSY or REFUSED
    reason: for a person, without a full stop
    """

    key: str
    place: str
    fate: str
    reason: str

    def __str__(self) -> str:
        return one_line(f"{self.where}: {self.fate}: {self.reason}")

    @property
    def where(self) -> str:
        return f"{self.place}: {self.key}" if self.place else self.key


def judge(notes: Iterable[Note], strict: bool = False) -> tuple[list[Problem], list[str]]:
    """(problems, warnings) of a conversion: what is refused is a problem, what is lossy a warning.

    strict: what is lossy is a problem, too
    """
    problems, warnings = [], []
    for note in notes:
        if note.fate == REFUSED or (note.fate == LOSSY and strict):
            problems.append(Problem("", f"{note.fate}: {note.reason}", note.fate, note.where))
        elif note.fate == LOSSY:
            warnings.append(str(note))
    return problems, warnings


def retold(spec: Spec, warning: str) -> str:
    """A plan's warning, which begins with a JSON pointer, with the place in the file that was read instead.

    >>> from ocipy.spec import Spec
    >>> spec = Spec({}, "config", places={"/linux/resources": "config:3: lxc.cgroup2.memory.low"})
    >>> retold(spec, "config.json: /linux/resources/memory is ignored: cgroup v1 has none")
    'config:3: lxc.cgroup2.memory.low is ignored: cgroup v1 has none'
    """
    text = warning.removeprefix("config.json: ")
    if not spec.places or not text.startswith("/"):
        return warning
    pointer, space, rest = text.partition(" ")
    colon = ":" if pointer.endswith(":") else ""
    return f"{spec.place(pointer.removesuffix(':'))}{colon}{space}{rest}"
