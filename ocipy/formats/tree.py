"""Reading a JSON document of which every key must be answered for: typed, with places, and none forgotten."""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.spec import jsontext
from ocipy.spec.findings import at as pointer_at
from ocipy.spec.jsonlines import line_of, lines
from ocipy.spec.origin import REFUSED, Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_WORDS = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}


class Source:
    """The file that a tree is read from: it knows the lines, and collects the notes.

    text: to count lines in; without it places are "" (a Spec that is written has its own)
    """

    def __init__(self, name: str, text: bytes | None = None) -> None:
        self.name = name
        self.notes: list[Note] = []
        self._text = text
        self._lines: dict[str, int] | None = None

    def place(self, pointer: str) -> str:
        """ "state.json:12" """
        if self._text is None:
            return ""
        if self._lines is None:
            self._lines = lines(self._text)
        return f"{self.name}:{line_of(self._lines, pointer)}"

    def note(self, pointer: str, fate: str, reason: str) -> None:
        self.notes.append(Note(pointer or "/", self.place(pointer), fate, reason))


class Node:
    """An object of the document.  A key that is missing, and one that is null, has the value of none.

    Whatever has another type than is asked for raises ConfigError with its place.  `unread` tells which keys
    nobody has asked for.
    """

    def __init__(self, value: Mapping[str, Any], pointer: str, source: Source) -> None:
        self.value, self.pointer, self.source = value, pointer, source
        self._asked: set[str] = set()
        self._children: dict[str, Node] = {}

    def at(self, *steps: object) -> str:
        """The pointer of something in it."""
        return pointer_at(self.pointer, *steps)

    def place(self, *steps: object) -> str:
        """ "state.json:12: /config/rootfs": as places of a Spec are."""
        pointer = self.at(*steps)
        return f"{self.source.place(pointer)}: {pointer or '/'}"

    def note(self, key: str | tuple[object, ...], fate: str, reason: str) -> None:
        """Say what becomes of a key, of something below it by the steps there, or by "" of the whole."""
        steps = key if isinstance(key, tuple) else (key,) if key else ()
        self.source.note(self.at(*steps), fate, reason)

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def whole(self, key: str) -> Any:
        """The value as it is, whatever it is: all below it counts as read."""
        self._asked.add(key)
        return self.value.get(key)

    def text(self, key: str) -> str:
        return str(self._typed(key, str, ""))

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool, False))

    def number(self, key: str) -> int | None:
        """None if it is missing."""
        value = self._typed(key, int, None)
        return None if value is None else int(value)

    def texts(self, key: str) -> list[str]:
        return self._items(key, str)

    def numbers(self, key: str) -> list[int]:
        return self._items(key, int)

    def table(self, key: str) -> dict[str, str]:
        """An object whose values are strings."""
        found: dict[str, str] = self._typed(key, dict, {})
        for name, value in found.items():
            if type(value) is not str:
                raise self._wrong(value, str, key, name)
        return found

    def node(self, key: str) -> Node | None:
        value = self._typed(key, dict, None)
        return None if value is None else self._child(value, key)

    def within(self, key: str) -> Node:
        """As `node`; an empty one if it is missing."""
        return self.node(key) or Node({}, self.at(key), self.source)

    def nodes(self, key: str) -> list[Node]:
        """The objects of an array; one that is null is left out."""
        return [
            self._child(item, key, index)
            for index, item in enumerate(self._items(key, dict, nulls=True))
            if item
        ]

    def named(self, key: str) -> dict[str, Node]:
        """The objects of an object."""
        parent = self.within(key)
        return {name: parent.within(name) for name in parent.value}

    def dismiss(self) -> None:
        """There is nothing in it for us, or it was said already what becomes of it."""
        self._asked.update(self.value)
        self._children.clear()

    def unread(self) -> Iterator[str]:
        """Pointers of what nobody has asked for, but for what says nothing: null, false, 0, ""."""
        for key, value in self.value.items():
            if key not in self._asked and value not in (None, False, 0, "", [], {}):
                yield self.at(key)
        for child in self._children.values():
            yield from child.unread()

    def _child(self, value: Mapping[str, Any], *steps: object) -> Node:
        """Always the same for one place: what has been asked of it is remembered there."""
        pointer = self.at(*steps)
        if pointer not in self._children:
            self._children[pointer] = Node(value, pointer, self.source)
        return self._children[pointer]

    def _typed(self, key: str, kind: type, none: Any) -> Any:
        self._asked.add(key)
        value = self.value.get(key)
        if value is None:
            return none
        if type(value) is not kind:
            raise self._wrong(value, kind, key)
        return value

    def _items(self, key: str, kind: type, nulls: bool = False) -> list[Any]:
        items: list[Any] = self._typed(key, list, [])
        for index, item in enumerate(items):
            if type(item) is not kind and not (nulls and item is None):
                raise self._wrong(item, kind, key, index)
        return items

    def _wrong(self, value: object, kind: type, *steps: object) -> ConfigError:
        message = f"must be {_WORDS[kind]}, not {jsontext.kind(value)}"
        pointer = self.at(*steps)
        place = self.place(*steps) if self.source.place(pointer) else ""
        return ConfigError(Problem(pointer, message, "type", place), self.source.name)


def bytes_refused(value: Any, pointer: str = "") -> Iterator[Note]:
    """A note for each string below that is not UTF-8, as those of files that are no JSON may be."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= char < "\ue000" for char in value):
            yield Note(pointer, "", REFUSED, "is not UTF-8, and JSON has to be")
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield from bytes_refused(key, pointer_at(pointer, key))
        yield from bytes_refused(below, pointer_at(pointer, key))


class Building:
    """A document that is written, property by property, with what each comes from."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.places: dict[str, str] = {}

    def put(self, pointer: str, value: Any, place: str = "") -> None:
        """Set a property; the objects around it are made."""
        *parents, last = pointer[1:].split("/")
        inner = self.data
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
        if place:
            self.places[pointer] = place

    def add(self, pointer: str, item: Any, place: str = "") -> None:
        """Append to an array, which is made if it is not there."""
        *parents, last = pointer[1:].split("/")
        inner = self.data
        for parent in parents:
            inner = inner.setdefault(parent, {})
        listed = inner.setdefault(last, [])
        if place:
            self.places[f"{pointer}/{len(listed)}"] = place
        listed.append(item)
