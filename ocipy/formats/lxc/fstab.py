"""A line of fstab(5), as ``lxc.mount.entry`` and ``lxc.mount.fstab`` have it: text to fields, and back."""

from __future__ import annotations

from ocipy.record import Record


class Line(Record):
    """One mount.  target: as it stands there, usually without the slash in front."""

    source: str
    target: str
    fstype: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The line that `parse` reads as this."""
        fields = (self.source, self.target, self.fstype, ",".join(self.options) or "defaults", "0", "0")
        return " ".join(map(_escape, fields))


def parse(text: str) -> Line | None:
    """A line; None for one that is empty or a comment.  Raises ValueError for less than three fields."""
    fields = text.split()
    if not fields or fields[0].startswith("#"):
        return None
    if len(fields) < 3:
        raise ValueError(f'"{text}" is not SOURCE TARGET TYPE [OPTIONS]')
    source, target, fstype = map(_unescape, fields[:3])
    options = _unescape(fields[3]) if fields[3:] else ""
    return Line(source, target, fstype, tuple(option for option in options.split(",") if option))


def _escape(field: str) -> str:
    """Blanks and backslashes as octal numbers: getmntent(3)."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in field)


def _unescape(field: str) -> str:
    r"""The other way round.

    >>> _unescape(r"a\040b\134")
    'a b\\'
    """
    parts = field.split("\\")
    found = parts[0]
    for part in parts[1:]:
        octal = part[:3]
        if len(octal) == 3 and all(digit in "01234567" for digit in octal):
            found += chr(int(octal, 8)) + part[3:]
        else:
            found += "\\" + part
    return found
