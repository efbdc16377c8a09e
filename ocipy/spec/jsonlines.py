"""On which line of a JSON text each value stands: for messages about a file that a person wrote.

Reads the text a second time, slowly: only loaded where something is to be said of it.
"""

from __future__ import annotations

from ocipy.spec.jsonfault import Reader


class _Lines(Reader):
    """Remembers the line at which each value begins."""

    def __init__(self, text: str) -> None:
        super().__init__(text, True)
        self.found: dict[str, int] = {}
        self.line, self.counted = 1, 0

    def value(self) -> None:
        self.space()
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        self.found[self.pointer()] = self.line
        super().value()


def lines(data: bytes) -> dict[str, int]:
    """{JSON pointer: line} of a text that `jsontext.parse` has read without complaint.

    >>> lines(b'{"a": [1,\\n 2]}')
    {'': 1, '/a': 1, '/a/0': 1, '/a/1': 2}
    """
    reader = _Lines(data.decode())
    reader.document()
    return reader.found


def line_of(found: dict[str, int], pointer: str) -> int:
    """The line of a value, or of the nearest around it that is there."""
    while pointer and pointer not in found:
        pointer = pointer.rpartition("/")[0]
    return found.get(pointer, 1)
