"""What is wrong with a JSON text, and where: the slow twin of `ocipy.spec.jsontext`.

Only loaded when the fast reader has said no.  Reads the text token by token without recursion and without
building values, so that neither nesting nor size can hurt it, and stops at the first fault.
"""

from __future__ import annotations

import re

from ocipy.record import Record
from ocipy.spec.jsontext import MAX_DEPTH, MAX_DIGITS, MAX_VALUES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_SPACE = re.compile(r"[ \t\n\r]*+")
_CHUNK = re.compile(r'[^"\\\x00-\x1f]*+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][-+]?[0-9]++)?")
_WORD = re.compile(r"-?[A-Za-z_][A-Za-z_0-9]*+")
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPED = dict(zip('"\\/bfnrt', '"\\/\b\f\n\r\t'))


class Fault(Record):
    """Where a JSON text stops making sense: pointer of the value that was being read, line and column."""

    pointer: str
    message: str


class _Found(Exception):
    def __init__(self, offset: int, message: str) -> None:
        self.offset, self.message = offset, message


def find(text: str, lone_surrogates: bool = False) -> Fault | None:
    """The first fault of ``text``, or None if it has none."""
    reader = Reader(text, lone_surrogates)
    try:
        reader.document()
    except _Found as found:
        line = text.count("\n", 0, found.offset) + 1
        column = found.offset - text.rfind("\n", 0, found.offset)
        return Fault(reader.pointer(), f"line {line} column {column}: {found.message}")
    return None


def shown(text: str, most: int = 40) -> str:
    """``text`` in quotes, cut where it gets too long for an error's line."""
    return f'"{text}"' if len(text) <= most else f'"{text[:most]}..."'


class Reader:
    """A stack of open arrays and objects stands in for recursion."""

    def __init__(self, text: str, lone_surrogates: bool) -> None:
        self.text = text
        self.lone_surrogates = lone_surrogates
        self.at = 0
        self.values = 0
        # One entry for each open container: the keys seen in an object, the index reached in an array.
        self.open: list[set[str] | int] = []
        self.steps: list[str] = []  # the member or item being read, in each of them

    def pointer(self) -> str:
        """Where the reader is, or "" where that gets too long for an error's line."""
        pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self.steps[:MAX_DEPTH])
        return pointer if len(pointer) <= 200 else ""

    def fail(self, message: str, offset: int | None = None) -> NoReturn:
        raise _Found(self.at if offset is None else offset, message)

    def space(self) -> str:
        """Skip space; the character after it, "" at the end."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.text[self.at : self.at + 1]

    def document(self) -> None:
        if self.text.startswith("\ufeff"):
            self.fail("starts with a byte order mark")
        if not self.space():
            self.fail("is empty")
        self.value()
        while self.open:
            self.go_on()
        if self.space():
            self.fail(f"unexpected {self.seen()} after the end of the document")

    def seen(self) -> str:
        return shown(self.text[self.at]) if self.at < len(self.text) else "end of file"

    def value(self) -> None:
        """Read a scalar whole, or open a container."""
        self.values += 1
        if self.values > MAX_VALUES:
            self.fail(f"more than {MAX_VALUES} values")
        start = self.space()
        if start == '"':
            self.string()
        elif start in ("[", "{"):
            if len(self.open) == MAX_DEPTH:
                self.fail(f"nested deeper than {MAX_DEPTH} levels")
            self.at += 1
            self.open.append(set() if start == "{" else 0)
            self.steps.append("")
        else:
            self.scalar()

    def close(self) -> None:
        self.at += 1
        self.open.pop()
        self.steps.pop()

    def go_on(self) -> None:
        """In the innermost open container: read its end or its next member."""
        container = self.open[-1]
        end = "]" if isinstance(container, int) else "}"
        found = self.space()
        if found == end:
            self.close()
        elif not container:  # no key seen, no index reached
            self.member()
        elif found == ",":
            self.at += 1
            if self.space() == end:
                self.fail(f'"," before "{end}"')
            self.member()
        else:
            self.steps.pop()
            self.fail(f'expected "," or "{end}", found {self.seen()}')

    def member(self) -> None:
        """Read a key and open its value, or open an array's next item."""
        container = self.open[-1]
        if isinstance(container, int):
            self.steps[-1] = str(container)
            self.open[-1] = container + 1
        else:
            self.steps.pop()
            if self.space() != '"':
                self.fail(f"expected a key in double quotes, found {self.seen()}")
            start = self.at
            key = self.string()
            if key in container:
                self.steps.append(key)
                self.fail(f"duplicate key {shown(key)}", start)
            container.add(key)
            if self.space() != ":":
                self.fail(f'expected ":" after key {shown(key)}, found {self.seen()}')
            self.at += 1
            self.steps.append(key)
        self.value()

    def scalar(self) -> None:
        text, at = self.text, self.at
        match = _NUMBER.match(text, at)
        if match:
            self.at = match.end()
            if self.at - at > MAX_DIGITS:
                self.fail(f"number of more than {MAX_DIGITS} digits", at)
            if (match[1] or match[2]) and float(match[0]) - float(match[0]) != 0.0:
                self.fail(f"number too large: {match[0]}", at)
            return
        word = _WORD.match(text, at)
        if word and word[0] in ("true", "false", "null"):
            self.at = word.end()
        elif word:
            self.fail(f"{shown(word[0])} is not JSON")
        else:
            self.fail(f"expected a value, found {self.seen()}")

    def string(self) -> str:
        """Read a string and return what it stands for."""
        text, start = self.text, self.at
        self.at += 1
        parts = []
        while True:
            chunk = _CHUNK.match(text, self.at)
            assert chunk is not None  # it matches the empty string
            parts.append(chunk[0])
            self.at = chunk.end()
            stop = text[self.at : self.at + 1]
            if stop == '"':
                self.at += 1
                return "".join(parts)
            if not stop:
                self.fail("string without end", start)
            if stop != "\\":
                self.fail(f"control character U+{ord(stop):04X} in a string")
            parts.append(self.escape())

    def escape(self) -> str:
        at = self.at
        kind = self.text[at + 1 : at + 2]
        if kind in _ESCAPED:
            self.at += 2
            return _ESCAPED[kind]
        if kind != "u":
            self.fail(f"invalid escape {shown(self.text[at : at + 2])}")
        high = self.hex4(at + 2)
        self.at += 6
        if 0xD800 <= high < 0xDC00 and self.text[at + 6 : at + 8] == "\\u":
            low = self.hex4(at + 8)
            if 0xDC00 <= low < 0xE000:
                self.at += 6
                return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        if 0xD800 <= high < 0xE000 and not self.lone_surrogates:
            self.fail(f"lone surrogate \\u{high:04x}", at)
        return chr(high)

    def hex4(self, at: int) -> int:
        digits = _HEX4.match(self.text, at)
        if digits is None:
            self.fail(f"invalid escape {shown(self.text[at - 2 : at + 4])}", at - 2)
        return int(digits[0], 16)
