"""The systemd unit that a container is: linux.cgroupsPath as ``slice:prefix:name``, and where its cgroup is.

Sources: runc's docs/systemd.md for the form and the defaults; systemd.unit(5) for names, systemd.slice(5) for
the tree of slices.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.record import Record

LONGEST = 255  # bytes of a unit's name, systemd.unit(5)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\")
#: A name of a cgroup that could be one of the kernel's files gets a "_" before it.
_CONTROLLERS = "cpu cpuacct cpuset io blkio memory devices pids hugetlb freezer perf_event rdma misc".split()
_FILES = ("notify_on_release", "release_agent", "tasks")


class Unit(Record):
    """A scope, and the slice that it is in."""

    name: str
    slice: str

    @property
    def path(self) -> str:
        """Its cgroup below that of its manager (the system's, or a user's).

        >>> Unit("libpod-web.scope", "user-shop.slice").path
        '/user.slice/user-shop.slice/libpod-web.scope'
        """
        return f"{expand(self.slice)}/{_directory(self.name)}"


def unit_of(cgroups_path: str, container_id: str, rootless: bool = False) -> Unit:
    """The unit of a container; without a cgroupsPath it is called after the id.

    rootless: the manager is a user's, whose containers are in a slice of another name

    Raises ConfigError for what is not ``slice:prefix:name``, or names no unit that systemd would take.

    >>> unit_of("machine.slice:libpod:web", "web"), unit_of("::a+b", "web", rootless=True)
    (Unit(name='libpod-web.scope', slice='machine.slice'), Unit(name='a\\\\x2bb.scope', slice='user.slice'))
    """
    slice_, separator, rest = (cgroups_path or f":ocipy:{container_id}").partition(":")
    prefix, second, name = rest.partition(":")
    if not (separator and second and name) or "/" in cgroups_path or ":" in name:
        raise _wrong(f'"{cgroups_path}" is not slice:prefix:name, as systemd is to have it')
    slice_ = slice_ or ("user.slice" if rootless else "system.slice")
    if expand(slice_) is None:
        raise _wrong(f'"{slice_}" is not the name of a slice')
    if name.endswith(".slice"):
        raise _wrong(f'"{name}" is a slice, which has no processes')
    scope = f"{escape(f'{prefix}-{name}' if prefix else name)}.scope"
    if len(scope) > LONGEST:
        raise _wrong(f"the scope's name has {len(scope)} characters, systemd takes {LONGEST}")
    return Unit(scope, slice_)


def _wrong(message: str) -> ConfigError:
    return ConfigError(Problem("/linux/cgroupsPath", message, "systemd-unit"))


def expand(slice_: str) -> str | None:
    """A slice's place in the tree of slices, whose names say what they are in; None for what is none.

    >>> expand("a-b.slice"), expand("-.slice"), expand("a--b.slice"), expand("a")
    ('/a.slice/a-b.slice', '', None, None)
    """
    stem = slice_.removesuffix(".slice")
    if stem == slice_ or not _PLAIN.issuperset(stem) or len(slice_) > LONGEST:
        return None
    if stem == "-":
        return ""
    parts = stem.split("-")
    if not all(parts):
        return None
    return "".join(f"/{'-'.join(parts[: i + 1])}.slice" for i in range(len(parts)))


def escape(name: str) -> str:
    """A name with what a unit's can't have written in hexadecimal, as systemd-escape(1) does.

    >>> escape("web_1.a"), escape("a@b")
    ('web_1.a', 'a\\\\x40b')
    """
    return "".join(
        chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}"
        for byte in name.encode("utf-8", "surrogateescape")
    )


def _directory(name: str) -> str:
    """The name of a unit's cgroup.  Source: systemd, src/basic/cgroup-util.c, cg_escape."""
    first, dot, _ = name.partition(".")
    taken = name[0] in "_." or name in _FILES or (dot and first in ("cgroup", *_CONTROLLERS))
    return f"_{name}" if taken else name
