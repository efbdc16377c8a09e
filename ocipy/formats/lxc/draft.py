"""The config.json that a configuration becomes, while it grows: each property with the line it is from."""

from __future__ import annotations

from ocipy.spec import Spec
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED, Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.formats.lxc.grammar import Entry
    from ocipy.formats.lxc.host import Host
    from ocipy.formats.lxc.read import Configuration


class Draft:
    """What the parts of a reading share: the configuration, the host, and what has come of it so far."""

    def __init__(self, config: Configuration, host: Host):
        self.config = config
        self.host = host
        self.data: dict[str, Any] = {}
        self.notes: list[Note] = []
        self.places: dict[str, str] = {}

    def set(self, pointer: str, value: Any, entry: Entry | None = None) -> None:
        """Set a property, by its JSON pointer; the objects above it are made."""
        parent, name = self._parent(pointer)
        parent[name] = value
        self._place(pointer, entry)

    def add(self, pointer: str, value: Any, entry: Entry | None = None) -> None:
        """Append to a list."""
        parent, name = self._parent(pointer)
        found = parent.setdefault(name, [])
        found.append(value)
        self._place(f"{pointer}/{len(found) - 1}", entry)

    def get(self, pointer: str) -> Any:
        """A property, None if it is not there."""
        found: Any = self.data
        for name in pointer.split("/")[1:]:
            found = found.get(_unescaped(name)) if found is not None else None
        return found

    def changed(self, entry: Entry, reason: str) -> None:
        self.notes.append(Note(entry.key, entry.place, CHANGED, reason))

    def lossy(self, entry: Entry, reason: str) -> None:
        self.notes.append(Note(entry.key, entry.place, LOSSY, reason))

    def refused(self, entry: Entry, reason: str) -> None:
        self.notes.append(Note(entry.key, entry.place, REFUSED, reason))

    def spec(self, source: str) -> Spec:
        """The result."""
        return Spec(self.data, source, places=self.places)

    def _parent(self, pointer: str) -> tuple[dict[str, Any], str]:
        *parents, last = pointer.split("/")[1:]
        found = self.data
        for name in parents:
            found = found.setdefault(_unescaped(name), {})
        return found, _unescaped(last)

    def _place(self, pointer: str, entry: Entry | None) -> None:
        if entry is not None:
            self.places[pointer] = entry.where


def escaped(name: str) -> str:
    """A name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
