"""Where the cgroup hierarchies of a host are mounted and where the caller sits in them: pure parsers of text.

A host has one of four layouts:

    v2      one tree for every controller (cgroup2 on /sys/fs/cgroup)
    v1      a tree for each controller, or a few controllers mounted together, and named ones without any
    hybrid  v1 with a cgroup2 beside it, which may hold the controllers that v1 left
    none    nothing is mounted

A controller is named as /proc/self/cgroup names it: ``memory``, ``name=systemd``, and ``""`` for cgroup2.

Sources: proc_pid_mountinfo(5), cgroups(7), runtime-spec config-linux.md#cgroups-path.
"""

from ocipy.record import Record

UNIFIED = ""
# A mount on one of these may hide the hierarchies that are mounted below it.
_OCTAL = frozenset("01234567")
_ANCESTORS = ("/", "/sys", "/sys/fs", "/sys/fs/cgroup")


class Layout(Record):
    """What a host offers.

    mode:    "v1", "hybrid", "v2" or "none"
    mounts:  (controller, mount point, the hierarchy's directory that is mounted there)
    own:     (controller, the caller's cgroup as /proc/self/cgroup says it)
    unified: the controllers that cgroup2 has
    """

    mode: str = "none"
    mounts: tuple[tuple[str, str, str], ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    unified: tuple[str, ...] = ()

    @property
    def controllers(self) -> tuple[str, ...]:
        """The v1 controllers and named hierarchies that are mounted, in the order of the mounts."""
        return tuple(controller for controller, _, _ in self.mounts if controller != UNIFIED)

    def version(self, controller: str) -> int:
        """The cgroup version that `controller` is found under: 1, 2, or 0 when this host lacks it."""
        if controller in self.controllers:
            return 1
        return 2 if controller in self.unified else 0

    def mount(self, controller: str) -> tuple[str, str]:
        """(mount point, root) of a controller; KeyError when it is not mounted."""
        for name, point, root in self.mounts:
            if name == controller:
                return point, root
        raise KeyError(controller)


def parse(mountinfo: str, proc_cgroup: str, unified: str = "") -> Layout:
    """The layout from the text of /proc/self/mountinfo and cgroup, and cgroup2's cgroup.controllers."""
    own = parse_own(proc_cgroup)
    mounts = parse_mounts(mountinfo, [name for name, _ in own])
    named_v1 = [name for name, _, _ in mounts if name != UNIFIED]
    if not mounts:
        mode = "none"
    elif not any(name == UNIFIED for name, _, _ in mounts):
        mode = "v1"
    elif all(name.startswith("name=") for name in named_v1):
        mode = "v2"
        mounts = tuple(entry for entry in mounts if entry[0] == UNIFIED)
    else:
        mode = "hybrid"
    return Layout(mode, mounts, own, tuple(unified.split()))


def parse_own(proc_cgroup: str) -> tuple[tuple[str, str], ...]:
    """(controller, path) pairs of /proc/PID/cgroup; controllers that share a hierarchy are taken apart.

    >>> parse_own("3:cpu,cpuacct:/a:b\\n1:name=systemd:/\\n0::/x\\n")
    (('cpu', '/a:b'), ('cpuacct', '/a:b'), ('name=systemd', '/'), ('', '/x'))
    """
    pairs = []
    for line in proc_cgroup.split("\n"):
        _, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator:
            pairs += [(controller, path) for controller in controllers.split(",")]
    return tuple(pairs)


def parse_mounts(mountinfo: str, controllers: list[str]) -> tuple[tuple[str, str, str], ...]:
    """(controller, mount point, root) of every hierarchy, the first mount below /sys/fs/cgroup preferred.

    Other mounts of the same hierarchy are binds in other places, such as the root of a container that was
    made with a /sys/fs/cgroup of its own.  `controllers` are the known names: the options of a cgroup mount
    mix them with flags (``rw,xattr,name=systemd``).
    """
    parents: dict[str, str] = {}
    trees = []  # cgroup mounts: (id, mount point, root, names)
    covers = []  # what may hide them: (id, parent, mount point)
    for line in mountinfo.split("\n"):
        fields = line.split(" ", 5)
        if len(fields) < 6:
            continue
        mount_id, parent, _, root, point, rest = fields
        kind = rest.partition(" - ")[2].split(" ", 2)
        is_cgroup = len(kind) == 3 and kind[0].startswith("cgroup")
        if is_cgroup or point in _ANCESTORS:
            parents[mount_id] = parent
            covers.append((mount_id, parent, point))
        if is_cgroup:
            fstype, _, options = kind
            names = [UNIFIED] if fstype == "cgroup2" else [n for n in options.split(",") if n in controllers]
            trees.append((mount_id, unescape(point), unescape(root), names))
    found: dict[str, tuple[str, str]] = {}
    for mount_id, point, root, names in trees:
        if _hidden(mount_id, point, parents, covers):
            continue
        for name in names:
            if name not in found or _standard(point) > _standard(found[name][0]):
                found[name] = point, root
    return tuple((name, point, root) for name, (point, root) in found.items())


def _standard(point: str) -> bool:
    return (point + "/").startswith("/sys/fs/cgroup/")


def _hidden(mount_id: str, point: str, parents: dict[str, str], covers: list[tuple[str, str, str]]) -> bool:
    """Whether another mount covers this one: it sits on one that leads here, but doesn't lead here itself.

    The order of the lines says nothing: a root file system that an initramfs switched to is younger than the
    /sys that was moved into it.
    """
    chain = set()
    while mount_id not in chain:
        chain.add(mount_id)
        mount_id = parents.get(mount_id, mount_id)
    return any(
        other not in chain and parent in chain and (point + "/").startswith(place.rstrip("/") + "/")
        for other, parent, place in covers
    )


def unescape(field: str) -> str:
    """A field of mountinfo as a path: the kernel writes space, tab, newline and backslash in octal.

    >>> unescape("/a" + chr(92) + "040b")
    '/a b'
    """
    if "\\" not in field:
        return field
    head, *rest = field.split("\\")
    return head + "".join(
        chr(int(part[:3], 8)) + part[3:] if _OCTAL.issuperset(part[:3]) and len(part) > 2 else f"\\{part}"
        for part in rest
    )


def clean(path: str) -> str:
    """A path without ``.``, ``..`` and double slashes; ``..`` never climbs above the start.

    >>> clean("/a//b/../../../c"), clean("../x/./y"), clean("/..")
    ('/c', 'x/y', '/')
    """
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(parts)


def place(layout: Layout, cgroups_path: str, container_id: str) -> tuple[tuple[str, str], ...]:
    """(controller, directory) for a container's cgroup in every hierarchy.

    An absolute cgroupsPath counts from the mount point, a relative or absent one (then it is the id) from
    the caller's own cgroup, as runc 1.1 does.  On v2 a relative one counts from the *parent* of the caller's
    cgroup: that one has processes, so no controller can be enabled for its children (the "no internal
    processes" rule, Documentation/admin-guide/cgroup-v2.rst).
    """
    inner = clean(cgroups_path) or container_id
    own = dict(layout.own)
    placed = []
    for controller, point, root in layout.mounts:
        if inner.startswith("/"):
            base = ""
        else:
            base = below(own.get(controller, "/"), root)
            if layout.mode == "v2":
                base = base.rpartition("/")[0]
        placed.append((controller, clean(f"{point}{base}/{inner}")))
    return tuple(placed)


def below(path: str, root: str) -> str:
    """A hierarchy's path as seen under a mount of its directory `root`: "" for the mount point itself.

    Inside a container /proc/self/cgroup shows the host's path while the mount shows the container's part.

    >>> below("/docker/c1/x", "/docker/c1"), below("/", "/docker/c1"), below("/x", "/")
    ('/x', '', '/x')
    """
    if root == "/":
        return path.rstrip("/")
    return path[len(root) :] if path == root or path.startswith(root + "/") else ""
