"""The configuration as data: what it may say, and what is wrong with it.

config.json stays the plain ``dict`` that it parses to; there are no model classes to keep in step with it.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ocipy.spec.origin import Note


#: Objects whose members the container names, not the standard: a null in them is a value, and a wrong one.
_MAPS = frozenset(("annotations", "sysctl", "unified", "netDevices", "rdma"))


class Spec(Record):
    """A container's configuration as a backend of `ocipy.formats` has read it.

    data:   config.json as a dict
    source: name of the file that errors speak of
    notes:  what did not come over from the original format as it was
    places: of another format, what a property comes from, {"/hostname": "config:12: lxc.uts.name"}; the place
            of a property holds for all below it that have none of their own
    """

    data: dict[str, Any]
    source: str = "config.json"
    notes: tuple[Note, ...] = ()
    places: Mapping[str, str] = {}

    def place(self, pointer: str) -> str:
        """What the property at a JSON pointer comes from, or the pointer itself if this is a config.json."""
        if not self.places:
            return pointer
        known = pointer
        while known and known not in self.places:
            known = known.rpartition("/")[0]
        return self.places.get(known) or f"{self.source}: implied {pointer}"

    def located(self, problem: Problem) -> Problem:
        """A problem that speaks of the file that was read, not of a config.json that does not exist."""
        if not self.places or problem.place:
            return problem
        # What was found out from a plan has a place already, see `ocipy.runtime.create`.
        place = self.place(problem.pointer) if problem.pointer.startswith("/") else problem.pointer
        return Problem(problem.pointer, problem.message, problem.rule, place or self.source)


def drop_nulls(value: Any) -> None:
    """Take away properties that are null: so programs write what is not there, and so all peers read it."""
    if type(value) is dict:
        for name in [name for name, item in value.items() if item is None]:
            del value[name]
    items = value.items() if type(value) is dict else enumerate(value)
    for name, item in items:
        if type(item) in (dict, list) and name not in _MAPS:
            drop_nulls(item)


def validate(data: Any, strict: bool = False) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of a config.json: for a problem it is refused, a warning is said and ignored.

    What breaks the schema comes alone, for the other checks rely on it.  With ``strict``, properties that the
    standard does not know are problems too.
    """
    problems = _by_schema("config", data)
    if problems:
        return problems, []
    from ocipy.spec.check import check

    problems, warnings = check(data)
    if strict:
        problems += unknown_properties(data)
    return problems, warnings


def require(data: Any, source: str = "config.json", strict: bool = False) -> list[Problem]:
    """Raise ConfigError with all problems of ``data``, if it has any; the warnings."""
    problems, warnings = validate(data, strict)
    if problems:
        raise ConfigError(problems, source)
    return warnings


def require_shape(data: Any, source: str) -> None:
    """As `require`, but by the schema alone: for what was required in full when it was written."""
    problems = _by_schema("config", data)
    if problems:
        raise ConfigError(problems, source)


def unknown_properties(data: Any) -> list[Problem]:
    """Properties of a config.json that the standard does not know."""
    from ocipy.spec import unknown

    return unknown.unknown_properties(data)


def validate_process(data: Any) -> tuple[list[Problem], list[Problem]]:
    """(problems, warnings) of a process object alone, as `exec --process` reads it."""
    problems = _by_schema("process", data)
    if problems:
        return problems, []
    from ocipy.spec.check_process import check
    from ocipy.spec.findings import Findings

    found = Findings()
    check(data, "", found)
    return found.problems, found.warnings


def require_process(data: Any, source: str) -> list[Problem]:
    """As `require`, for a process object."""
    problems, warnings = validate_process(data)
    if problems:
        raise ConfigError(problems, source)
    return warnings


def _by_schema(name: str, data: Any) -> list[Problem]:
    from ocipy.spec import _generated

    if getattr(_generated, name)(data):
        return []
    from ocipy.spec import report

    # The report decides: a program may pass subclasses of dict and list, which the fast test does not know.
    return report.problems(name, data)


def check_state(data: Any) -> list[Problem]:
    """Problems of a state document, by the standard's schema: it knows no "paused"."""
    from ocipy.spec import report

    return report.problems("state", data)


def check_features(data: Any) -> list[Problem]:
    """Problems of a features document."""
    from ocipy.spec import report

    return report.problems("features", data)
