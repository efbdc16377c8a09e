"""What a container uses, in the shape of runc's events: one document for cgroup v1, v2 and hybrid hosts.

Names, units and what is left out when it is zero are runc's, whose readers ours are: times in nanoseconds,
memory in bytes, swap counted with memory, no limit of memory as 2^64 - 1 and no limit of processes as none.

Source: github.com/opencontainers/runc, types/events.go; kernel Documentation/admin-guide/cgroup-v1/ and
cgroup-v2.rst.
"""

from __future__ import annotations

import errno

from ocipy.cgroups import files, stats_v1, stats_v2
from ocipy.errors import OcipyError
from ocipy.plan.cgroup_layout import UNIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.cgroups.manager import Manager

    Read = Callable[[str], str]

# section, v1's controller; v2's sections have the same names
SECTIONS = (
    ("cpu", "cpu"),
    ("cpuset", "cpuset"),
    ("memory", "memory"),
    ("pids", "pids"),
    ("blkio", "blkio"),
    ("hugetlb", "hugetlb"),
)


def collect(manager: Manager) -> dict[str, Any]:
    """The sections of a stats document; one whose controller is missing says zero, or nothing."""
    document: dict[str, Any] = {}
    unified = reader(manager.paths.get(UNIFIED, ""))
    for section, controller in SECTIONS:
        try:
            if controller in manager.paths:
                read = reader(manager.paths[controller])
                other = reader(manager.paths.get("cpuacct", "")) if section == "cpu" else read
                document[section] = getattr(stats_v1, section)(read, other)
            else:
                document[section] = getattr(stats_v2, section)(unified)
        except (ValueError, IndexError) as error:
            raise OcipyError(
                f"the cgroup's files of {section} are not as the kernel writes them: {error}"
            ) from None
    document["intel_rdt"] = {}
    return document


def reader(directory: str) -> Read:
    """A function that reads a file of a directory: "" for what is not there, or is gone."""

    def read(file: str) -> str:
        if not directory:
            return ""
        try:
            return files.names(directory) if file == "." else files.read(f"{directory}/{file}")
        except OSError as error:
            # EOPNOTSUPP: pressure, where the kernel was started without it.
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP, errno.EINVAL):
                return ""
            raise

    return read
