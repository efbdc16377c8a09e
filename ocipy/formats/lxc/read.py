"""An LXC configuration with all that it includes, as the entries that count.

A key that is given again replaces what was said, or adds to it (`keys.Key.kind`); an empty value takes it
back.
"""

from __future__ import annotations

import os

from ocipy.errors import ConfigError, Problem
from ocipy.formats import oci
from ocipy.formats.lxc.grammar import Entry, entries
from ocipy.formats.lxc.keys import GROUP, LIST, lookup
from ocipy.formats.lxc.legacy import Translation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocipy.formats.lxc.keys import Key
    from ocipy.spec.origin import Note

FILE = "config"
#: Files that include one another.  LXC has no limit: one that includes itself ends for want of descriptors.
MAX_DEPTH = 16
#: Files in all: a few that include a directory twice would otherwise be a million.
MAX_FILES = 1000
_INCLUDE = "lxc.include"


class Configuration:
    """The entries that count, in order.

    directory: where the configuration is
    name:      of its file there
    container: what LXC calls the container: as its directory
    notes:     of lines that are not as LXC has them today
    """

    def __init__(self, directory: str, name: str = FILE) -> None:
        self.directory = directory
        self.name = name
        self.container = os.path.basename(os.path.realpath(directory))
        self.entries: list[Entry] = []
        self.notes: list[Note] = []

    def last(self, key: str) -> Entry | None:
        """The entry of a scalar key, None where it is not set."""
        return next((entry for entry in reversed(self.entries) if entry.key == key), None)

    def all(self, key: str) -> list[Entry]:
        """Entries of a list."""
        return [entry for entry in self.entries if entry.key == key]

    def below(self, start: str) -> list[Entry]:
        """Entries of a family: those whose keys begin so."""
        return [entry for entry in self.entries if entry.key.startswith(start)]

    def flag(self, key: str, default: bool = False) -> bool:
        """A key whose value is 0 or 1.  Raises ConfigError for another value."""
        entry = self.last(key)
        if entry is None:
            return default
        if entry.value not in ("0", "1"):
            raise entry.problem(f'"{entry.value}" is not 0 or 1')
        return entry.value == "1"

    def add(self, entry: Entry) -> None:
        """One more entry.  Raises ConfigError for a key that LXC does not know."""
        row = lookup(entry.key)
        if row is None:
            raise entry.problem("is no key of LXC", "lxc-key")
        if row.kind == GROUP:
            if entry.value:
                raise entry.problem("can only be emptied")
            self.entries = [one for one in self.entries if not _within(one.key, entry.key, row)]
        elif not entry.value:
            if entry.key == "lxc.mount.fstab":
                raise entry.problem("needs the name of a file")
            self.entries = [one for one in self.entries if one.key != entry.key]
        elif row.kind == LIST:
            self.entries.append(entry)
        else:
            kept = [one for one in self.entries if one.key != entry.key]
            self.entries = [*kept, entry]


def _within(key: str, group: str, row: Key) -> bool:
    """Is a key of a group?  Of lxc.cgroup are the controllers' files, not its directories."""
    found = lookup(key)
    return key.startswith(f"{group}.") and (
        row.name not in ("lxc.cgroup", "lxc.cgroup2") or (found is not None and "[" in found.name)
    )


def configuration(directory: str, name: str = FILE) -> Configuration:
    """The configuration in a directory.  Raises ConfigError, with file and line."""
    found = Configuration(directory, name)
    translation = Translation()
    for entry in _Reader().file(f"{directory}/{name}", name, None, ()):
        today = translation(entry)
        if today is not None:
            found.add(today)
    found.notes += translation.notes
    return found


class _Reader:
    """Files, each in the place in which it is included."""

    def __init__(self) -> None:
        self.files = 0

    def file(self, path: str, name: str, cause: Entry | None, chain: tuple[str, ...]) -> Iterator[Entry]:
        """Entries of a file; ``cause`` is the line that includes it, ``chain`` the files on the way there."""
        real = os.path.realpath(path)
        if cause is not None:
            self.files += 1
            if real in chain:
                raise cause.problem(f"{path} includes itself", "lxc-include-cycle")
            if len(chain) > MAX_DEPTH:
                raise cause.problem(f"is nested more than {MAX_DEPTH} deep", "lxc-include-depth")
            if self.files > MAX_FILES:
                raise cause.problem(f"is one of more than {MAX_FILES} files", "lxc-include-depth")
        for entry in entries(text_of(path, name, cause), name):
            if entry.key == _INCLUDE:
                yield from self._include(entry, (*chain, real))
            else:
                yield entry

    def _include(self, entry: Entry, chain: tuple[str, ...]) -> Iterator[Entry]:
        """A file; or a directory's *.conf, by name, where LXC takes them as they come."""
        path = entry.value
        if not path:
            return  # it takes back the names of what was included, not what they said
        if not (path.endswith("/") or os.path.isdir(path)):
            yield from self.file(path, path, entry, chain)
            return
        directory = path.rstrip("/")
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            if name.endswith(".conf"):
                yield from self.file(f"{directory}/{name}", f"{directory}/{name}", entry, chain)


def text_of(path: str, name: str, cause: Entry | None) -> str:
    """A file's text.  Raises ConfigError, of the line that named it."""
    try:
        content = oci.read(os.path.dirname(path) or ".", os.path.basename(path))
    except ConfigError as error:
        message = error.problems[0].message
        if path not in message:
            message = f"{path}: {message}"
        if cause is not None:
            raise cause.problem(message, "unreadable") from None
        raise ConfigError(Problem("", message, "unreadable"), name) from None
    return content.decode("utf-8", "surrogateescape")


def exists(path: str) -> bool:
    """Is there anything of that name, be it a symlink that leads nowhere?"""
    return os.path.lexists(path)


def is_directory(path: str) -> bool:
    """Is it a directory, or a symlink to one?"""
    return os.path.isdir(path)


def forbidden(path: str) -> list[str]:
    """What the mount forbids that a path is on, as options; [] where there is no such path."""
    try:
        flags = os.statvfs(path).f_flag
    except (OSError, ValueError):
        return []
    names = {"ro": os.ST_RDONLY, "nosuid": os.ST_NOSUID, "nodev": os.ST_NODEV, "noexec": os.ST_NOEXEC}
    return [name for name, flag in names.items() if flags & flag]


def has_keys(path: str) -> bool:
    """Whether one of the first lines of a regular file sets a key of LXC's."""
    if not os.path.isfile(path):
        return False
    try:
        text = text_of(path, path, None)
    except ConfigError:
        return False
    return any(line.lstrip().startswith("lxc.") for line in text.split("\n", 1000)[:1000])
