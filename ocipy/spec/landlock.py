"""The annotation `io.ocipy.landlock`: what a container's processes may do to files, whoever they are.

    {"rules": [{"paths": ["/usr", "/lib"], "access": ["read", "execute"]},
               {"paths": ["/tmp"], "access": ["read", "write"]}]}

What no rule allows is denied, as far as it is handled: everything that the kernel knows, or the kinds that
"handles" lists.  A rule holds for all beneath its paths.  With "abi" a kernel that knows less than that
version of Landlock is refused, where otherwise it denies what it can.

Our own annotation, because the standard has no place for it yet.  Source: kernel
Documentation/userspace-api/landlock.rst; linux/landlock.h, LANDLOCK_ACCESS_FS_*.
"""

from __future__ import annotations

from ocipy.errors import ConfigError
from ocipy.record import Record
from ocipy.spec import jsontext
from ocipy.spec.names import LANDLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANNOTATION = LANDLOCK

#: Bits in the order of the kernel's header.
KINDS = (
    "execute write_file read_file read_dir remove_dir remove_file make_char make_dir make_reg make_sock "
    "make_fifo make_block make_sym refer truncate ioctl_dev"
).split()
ACCESS = {name: 1 << bit for bit, name in enumerate(KINDS)}
#: Words for several: what an ordinary program means by reading and by writing.
ACCESS["read"] = ACCESS["read_file"] | ACCESS["read_dir"]
ACCESS["write"] = sum(
    ACCESS[name]
    for name in (
        "write_file remove_dir remove_file make_dir make_reg make_sock make_fifo make_sym refer truncate"
    ).split()
)
ACCESS["all"] = (1 << len(KINDS)) - 1

#: Version of Landlock -> how many kinds of access it has.
_COUNTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}


class Ruleset(Record):
    """What the annotation says: kinds of access as masks."""

    rules: tuple[tuple[int, str], ...]  # (allowed, path)
    handles: int = ACCESS["all"]
    abi: int = 1


def known(abi: int) -> int:
    """The kinds of access that a version of Landlock can deny, as a mask."""
    return (1 << _COUNTS.get(min(abi, max(_COUNTS)), 0)) - 1


def parse(text: str) -> Ruleset:
    """The ruleset of an annotation.  Raises ValueError, whose text says what is wrong with it."""
    try:
        document = jsontext.parse(text.encode("utf-8", "surrogateescape"), ANNOTATION)
    except ConfigError as error:
        raise ValueError(error.problems[0].message) from None
    _object(document, "", {"rules"}, {"handles", "abi"})
    abi = document.get("abi", 1)
    if not isinstance(abi, int) or isinstance(abi, bool) or abi < 1:
        raise ValueError("abi: is not a version of Landlock, a number from 1 on")
    handles = _access(document["handles"], "handles") if "handles" in document else ACCESS["all"]
    rules = []
    for i, rule in enumerate(_list(document["rules"], "rules")):
        _object(rule, f"rules/{i}: ", {"paths", "access"}, set())
        allowed = _access(rule["access"], f"rules/{i}/access")
        for path in _list(rule["paths"], f"rules/{i}/paths"):
            if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
                raise ValueError(f"rules/{i}/paths: {jsontext.dump(path)} is not an absolute path")
            rules.append((allowed, path))
    return Ruleset(tuple(rules), handles, abi)


def _object(value: Any, where: str, required: set[str], optional: set[str]) -> None:
    """A name that is mistyped would take a restriction away: none is passed over."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}is not an object")
    for name in required - set(value):
        raise ValueError(f"{where}{name} is required")
    for name in set(value) - required - optional:
        raise ValueError(f'{where}there is no "{name}", only {", ".join(sorted(required | optional))}')


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: is not an array")
    return value


def _access(names: Any, where: str) -> int:
    mask = 0
    for name in _list(names, where):
        if not isinstance(name, str) or name not in ACCESS:
            raise ValueError(f"{where}: {jsontext.dump(name)} is not one of {', '.join(ACCESS)}")
        mask |= ACCESS[name]
    return mask
