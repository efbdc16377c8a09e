"""A line of fstab(5), as ``lxc.mount.entry`` and ``lxc.mount.fstab`` have it: text to fields, and back."""

from __future__ import annotations

from ocipy.formats.lxc.grammar import words
from ocipy.record import Record

#: What can't stand in a field as it is.  LXC reads lines by getmntent(3), to which no other number is one.
_ESCAPES = {"\\": r"\134", " ": r"\040", "\t": r"\011", "\n": r"\012"}
_CHARACTERS = {escape: char for char, escape in _ESCAPES.items()} | {"\\\\": "\\"}
#: What a line can begin with that would else be a comment.
_HASH = "./#"


class Line(Record):
    """One mount.  target: as it stands there, usually without the slash in front."""

    source: str
    target: str
    fstype: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The line that `parse` reads as this."""
        source = self.source.replace("#", _HASH, 1) if self.source.startswith("#") else self.source
        fields = (source, self.target, self.fstype, ",".join(self.options) or "defaults", "0", "0")
        return " ".join(map(_escape, fields))


def parse(text: str) -> Line | None:
    """A line; None for one that is empty or a comment.  Raises ValueError for less than three fields."""
    fields = words(text)
    if not fields or fields[0].startswith("#"):
        return None
    if len(fields) < 3:
        raise ValueError(f'"{text}" is not SOURCE TARGET TYPE [OPTIONS]')
    source, target, fstype = map(_unescape, fields[:3])
    options = _unescape(fields[3]) if fields[3:] else ""
    if source.startswith(_HASH):
        source = source.removeprefix("./")
    return Line(source, target, fstype, tuple(option for option in options.split(",") if option))


def _escape(field: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in field)


def _unescape(field: str) -> str:
    r"""The other way round.

    >>> _unescape(r"a\040b\134")
    'a b\\'
    """
    found, at = "", 0
    while at < len(field):
        said = next((escape for escape in _CHARACTERS if field.startswith(escape, at)), field[at])
        found, at = found + _CHARACTERS.get(said, said), at + len(said)
    return found
