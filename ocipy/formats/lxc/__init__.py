"""LXC's container configuration: a directory with a file ``config`` of lines such as ``lxc.uts.name = web``.

Reading makes explicit what LXC does by itself: namespaces, /dev, capabilities, device rules, its cgroup.
Keys that nothing stands for are named with their line, and kept as annotations.  `keys` has a row for each.

Source: lxc.container.conf(5) and what liblxc 5.0, 6.0 and 7.0 do with it.
"""

from __future__ import annotations

from ocipy.formats.lxc import cgroups, hooks, management, mounts, namespaces, net, process, root, security
from ocipy.formats.lxc import host as hosts
from ocipy.formats.lxc import write as writer
from ocipy.formats.lxc.draft import Draft
from ocipy.formats.lxc.read import FILE, configuration, has_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.host import Host
    from ocipy.spec import Spec
    from ocipy.spec.origin import Note

NAME = "lxc"
#: Of liblxc; the newest last.  7 has no keys of cgroup v1 any more.
VERSIONS = writer.VERSIONS
#: The oldest that has all that is written here: id-mapped mounts came with it.
OCI_VERSION = "1.2.0"


def detect(directory: str) -> bool:
    """True if there is a ``config`` that sets a key of LXC's; other programs have files of that name, too."""
    return has_keys(f"{directory}/{FILE}")


def load(directory: str, host: Host | None = None) -> tuple[Spec, tuple[Note, ...]]:
    """Read a configuration and all that it includes.

    host: facts that decide what it means; by default those of the host that we are on
    """
    config = configuration(directory)
    draft = Draft(config, hosts.this() if host is None else host)
    draft.set("/ociVersion", OCI_VERSION)
    root.load(draft)
    process.load(draft)
    security.load(draft)
    namespaces.load(draft)
    root.load_dev(draft)
    mounts.load(draft)
    root.load_terminals(draft)
    # What LXC mounts is not for the host to see; the host's mounts may still arrive.
    draft.set("/linux/rootfsPropagation", "rslave", namespaces.chosen(draft))
    cgroups.load(draft)
    net.load(draft)
    hooks.load(draft)
    management.load(draft)
    return draft.spec(FILE), (*config.notes, *draft.notes)


def dump(spec: Spec, version: str | None = None) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """A configuration that LXC of this version reads."""
    return writer.dump(spec, version)
