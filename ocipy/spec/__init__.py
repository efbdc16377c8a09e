"""The configuration as data: what it may say, and what is wrong with it.

config.json stays the plain ``dict`` that it parses to; there are no model classes to keep in step with it.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Spec(Record):
    """A container's configuration as a backend of `ocipy.formats` has read it.

    data:   config.json as a dict
    source: name of the file that errors speak of
    notes:  what could not be carried over from the original format, each one line
    """

    data: dict[str, Any]
    source: str = "config.json"
    notes: tuple[str, ...] = ()


def validate(data: Any, strict: bool = False) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of a config.json: every one, in the order of their pointers."""
    if not isinstance(data, dict):
        return [Problem("", "must be an object", "schema")], []
    if not isinstance(data.get("ociVersion"), str):
        return [Problem("/ociVersion", "is required and must be a string", "schema")], []
    return [], []


def require(data: Any, source: str = "config.json", strict: bool = False) -> list[Problem]:
    """Raise ConfigError with all problems of ``data``, if it has any; the warnings."""
    problems, warnings = validate(data, strict)
    if problems:
        raise ConfigError(problems, source)
    return warnings
