"""Rules of the `linux` section of config.json, but for resources, which depend on the host's cgroups."""

from __future__ import annotations

from ocipy.spec.check_process import NO_ID
from ocipy.spec.findings import Findings, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set
    from typing import Any

#: Most lines of a uid_map.  Since Linux 4.15 (6397fac4915a "userns: bump idmap limits to 340").
MAX_RANGES = 340
#: Bits that the kernel has for a device's major and minor number.  Source: linux/kdev_t.h.
MAX_MAJOR, MAX_MINOR = 0xFFF, 0xFFFFF
#: Longest name of a network device: IFNAMSIZ without its NUL.
MAX_DEVICE_NAME = 15

#: Sysctls that each ipc namespace has for itself.  Source: ipc/ipc_sysctl.c; fs.mqueue.*: ipc/mq_sysctl.c.
IPC_SYSCTLS = (
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
)


def check(linux: dict[str, Any], namespaces: Set[str], found: Findings) -> None:
    """Everything about `linux`; ``namespaces`` are the types that it lists."""
    _namespaces(linux.get("namespaces", ()), found)
    _user_namespace(linux, found)
    _time_offsets(linux, found)
    for name in linux.get("sysctl", ()):
        _sysctl(name, namespaces, found)
    for name in ("maskedPaths", "readonlyPaths"):
        for index, path in enumerate(linux.get(name, ())):
            if path[:1] != "/":
                message = f"{quoted(path)} is not absolute: taken from /"
                found.warning("path-relative", message, "/linux", name, index)
            if name == "maskedPaths" and path and not path.strip("/."):
                found.problem("mask-root", "the root itself can't be masked", "/linux", name, index)
    _devices(linux.get("devices", ()), found)
    if linux.get("netDevices"):
        _net_devices(linux["netDevices"], namespaces, found)
    path = linux.get("cgroupsPath", "")
    if ".." in path.split("/"):
        message = f'{quoted(path)} has ".." in it: it does not lead out of the hierarchy'
        found.warning("cgroups-path", message, "/linux/cgroupsPath")
    if "personality" in linux:
        _personality(linux["personality"], found)
    if "memoryPolicy" in linux:
        _memory_policy(linux["memoryPolicy"], found)
    if "intelRdt" in linux:
        _intel_rdt(linux["intelRdt"], found)
    if "seccomp" in linux:
        from ocipy.spec import check_seccomp

        check_seccomp.check(linux["seccomp"], "/linux/seccomp", found)


# ---------------------------------------------------------------- namespaces


def _namespaces(entries: list[dict[str, str]], found: Findings) -> None:
    seen = set()
    for index, entry in enumerate(entries):
        kind, path = entry["type"], entry.get("path", "")
        if kind in seen:
            found.problem("namespace-duplicate", f"{kind} is listed twice", "/linux/namespaces", index)
        seen.add(kind)
        if path and path[0] != "/":
            message = f"{quoted(path)} is not an absolute path"
            found.problem("namespace-path-relative", message, "/linux/namespaces", index, "path")


def _user_entry(linux: dict[str, Any]) -> dict[str, str] | None:
    """The entry of the user namespace; one that is new has no path."""
    for entry in linux.get("namespaces", ()):
        if entry["type"] == "user":
            return dict(entry)
    return None


def _user_namespace(linux: dict[str, Any], found: Findings) -> None:
    user = _user_entry(linux)
    for side in ("uidMappings", "gidMappings"):
        ranges, pointer = linux.get(side, ()), f"/linux/{side}"
        if ranges and user is None:
            found.problem("mappings-without-user-namespace", "needs a user namespace", pointer)
        if user is None or user.get("path"):
            continue
        if not ranges:
            message = "is required: a new user namespace without it has no ids"
            found.problem("user-namespace-without-mappings", message, pointer)
        elif all(entry["containerID"] or not entry["size"] for entry in ranges):
            # The container's filesystems and cgroup are given to its root.
            found.problem("mapping-without-root", "nothing stands for id 0 of the container", pointer)
        check_ranges(ranges, pointer, found)


def check_ranges(ranges: list[dict[str, int]], pointer: str, found: Findings) -> None:
    """What the kernel wants of a uid_map.  Source: user_namespaces(7), kernel/user_namespace.c."""
    if len(ranges) > MAX_RANGES:
        message = f"has {len(ranges)} ranges, the kernel takes {MAX_RANGES}"
        found.problem("mapping-count", message, pointer)
        return
    for index, entry in enumerate(ranges):
        if not entry["size"]:
            found.problem("mapping-size", "is 0", pointer, index, "size")
        for side in ("containerID", "hostID"):
            if entry[side] + entry["size"] > NO_ID:
                message = f"{entry[side]} and size {entry['size']} go beyond the last id, {NO_ID - 1}"
                found.problem("mapping-range", message, pointer, index)
            for other in ranges[:index]:
                if max(entry[side], other[side]) < min(
                    entry[side] + entry["size"], other[side] + other["size"]
                ):
                    message = "overlaps with an earlier range"
                    found.problem("mapping-overlap", message, pointer, index, side)
                    break


def check_mapped(process: dict[str, Any], linux: dict[str, Any], found: Findings) -> None:
    """In a new user namespace the process can only have ids that are mapped."""
    entry = _user_entry(linux)
    if entry is None or entry.get("path"):
        return
    user = process.get("user", {})
    wanted: list[tuple[str, int, tuple[object, ...]]] = [
        ("uidMappings", user.get("uid", 0), ("uid",)),
        ("gidMappings", user.get("gid", 0), ("gid",)),
    ]
    wanted += [
        ("gidMappings", gid, ("additionalGids", index))
        for index, gid in enumerate(user.get("additionalGids", ()))
    ]
    for side, number, steps in wanted:
        ranges = linux.get(side, ())
        if ranges and not any(0 <= number - r["containerID"] < r["size"] for r in ranges):
            message = f"{number} is not mapped by /linux/{side}"
            found.problem("id-not-mapped", message, "/process/user", *steps)


def _time_offsets(linux: dict[str, Any], found: Findings) -> None:
    offsets = linux.get("timeOffsets", {})
    entries = [entry for entry in linux.get("namespaces", ()) if entry["type"] == "time"]
    if offsets and not entries:
        found.problem("time-offsets-without-namespace", "needs a time namespace", "/linux/timeOffsets")
    elif offsets and entries[0].get("path"):
        message = "needs a new time namespace: those of one that is joined are fixed"
        found.problem("time-offsets-of-joined", message, "/linux/timeOffsets")
    for clock, offset in offsets.items():
        if clock in ("monotonic", "boottime") and offset.get("nanosecs", 0) >= 10**9:
            message = f"{offset['nanosecs']} is a second or more"
            found.problem("time-offset-nanosecs", message, "/linux/timeOffsets", clock, "nanosecs")


# ---------------------------------------------------------------- sysctl


def dotted(name: str) -> str:
    """A sysctl's name with dots between its parts, and "/" for a dot in one: sysctl(8) takes both forms.

    >>> dotted("net/ipv4/conf/eth0.100/rp_filter"), dotted("kernel.sem")
    ('net.ipv4.conf.eth0/100.rp_filter', 'kernel.sem')
    """
    first = min(name.find(separator) % (len(name) + 1) for separator in "./")
    return name.translate({46: "/", 47: "."}) if name[first : first + 1] == "/" else name


def _sysctl(name: str, namespaces: Set[str], found: Findings) -> None:
    """Only what a namespace of the container's own has for itself: anything else would change the host."""
    known = dotted(name)
    parts = [part.replace("/", ".") for part in known.split(".")]
    needed = ""
    if known in IPC_SYSCTLS or known.startswith("fs.mqueue."):
        needed = "ipc"
    elif known.startswith("net."):
        needed = "network"
    elif known == "kernel.domainname":
        needed = "uts"
    if any(part in ("", ".", "..") for part in parts):
        found.problem("sysctl-name", f"{quoted(name)} is not the name of a sysctl", "/linux/sysctl", name)
    elif known == "kernel.hostname":
        found.problem("sysctl-hostname", "is what /hostname is for", "/linux/sysctl", name)
    elif not needed:
        message = "belongs to no namespace: it would change the host"
        found.problem("sysctl-of-host", message, "/linux/sysctl", name)
    elif needed not in namespaces:
        message = f"needs {'an' if needed == 'ipc' else 'a'} {needed} namespace: it would change the host"
        found.problem("sysctl-of-host", message, "/linux/sysctl", name)


# ---------------------------------------------------------------- devices


def _devices(devices: list[dict[str, Any]], found: Findings) -> None:
    numbers: dict[tuple[Any, ...], str] = {}
    paths: dict[str, tuple[Any, ...]] = {}
    for index, device in enumerate(devices):
        pointer, path = f"/linux/devices/{index}", device["path"]
        if path[:1] != "/":
            message = f"{quoted(path)} is not absolute: taken from /"
            found.warning("path-relative", message, pointer, "path")
        number = (device["type"], device.get("major"), device.get("minor"))
        if device["type"] != "p":
            _device_number(device, pointer, found)
            if numbers.setdefault(number, path) != path:
                message = f"is the same device as {numbers[number]}"
                found.warning("device-duplicate", message, pointer)
        if paths.setdefault(path, number) != number:
            message = f"{path} is already another device"
            found.problem("device-path-duplicate", message, pointer, "path")


def _device_number(device: dict[str, Any], pointer: str, found: Findings) -> None:
    for side, most in (("major", MAX_MAJOR), ("minor", MAX_MINOR)):
        if side not in device:
            message = f"is required for a device of type {device['type']}"
            found.problem("device-number", message, pointer, side)
        elif not 0 <= device[side] <= most:
            message = f"{device[side]} is not between 0 and {most}"
            found.problem("device-number", message, pointer, side)


def _net_devices(devices: dict[str, dict[str, str]], namespaces: Set[str], found: Findings) -> None:
    if "network" not in namespaces:
        found.problem("net-devices-without-network", "needs a network namespace", "/linux/netDevices")
    seen: dict[str, str] = {}
    for name, settings in devices.items():
        inside = settings.get("name") or name
        if not _is_device_name(name):
            message = f"{quoted(name)} can't be the name of a network device"
            found.problem("net-device-name", message, "/linux/netDevices", name)
        if inside != name and not _is_device_name(inside):
            message = f"{quoted(inside)} can't be the name of a network device"
            found.problem("net-device-name", message, "/linux/netDevices", name, "name")
        if inside in seen and "%" not in inside:
            message = f"{inside} is already the name of {seen[inside]}"
            found.problem("net-device-duplicate", message, "/linux/netDevices", name)
        seen[inside] = name


def _is_device_name(name: str) -> bool:
    """Source: net/core/dev.c, dev_valid_name, and __dev_alloc_name for "%d", which may be there once.

    The kernel would find out when the device has left the host.
    """
    size = len(name.encode("utf-8", "surrogateescape"))
    short = 0 < size <= MAX_DEVICE_NAME and "%" not in name.replace("%d", "", 1)
    return short and name not in (".", "..") and not any(c in "/:" or c.isspace() for c in name)


# ---------------------------------------------------------------- the rest


def _personality(personality: dict[str, Any], found: Findings) -> None:
    if "domain" not in personality:
        found.problem("personality-domain", "is required", "/linux/personality/domain")
    if personality.get("flags"):
        message = "are ignored: the standard defines none"
        found.warning("personality-flags", message, "/linux/personality/flags")


def _memory_policy(policy: dict[str, Any], found: Findings) -> None:
    """Source: set_mempolicy(2); mm/mempolicy.c, mpol_new and sanitize_mpol_flags."""
    pointer = "/linux/memoryPolicy"
    mode, nodes, flags = policy.get("mode", ""), policy.get("nodes", "").strip(), policy.get("flags", ())
    if not mode:
        found.problem("memory-policy-mode", "is required", pointer, "mode")
        return
    if nodes and not _is_list(nodes):
        message = f"{quoted(nodes)} is not a list such as 0-3,7"
        found.problem("memory-policy-nodes", message, pointer, "nodes")
    elif nodes and mode in ("MPOL_DEFAULT", "MPOL_LOCAL"):
        found.problem("memory-policy-nodes", f"{mode} takes no nodes", pointer, "nodes")
    elif not nodes and mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED"):
        found.problem("memory-policy-nodes", f"{mode} needs nodes", pointer, "nodes")
    if "MPOL_F_STATIC_NODES" in flags and "MPOL_F_RELATIVE_NODES" in flags:
        message = "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other"
        found.problem("memory-policy-flags", message, pointer, "flags")
    # The second of them on newer kernels only; the others answer EINVAL.
    if "MPOL_F_NUMA_BALANCING" in flags and mode not in ("MPOL_BIND", "MPOL_PREFERRED_MANY"):
        message = f"MPOL_F_NUMA_BALANCING goes with MPOL_BIND or MPOL_PREFERRED_MANY, not with {mode}"
        found.problem("memory-policy-flags", message, pointer, "flags")


def _is_list(text: str) -> bool:
    """True for what cpuset(7) calls the list format."""
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        ends = (low, high) if dash else (low,)
        if not all(end.isascii() and end.isdigit() for end in ends) or int(ends[0]) > int(ends[-1]):
            return False
    return True


def _intel_rdt(rdt: dict[str, Any], found: Findings) -> None:
    closid = rdt.get("closID", "")
    if closid in (".", "..") or ("/" in closid and closid != "/"):
        message = f"{quoted(closid)} is not the name of a directory"
        found.problem("intel-rdt-closid", message, "/linux/intelRdt/closID")
    for index, line in enumerate(rdt.get("schemata", ())):
        if "\n" in line:
            found.problem("intel-rdt-schemata", "is more than one line", "/linux/intelRdt/schemata", index)
