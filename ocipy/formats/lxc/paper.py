"""The configuration that a config.json becomes, while it is written: lines, and what they could not say.

What nobody takes is named in the end: nothing is lost in silence.
"""

from __future__ import annotations

from ocipy.formats.lxc import grammar
from ocipy.formats.lxc.draft import escaped
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED, Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Why a property is not carried over; for others it is that LXC has no key for it.
_REASONS = {
    "/ociVersion": "",
    "/process/consoleSize": "LXC takes the size of the terminal that it is started on",
    "/linux/rootfsPropagation": "",
    "/linux/mountLabel": "LXC labels no mounts",
}
_NO_KEY = "LXC has no key for it"


class Paper:
    """What the parts of a writing share.

    data:    config.json
    version: of LXC, as a number
    """

    def __init__(self, data: dict[str, Any], version: int):
        self.data = data
        self.version = version
        self.lines: list[str] = []
        self.notes: list[Note] = []
        self.files: dict[str, bytes] = {}
        self._taken: set[str] = set()

    def take(self, pointer: str) -> Any:
        """A property that is now somebody's business; None if it is not there."""
        self._taken.add(pointer)
        return self.look(pointer)

    def look(self, pointer: str) -> Any:
        """A property, by its JSON pointer."""
        found: Any = self.data
        for name in pointer.split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def put(self, key: str, value: object, pointer: str) -> None:
        """One line; for a value that no line can hold, a note."""
        try:
            self.lines.append(grammar.line(key, str(value)))
        except ValueError as error:
            self.refused(pointer, str(error))

    def changed(self, pointer: str, reason: str) -> None:
        self.notes.append(Note(pointer, "", CHANGED, reason))

    def lossy(self, pointer: str, reason: str) -> None:
        self.notes.append(Note(pointer, "", LOSSY, reason))

    def refused(self, pointer: str, reason: str) -> None:
        self.notes.append(Note(pointer, "", REFUSED, reason))

    def finish(self) -> None:
        """Notes of all that is left."""
        self._left(self.data, "")

    def _left(self, value: dict[str, Any], pointer: str) -> None:
        for name, below in value.items():
            at = f"{pointer}/{escaped(name)}"
            if at in self._taken or below in (None, [], {}, ""):
                continue
            if isinstance(below, dict) and any(taken.startswith(f"{at}/") for taken in self._taken):
                self._left(below, at)
            elif reason := _REASONS.get(at, _NO_KEY):
                self.lossy(at, reason)
