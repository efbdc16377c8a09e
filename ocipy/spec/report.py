"""Every way in which a document breaks its schema: the slow twin of `ocipy.spec._generated`.

Loaded when the compiled validator has said no, and for the parts that are not compiled.  jsonschema judges;
where it can't be imported (the installed ``ocipy`` starts Python without site-packages) a small walker that
knows the keywords of our schemas gives the same answer, which a test holds over a few thousand documents.
"""

from __future__ import annotations

from ocipy.errors import Problem
from ocipy.record import Record
from ocipy.spec import jsontext
from ocipy.spec._generated import SCHEMAS
from ocipy.spec.findings import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
_NAMES = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
}
_raw: dict[str, dict[str, Any]] = {}
_resolved: dict[str, dict[str, Any]] = {}


class Violation(Record):
    """A keyword of the schema that a value breaks.

    path:     the steps to the value
    keyword:  "type", "enum", ...
    expected: what the schema says there
    value:    what the document says; of "required", the key that is missing
    """

    path: tuple[str | int, ...]
    keyword: str
    expected: Any
    value: Any


def problems(name: str, value: Any) -> list[Problem]:
    """What is wrong with ``value`` by the schema ``name``: "config", "platforms#/definitions/vm", ..."""
    found = violations(name, value)
    shown = [Problem(pointer(v.path), message(v), "schema") for v in found[:MOST]]
    if len(found) > MOST:
        shown.append(Problem("", f"only the first {MOST} problems are shown", "schema"))
    return shown


def violations(name: str, value: Any) -> list[Violation]:
    """The first MOST + 1 violations, in the order of their place in the document."""
    try:
        import jsonschema
    except ImportError:
        found = walk(schema(name), value)
    else:
        found = judge(jsonschema, schema(name), value)
    first = [violation for violation, _ in zip(found, range(MOST + 1))]
    return sorted(first, key=lambda v: [(type(step) is str, step) for step in v.path])


def is_valid(name: str, value: Any) -> bool:
    """The verdict alone, from the walker: for parts that are too rare to be compiled."""
    return next(walk(schema(name), value), None) is None


def schema(name: str) -> dict[str, Any]:
    """The schema ``name`` with every $ref replaced by what it refers to; ours refer to no ancestor."""
    if name not in _resolved:
        if not _raw:
            _raw.update(jsontext.parse(SCHEMAS.encode(), "schemas"))
        file, _, where = name.partition("#")
        _resolved[name] = _resolve(f"{file}.schema.json", _at(f"{file}.schema.json", where))
    return _resolved[name]


def _at(file: str, where: str) -> dict[str, Any]:
    found = _raw[file]
    for step in where.split("/")[1:]:
        found = found[step]
    return found


def _resolve(file: str, node: Any) -> Any:
    if isinstance(node, list):
        return [_resolve(file, item) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target, _, where = node["$ref"].partition("#")
        return _resolve(target or file, _at(target or file, where))
    # jsonschema would change to its own validator at a nested "$schema".
    return {key: _resolve(file, item) for key, item in node.items() if key not in ("$schema", "definitions")}


def walk(schema: dict[str, Any], value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Violation]:
    """Violations of a resolved schema of those keywords that the schema compiler knows."""
    wanted = schema.get("type")
    if wanted and not is_type(wanted, value):
        yield Violation(path, "type", wanted, value)
    elif "enum" in schema and value not in schema["enum"]:
        yield Violation(path, "enum", schema["enum"], value)
    elif wanted == "object":
        yield from _walk_object(schema, value, path)
    elif wanted == "array":
        if len(value) < schema.get("minItems", 0):
            yield Violation(path, "minItems", schema["minItems"], value)
        for index, item in enumerate(value):
            yield from walk(schema["items"], item, (*path, index))
    elif wanted == "integer":
        if "minimum" in schema and value < schema["minimum"]:
            yield Violation(path, "minimum", schema["minimum"], value)
        if "maximum" in schema and value > schema["maximum"]:
            yield Violation(path, "maximum", schema["maximum"], value)
    elif "pattern" in schema and not matches(schema["pattern"], value):
        yield Violation(path, "pattern", schema["pattern"], value)


def _walk_object(
    schema: dict[str, Any], value: dict[str, Any], path: tuple[str | int, ...]
) -> Iterator[Violation]:
    for key in schema.get("required", ()):
        if key not in value:
            yield Violation((*path, key), "required", True, key)
    known = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    for key, item in value.items():
        inner = known.get(key, extra)
        if inner is not None:
            yield from walk(inner, item, (*path, key))


def is_type(wanted: str, value: Any) -> bool:
    """True and False are no integers, unlike in Python; 1.0 is none in draft 4."""
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def judge(jsonschema: Any, schema: dict[str, Any], value: Any) -> Iterator[Violation]:
    """The same from jsonschema."""

    def ecma_pattern(_validator: Any, pattern: str, text: Any, _schema: Any) -> Iterator[Any]:
        if isinstance(text, str) and not matches(pattern, text):
            yield jsonschema.ValidationError("pattern")

    validator = jsonschema.validators.extend(jsonschema.Draft4Validator, {"pattern": ecma_pattern})
    mistyped = set()
    for error in validator(schema).iter_errors(value):
        path = tuple(error.absolute_path)
        if error.validator == "type":
            mistyped.add(path)
        elif path in mistyped:  # a number that is no integer is held to the limits of integers all the same
            continue
        if error.validator == "required":
            # One error for each missing key, of which only the message names it.
            missing = next(key for key in error.validator_value if error.message.startswith(f"{key!r} "))
            yield Violation((*path, missing), "required", True, missing)
        else:
            yield Violation(path, error.validator, error.validator_value, error.instance)


def matches(pattern: str, text: str) -> bool:
    """True if ``text`` matches as ECMA 262 has it, where $ is the end and not also before a last newline."""
    import re

    return re.search(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern, text) is not None


def pointer(path: tuple[str | int, ...]) -> str:
    """``path`` as a JSON pointer (RFC 6901)."""
    return "".join(["/" + str(step).replace("~", "~0").replace("/", "~1") for step in path])


def message(violation: Violation) -> str:
    """What is wrong, for a person."""
    keyword, expected, value = violation.keyword, violation.expected, violation.value
    if keyword == "required":
        return "is required"
    if keyword == "type":
        return f"{shown(value)} is not {_NAMES[expected]}"
    if keyword == "enum":
        return f"{shown(value)} is not one of {', '.join(expected)}"
    if keyword == "minimum":
        return f"{shown(value)} is below {expected}"
    if keyword == "maximum":
        return f"{shown(value)} is above {expected}"
    if keyword == "minItems":
        return "must not be empty" if expected == 1 else f"has fewer than {expected} items"
    return f"{shown(value)} does not match {expected}"


def shown(value: Any, most: int = 60) -> str:
    """A value in an error: scalars as in the document, cut where they get too long."""
    if isinstance(value, (dict, list)):
        return _NAMES["object" if isinstance(value, dict) else "array"]
    text = jsontext.dump(value)
    return text if len(text) <= most else f"{text[:most]}..."
