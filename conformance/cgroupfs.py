"""Cgroup hierarchies of this host, as the tools of this directory need them: find, make, list, remove."""

import errno
import os
import time


class Hierarchy:
    """One mounted cgroup hierarchy.

    name:    last component of its mountpoint ("memory", "cpu,cpuacct", "unified")
    path:    where the host mounts it
    options: what mounts the same hierarchy again ("memory", "none,name=systemd"), "" for cgroup2
    own:     this process's cgroup in it, "/..."
    """

    def __init__(self, name, path, options, own):
        self.name, self.path, self.options, self.own = name, path, options, own

    @property
    def unified(self):
        return self.options == ""

    def __repr__(self):
        return f"Hierarchy({self.name!r}, {self.path!r}, {self.options!r}, {self.own!r})"


def parse_hierarchies(mountinfo, cgroup):
    """The hierarchies that the texts of /proc/PID/mountinfo and /proc/PID/cgroup describe.

    A hierarchy mounted twice counts once, where it was mounted first.
    """
    own = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        own[frozenset(controllers.split(",")) if controllers else frozenset()] = path
    found = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fstype, _, super_options = after.split(" ", 2)
        if fstype not in ("cgroup", "cgroup2"):
            continue
        path = before.split()[4]
        if fstype == "cgroup2":
            controllers, options = frozenset(), ""
        else:
            # rw, xattr and the like are properties of the superblock, the rest names the hierarchy.
            known = [o for o in super_options.split(",") if frozenset([o]) <= frozenset().union(*own)]
            controllers = frozenset(known)
            options = ",".join(known)
            if options.startswith("name="):
                options = "none," + options
        found.setdefault(
            controllers, Hierarchy(os.path.basename(path), path, options, own.get(controllers, "/"))
        )
    return list(found.values())


def hierarchies():
    """The hierarchies mounted in this mount namespace."""
    with open("/proc/self/mountinfo") as mountinfo, open("/proc/self/cgroup") as cgroup:
        return parse_hierarchies(mountinfo.read(), cgroup.read())


def make(hierarchy, name):
    """Make a child of this process's cgroup (of the root, in cgroup2: see below) and return its path.

    cgroup2 lets no cgroup have both processes and controllers for its children, and this process's own has
    a process, so there the child is made at the root of the mount.
    """
    parent = hierarchy.path if hierarchy.unified else os.path.join(hierarchy.path, hierarchy.own.lstrip("/"))
    path = os.path.join(parent, name)
    os.makedirs(path, exist_ok=True)
    for file in ("cpuset.cpus", "cpuset.mems"):
        # A new cpuset of v1 is empty and takes no process until it is told what it may use.
        if not hierarchy.unified and os.path.exists(os.path.join(path, file)):
            write(os.path.join(path, file), read(os.path.join(parent, file)))
    return path


def read(path):
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def tree(path):
    """Every cgroup below a path, children before their parents, the path itself last."""
    return [directory for directory, _, _ in os.walk(path, topdown=False)]


def remove(path, seconds=10.0):
    """Remove a cgroup and all below it, waiting for processes that are already dying.

    Returns the cgroups that stayed.
    """
    deadline = time.monotonic() + seconds
    while True:
        left = []
        for directory in tree(path):
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                    raise
                left.append(directory)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)
