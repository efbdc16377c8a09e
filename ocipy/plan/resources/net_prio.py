"""linux.resources.network.priorities: the priority of packets on each interface.

Source: runtime-spec config-linux.md#network; kernel Documentation/admin-guide/cgroup-v1/net_prio.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def v1(network: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v1: the kernel takes one interface at a time."""
    for i, entry in enumerate(network.get("priorities") or ()):
        out.write(
            "net_prio", "net_prio.ifpriomap", f"{entry['name']} {entry['priority']}", f"/priorities/{i}"
        )


def v2(network: dict[str, Any], out: Out) -> None:
    """Nothing is written on v2."""
    if network.get("priorities"):
        out.ignored("/priorities", "cgroup v2 has nothing like it")
