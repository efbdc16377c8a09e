"""The sections of a stats document from cgroup v1's files.

Each function takes how to read a file of its controller, and of cpuacct: "" for one that is not there, and
the names of all for ".".
"""

from __future__ import annotations

import os

from ocipy.cgroups.figures import number, table, without_zero
from ocipy.plan.scheduling import number_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Read = Callable[[str], str]
    Section = dict[str, Any]

FLAGS = (
    "cpu_exclusive",
    "mem_hardwall",
    "mem_exclusive",
    "memory_migrate",
    "memory_spread_page",
    "memory_spread_slab",
    "memory_pressure",
    "sched_load_balance",
    "sched_relax_domain_level",
)
# Who counts I/O: BFQ where it schedules, the throttling layer elsewhere, before Linux 5.1 not recursively.
BLKIO = ("bfq.{}_recursive", "throttle.{}_recursive", "throttle.{}")


def cpu(read: Read, read_cpuacct: Read) -> Section:
    """Usage in nanoseconds and throttling."""
    tick = 10**9 // os.sysconf("SC_CLK_TCK")
    total = table(read_cpuacct("cpuacct.stat"))
    rows = [line.split() for line in read_cpuacct("cpuacct.usage_all").splitlines()[1:]]
    usage = without_zero(
        total=number(read_cpuacct("cpuacct.usage")),
        percpu=[int(word) for word in read_cpuacct("cpuacct.usage_percpu").split()],
        percpu_kernel=[int(row[2]) for row in rows],
        percpu_user=[int(row[1]) for row in rows],
    )
    throttled = table(read("cpu.stat"))
    return {
        "usage": {**usage, "kernel": total.get("system", 0) * tick, "user": total.get("user", 0) * tick},
        "throttling": without_zero(
            periods=throttled.get("nr_periods", 0),
            throttledPeriods=throttled.get("nr_throttled", 0),
            throttledTime=throttled.get("throttled_time", 0),
        ),
    }


def cpuset(read: Read, _: Read) -> Section:
    """Lists as numbers, flags as 0 and 1."""
    lists = {name: number_list(read(f"cpuset.{name}").strip()) for name in ("cpus", "mems")}
    return {**without_zero(**lists), **{flag: number(read(f"cpuset.{flag}")) for flag in FLAGS}}


def memory(read: Read, _: Read) -> Section:
    """Usage of memory, with swap, and by the kernel, in bytes."""
    raw = table(read("memory.stat"))
    return {
        **without_zero(cache=raw.get("cache", 0)),
        "usage": _usage(read, "memory"),
        "swap": _usage(read, "memory.memsw"),
        "kernel": _usage(read, "memory.kmem"),
        "kernelTCP": _usage(read, "memory.kmem.tcp"),
        **without_zero(raw=raw),
    }


def _usage(read: Read, name: str) -> Section:
    used = without_zero(
        usage=number(read(f"{name}.usage_in_bytes")), max=number(read(f"{name}.max_usage_in_bytes"))
    )
    return {
        "limit": number(read(f"{name}.limit_in_bytes")),
        **used,
        "failcnt": number(read(f"{name}.failcnt")),
    }


def pids(read: Read, _: Read) -> Section:
    """How many there are, and how many there may be."""
    most = read("pids.max")
    return without_zero(
        current=number(read("pids.current")), limit=0 if most.strip() == "max" else number(most)
    )


def blkio(read: Read, _: Read) -> Section:
    """Bytes and requests of each disk."""
    for source in BLKIO:
        requests = _entries(read(f"blkio.{source.format('io_serviced')}"))
        if requests:
            bytes_ = _entries(read(f"blkio.{source.format('io_service_bytes')}"))
            return without_zero(ioServiceBytesRecursive=bytes_, ioServicedRecursive=requests)
    return {}


def _entries(text: str) -> list[Section]:
    """Lines such as "8:0 Read 4096"; the sum over all disks is left out."""
    found = []
    for line in text.splitlines():
        disk, *kind, value = line.split()
        major, colon, minor = disk.partition(":")
        if colon:
            entry = without_zero(
                major=int(major), minor=int(minor), op=kind[0] if kind else "", value=int(value)
            )
            found.append(entry)
    return found


def hugetlb(read: Read, _: Read) -> Section:
    """By size: what is reserved, where the kernel counts that, else what is used."""
    suffix = ".usage_in_bytes"
    found = {}
    for name in read(".").split():
        if name.startswith("hugetlb.") and name.endswith(suffix):
            size = name.split(".")[1]
            at = f"hugetlb.{size}.rsvd" if read(f"hugetlb.{size}.rsvd{suffix}") else f"hugetlb.{size}"
            used = without_zero(usage=number(read(at + suffix)), max=number(read(f"{at}.max_usage_in_bytes")))
            found[size] = {**used, "failcnt": number(read(f"{at}.failcnt"))}
    return found
