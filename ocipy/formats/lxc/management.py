"""Keys that nothing stands for in config.json: kept as annotations, so that the way back has them."""

from __future__ import annotations

from ocipy.formats.lxc.cgroups import MONITOR
from ocipy.formats.lxc.draft import escaped
from ocipy.formats.lxc.keys import CARRIED, lookup
from ocipy.spec.origin import LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft

PREFIX = "org.linuxcontainers."
#: Lossy, and carried over in some way all the same: no annotation is needed.
_TRANSLATED = ("lxc.hook.pre-mount", "lxc.hook.stop", "lxc.seccomp.notify.proxy", "lxc.seccomp.notify.cookie")
#: Values that ask for nothing.
_DEFAULTS = {
    "lxc.apparmor.allow_incomplete": "0",
    "lxc.apparmor.allow_nesting": "0",
    "lxc.console.rotate": "0",
    "lxc.ephemeral": "0",
    "lxc.keyring.session": "1",
    "lxc.monitor.unshare": "0",
    "lxc.rootfs.managed": "1",
    "lxc.sched.core": "0",
    "lxc.start.auto": "0",
    "lxc.tty.max": "0",
}


def kept(key: str) -> bool:
    """Whether `load` keeps a key as an annotation.  Of no other is one made a line: it could be a hook."""
    row = lookup(key)
    return row is not None and row.fate == LOSSY and row.name not in _TRANSLATED


def load(draft: Draft) -> None:
    """A note for each key that the table has as lossy or refused."""
    values: dict[str, list[str]] = {}
    for entry in draft.config.entries:
        row = lookup(entry.key)
        if row is None or row.fate == CARRIED or _DEFAULTS.get(entry.key) == entry.value:
            continue
        if entry.key == "lxc.cgroup.dir.monitor" and entry.value.startswith(MONITOR):
            continue  # LXC's own place, which has to be said beside lxc.cgroup.dir.container
        if row.fate != LOSSY:
            draft.refused(entry, row.reason)
            continue
        draft.lossy(entry, row.reason)
        if kept(entry.key):
            values.setdefault(entry.key, []).append(entry.value)
            draft.set(f"/annotations/{escaped(PREFIX + entry.key)}", "\n".join(values[entry.key]), entry)
