"""Names that keys had up to LXC 2.0: LXC 3 and later refuse them, here they are read, with a note.

Source: liblxc 2.1, confile_legacy.c; lxc-update-config(1), which forgets about ``lxc.limit.*``.
"""

from __future__ import annotations

from ocipy.formats.lxc.grammar import Entry, is_number
from ocipy.spec.origin import CHANGED, LOSSY, Note

NAMES = {
    "lxc.aa_allow_incomplete": "lxc.apparmor.allow_incomplete",
    "lxc.aa_profile": "lxc.apparmor.profile",
    "lxc.console": "lxc.console.path",
    "lxc.devttydir": "lxc.tty.dir",
    "lxc.haltsignal": "lxc.signal.halt",
    "lxc.id_map": "lxc.idmap",
    "lxc.init_cmd": "lxc.init.cmd",
    "lxc.init_gid": "lxc.init.gid",
    "lxc.init_uid": "lxc.init.uid",
    "lxc.logfile": "lxc.log.file",
    "lxc.loglevel": "lxc.log.level",
    "lxc.mount": "lxc.mount.fstab",
    "lxc.network": "lxc.net",
    "lxc.pts": "lxc.pty.max",
    "lxc.rebootsignal": "lxc.signal.reboot",
    "lxc.rootfs": "lxc.rootfs.path",
    "lxc.se_context": "lxc.selinux.context",
    "lxc.seccomp": "lxc.seccomp.profile",
    "lxc.stopsignal": "lxc.signal.stop",
    "lxc.syslog": "lxc.log.syslog",
    "lxc.tty": "lxc.tty.max",
    "lxc.utsname": "lxc.uts.name",
}
#: What LXC dropped: key -> why nothing is missing.
DROPPED = {
    "lxc.kmsg": "since LXC 3.0 there is no /dev/kmsg",
    "lxc.pivotdir": "since LXC 2.0 none is needed",
    "lxc.rootfs.backend": "the storage is what lxc.rootfs.path begins with",
}
_ADDRESSES = {"ipv4": "ipv4.address", "ipv6": "ipv6.address"}


class Translation:
    """Today's entries of a configuration's 2.x ones.

    ``lxc.network.type`` opens a network, to which the lines after it belong.
    """

    def __init__(self) -> None:
        self.networks = 0
        self.notes: list[Note] = []

    def __call__(self, entry: Entry) -> Entry | None:
        """An entry under its name of today; None for one that means nothing any more."""
        if entry.key in DROPPED:
            self.notes.append(Note(entry.key, entry.place, LOSSY, DROPPED[entry.key]))
            return None
        name = NAMES.get(entry.key)
        if entry.key.startswith("lxc.limit."):
            name = f"lxc.prlimit.{entry.key.removeprefix('lxc.limit.')}"
        elif entry.key.startswith("lxc.network."):
            name = self._network(entry)
        if name is None:
            return entry
        if name == "lxc.net":
            self.networks = 0
        self.notes.append(Note(entry.key, entry.place, CHANGED, f"is called {name} since LXC 2.1"))
        return entry.replace(key=name)

    def _network(self, entry: Entry) -> str:
        rest = entry.key.removeprefix("lxc.network.")
        number, _, numbered = rest.partition(".")
        if is_number(number) and numbered:
            return f"lxc.net.{number}.{_ADDRESSES.get(numbered, numbered)}"
        if rest == "type":
            self.networks += 1
        if not self.networks:
            raise entry.problem("belongs to no network: a lxc.network.type has to come first", "lxc-key")
        return f"lxc.net.{self.networks - 1}.{_ADDRESSES.get(rest, rest)}"
