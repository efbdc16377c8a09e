"""linux.resources.cpu.cpus and .mems: which CPUs and memory nodes may be used.

The files have the same names and the same list format (cpuset(7)) in v1 and v2.  That a new v1 cpuset is
empty, and can't be joined, is taken care of when the cgroup is made.

Source: runtime-spec config-linux.md#cpu.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def v1(cpu: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v1."""
    for name in ("cpus", "mems"):
        if cpu.get(name):
            out.write("cpuset", f"cpuset.{name}", cpu[name], f"/{name}")


v2 = v1
