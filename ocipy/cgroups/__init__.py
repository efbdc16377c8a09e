"""cgroups: one interface (manager.py) over v1, hybrid and v2 hosts, and none.

What is written to them, and why, is decided in ocipy.plan.resources; here is only how.
"""

from __future__ import annotations

from ocipy.cgroups import files
from ocipy.errors import UsageError
from ocipy.plan.cgroup_layout import UNIFIED, Layout, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.cgroups.manager import Manager

MANAGERS = ("cgroupfs", "systemd", "disabled")


def open_manager(
    layout: Layout, cgroups_path: str, container_id: str, rootless: bool = False, manager: str = "cgroupfs"
) -> Manager:
    """The manager of a container's cgroups, none of which is made yet.

    cgroups_path: linux.cgroupsPath of config.json, "" when it has none
    rootless:     go without cgroups where there is no permission, until a limit is asked for
    manager:      "cgroupfs", "systemd" or "disabled"

    Raises UsageError for a manager that there is none of here, ConfigError for a path that it has no use for.
    """
    if manager not in MANAGERS:
        raise UsageError(f'cgroup manager "{manager}" is not one of {", ".join(MANAGERS)}')
    if manager == "systemd":
        from ocipy.cgroups.systemd import open_scope

        return open_scope(layout, cgroups_path, container_id, rootless)
    if manager == "disabled" or layout.mode == "none":
        return from_paths({}, None, rootless)
    return from_paths(dict(place(layout, cgroups_path, container_id)), None, rootless)


def is_frozen(paths: dict[str, str]) -> bool:
    """Whether a container's cgroup was asked to be frozen itself, by `Manager.paths`.

    The same as `Manager.frozen`, for those who ask nothing else, which is most of what `state` does.
    """
    if "freezer" in paths:
        return files.is_set(f"{paths['freezer']}/freezer.self_freezing")
    return set(paths) == {UNIFIED} and files.is_set(f"{paths[UNIFIED]}/cgroup.freeze")


def may_hold_the_killed(paths: dict[str, str]) -> bool:
    """Whether who is killed in a container may be kept from dying, by `Manager.paths`: see `Manager.let_die`.

    That is on v1, by a freezer: the container's own, or one that it has made below.
    """
    freezer = paths.get("freezer", "")
    return bool(freezer) and (is_frozen(paths) or files.has_children(freezer))


def from_kept(kept: dict[str, Any]) -> Manager:
    """The manager of cgroups that exist, from what state keeps: `Manager.kept`."""
    if "unit" not in kept:
        manager = from_paths(kept["paths"], kept["made"], kept["rootless"])
        manager.know_again(kept["inodes"])
        return manager
    from ocipy.cgroups.systemd import from_unit

    v2 = set(kept["paths"]) <= {UNIFIED}
    return from_unit(kept["paths"], kept["made"], kept["rootless"], kept["unit"], v2)


def from_paths(paths: dict[str, str], made: Iterable[str] | None = (), rootless: bool = False) -> Manager:
    """The manager of cgroups that nobody but ocipy manages, by `Manager.paths` and `Manager.made`."""
    if not paths:
        from ocipy.cgroups.disabled import Disabled

        return Disabled({}, made, rootless)
    if set(paths) == {UNIFIED}:
        from ocipy.cgroups.v2 import V2

        return V2(paths, made, rootless)
    from ocipy.cgroups.v1 import V1

    return V1(paths, made, rootless)
