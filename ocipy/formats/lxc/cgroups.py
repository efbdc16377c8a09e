"""Limits, and where they are: ``linux.cgroupsPath`` and ``linux.resources``.

LXC sets a key where the host has its hierarchy and passes over it where not; so do we.  Nearly all files of
cgroup v1 have a property of OCI's (`V1`); those of cgroup v2 are ``unified``, but for the few that have a
property that says exactly the same.
"""

from __future__ import annotations

from ocipy.formats.lxc.draft import escaped
from ocipy.formats.lxc.grammar import c_number, is_number
from ocipy.formats.lxc.values import integer, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

PAYLOAD, MONITOR = "lxc.payload.", "lxc.monitor."
_V1, _V2 = "lxc.cgroup.", "lxc.cgroup2."
_DIRECTORIES = ("dir", "dir.container", "dir.container.inner", "dir.monitor", "dir.monitor.pivot", "relative")


def _flag(entry: Entry, text: str) -> bool:
    return integer(entry, text) != 0


def _text(entry: Entry, text: str) -> str:
    return text


#: File of cgroup v1 -> (property of linux.resources, how its value is read).
V1: dict[str, tuple[str, Callable[[Entry, str], Any]]] = {
    "memory.limit_in_bytes": ("memory/limit", size),
    "memory.soft_limit_in_bytes": ("memory/reservation", size),
    "memory.memsw.limit_in_bytes": ("memory/swap", size),
    "memory.kmem.limit_in_bytes": ("memory/kernel", size),
    "memory.kmem.tcp.limit_in_bytes": ("memory/kernelTCP", size),
    "memory.swappiness": ("memory/swappiness", integer),
    "memory.oom_control": ("memory/disableOOMKiller", _flag),
    "cpu.shares": ("cpu/shares", integer),
    "cpu.cfs_quota_us": ("cpu/quota", integer),
    "cpu.cfs_period_us": ("cpu/period", integer),
    "cpu.cfs_burst_us": ("cpu/burst", integer),
    "cpu.rt_runtime_us": ("cpu/realtimeRuntime", integer),
    "cpu.rt_period_us": ("cpu/realtimePeriod", integer),
    "cpu.idle": ("cpu/idle", integer),
    "cpuset.cpus": ("cpu/cpus", _text),
    "cpuset.mems": ("cpu/mems", _text),
    "pids.max": ("pids/limit", size),
    "blkio.weight": ("blockIO/weight", integer),
    "blkio.leaf_weight": ("blockIO/leafWeight", integer),
    "net_cls.classid": ("network/classID", lambda entry, text: _number(entry, text)),
}
#: And those whose lines are about a device each: what the number is called.
DEVICES = {
    "blkio.throttle.read_bps_device": ("blockIO/throttleReadBpsDevice", "rate"),
    "blkio.throttle.write_bps_device": ("blockIO/throttleWriteBpsDevice", "rate"),
    "blkio.throttle.read_iops_device": ("blockIO/throttleReadIOPSDevice", "rate"),
    "blkio.throttle.write_iops_device": ("blockIO/throttleWriteIOPSDevice", "rate"),
    "blkio.weight_device": ("blockIO/weightDevice", "weight"),
    "blkio.leaf_weight_device": ("blockIO/weightDevice", "leafWeight"),
}
#: File of cgroup v2 -> property that is written to it as it stands.
V2: dict[str, tuple[str, Callable[[Entry, str], Any]]] = {
    "memory.max": ("memory/limit", size),
    "memory.low": ("memory/reservation", size),
    "cpuset.cpus": ("cpu/cpus", _text),
    "cpuset.mems": ("cpu/mems", _text),
    "pids.max": ("pids/limit", size),
    "cpu.idle": ("cpu/idle", integer),
    "cpu.max.burst": ("cpu/burst", integer),
}
PAGE_LIMIT = ".limit_in_bytes"
#: What OCI's containers may do beside what their rules say: `dump` writes it, and it is not read as a rule.
#: Source: runtime-spec config-linux.md#default-devices, and what runtimes add to it.
DEFAULT_RULES: tuple[dict[str, Any], ...] = (
    {"allow": True, "type": "c", "access": "m"},
    {"allow": True, "type": "b", "access": "m"},
    *(
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2))
    ),
    {"allow": True, "type": "c", "major": 136, "access": "rwm"},
    {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rwm"},
)


def load(draft: Draft) -> None:
    """The path, device rules and limits."""
    _path(draft)
    files = [e for e in draft.config.below(_V1) if e.key.removeprefix(_V1) not in _DIRECTORIES]
    unified = draft.config.below(_V2)
    _device_rules(draft, files if draft.host.v1 and "devices" not in draft.host.unified else unified)
    for entry in files:
        name = entry.key.removeprefix(_V1)
        if not draft.host.v1:
            draft.changed(entry, "ignored, as LXC ignores it: this host has no hierarchy of cgroup v1")
        elif not name.startswith("devices."):
            _limit_v1(draft, entry, name)
    for entry in unified:
        name = entry.key.removeprefix(_V2)
        controller = name.partition(".")[0]
        has = controller in (*draft.host.unified, "cgroup") or (controller == "devices" and not draft.host.v1)
        if not has:
            draft.changed(entry, f"ignored, as LXC ignores it: {controller} is not on this host's cgroup v2")
        elif controller != "devices":
            _limit_v2(draft, entry, name)


def _path(draft: Draft) -> None:
    """Where the limits are: LXC's own place, or the one that is asked for."""
    config = draft.config
    name = draft.config.container
    start = "" if config.flag("lxc.cgroup.relative") else "/"
    plain, whole = config.last("lxc.cgroup.dir"), config.last("lxc.cgroup.dir.container")
    if plain is not None and whole is not None:
        raise whole.problem("lxc.cgroup.dir is there already, they are mutually exclusive")
    if whole is not None:
        draft.set("/linux/cgroupsPath", start + whole.value.strip("/"), whole)
    elif plain is not None:
        draft.set("/linux/cgroupsPath", f"{start}{plain.value.strip('/')}/{name}", plain)
    else:
        draft.set("/linux/cgroupsPath", f"{start}{PAYLOAD}{name}", config.last("lxc.cgroup.relative"))


# ---------------------------------------------------------------- devices


def _device_rules(draft: Draft, entries: list[Entry]) -> None:
    """Rules after the one that LXC begins with.

    On v1 all is allowed that the host allows; on v2 all is forbidden once there is any rule at all, unless
    the first one is about everything (liblxc, cgroups/cgroup2_devices.c).  Without rules all is allowed.
    """
    found = [
        (_rule(entry, entry.key.endswith(".allow")), entry)
        for entry in entries
        if entry.key.rpartition(".")[2] in ("allow", "deny") and ".devices." in entry.key
    ]
    if tuple(rule for rule, _ in found[-len(DEFAULT_RULES) :]) == DEFAULT_RULES:
        found = found[: -len(DEFAULT_RULES)]
    if not found or "type" in found[0][0]:
        first = not found or draft.host.v1
        draft.add("/linux/resources/devices", {"allow": first, "access": "rwm"})
    for rule, entry in found:
        draft.add("/linux/resources/devices", rule, entry)


def _rule(entry: Entry, allow: bool) -> dict[str, Any]:
    """``c 1:3 rwm``, ``b *:* m``, ``a``."""
    fields = entry.value.split()
    if fields[:1] == ["a"]:
        return {"allow": allow, "access": "rwm"}
    major, colon, minor = fields[1].partition(":") if len(fields) == 3 else ("", "", "")
    access = fields[2] if len(fields) == 3 else ""
    numbers = all(n == "*" or is_number(n) for n in (major, minor))
    if fields[:1] not in (["b"], ["c"]) or not colon or not numbers or not access or set(access) - set("rwm"):
        raise entry.problem(f'"{entry.value}" is not a rule, such as c 1:3 rwm')
    rule: dict[str, Any] = {"allow": allow, "type": fields[0]}
    for name, number in (("major", major), ("minor", minor)):
        if number != "*":
            rule[name] = int(number)
    return {**rule, "access": access}


# ---------------------------------------------------------------- limits


def _limit_v1(draft: Draft, entry: Entry, name: str) -> None:
    at = "/linux/resources"
    if name in V1:
        pointer, reader = V1[name]
        draft.set(f"{at}/{pointer}", reader(entry, entry.value), entry)
    elif name in DEVICES:
        _about_device(draft, entry, *DEVICES[name])
    elif name.startswith("hugetlb.") and name.endswith(PAGE_LIMIT) and ".rsvd" not in name:
        page = name.removeprefix("hugetlb.").removesuffix(PAGE_LIMIT)
        draft.add(f"{at}/hugepageLimits", {"pageSize": page, "limit": size(entry, entry.value)}, entry)
    elif name == "net_prio.ifpriomap":
        interface, _, priority = entry.value.partition(" ")
        draft.add(
            f"{at}/network/priorities", {"name": interface, "priority": integer(entry, priority)}, entry
        )
    elif name == "rdma.max":
        device, *pairs = entry.value.split() or [""]
        draft.set(f"{at}/rdma/{escaped(device)}", _rdma(entry, pairs), entry)
    else:
        draft.lossy(entry, f"no property of OCI sets {name}")


def _limit_v2(draft: Draft, entry: Entry, name: str) -> None:
    at = "/linux/resources"
    if name in V2:
        pointer, reader = V2[name]
        draft.set(f"{at}/{pointer}", reader(entry, entry.value), entry)
    elif name == "cpu.max" and len(entry.value.split()) == 2:
        quota, period = entry.value.split()
        draft.set(f"{at}/cpu/quota", -1 if quota == "max" else integer(entry, quota), entry)
        draft.set(f"{at}/cpu/period", integer(entry, period), entry)
    else:
        before = (draft.get(f"{at}/unified") or {}).get(name)
        value = entry.value if before is None else f"{before}\n{entry.value}"
        draft.set(f"{at}/unified/{escaped(name)}", value, entry)


def _about_device(draft: Draft, entry: Entry, pointer: str, name: str) -> None:
    """``8:0 1048576``."""
    device, _, value = entry.value.partition(" ")
    major, _, minor = device.partition(":")
    number = {"major": integer(entry, major), "minor": integer(entry, minor)}
    at = f"/linux/resources/{pointer}"
    for known in draft.get(at) or ():
        if number.items() <= known.items() and name not in known:
            known[name] = integer(entry, value.strip())
            return
    draft.add(at, {**number, name: integer(entry, value.strip())}, entry)


def _rdma(entry: Entry, pairs: list[str]) -> dict[str, int]:
    names = {"hca_handle": "hcaHandles", "hca_object": "hcaObjects"}
    found = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in names:
            raise entry.problem(f'"{pair}" is not hca_handle=NUMBER or hca_object=NUMBER')
        if value != "max":
            found[names[name]] = integer(entry, value)
    return found


def _number(entry: Entry, text: str) -> int:
    """As the kernel reads a class id: 0x100001, too."""
    try:
        return c_number(text)
    except ValueError:
        raise entry.problem(f'"{text}" is not a number') from None
