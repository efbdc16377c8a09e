"""Read where the cgroup hierarchies of this host are; what the text means is in ocipy.plan.cgroup_layout."""

from ocipy.cgroups.files import read
from ocipy.plan.cgroup_layout import UNIFIED, Layout, parse


def detect() -> Layout:
    """The cgroup layout of this host as the calling process sees it.

    Reads three small files and takes about 0.1 ms: once per command is enough.  /proc must be mounted.
    """
    mountinfo = read("/proc/self/mountinfo")
    layout = parse(mountinfo, read("/proc/self/cgroup"))
    if layout.mode in ("v2", "hybrid"):
        point, _ = layout.mount(UNIFIED)
        try:
            unified = read(f"{point}/cgroup.controllers")
        except OSError:
            # A cgroup2 without cgroup.controllers is one whose root is hidden from us: it offers nothing.
            return layout
        return layout.replace(unified=tuple(unified.split()))
    return layout
