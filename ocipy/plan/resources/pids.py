"""linux.resources.pids: how many tasks there may be.

Source: runtime-spec config-linux.md#pids; kernel Documentation/admin-guide/cgroup-v1/pids.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def v1(pids: dict[str, Any], out: Out) -> None:
    """The write for both versions: below 0 is unlimited, 0 is a limit: no process can fork."""
    limit = pids.get("limit")
    if limit is not None:
        out.write("pids", "pids.max", limit if limit >= 0 else "max", "/limit")


v2 = v1
