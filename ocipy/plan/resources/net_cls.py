"""linux.resources.network.classID: a tag on the packets, for tc(8) and iptables.

Source: runtime-spec config-linux.md#network; kernel Documentation/admin-guide/cgroup-v1/net_cls.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def v1(network: dict[str, Any], out: Out) -> None:
    """The write for cgroup v1."""
    if network.get("classID"):
        out.write("net_cls", "net_cls.classid", network["classID"], "/classID")


def v2(network: dict[str, Any], out: Out) -> None:
    """On v2 packets are matched by their cgroup's path; nothing is written."""
    if network.get("classID"):
        out.ignored("/classID", "cgroup v2 has nothing like it")
