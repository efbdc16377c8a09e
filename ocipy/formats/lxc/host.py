"""What LXC looks at when it starts a container, beside the configuration: facts of this host, as a value."""

from __future__ import annotations

import os

from ocipy.record import Record
from ocipy.spec.names import CAPABILITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


HOOK = "ocipy-hook-network"


class Host(Record):
    """A host as far as a container's meaning depends on it.

    v1:          has hierarchies of cgroup v1 with controllers: ``lxc.cgroup.*`` counts
    unified:     controllers that a cgroup2 hierarchy has: ``lxc.cgroup2.*`` counts for them
    bounding:    capabilities that a container can be given, as a mask
    apparmor:    is enabled
    filesystems: types that can be mounted
    machine:     as uname(2) has it
    network_hook: the program that gives containers networks
    environ:     of whoever asks, for ``lxc.environment`` that names a variable only
    """

    v1: bool = False
    unified: tuple[str, ...] = ()
    bounding: int = (1 << len(CAPABILITIES)) - 1
    apparmor: bool = False
    filesystems: tuple[str, ...] = ("proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup2")
    machine: str = "x86_64"
    network_hook: str = f"/usr/local/bin/{HOOK}"
    environ: Mapping[str, str] = {}

    @property
    def v2(self) -> bool:
        """Whether cgroup v2 is all there is."""
        return not self.v1


def this() -> Host:
    """The host that we are on.  Needs /proc."""
    status = dict(line.partition(":")[::2] for line in _text("/proc/self/status").splitlines())
    v1, unified = cgroups(_text("/proc/self/mountinfo"))
    return Host(
        v1=v1,
        unified=tuple(_text(f"{unified}/cgroup.controllers").split()) if unified else (),
        bounding=int(status.get("CapBnd", "0").strip() or "0", 16),
        apparmor=_text("/sys/module/apparmor/parameters/enabled").startswith("Y"),
        filesystems=tuple(
            line.split()[-1] for line in _text("/proc/filesystems").splitlines() if line.split()
        ),
        machine=os.uname().machine,
        network_hook=_hook(),
        environ=os.environ,
    )


def _hook() -> str:
    """Where the network hook is: in our source tree, or where programs are."""
    tree = os.path.abspath(__file__).removesuffix("/ocipy/formats/lxc/host.py")
    places = [f"{tree}/hooks", *os.environ.get("PATH", "").split(":"), "/usr/local/bin", "/usr/bin"]
    paths = [f"{place}/{HOOK}" for place in places if place.startswith("/")]
    return next((path for path in paths if os.path.isfile(path)), paths[-1])


def cgroups(mountinfo: str) -> tuple[bool, str]:
    """(are there hierarchies of v1, where cgroup2 is mounted) of the text of /proc/self/mountinfo.

    >>> cgroups("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
    (False, '/sys/fs/cgroup')
    """
    v1, unified = False, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind = after.partition(" ")[0]
        if kind == "cgroup2" and not unified:
            unified = before.split()[4]
        # A named hierarchy (systemd's) has no controller.
        v1 = v1 or (kind == "cgroup" and "name=" not in after)
    return v1, unified


def _text(path: str) -> str:
    """A file of procfs or sysfs, "" where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    parts = []
    try:
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "replace")
