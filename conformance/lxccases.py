"""The containers that conformance/lxc compares."""

import os
import shutil
import subprocess

from conformance import runtime, suite

HERE = os.path.dirname(os.path.abspath(__file__))

#: More than collect.sh shows: what limits the container, where its cgroups are mounted.
_LIMITS = """section limited
for f in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes pids/pids.max cpu/cpu.shares \\
    cpu,cpuacct/cpu.shares cpu/cpu.cfs_quota_us cpuset/cpuset.cpus devices/devices.list memory.max pids.max \\
    cpu.weight; do
    [ -e /sys/fs/cgroup/$f ] && echo "$(echo $f | tr . _): $(cat /sys/fs/cgroup/$f | tr '\\n' ';')"
done
section end
"""
#: What is seen of a system container that has booted.
BOOTED = """echo "processes: $(ps -o pid,args | grep -v -e 'ps -o' -e '{ps}' -e 'sh -c' -e PID -e grep |
    sed 's/^ *//; s/^[2-9][0-9]* /N /; s/^1[0-9][0-9]* /N /; s/ *$//' | sort -u | tr '\\n' ';')"
echo "environment of init: $(tr '\\0' ';' </proc/1/environ)"
echo "id: $(id)"
echo "capabilities of init: $(grep Cap /proc/1/status | tr '\\n\\t' '; ')"
echo "console: $([ -c /dev/console ] && echo yes)"
echo "cgroup: $(cat /proc/1/cgroup | cut -d: -f3 | sort -u | tr '\\n' ';')"
"""


def script():
    """What collects, in a container."""
    with open(os.path.join(HERE, "collect.sh"), encoding="utf-8") as file:
        return file.read().replace("section end\n", _LIMITS)


def find():
    """LXC as a `runtime.Runtime`.  Raises OSError when it is missing."""
    path = shutil.which("lxc-execute")
    if not path:
        raise OSError("no lxc-execute (apt-get install lxc)")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return runtime.Runtime("lxc", said.stdout.strip(), path)


def prepare(directory):
    """What LXC needs of the sandbox: ids for containers without privileges."""
    for name in ("subuid", "subgid"):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("root:100000:65536\n")
        real = f"/etc/{name}"
        if os.path.exists(real):
            subprocess.run(["mount", "--bind", path, real], check=True)


# ---------------------------------------------------------------- configurations of LXC's


def created(path):
    """A container as lxc-create makes it."""
    words = ["lxc-create", "-P", os.path.dirname(path), "-n", os.path.basename(path), "-t", "busybox"]
    said = subprocess.run([*words, "-f", "/dev/null"], capture_output=True, text=True, check=False)
    if said.returncode:
        raise OSError(f"lxc-create: {said.stderr.strip()}")
    return path


def configured(path, *lines):
    """A directory with a configuration of these lines."""
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "config"), "w", encoding="utf-8") as file:
        # Whether LXC's own profile is loaded is the host's affair.
        file.write("".join(f"{line}\n" for line in ("lxc.apparmor.profile = unconfined", *lines)))
    return path


def collecting(root):
    """Put the script into a root."""
    with open(os.path.join(root, "collect"), "w", encoding="utf-8") as file:
        file.write(script())


def busybox(path, _):
    """As lxc-create makes it, but that another program is its init."""
    made = created(f"{path}-made")
    collecting(os.path.join(made, "rootfs"))
    return configured(path, f"lxc.include = {made}/config", "lxc.init.cmd = /bin/sh /collect")


def debian(path, root):
    """A Debian root with what Debian's own template includes; the script is bound there."""
    os.makedirs(path, exist_ok=True)
    collecting(path)
    return configured(
        path,
        "lxc.include = /usr/share/lxc/config/debian.common.conf",
        f"lxc.rootfs.path = dir:{os.path.abspath(root)}",
        f"lxc.mount.entry = {path}/collect collect none bind,ro,create=file 0 0",
        "lxc.uts.name = debian",
        "lxc.arch = amd64",
        "lxc.init.cmd = /bin/sh /collect",
    )


def limited(path, _):
    """Limits of all kinds, by lxc-execute."""
    suite.fill_root(os.path.join(path, "rootfs"))
    collecting(os.path.join(path, "rootfs"))
    with open(os.path.join(path, "profile"), "w", encoding="utf-8") as file:
        file.write("2\ndenylist\n[all]\nmknod errno 13\nmknodat errno 13\n")
    return configured(
        path,
        f"lxc.rootfs.path = {path}/rootfs",
        "lxc.execute.cmd = sh /collect",
        "lxc.uts.name = limited",
        "lxc.environment = A=1 2",
        "lxc.init.cwd = /tmp",
        "lxc.mount.auto = proc:mixed sys:ro cgroup:ro:force",
        "lxc.mount.entry = tmpfs tmp tmpfs nosuid,size=1m,mode=1777 0 0",
        "lxc.mount.entry = /usr/share usr/share none rbind,ro,create=dir 0 0",
        "lxc.cap.keep = chown kill sys_admin mknod net_admin",
        "lxc.prlimit.nofile = 64:128",
        "lxc.proc.oom_score_adj = 100",
        "lxc.sysctl.net.ipv4.ip_unprivileged_port_start = 80",
        f"lxc.seccomp.profile = {path}/profile",
        "lxc.cgroup.memory.limit_in_bytes = 64M",
        "lxc.cgroup.pids.max = 50",
        "lxc.cgroup.cpu.shares = 512",
        "lxc.cgroup.cpuset.cpus = 0",
        "lxc.cgroup.devices.deny = a",
        "lxc.cgroup.devices.allow = c *:* m",
        "lxc.cgroup.devices.allow = b *:* m",
        *(f"lxc.cgroup.devices.allow = c 1:{minor} rwm" for minor in (3, 5, 7, 8, 9)),
        "lxc.cgroup.devices.allow = c 5:0 rwm",
        "lxc.cgroup.devices.allow = c 5:2 rwm",
        "lxc.cgroup.devices.allow = c 136:* rwm",
        "lxc.cgroup2.memory.max = 64M",
        "lxc.cgroup2.pids.max = 50",
    )


def unprivileged(path, _):
    """A user namespace, and another user in it."""
    suite.fill_root(os.path.join(path, "rootfs"))
    collecting(os.path.join(path, "rootfs"))
    return configured(
        path,
        f"lxc.rootfs.path = {path}/rootfs",
        "lxc.rootfs.options = idmap=container",
        "lxc.execute.cmd = /bin/sh /collect",
        "lxc.idmap = u 0 100000 65536",
        "lxc.idmap = g 0 100000 65536",
        "lxc.mount.auto = proc:rw sys:ro",
        "lxc.init.uid = 1000",
        "lxc.init.gid = 1000",
        "lxc.no_new_privs = 1",
    )


#: Name -> (what makes it, whether it has a terminal, as with lxc-start).
CONFIGURATIONS = {
    "busybox": (busybox, True),
    "debian": (debian, True),
    "limited": (limited, False),
    "unprivileged": (unprivileged, False),
}


# ---------------------------------------------------------------- bundles


def common(config, name):
    """What all have beside what `ocipy spec` writes: a cgroup namespace, in which paths are the same."""
    config["process"]["args"] = ["/bin/sh", "/collect"]
    if {"type": "cgroup"} not in config["linux"]["namespaces"]:  # where cgroups are v2 it is there already
        config["linux"]["namespaces"].append({"type": "cgroup"})
    config["linux"]["cgroupsPath"] = f"/compared/{name}"


def plain(config):
    """Nothing more."""


def writable(config):
    config["root"]["readonly"] = False


def user(config):
    """Another user, another directory, variables, limits."""
    process = config["process"]
    process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 1002]}
    process["cwd"] = "/tmp"
    process["env"] += ["A=1 2", 'B="x"', "EMPTY="]
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}]
    process["oomScoreAdj"] = 100


def mounts(config):
    """Mounts of several kinds, and what hides them."""
    config["root"]["readonly"] = False
    config["mounts"] += [
        {
            "destination": "/tmp",
            "type": "tmpfs",
            "source": "t",
            "options": ["size=1m", "mode=1777", "nosuid"],
        },
        {
            "destination": "/new/dir",
            "type": "bind",
            "source": "/usr/share",
            "options": ["rbind", "ro", "nosuid"],
        },
        {"destination": "/new/file", "type": "bind", "source": "/etc/passwd", "options": ["bind", "ro"]},
    ]
    config["linux"]["maskedPaths"] += ["/etc/group"]
    config["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "80", "kernel.shmmax": "12345"}
    config["domainname"] = "example.org"


def resources(config):
    """Limits of its cgroup, and rules for devices."""
    config["linux"]["resources"] |= {
        "memory": {"limit": 64 << 20},
        "pids": {"limit": 50},
        "cpu": {"shares": 512},
    }


BUNDLES = {
    "plain": plain,
    "writable": writable,
    "another user": user,
    "mounts": mounts,
    "resources": resources,
}
