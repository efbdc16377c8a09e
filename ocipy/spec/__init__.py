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
    """(problems, warnings) of a config.json, each all there are.

    What breaks the schema comes alone: the semantic checks may rely on types.  With ``strict``, properties
    that the standard does not know are problems too.
    """
    from ocipy.spec import _generated

    if not _generated.config(data):
        from ocipy.spec import report

        problems = report.problems("config", data)
        if problems:
            return problems, []
        # Not plain dicts and lists, as a program may build them, but good.
    return [], []


def require(data: Any, source: str = "config.json", strict: bool = False) -> list[Problem]:
    """Raise ConfigError with all problems of ``data``, if it has any; the warnings."""
    problems, warnings = validate(data, strict)
    if problems:
        raise ConfigError(problems, source)
    return warnings


def check_process(data: Any) -> list[Problem]:
    """Problems of a process object, as `exec --process` takes it."""
    from ocipy.spec import _generated

    if _generated.process(data):
        return []
    from ocipy.spec import report

    return report.problems("process", data)


def check_state(data: Any) -> list[Problem]:
    """Problems of a state document, by the standard's schema: it knows no "paused"."""
    from ocipy.spec import report

    return report.problems("state", data)


def check_features(data: Any) -> list[Problem]:
    """Problems of a features document."""
    from ocipy.spec import report

    return report.problems("features", data)
