"""Properties that the standard does not know: ignored by rule, listed for who asks (``--strict``)."""

from __future__ import annotations

from difflib import get_close_matches

from ocipy.errors import Problem
from ocipy.spec import report
from ocipy.spec.findings import MOST, at, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_KEY = 40  # characters that are compared: none of the standard is longer


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
    """With what was probably meant: of a slip, or of a decoder that takes keys in any case."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(key.lower()[:MAX_KEY], by_lower, 1, 0.8)
    return "is not a property of the standard" + (f": {quoted(by_lower[near[0]])} is" if near else "")
