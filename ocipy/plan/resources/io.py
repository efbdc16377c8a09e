"""linux.resources.blockIO: weights and throttling of block devices.

On v1 weights are BFQ's files: CFQ's, and leaf weights with them, went with Linux 5.0 (f382fb0bceba "block:
remove legacy IO schedulers"), before anything that ocipy runs on.  On v2 either BFQ or the iocost controller
has a weight file, with different scales.

Sources: runtime-spec config-linux.md#block-io; kernel Documentation/block/bfq-iosched.rst, cgroup-v1/
blkio-controller.rst and cgroup-v2.rst (io.max, io.weight).
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# property, v1 file, key in v2's io.max
THROTTLE = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)


def v1(io: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v1."""
    if io.get("weight"):
        out.write("blkio", "blkio.bfq.weight", io["weight"], "/weight")
    if io.get("leafWeight"):
        out.write("blkio", "blkio.leaf_weight", io["leafWeight"], "/leafWeight")
    for i, device in enumerate(io.get("weightDevice") or ()):
        for key, file in (("weight", "blkio.bfq.weight_device"), ("leafWeight", "blkio.leaf_weight_device")):
            if device.get(key):
                value = f"{number(device)} {device[key]}"
                out.write("blkio", file, value, f"/weightDevice/{i}/{key}")
    for name, file, _ in THROTTLE:
        for i, device in enumerate(io.get(name) or ()):
            out.write("blkio", file, f"{number(device)} {device['rate']}", f"/{name}/{i}")


def v2(io: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v2.  A rate of 0 is no limit on v1, so "max" here."""
    if io.get("weight"):
        _weight("", io["weight"], "/weight", out)
    if io.get("leafWeight"):
        out.ignored("/leafWeight", "cgroup v2 has nothing like it")
    for i, device in enumerate(io.get("weightDevice") or ()):
        if device.get("weight"):
            _weight(number(device) + " ", device["weight"], f"/weightDevice/{i}/weight", out)
        if device.get("leafWeight"):
            out.ignored(f"/weightDevice/{i}/leafWeight", "cgroup v2 has nothing like it")
    for name, _, key in THROTTLE:
        for i, device in enumerate(io.get(name) or ()):
            rate = device["rate"] or "max"
            out.write("io", "io.max", f"{number(device)} {key}={rate}", f"/{name}/{i}")


def io_weight(weight: int) -> int:
    """iocost's ``io.weight`` (1 to 10000) for OCI ``blockIO.weight`` (10 to 1000); linear, as runc has it.

    >>> io_weight(10), io_weight(100), io_weight(1000)
    (1, 910, 10000)
    """
    return 1 + (weight - 10) * 9999 // 990


def _weight(device: str, weight: int, pointer: str, out: Out) -> None:
    """BFQ's file has the OCI scale; where there is only iocost's, `alternative` has its value."""
    if 10 <= weight <= 1000:
        out.write("io", "io.bfq.weight", f"{device}{weight}", pointer)
    else:
        out.problem(pointer, f"{weight} is not between 10 and 1000", "weight-range")


def alternative(value: str) -> tuple[str, str]:
    """The file of iocost, and its value, for a value of BFQ's file.

    >>> alternative("8:0 100")
    ('io.weight', '8:0 910')
    """
    device, _, weight = value.rpartition(" ")
    return "io.weight", f"{device} {io_weight(int(weight))}".strip()


def number(device: dict[str, Any]) -> str:
    """A device as the kernel writes it: MAJOR:MINOR."""
    return f"{device['major']}:{device['minor']}"
