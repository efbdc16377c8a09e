"""A fake procfs, or a true one in the wrong place: what the runtime writes there goes astray.

A label, a sysctl, a score that is written to a file of the attacker's choice leaves the container unconfined,
or changes the host.
"""

import json

from tests.kernel.mounts import bind, tmpfs
from tests.security.corpus import attack
from tests.security.weakenings import (
    ANYTHING_AT_PROC,
    PROC_BEHIND_A_LINK,
    SHORT_LENGTHS,
    SYS_WRITABLE_BELOW,
    SYSCTLS_THAT_CLIMB,
    WAYS_INTO_PROC,
    WRITTEN_BY_NAME,
    WRITTEN_INSIDE,
)


def without(box, *destinations):
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] not in destinations]


@attack("CVE-2019-16884", "CVE-2023-28642", without={"create": ANYTHING_AT_PROC})
def a_volume_at_proc(scene):
    """The image declares a volume at /proc, with files in it that take whatever is written."""
    box = scene.box()
    without(box, "/proc")
    fake = scene.directory / "fake"
    (fake / "self/attr").mkdir(parents=True)
    (fake / "self/attr/exec").touch()
    bind(box, fake, "/proc")
    done = scene.process(box, "ls /proc/self/attr")
    return ["it runs with a fake procfs"] if "exec" in done.stdout else []


@attack("CVE-2019-16884", "CVE-2025-52881", without={"create": WAYS_INTO_PROC})
def a_way_into_proc(scene):
    """A symlink of the image, or a path with dots in it, has something mounted over files of procfs."""
    got = []
    for number, target in enumerate(("/link/kernel", "/dir/../proc/sys/kernel")):
        box = scene.box()
        scene.put(box, "link", "/proc/sys")
        scene.put(box, "dir")
        tmpfs(box, target)
        shown = scene.process(box, "cat /proc/self/mountinfo").stdout
        got += [f"way {number} leads into it"] if " /proc/sys/kernel " in shown else []
    return got


@attack("CVE-2019-19921", "CVE-2023-27561", "CVE-2025-54867", without={"create": PROC_BEHIND_A_LINK})
def a_proc_or_sys_that_is_a_symlink(scene):
    """The true procfs lies where nobody looks, and /proc is what the image's maker likes."""
    got = []
    for name in ("proc", "sys"):
        box = scene.box()
        scene.put(box, "elsewhere")
        scene.put(box, name, "elsewhere")
        done = scene.process(box, "true")
        got += [f"it runs with /{name} elsewhere"] if done.returncode == 0 else []
    return got


@attack("CVE-2025-52881", "CVE-2025-62596", "crun 1.25.1", without={"create": WRITTEN_BY_NAME})
def a_proc_that_becomes_a_symlink(scene):
    """What is written to a sysctl ends up in a file of the attacker's choice."""
    box = scene.box()
    proc = box.root / "proc"
    name = "net/ipv4/ip_default_ttl"
    fake = box.root / "fake/sys" / name
    fake.parent.mkdir(parents=True)
    fake.touch()
    link = scene.put(box, "proc-link", "/fake")
    box.linux["sysctl"] = {name.replace("/", "."): "77"}
    with scene.racing("exchange", proc, link):
        for _ in scene.rounds():
            scene.process(box, "true")
            if fake.read_text():
                return ["what was meant for procfs was written to another file"]
    return []


@attack("CVE-2019-16884", "CVE-2025-52881", without={"exec": WRITTEN_INSIDE})
def a_proc_that_the_container_has_covered(scene):
    """The container has mounted its own files over /proc when somebody comes by exec."""
    box = scene.box()
    box.capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    fake = "mount -t tmpfs fake /proc; mkdir /proc/self; echo untouched > /proc/self/oom_score_adj"
    scene.begin(box, f"{fake}; exec sleep 1000")
    done = scene.process(box, "cat /proc/self/oom_score_adj", asked={"oomScoreAdj": 500})
    return [] if done.stdout == "untouched\n" else [f"{done.stdout}{done.stderr}"]


@attack("CVE-2022-0811", without={"create": SYSCTLS_THAT_CLIMB})
def a_sysctl_that_climbs(scene):
    """A name that begins as one of the container's own and ends as one of the host's."""
    name, got = "kernel/printk_ratelimit_burst", []
    value = open(f"/proc/sys/{name}", encoding="utf-8").read().strip()  # so that it would stay the same
    for prefix in ("net/../", "net.ipv4.../..", "net/./../", "net//../", "net.ipv4/../../"):
        box = scene.box()
        box.linux["sysctl"] = {prefix + name: value}
        done = scene.process(box, "true")
        got += [f"{prefix}{name} was set"] if done.returncode == 0 else []
    return got


@attack("CVE-2023-25809", without={"create": SYS_WRITABLE_BELOW})
def cgroups_below_a_bound_sys(scene):
    """The host's /sys, bound read-only: below it are cgroups that are the container's user's to write to."""
    box = scene.box()
    box.user_namespace()
    box.without("cgroup", "network")
    without(box, "/sys", "/sys/fs/cgroup")
    options = ["rbind", "nosuid", "noexec", "nodev", "ro"]
    box.config["mounts"].append({"destination": "/sys", "type": "none", "source": "/sys", "options": options})
    done = scene.process(box, "cat /proc/self/mountinfo")
    assert " /sys " in done.stdout, done.stderr
    mounts = [line.split(" ") for line in done.stdout.splitlines()]
    return [f"{m[4]} is writable" for m in mounts if m[4].startswith("/sys/") and "ro" not in m[5].split(",")]


@attack("CVE-2021-43784", without={"create": SHORT_LENGTHS})
def a_string_that_is_longer_than_its_length(scene):
    """A string of 64 KiB whose end would be taken for the next things that init is told to do."""
    smuggled = _op(6, b"\3\0\0\0pwn\0")  # SETHOSTNAME
    padding = _op(38, b"\0" * 8)  # UMASK
    cwd = b"/\0" + (smuggled + padding * 4095)[:-1]
    box = scene.box()
    box.process["cwd"] = cwd.decode()
    done = scene.process(box, "hostname")
    got = ["what init was told came from inside a string"] if done.stdout == "pwn\n" else []
    return got + _paths_of_namespaces(scene)


def _op(number, body):
    return number.to_bytes(4, "little") + len(body).to_bytes(4, "little") + body


def _paths_of_namespaces(scene):
    """As it was: the path of a namespace, which is too long, or ends before it ends."""
    got = []
    for path in ("/proc/self/ns/net" + "/" * 65536, "/proc/self/ns/net\0/x", "/" + "x" * (1 << 20)):
        box = scene.box()
        box.namespace("network", path)
        text = json.dumps(box.config)
        assert len(text) < 2 << 20
        done = scene.process(box, "true")
        got += ["a path was cut"] if done.returncode == 0 else []
    return got
