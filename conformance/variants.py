"""The bundles that conformance/compare runs: what `spec` writes, and what callers make of it."""


def plain(config):
    """As `spec` writes it."""


def writable(config):
    config["root"]["readonly"] = False


def callers(config):
    """About what podman and containerd ask for."""
    process, linux = config["process"], config["linux"]
    config["root"]["readonly"] = False
    process["user"] = {"uid": 1000, "gid": 1001, "umask": 0o27, "additionalGids": [5, 1002]}
    process["cwd"] = "/made/by/runtime"
    process["env"] += ["A=1", "A=2", "EMPTY="]
    process["oomScoreAdj"] = 100
    process["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    config["domainname"] = "example.org"
    config["mounts"] += [
        {
            "destination": "/tmp",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["size=1m", "mode=1777", "nosuid"],
        },
        {"destination": "/new/dir", "type": "bind", "source": "/usr", "options": ["rbind", "ro", "nosuid"]},
        {
            "destination": "/new/file",
            "type": "bind",
            "source": "/etc/passwd",
            "options": ["bind", "rslave", "noexec"],
        },
        {
            "destination": "/etc/private",
            "type": "bind",
            "source": "/etc",
            "options": ["bind", "private", "noatime"],
        },
    ]
    linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "80", "kernel.shmmax": "12345"}
    linux["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0},
        {"path": "/dev/deep/pipe", "type": "p", "fileMode": 0o600, "uid": 1, "gid": 2},
    ]
    linux["rootfsPropagation"] = "slave"
    linux["resources"] |= {"pids": {"limit": 100}, "memory": {"limit": 64 << 20}, "cpu": {"shares": 512}}
    linux["cgroupsPath"] = "/compare/inner"
    linux["maskedPaths"] += ["/etc/group", "/proc/scsi", "/nosuch"]
    linux["readonlyPaths"] += ["/etc", "/nosuch"]


def user_namespace(config):
    """Root inside is another user outside."""
    config["root"]["readonly"] = False
    config["linux"]["namespaces"] += [{"type": "user"}, {"type": "cgroup"}]
    for maps in ("uidMappings", "gidMappings"):
        config["linux"][maps] = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def privileged(config):
    """Most doors open: all that podman's and dockerd's --privileged asks for, as far as this host has it."""
    config["root"]["readonly"] = False
    config["process"]["noNewPrivileges"] = False
    with open("/proc/self/status") as file:
        granted = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    names = [n for number, n in enumerate(CAPABILITIES) if granted >> number & 1]
    config["process"]["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), names)
    config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    config["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}
    for mount in config["mounts"]:
        mount["options"] = [o for o in mount.get("options", []) if o != "ro"]


def terminal(config):
    config["process"]["terminal"] = True
    config["process"]["consoleSize"] = {"height": 33, "width": 99}


def bare(config):
    """The least that runs: pid and mount namespaces, /proc, no capability."""
    config.pop("hostname", None)
    config["mounts"] = [{"destination": "/proc", "type": "proc", "source": "proc"}]
    config["linux"] = {"namespaces": [{"type": "pid"}, {"type": "mount"}]}
    config["process"].pop("capabilities", None)
    config["process"].pop("rlimits", None)


# In the order of their numbers, capabilities(7).
CAPABILITIES = [
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
        "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
        "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND"
    ).split()
]
VARIANTS = {
    "spec": plain,
    "spec, root writable": writable,
    "as callers ask": callers,
    "user namespace": user_namespace,
    "privileged": privileged,
    "terminal": terminal,
    "bare": bare,
}
