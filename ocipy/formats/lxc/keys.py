"""Every key of lxc.container.conf(5), and what becomes of it: one row each.

A name in the manual's notation: ``lxc.net.[i].type``, ``lxc.prlimit.[limit name]``.  Keys that liblxc reads
and the manual leaves out are here too, marked as such.  A test reads the manual and compares.
"""

from __future__ import annotations

from ocipy.formats.lxc.grammar import is_number
from ocipy.record import Record
from ocipy.spec.origin import LOSSY, REFUSED

CARRIED = "carried"  # perhaps in another way: with a CHANGED note
SCALAR, LIST, MAP, GROUP = "scalar", "list", "map", "group"


class Key(Record):
    """A key, or a family of keys.

    kind:   SCALAR: the last one counts; LIST: each adds to those before; MAP: as SCALAR, each name of the
            family for itself; GROUP: only to be emptied, with all that is below it
    fate:   CARRIED, LOSSY or REFUSED
    reason: why it is not CARRIED
    sample: values that show the fate; of a family, "NAME = VALUE"
    manual: the first LXC whose lxc.container.conf(5) documents it, of 5 and later; 0 for none
    """

    name: str
    kind: str
    fate: str
    reason: str
    sample: str
    manual: int = 5


_ANNOTATION = "kept as an annotation for the way back, nothing here acts on it"
_MONITOR = "there is no monitor process whose business this would be"
_CONSOLE = "what becomes of the console's output is up to whoever holds the other end of the terminal"
_LOG = "ocipy logs where --log says, at the level that --debug says"
_LSM_GENERATED = "part of a generated AppArmor profile, which LXC makes when it starts a container"
_HOST_NET = "the network hook sets nothing on the host's side but the bridge's port"

_ROWS = (
    # the file itself
    ("lxc.include", LIST, CARRIED, "", "{INCLUDED}"),
    # the program
    ("lxc.init.cmd", SCALAR, CARRIED, "", "/sbin/init 3"),
    ("lxc.execute.cmd", SCALAR, CARRIED, "", '/bin/sh -c "echo a b"'),
    ("lxc.init.cwd", SCALAR, CARRIED, "", "/tmp"),
    ("lxc.init.uid", SCALAR, CARRIED, "", "1000"),
    ("lxc.init.gid", SCALAR, CARRIED, "", "1000"),
    ("lxc.environment", LIST, CARRIED, "", "A=1"),
    ("lxc.uts.name", SCALAR, CARRIED, "", "web"),
    ("lxc.arch", SCALAR, CARRIED, "", "i686"),
    ("lxc.no_new_privs", SCALAR, CARRIED, "", "1"),
    ("lxc.cap.drop", LIST, CARRIED, "", "sys_time"),
    ("lxc.cap.keep", LIST, CARRIED, "", "chown kill"),
    ("lxc.prlimit.[limit name]", MAP, CARRIED, "", "nofile = 64:128"),
    ("lxc.sysctl.[kernel parameters name]", MAP, CARRIED, "", "net.ipv4.ip_forward = 1"),
    ("lxc.proc.[proc file name]", MAP, CARRIED, "", "oom_score_adj = 10"),
    ("lxc.sched.core", SCALAR, LOSSY, "no OCI property makes a core scheduling domain", "1"),
    ("lxc.signal.halt", SCALAR, CARRIED, "", "SIGRTMIN+3"),
    ("lxc.signal.reboot", SCALAR, LOSSY, _ANNOTATION, "SIGTERM"),
    ("lxc.signal.stop", SCALAR, LOSSY, "delete --force always sends SIGKILL", "SIGTERM"),
    # what holds it
    ("lxc.apparmor.profile", SCALAR, CARRIED, "", "unchanged"),
    ("lxc.apparmor.allow_incomplete", SCALAR, LOSSY, "nobody checks that the kernel has all features", "1"),
    ("lxc.apparmor.allow_nesting", SCALAR, LOSSY, _LSM_GENERATED, "1"),
    ("lxc.apparmor.raw", LIST, LOSSY, _LSM_GENERATED, "deny /x r,"),
    ("lxc.selinux.context", SCALAR, CARRIED, "", "system_u:system_r:lxc_t:s0:c22"),
    ("lxc.selinux.context.keyring", SCALAR, LOSSY, "keyrings get the label of the process", "a:b:c:s0"),
    ("lxc.keyring.session", SCALAR, LOSSY, "no OCI property: say --no-new-keyring", "0"),
    ("lxc.seccomp.profile", SCALAR, CARRIED, "", "{PROFILE}"),
    ("lxc.seccomp.allow_nesting", SCALAR, CARRIED, "", "1"),
    ("lxc.seccomp.notify.proxy", SCALAR, LOSSY, "the agent is spoken to as OCI has it, not as LXC has it",
     "unix:/run/agent"),
    ("lxc.seccomp.notify.cookie", SCALAR, LOSSY, "the agent gets it as OCI's metadata", "x"),
    ("lxc.idmap", LIST, CARRIED, "", "u 0 100000 65536"),
    ("lxc.namespace.clone", SCALAR, CARRIED, "", "mnt pid uts ipc net"),
    ("lxc.namespace.keep", SCALAR, CARRIED, "", "ipc"),
    ("lxc.namespace.share.[namespace identifier]", MAP, CARRIED, "", "ipc = /proc/1/ns/ipc"),
    ("lxc.time.offset.boot", SCALAR, CARRIED, "", "10h"),
    ("lxc.time.offset.monotonic", SCALAR, CARRIED, "", "-5ms"),
    # files
    ("lxc.rootfs.path", SCALAR, CARRIED, "", "dir:/srv/root"),
    ("lxc.rootfs.options", SCALAR, CARRIED, "", "ro"),
    ("lxc.rootfs.mount", SCALAR, LOSSY, "the root is nowhere mounted on the host", "/mnt"),
    ("lxc.rootfs.managed", SCALAR, LOSSY, "ocipy never changes a container's storage", "0"),
    ("lxc.mount.auto", LIST, CARRIED, "", "proc:rw sys:ro"),
    ("lxc.mount.entry", LIST, CARRIED, "", "tmpfs tmp tmpfs nodev,size=1m 0 0"),
    ("lxc.mount.fstab", SCALAR, CARRIED, "", "{FSTAB}"),
    ("lxc.autodev", SCALAR, CARRIED, "", "1"),
    ("lxc.autodev.tmpfs.size", SCALAR, CARRIED, "", "1000000"),
    ("lxc.pty.max", SCALAR, CARRIED, "", "1024"),
    ("lxc.tty.max", SCALAR, LOSSY, "there is no /dev/ttyN: nobody would hold its other end", "4"),
    ("lxc.tty.dir", SCALAR, LOSSY, "there are no terminals but /dev/console", "lxc"),
    ("lxc.console.path", SCALAR, CARRIED, "", "none"),
    ("lxc.console.logfile", SCALAR, LOSSY, _CONSOLE, "/tmp/log"),
    ("lxc.console.size", SCALAR, LOSSY, _CONSOLE, "auto"),
    ("lxc.console.rotate", SCALAR, LOSSY, _CONSOLE, "1"),
    ("lxc.console.buffer.size", SCALAR, LOSSY, _CONSOLE, "auto"),
    ("lxc.console.buffer.logfile", SCALAR, REFUSED, "no LXC since 3.0 knows it, its manual does", "/x"),
    # cgroups
    ("lxc.cgroup.[controller name].[controller file]", LIST, CARRIED, "", "pids.max = 50"),
    ("lxc.cgroup2.[controller name].[controller file]", LIST, CARRIED, "", "pids.max = 50"),
    ("lxc.cgroup.dir", SCALAR, CARRIED, "", "web"),
    ("lxc.cgroup.dir.container", SCALAR, CARRIED, "", "web/one"),
    ("lxc.cgroup.dir.container.inner", SCALAR, LOSSY, "limits and the namespace are of one cgroup", "in"),
    ("lxc.cgroup.dir.monitor", SCALAR, LOSSY, _MONITOR, "mon"),
    ("lxc.cgroup.dir.monitor.pivot", SCALAR, LOSSY, _MONITOR, "piv"),
    ("lxc.cgroup.relative", SCALAR, CARRIED, "", "1"),
    # networks
    ("lxc.net", GROUP, CARRIED, "", ""),
    ("lxc.net.[i].type", SCALAR, CARRIED, "", "veth"),
    ("lxc.net.[i].flags", SCALAR, CARRIED, "", "up"),
    ("lxc.net.[i].link", SCALAR, CARRIED, "", "br0"),
    ("lxc.net.[i].name", SCALAR, CARRIED, "", "lan0"),
    ("lxc.net.[i].hwaddr", SCALAR, CARRIED, "", "02:00:5e:10:00:01"),
    ("lxc.net.[i].mtu", SCALAR, CARRIED, "", "1400"),
    ("lxc.net.[i].ipv4.address", LIST, CARRIED, "", "10.2.3.5/24"),
    ("lxc.net.[i].ipv4.gateway", SCALAR, CARRIED, "", "10.2.3.1"),
    ("lxc.net.[i].ipv6.address", LIST, CARRIED, "", "fd00::5/64"),
    ("lxc.net.[i].ipv6.gateway", SCALAR, CARRIED, "", "fd00::1"),
    ("lxc.net.[i].veth.mode", SCALAR, CARRIED, "", "bridge"),
    ("lxc.net.[i].veth.pair", SCALAR, LOSSY, "the host's end has a name made of the container's id", "v0"),
    ("lxc.net.[i].veth.ipv4.route", LIST, REFUSED, _HOST_NET, "10.9.0.0/24"),
    ("lxc.net.[i].veth.ipv6.route", LIST, REFUSED, _HOST_NET, "fd09::/64"),
    ("lxc.net.[i].veth.vlan.id", SCALAR, REFUSED, _HOST_NET, "7"),
    ("lxc.net.[i].veth.vlan.tagged.id", LIST, REFUSED, _HOST_NET, "8"),
    ("lxc.net.[i].l2proxy", SCALAR, REFUSED, _HOST_NET, "1"),
    ("lxc.net.[i].macvlan.mode", SCALAR, CARRIED, "", "vepa"),
    ("lxc.net.[i].vlan.id", SCALAR, REFUSED, "the network hook makes no vlan devices", "5"),
    ("lxc.net.[i].ipvlan.mode", SCALAR, REFUSED, "the network hook makes no ipvlan devices", "l2"),
    ("lxc.net.[i].ipvlan.isolation", SCALAR, REFUSED, "the network hook makes no ipvlan devices", "vepa"),
    ("lxc.net.[i].script.up", SCALAR, CARRIED, "", "/bin/true"),
    ("lxc.net.[i].script.down", SCALAR, CARRIED, "", "/bin/true"),
    # hooks
    ("lxc.hook.version", SCALAR, CARRIED, "", "1"),
    ("lxc.hook.pre-start", LIST, CARRIED, "", "/bin/true"),
    ("lxc.hook.pre-mount", LIST, LOSSY, "it runs when the root is there already, not before", "/bin/true"),
    ("lxc.hook.mount", LIST, CARRIED, "", "/bin/true"),
    ("lxc.hook.autodev", LIST, CARRIED, "", "/bin/true"),
    ("lxc.hook.start-host", LIST, CARRIED, "", "/bin/true"),
    ("lxc.hook.start", LIST, CARRIED, "", "/bin/x"),
    ("lxc.hook.stop", LIST, LOSSY, "the namespaces that it would be told of are gone", "/bin/true"),
    ("lxc.hook.post-stop", LIST, CARRIED, "", "/bin/true"),
    ("lxc.hook.clone", LIST, LOSSY, "there is no verb that clones a container", "/bin/true"),
    ("lxc.hook.destroy", LIST, LOSSY, "there is no verb that destroys a container's files", "/bin/true"),
    # management
    ("lxc.ephemeral", SCALAR, LOSSY, "delete leaves a container's files alone", "1"),
    ("lxc.start.auto", SCALAR, LOSSY, _ANNOTATION, "1"),
    ("lxc.start.delay", SCALAR, LOSSY, _ANNOTATION, "5"),
    ("lxc.start.order", SCALAR, LOSSY, _ANNOTATION, "1"),
    ("lxc.group", LIST, LOSSY, _ANNOTATION, "onboot"),
    ("lxc.monitor.unshare", SCALAR, LOSSY, _MONITOR, "1"),
    ("lxc.monitor.signal.pdeath", SCALAR, LOSSY, _MONITOR, "SIGTERM"),
    ("lxc.log.level", SCALAR, LOSSY, _LOG, "1"),
    ("lxc.log.file", SCALAR, LOSSY, _LOG, "/tmp/log"),
    ("lxc.log.syslog", SCALAR, LOSSY, _LOG, "daemon"),
)  # fmt: skip

_SINCE_7 = (
    ("lxc.environment.runtime", LIST, CARRIED, "", "A=1"),
    ("lxc.environment.hooks", LIST, CARRIED, "", "A=1"),
)
_NOT_IN_THE_MANUAL = (
    ("lxc.cgroup", GROUP, CARRIED, "", ""),
    ("lxc.cgroup2", GROUP, CARRIED, "", ""),
    ("lxc.hook", GROUP, CARRIED, "", ""),
    ("lxc.net.[i]", GROUP, CARRIED, "", ""),
    ("lxc.prlimit", GROUP, CARRIED, "", ""),
    ("lxc.sysctl", GROUP, CARRIED, "", ""),
    ("lxc.proc", GROUP, CARRIED, "", ""),
    ("lxc.init.groups", LIST, CARRIED, "", "10,20"),
    ("lxc.net.[i].veth.n_rxqueues", SCALAR, LOSSY, "the kernel's number of queues is taken", "2"),
    ("lxc.net.[i].veth.n_txqueues", SCALAR, LOSSY, "the kernel's number of queues is taken", "2"),
)  # fmt: skip

KEYS = {row[0]: Key(*row) for row in _ROWS} | {
    row[0]: Key(*row, manual=since)
    for since, rows in ((7, _SINCE_7), (0, _NOT_IN_THE_MANUAL))
    for row in rows
}

#: The start of a family's keys -> the family.
_FAMILIES = {name.partition("[")[0]: key for name, key in KEYS.items() if "[" in name and ".[i]" not in name}
_NET = "lxc.net."


def lookup(name: str) -> Key | None:
    """The row of a key as a file has it, None for one that LXC does not know.

    >>> lookup("lxc.net.3.veth.pair").name, lookup("lxc.cgroup2.memory.max").kind, lookup("lxc.netx")
    ('lxc.net.[i].veth.pair', 'list', None)
    """
    if name in KEYS:
        return KEYS[name] if "[" not in name else None
    if name.startswith(_NET):
        number, dot, rest = name.removeprefix(_NET).partition(".")
        numbered = is_number(number)
        return KEYS.get(f"lxc.net.[i]{dot}{rest}") if numbered else None
    return next((key for start, key in _FAMILIES.items() if name.startswith(start) and name != start), None)


def shares(version: int = 5) -> dict[str, int]:
    """How many keys of the manual of an LXC are carried over, lossy and refused."""
    fates = [key.fate for key in KEYS.values() if 0 < key.manual <= version]
    return {fate: fates.count(fate) for fate in (CARRIED, LOSSY, REFUSED)}
