"""``update``: other limits for a container, from flags or from a JSON document."""

import sys

from ocipy.cli.common import runtime
from ocipy.cli.config import size
from ocipy.cli.parse import integer
from ocipy.errors import ConfigError, OcipyError, Problem, UsageError
from ocipy.spec import jsontext

#: flag -> (property of linux.resources, property of that, how to read it); the kinds are those of `VALUES`
PROPERTIES = {
    "memory": ("memory", "limit", "size"),
    "memory-swap": ("memory", "swap", "size"),
    "memory-reservation": ("memory", "reservation", "size"),
    "cpu-share": ("cpu", "shares", "count"),
    "cpu-quota": ("cpu", "quota", "integer"),
    "cpu-period": ("cpu", "period", "count"),
    "cpu-burst": ("cpu", "burst", "count"),
    "cpu-idle": ("cpu", "idle", "integer"),
    "cpu-rt-period": ("cpu", "realtimePeriod", "count"),
    "cpu-rt-runtime": ("cpu", "realtimeRuntime", "integer"),
    "cpuset-cpus": ("cpu", "cpus", "text"),
    "cpuset-mems": ("cpu", "mems", "text"),
    "blkio-weight": ("blockIO", "weight", "count"),
    "pids-limit": ("pids", "limit", "integer"),
}
#: Accepted and without effect, as runc has it.
OBSOLETE = ("kernel-memory", "kernel-memory-tcp")
RDT = ("l3-cache-schema", "mem-bw-schema")


def main(flags, options, args):
    file = options["resources"]
    given = [name for name in (*PROPERTIES, *OBSOLETE, *RDT) if options[name]]
    if file and given:
        raise UsageError(f"--{given[0]} has no place beside --resources: put it into the document")
    if file:
        change, source = read(file)
    else:
        change, source = from_flags(options, given, flags["log"].warning), "command line"
    runtime(flags).load(args[0]).update(change, source)
    return 0


def read(file):
    """(the document, what to call it) of a file, or of standard input for "-"."""
    source = "standard input" if file == "-" else file
    with open(sys.stdin.fileno() if file == "-" else file, "rb", closefd=file != "-") as stream:
        change = jsontext.parse(stream.read(jsontext.MAX_BYTES + 1), source)
    if not isinstance(change, dict):
        raise ConfigError(Problem("", "must be an object", "schema"), source)
    return change, source


def from_flags(options, given, warn):
    """linux.resources as flags say them."""
    change = {}
    for name in given:
        if name in OBSOLETE:
            warn(f"--{name} is ignored: the kernel no longer limits kernel memory by itself")
        elif name in RDT:
            raise OcipyError(f"--{name}: Intel RDT is not supported by this version of ocipy")
        else:
            section, key, kind = PROPERTIES[name]
            change.setdefault(section, {})[key] = VALUES[kind](options[name], f"--{name}")
    return change


VALUES = {
    "size": lambda text, what: -1 if text == "-1" else size(text, what),
    "count": integer,
    "integer": lambda text, what: integer(text, what, negative=True),
    "text": lambda text, what: text,
}
