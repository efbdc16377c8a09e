"""linux.resources.rdma: how many handles and objects of an RDMA device may be used.

Source: runtime-spec config-linux.md#rdma; kernel Documentation/admin-guide/cgroup-v1/rdma.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def v1(devices: dict[str, Any], out: Out) -> None:
    """The writes for both versions: a line for each device, with the limits that it was given."""
    for name, limits in devices.items():
        words = [
            f"{key}={limits[field]}"
            for key, field in (("hca_handle", "hcaHandles"), ("hca_object", "hcaObjects"))
            if limits.get(field) is not None
        ]
        if words:
            out.write("rdma", "rdma.max", " ".join([name, *words]), f"/{escape(name)}")


def escape(name: str) -> str:
    """A property's name as part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


v2 = v1
