"""The sections of a stats document from cgroup v2's files.

Each function takes how to read a file: "" for one that is not there, the names of all for ".".
"""

from __future__ import annotations

from ocipy.cgroups.figures import UNLIMITED, number, pressure, table, without_zero
from ocipy.cgroups.stats_v1 import FLAGS
from ocipy.plan.scheduling import number_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Read = Callable[[str], str]
    Section = dict[str, Any]

# io.stat's name, section, what v1 calls it
IO = (
    ("rbytes", "ioServiceBytesRecursive", "Read"),
    ("wbytes", "ioServiceBytesRecursive", "Write"),
    ("dbytes", "ioServiceBytesRecursive", "Discard"),
    ("rios", "ioServicedRecursive", "Read"),
    ("wios", "ioServicedRecursive", "Write"),
    ("dios", "ioServicedRecursive", "Discard"),
)


def cpu(read: Read) -> Section:
    """Usage in nanoseconds, throttling, pressure."""
    found = table(read("cpu.stat"))
    usage = without_zero(total=found.get("usage_usec", 0) * 1000)
    return {
        "usage": {
            **usage,
            "kernel": found.get("system_usec", 0) * 1000,
            "user": found.get("user_usec", 0) * 1000,
        },
        "throttling": without_zero(
            periods=found.get("nr_periods", 0),
            throttledPeriods=found.get("nr_throttled", 0),
            throttledTime=found.get("throttled_usec", 0) * 1000,
        ),
        **pressure(read("cpu.pressure")),
    }


def cpuset(read: Read) -> Section:
    """What may be used; the flags are v1's alone."""
    lists = {name: number_list(read(f"cpuset.{name}.effective").strip()) for name in ("cpus", "mems")}
    return {**without_zero(**lists), **dict.fromkeys(FLAGS, 0)}


def memory(read: Read) -> Section:
    """Usage of memory, with swap, and by the kernel, in bytes."""
    raw = table(read("memory.stat"))
    limit, used = number(read("memory.max")), number(read("memory.current"))
    swap_limit, swap_used = number(read("memory.swap.max")), number(read("memory.swap.current"))
    both = UNLIMITED if UNLIMITED in (limit, swap_limit) else limit + swap_limit
    return {
        **without_zero(cache=raw.get("file", 0)),
        "usage": {
            "limit": limit,
            **without_zero(usage=used, max=number(read("memory.peak"))),
            "failcnt": table(read("memory.events")).get("max", 0),
        },
        "swap": {"limit": both, **without_zero(usage=used + swap_used), "failcnt": 0},
        "kernel": {"limit": UNLIMITED, **without_zero(usage=raw.get("kernel", 0)), "failcnt": 0},
        "kernelTCP": {"limit": UNLIMITED, **without_zero(usage=raw.get("sock", 0)), "failcnt": 0},
        **without_zero(raw=raw),
        **pressure(read("memory.pressure")),
    }


def pids(read: Read) -> Section:
    """How many there are, and how many there may be."""
    most, current = read("pids.max"), read("pids.current")
    # Without the controller there are processes nevertheless.
    count = number(current) if current else len(read("cgroup.procs").split())
    return without_zero(current=count, limit=0 if most.strip() == "max" else number(most))


def blkio(read: Read) -> Section:
    """Bytes and requests of each disk, pressure."""
    found: Section = {}
    for line in read("io.stat").splitlines():
        disk, *pairs = line.split()
        major, _, minor = disk.partition(":")
        values = dict(pair.partition("=")[::2] for pair in pairs)
        for name, section, op in IO:
            if name in values:
                entry = without_zero(major=int(major), minor=int(minor), op=op, value=int(values[name]))
                found.setdefault(section, []).append(entry)
    return {**found, **pressure(read("io.pressure"))}


def hugetlb(read: Read) -> Section:
    """By size: what is reserved, where the kernel counts that, else what is used."""
    found = {}
    for name in read(".").split():
        if name.startswith("hugetlb.") and name.endswith(".events"):
            size = name.split(".")[1]
            reserved = read(f"hugetlb.{size}.rsvd.current")
            failures = table(read(name)).get("max", 0)
            used = without_zero(usage=number(reserved or read(f"hugetlb.{size}.current")))
            found[size] = {**used, "failcnt": failures}
    return found
