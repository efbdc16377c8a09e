"""Properties that the standard does not know: ignored by rule, listed for who asks (``--strict``)."""

from __future__ import annotations

from ocipy.errors import Problem
from ocipy.spec import report
from ocipy.spec.findings import MOST, at, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def unknown_properties(data: Any, name: str = "config") -> list[Problem]:
    """A problem of the rule "unknown-property" for each, in the order of the document."""
    found = _walk(report.schema(name), data, "")
    shown = [
        Problem(pointer, message, "unknown-property") for _, (pointer, message) in zip(range(MOST), found)
    ]
    if next(found, None):
        shown.append(Problem("", f"only the first {MOST} unknown properties are shown", "unknown-property"))
    return shown


def _walk(schema: dict[str, Any], value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(schema.get("items", {}), item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        known = schema.get("properties")
        extra = schema.get("additionalProperties", {})
        for key, item in value.items():
            if known is None or key in known:
                yield from _walk((known or {}).get(key, extra), item, at(pointer, key))
            else:
                yield at(pointer, key), _message(key, known)


def _message(key: str, known: dict[str, Any]) -> str:
    """Decoders that take keys in any case would have taken some of these."""
    for name in known:
        if name.lower() == key.lower():
            return f"is not a property of the standard: {quoted(name)} is"
    return "is not a property of the standard"
