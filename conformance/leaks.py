"""What a runtime left behind: everything that a container might leave, before and after.

Meant for inside the sandbox, where every process, mount, cgroup and file of /run belongs to the test.
"""

import os
import time

from conformance import cgroupfs


def mounts():
    """Each mount of this namespace, as where it is and what it is."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            found.append(f"{before.split()[4]} ({after.split()[0]}, root {before.split()[3]})")
    return found


def processes():
    """Every other process but this one's parents and threads, as pid and command."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                with open(f"/proc/{name}/stat") as file:
                    comm, _, rest = file.read().partition(" (")[2].rpartition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.append(f"{name} {words or '[' + comm + ']'}" + (" (zombie)" if rest[0] == "Z" else ""))
    return found


def cgroups():
    return [d for h in cgroupfs.hierarchies() for d in cgroupfs.tree(h.path)]


def files(directories):
    """Every file and directory below the given ones."""
    found = []
    for top in directories:
        for directory, names, others in os.walk(top):
            found += [os.path.join(directory, n) for n in (*names, *others)]
    return found


def keys():
    """Descriptions of keyrings; their numbers change."""
    try:
        with open("/proc/keys") as file:
            return [" ".join(line.split()[7:]).rpartition(":")[0] for line in file]
    except FileNotFoundError:
        return []


class Snapshot:
    """The state of the sandbox at one moment.

    directories: where files are looked at
    """

    def __init__(self, directories):
        self.directories = directories
        self.found = {
            "mount": mounts(),
            "process": processes(),
            "cgroup": cgroups(),
            "file": files(directories),
        }

    def left(self):
        """Lines about what is there now and was not then, or is missing."""
        now = Snapshot(self.directories).found
        lines = []
        for kind, before in self.found.items():
            lines += [f"{kind} left behind: {what}" for what in surplus(now[kind], before)]
            if kind != "process":
                lines += [f"{kind} missing: {what}" for what in surplus(before, now[kind])]
        return lines

    def settled(self, seconds=5.0):
        """As `left`, but gives what is already going that many seconds to go."""
        deadline = time.monotonic() + seconds
        while (lines := self.left()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return lines


def surplus(more, less):
    """What a list has beyond another, each as often as it has it more."""
    rest = list(less)
    found = []
    known = set(rest)
    for item in more:
        if item in known and item in rest:
            rest.remove(item)
        else:
            found.append(item)
    return found
