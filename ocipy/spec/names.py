"""Names of the kernel, and of our own annotations, that a configuration speaks of."""

#: The annotation that landlock.py explains.
LANDLOCK = "io.ocipy.landlock"
#: What the annotations that network.py explains begin with.
NETWORK = "io.ocipy.network."

#: The number of each is its place.  Source: linux/capability.h; the last three are of Linux 5.8 and 5.9.
CAPABILITIES = tuple(
    (
        "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID "
        "CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW "
        "CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT "
        "CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD "
        "CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG "
        "CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE"
    ).split()
)

#: The number of each is its place.  Source: asm-generic/resource.h.
RLIMITS = tuple(
    (
        "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE "
        "RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO "
        "RLIMIT_RTTIME"
    ).split()
)

#: Source: linux/mempolicy.h.
MEMPOLICY_MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMPOLICY_FLAGS = {
    "MPOL_F_STATIC_NODES": 1 << 15,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_NUMA_BALANCING": 1 << 13,
}

#: Options of a mount that undo each other; each of them with an r before it (``rro``) acts recursively.
OPPOSITES = {"ro": "rw", "sync": "async"}
for _option in ("suid", "dev", "exec", "atime", "diratime", "relatime", "strictatime", "symfollow"):
    OPPOSITES[_option] = f"no{_option}"
    OPPOSITES[f"r{_option}"] = f"rno{_option}"
OPPOSITES["rro"] = "rrw"

#: Files of /proc that may be covered by a bind mount; everything else below /proc is refused, since a mount
#: there can hide what the runtime and tools read to tell one process from another (CVE-2019-16884).
PROC_FILES = frozenset(
    "/proc/" + name
    for name in (
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "sys/kernel/ns_last_pid",
        "sys/crypto/fips_enabled",
    )
)


def plain_path(path: str) -> str:
    """A path of the container in one spelling: absolute, without empty and "." parts.

    ".." stays: it may follow a symlink.
    """
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
