"""What a plan needs to know of the host, as a value; ocipy/runtime/host.py finds it out."""

from __future__ import annotations

from ocipy.plan.cgroup_layout import Layout
from ocipy.record import Record

NO_CGROUPS = Layout()


class Facts(Record):
    """The host, as far as plans depend on it."""

    euid: int = 0
    egid: int = 0
    user_namespace: bool = False  # the runtime itself sits in a user namespace that is not the first one
    setgroups_denied: bool = False  # in that one, and so in every one below it
    capabilities: int = (1 << 41) - 1  # permitted to the runtime, as a mask
    last_capability: int = 40  # highest number that the kernel knows
    cgroup: Layout = NO_CGROUPS
    apparmor: bool = False
    apparmor_attributes: str = "apparmor/"  # of /proc/PID/attr/; "" before Linux 5.8 (6413f852ce08)
    selinux: bool = False
    landlock: int = 0  # version, 0 where there is none
    oom_score_adj: int = 0  # of the runtime
    kcore: bool = True  # /proc/kcore exists
    page_size: int = 4096
    machine: str = "x86_64"

    @property
    def rootless(self) -> bool:
        """No power over the host: every privilege comes from a user namespace."""
        return self.euid != 0

    @property
    def may_set_groups(self) -> bool:
        """setgroups(2) is the runtime's to call."""
        return not self.rootless and not self.setgroups_denied


class Options(Record):
    """What the caller asks for beside config.json."""

    id: str
    bundle: str  # absolute
    no_pivot: bool = False
    no_new_keyring: bool = False
    preserve_fds: int = 0
    env: tuple[str, ...] = ()  # what the runtime adds for its caller: LISTEN_FDS, NOTIFY_SOCKET
    notify_socket: str = ""  # host directory to bind at /run/notify, "" for none
    cgroups: bool = True  # False: --cgroup-manager disabled
    systemd: bool = False  # --cgroup-manager systemd
    rootless: bool | None = None  # may it go without cgroups? None: as the host has it

    def rootless_cgroups(self, facts: Facts) -> bool:
        """Has the runtime only those cgroups that were delegated to it?"""
        return facts.rootless or facts.user_namespace if self.rootless is None else self.rootless
