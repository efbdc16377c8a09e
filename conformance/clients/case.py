"""One thing that an engine does, and what must come of it."""

import re
import tomllib

DEFAULT_SECONDS = 60


class Case:
    """A script, and what it must print and exit with on every runtime that is any good.

    name:    unique in its list, and what the tables show
    script:  bash, with the functions of prelude.sh
    output:  all of its standard output
    matches: a regular expression for all of it instead ("." is any character)
    errors:  a regular expression found in its standard error
    status:  its exit status
    seconds: how long it may take
    why:     why neither runtime can do it, on a machine where the control fails
    """

    KEYS = ("name", "script", "output", "matches", "errors", "status", "seconds", "why")

    def __init__(
        self, name, script, output="", matches="", errors="", status=0, seconds=DEFAULT_SECONDS, why=""
    ):
        self.name, self.script, self.output, self.matches = name, script, output, matches
        self.errors, self.status, self.seconds, self.why = errors, status, seconds, why

    def complaints(self, said):
        """What is wrong with what it `Said`, as lines; none when it passes."""
        lines = []
        if said.status != self.status:
            wanted = f", not {self.status}" if said.status is not None else ""
            lines.append(f"status {said.status}{wanted}" if said.status is not None else "did not end")
        if self.matches:
            if not re.fullmatch(self.matches, said.output, re.DOTALL):
                lines.append(f"printed {said.output!r}, which does not match {self.matches!r}")
        elif said.output != self.output:
            lines.append(f"printed {said.output!r}, not {self.output!r}")
        if self.errors and not re.search(self.errors, said.errors):
            lines.append(f"no {self.errors!r} on standard error")
        return [*lines, *(f"  | {line}" for line in said.errors.splitlines()[-20:])] if lines else []


class Said:
    """What a script did: its exit status (None when it did not end), output, errors, and seconds."""

    def __init__(self, status, output, errors, seconds):
        self.status, self.output, self.errors, self.seconds = status, output, errors, seconds


def load(path):
    """The cases of a TOML file, in its order.  Raises ValueError for one that is not well formed."""
    with open(path, "rb") as file:
        entries = tomllib.load(file)["case"]
    cases = []
    for entry in entries:
        unknown = set(entry) - set(Case.KEYS)
        if unknown or "name" not in entry or "script" not in entry:
            raise ValueError(
                f"{path}: {entry.get('name')}: needs name and script, knows no {sorted(unknown)}"
            )
        if any(entry["name"] == c.name for c in cases):
            raise ValueError(f"{path}: two cases are named {entry['name']}")
        cases.append(Case(**entry))
    return cases
