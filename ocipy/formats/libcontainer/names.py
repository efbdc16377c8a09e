"""What libcontainer's files call what config.json has, as tables that are read both ways.

Source: runc's libcontainer/configs and specconv, 1.1.5 to 1.5; docker/libcontainer v1.0.0 to v2.2.0.
"""

from __future__ import annotations

#: Namespaces.
NAMESPACES = {
    "NEWPID": "pid",
    "NEWNET": "network",
    "NEWNS": "mount",
    "NEWUSER": "user",
    "NEWIPC": "ipc",
    "NEWUTS": "uts",
    "NEWCGROUP": "cgroup",
    "NEWTIME": "time",
}

#: Flags of mount(2).
MS_REC = 1 << 14
MS_BIND = 1 << 12
PROPAGATION = {"unbindable": 1 << 17, "private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}
PROPAGATION |= {f"r{name}": flag | MS_REC for name, flag in PROPAGATION.items()}

#: Mount options that set a flag, and those that clear it.
MOUNT_SET = {
    "ro": 1,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "sync": 16,
    "remount": 32,
    "mand": 64,
    "dirsync": 128,
    "nosymfollow": 256,
    "noatime": 1 << 10,
    "nodiratime": 1 << 11,
    "silent": 1 << 15,
    "relatime": 1 << 21,
    "iversion": 1 << 23,
    "strictatime": 1 << 24,
    "lazytime": 1 << 25,
}
MOUNT_CLEAR = {
    "rw": 1,
    "suid": 2,
    "dev": 4,
    "exec": 8,
    "async": 16,
    "nomand": 64,
    "symfollow": 256,
    "atime": 1 << 10,
    "diratime": 1 << 11,
    "loud": 1 << 15,
    "norelatime": 1 << 21,
    "noiversion": 1 << 23,
    "nostrictatime": 1 << 24,
    "nolazytime": 1 << 25,
}
#: Recursive ones, as mount_setattr(2) has them.
ATTR_SET = {"rro": 1, "rnosuid": 2, "rnodev": 4, "rnoexec": 8, "rnodiratime": 0x80, "rnosymfollow": 0x200000}
ATTR_CLEAR = {"rrw": 1, "rsuid": 2, "rdev": 4, "rexec": 8, "rdiratime": 0x80, "rsymfollow": 0x200000}
#: The three of which there is always one: to set one is to clear the mask of them all.
ATIME_MASK = 0x70
ATIME_SET = {"rrelatime": 0, "rnoatime": 0x10, "rstrictatime": 0x20}
ATIME_CLEAR = {"ratime": 0x10, "rnostrictatime": 0x20}
EXT_COPYUP = 1

#: The number of each is its place, from 1 on.
ACTIONS = (
    "SCMP_ACT_KILL",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_KILL_PROCESS",
)
OPERATORS = (
    "SCMP_CMP_EQ",
    "SCMP_CMP_NE",
    "SCMP_CMP_GT",
    "SCMP_CMP_GE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_MASKED_EQ",
)
ARCHITECTURES = {
    "x86": "SCMP_ARCH_X86",
    "amd64": "SCMP_ARCH_X86_64",
    "x32": "SCMP_ARCH_X32",
    "arm": "SCMP_ARCH_ARM",
    "arm64": "SCMP_ARCH_AARCH64",
    "mips": "SCMP_ARCH_MIPS",
    "mips64": "SCMP_ARCH_MIPS64",
    "mips64n32": "SCMP_ARCH_MIPS64N32",
    "mipsel": "SCMP_ARCH_MIPSEL",
    "mipsel64": "SCMP_ARCH_MIPSEL64",
    "mipsel64n32": "SCMP_ARCH_MIPSEL64N32",
    "ppc": "SCMP_ARCH_PPC",
    "ppc64": "SCMP_ARCH_PPC64",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "riscv64": "SCMP_ARCH_RISCV64",
    "s390": "SCMP_ARCH_S390",
    "s390x": "SCMP_ARCH_S390X",
    "loong64": "SCMP_ARCH_LOONGARCH64",
}

#: Source: linux/personality.h.
DOMAINS = {0: "LINUX", 8: "LINUX32"}

SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def device_type(number: int | None) -> str:
    """The letter that a device's type is the number of; "?" for what is none."""
    return chr(number) if number in (97, 98, 99, 112, 117) else "?"


#: Nodes that are in every /dev: (path, major, minor), of mode 0666 and root's.
DEFAULT_NODES = (
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
)
#: Device rules that end every list: (type, major, minor, access), all allowed.
DEFAULT_RULES = (
    ("c", -1, -1, "m"),
    ("b", -1, -1, "m"),
    *(("c", major, minor, "rwm") for _, major, minor in DEFAULT_NODES),
    ("c", 136, -1, "rwm"),
    ("c", 5, 2, "rwm"),
    ("c", 10, 200, "rwm"),
)
