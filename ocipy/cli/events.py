"""``events``: what a container uses, and when it runs out of memory, one JSON document a line."""

from ocipy.cli.common import runtime
from ocipy.cli.output import out
from ocipy.errors import UsageError
from ocipy.spec import jsontext

#: Seconds in each unit of a duration, as Go writes durations.
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def main(flags, options, args):
    interval = duration(options["interval"], "--interval")
    if interval <= 0:
        raise UsageError("duration interval must be greater than 0")
    container = runtime(flags).load(args[0])
    if options["stats"]:
        out(jsontext.dump({"type": "stats", "id": container.id, "data": container.stats()}) + "\n")
        return 0
    for document in container.events(interval):
        out(jsontext.dump(document) + "\n")
    return 0


def duration(text, what):
    """Seconds of a duration such as 5s, 1m30s or 1.5h.

    >>> duration("1m30s", "x"), duration("250ms", "x"), duration("1.5h", "x")
    (90.0, 0.25, 5400.0)
    """
    total, rest = 0.0, text
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        letters = len(rest) - len(rest.lstrip("nuµμsmh"))
        unit, rest = rest[:letters], rest[letters:]
        if number.strip(".") == "" or number.count(".") > 1 or unit not in UNITS:
            break
        total += float(number) * UNITS[unit]
    else:
        if text:
            return total
    raise UsageError(f'invalid value "{text}" for {what}: not a duration such as 5s or 1m30s')
