"""The formats in which cgroup files have numbers; pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UNLIMITED = 2**64 - 1


def number(text: str) -> int:
    """A number, or "max", for which stands the greatest one; 0 for nothing.

    >>> number("12\\n"), number("max\\n"), number("")
    (12, 18446744073709551615, 0)
    """
    word = text.strip()
    return UNLIMITED if word == "max" else int(word or 0)


def table(text: str) -> dict[str, int]:
    """Lines of a name and a number.

    >>> table("low 0\\nhigh 7\\n")
    {'low': 0, 'high': 7}
    """
    return {name: int(value) for name, _, value in (line.partition(" ") for line in text.splitlines())}


def without_zero(**values: Any) -> dict[str, Any]:
    """Those that are not zero, and not empty.

    >>> without_zero(usage=3, max=0, percpu=[])
    {'usage': 3}
    """
    return {name: value for name, value in values.items() if value}


def pressure(content: str) -> dict[str, Any]:
    """A file of pressure stall information (Documentation/accounting/psi.rst); {} for none.

    >>> pressure("some avg10=1.50 avg60=0.00 avg300=0.00 total=77\\n")
    {'psi': {'some': {'avg10': 1.5, 'avg60': 0.0, 'avg300': 0.0, 'total': 77}}}
    """
    lines = {}
    for line in content.splitlines():
        kind, *pairs = line.split()
        values = dict(pair.split("=") for pair in pairs)
        lines[kind] = {
            name: int(value) if name == "total" else float(value) for name, value in values.items()
        }
    return {"psi": lines} if lines else {}
