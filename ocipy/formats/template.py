"""A new config.json: the default of ``ocipy spec``, with what a caller wants changed.

The shape is what callers know from ``runc spec``: a shell in namespaces of its own, a read-only root, few
capabilities, no devices but the harmless, no new privileges.  Pure: values in, the document out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: The oldest version that has all that is written here and in a bundle's mounts ("rro" came with it): crun
#: 1.8, Debian 12's, refuses any later one.
VERSION = "1.1.0"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Source: linux/capability.h, in the order of their numbers; the last three are of Linux 5.8 and 5.9.
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
DEFAULT_CAPABILITIES = ("CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE")

#: What a process may learn from these, or do to the host through them, is none of a container's business.
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",  # CVE-2020-8694: secrets by the processor's energy
    "/sys/devices/virtual/tpm",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

#: cpu.quota is microseconds of processor time in a period of so many.
PERIOD = 100_000

_MOUNTS = (
    ("/proc", "proc", "proc", ()),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    ("/dev/shm", "tmpfs", "shm", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    ("/sys", "sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", ("nosuid", "noexec", "nodev", "relatime", "ro")),
)


def config(
    *,
    args: Sequence[str] = ("sh",),
    env: Sequence[str] = (),
    cwd: str = "/",
    uid: int = 0,
    gid: int = 0,
    hostname: str = "ocipy",
    terminal: bool = True,
    read_only: bool = True,
    rootfs: str = "rootfs",
    mounts: Sequence[Mapping[str, Any]] = (),
    capabilities: Sequence[str] = DEFAULT_CAPABILITIES,
    no_new_privileges: bool = True,
    network: str = "none",
    mapping: tuple[int, int, int] | None = None,
    memory: int | None = None,
    quota: int | None = None,
    pids: int | None = None,
    annotations: Mapping[str, str] | None = None,
    hooks: Mapping[str, Any] | None = None,
    limited_devices: bool = True,
    cgroup_namespace: bool = False,
) -> dict[str, Any]:
    """The document.

    env:       NAME=VALUE, over the default ones of the same name
    network:   "none", a namespace of its own; "host"; or the path of one that is joined
    mapping:   (host uid, host gid, size) of the ids from 0 up in a user namespace; None for none
    memory:    bytes
    quota:     microseconds of processor time in each `PERIOD`
    limited_devices: False where device rules cannot be had (rootless)
    """
    document: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": {
            "terminal": terminal,
            "user": {"uid": uid, "gid": gid},
            "args": list(args),
            "env": environment((PATH, "TERM=xterm"), env),
            "cwd": cwd,
            "capabilities": {k: list(capabilities) for k in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": no_new_privileges,
        },
        "root": {"path": rootfs, "readonly": read_only},
        "hostname": hostname,
        "mounts": [*_mounts(network, mapping), *map(dict, mounts)],
        "linux": _linux(network, mapping, cgroup_namespace),
    }
    if resources := _resources(memory, quota, pids, limited_devices):
        document["linux"]["resources"] = resources
    if hooks:
        document["hooks"] = dict(hooks)
    if annotations:
        document["annotations"] = dict(annotations)
    return document


def _linux(network: str, mapping: tuple[int, int, int] | None, cgroup_namespace: bool) -> dict[str, Any]:
    wanted = {"network": network != "host", "user": mapping is not None, "cgroup": cgroup_namespace}
    kinds = ("pid", "network", "ipc", "uts", "mount", "user", "cgroup")
    linux: dict[str, Any] = {"namespaces": [{"type": kind} for kind in kinds if wanted.get(kind, True)]}
    if network not in ("none", "host"):
        linux["namespaces"][1]["path"] = network
    if mapping is not None:
        for key, host in (("uidMappings", mapping[0]), ("gidMappings", mapping[1])):
            linux[key] = [{"containerID": 0, "hostID": host, "size": mapping[2]}]
    return {**linux, "maskedPaths": list(MASKED), "readonlyPaths": list(READ_ONLY)}


def environment(defaults: Sequence[str], changes: Sequence[str]) -> list[str]:
    """NAME=VALUE entries of which the last of a name counts, in the place of the first.

    >>> environment(("A=1", "B=2"), ("A=3", "C=4"))
    ['A=3', 'B=2', 'C=4']
    """
    entries = {entry.partition("=")[0]: entry for entry in (*defaults, *changes)}
    return list(entries.values())


def capability_set(add: Sequence[str], drop: Sequence[str]) -> tuple[str, ...]:
    """The default capabilities without `drop` and with `add`; "ALL" in either is all, and counts first.

    >>> capability_set(["CAP_CHOWN"], ["ALL"])
    ('CAP_CHOWN',)
    """
    kept = set() if "ALL" in drop else set(DEFAULT_CAPABILITIES)
    if "ALL" in add:
        kept = set(CAPABILITIES)
    kept = (kept - set(drop)) | set(add)
    return tuple(name for name in CAPABILITIES if name in kept)


def _mounts(network: str, mapping: tuple[int, int, int] | None) -> list[dict[str, Any]]:
    result = []
    for destination, kind, source, options in _MOUNTS:
        mount = {"destination": destination, "type": kind, "source": source, "options": list(options)}
        if destination == "/sys" and mapping is not None and network == "host":
            # sysfs belongs to a network namespace; a user namespace that has none cannot make one.
            mount.update(type="none", source="/sys", options=["rbind", "nosuid", "noexec", "nodev", "ro"])
        elif mapping is not None and mapping[2] <= 5:
            # The group tty has no number there.
            mount["options"] = [option for option in options if option != "gid=5"]
        if not mount["options"]:
            del mount["options"]
        result.append(mount)
    return result


def _resources(memory: int | None, quota: int | None, pids: int | None, devices: bool) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if devices:
        resources["devices"] = [{"allow": False, "access": "rwm"}]
    if memory is not None:
        resources["memory"] = {"limit": memory}
    if quota is not None:
        resources["cpu"] = {"quota": quota, "period": PERIOD}
    if pids is not None:
        resources["pids"] = {"limit": pids}
    return resources
