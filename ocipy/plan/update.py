"""A change of linux.resources while the container runs: what is to be written, what holds afterwards.

Some properties depend on each other: a quota needs its period, swap is counted with memory.  What the change
does not say of such a group is taken from what holds, so that it can be checked and written as a whole; what
it does not touch at all is not written.

Source: runc-update(8); a value of 0 means unset where `ocipy.plan.resources` has it so.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import devices
from ocipy.plan.cgroup_layout import Layout
from ocipy.plan.resources import cgroup_steps
from ocipy.plan.steps import SetProperties, WriteCgroup
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.plan.steps import Step

    Value = dict[str, Any]


class Update(Record):
    """What an update does.

    steps:     in order
    devices:   the steps that bring the device rules back to what they were
    resources: linux.resources as they hold afterwards
    """

    steps: tuple[Step, ...]
    devices: tuple[Step, ...]
    resources: dict[str, Any]


def compile_update(
    change: Value, current: Value, layout: Layout, rootless: bool = False, unit: str = ""
) -> Update:
    """The steps of an update.

    change:  linux.resources, as far as they are to change
    current: linux.resources as they hold
    unit:    the systemd unit that the container is, "" for none

    Raises ConfigError, with pointers that count from linux.resources, for what makes no sense, can't be had
    here, or would have no effect.
    """
    asked: Value = {}
    resources = dict(current)
    for name, value in change.items():
        merge = MERGES.get(name)
        if merge:
            asked[name], resources[name] = merge(value, current.get(name) or type(value)())
    new_rules = change.get("devices") or []
    old_rules = current.get("devices") or []
    problems = _conflicts(change.get("cpu") or {}, current.get("cpu") or {})
    before: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    try:
        if new_rules:
            before, steps = _devices(old_rules, new_rules, layout, rootless)
            resources["devices"] = new_rules
    except ConfigError as error:
        problems += error.problems
    try:
        steps += cgroup_steps(asked, layout, rootless=rootless, update=True, pointer="")
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems, "resources")
    if unit:
        asked |= {"devices": new_rules} if new_rules else {}
        steps += _properties(unit, steps, (asked, current), layout, rootless)
    return Update(steps, before, resources)


def _properties(
    unit: str, written: tuple[Step, ...], change: tuple[Value, Value], layout: Layout, rootless: bool
) -> tuple[Step, ...]:
    """Tell systemd as well, when the kernel has taken everything; and once more what systemd rounds."""
    # Only here: most containers have nothing to do with systemd.
    from ocipy.plan.systemd_properties import ROUNDED, changed

    new, old = changed(*change, layout, rootless)
    if not new:
        return ()
    again = {step.file: step for step in written if isinstance(step, WriteCgroup) and step.file in ROUNDED}
    return (SetProperties(unit, new, old), *again.values())


def _devices(
    old: list[Value], new: list[Value], layout: Layout, rootless: bool
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """(steps back, steps) for device rules."""
    if rootless:
        raise ConfigError(Problem("/devices", "a rootless container has no device rules", "rootless-devices"))
    where = layout.version("devices")
    if where == 1:
        return devices.v1(old, ""), devices.v1_change(old, new, "/devices")
    if layout.mode in ("v2", "hybrid"):
        return devices.v2(old, ""), devices.v2(new, "/devices")
    message = "no cgroup hierarchy is mounted here that limits devices"
    raise ConfigError(Problem("/devices", message, "cgroup-missing"))


def _conflicts(change: Value, current: Value) -> list[Problem]:
    if change.get("shares") and current.get("idle") and change.get("idle") != 0:
        return [Problem("/cpu/shares", "an idle cgroup has no shares: set idle to 0 as well", "idle-shares")]
    return []


# ---------------------------------------------------- (change, what holds) -> (to write, what holds then)


def _memory(new: Value, old: Value) -> tuple[Value, Value]:
    new = _set(new, "limit", "swap", "reservation", "kernel", "kernelTCP")
    now = {**old, **new}
    if new.get("limit") == -1 and "swap" not in new:
        now.pop("swap", None)  # unlimited memory is unlimited swap as well, unless the change says otherwise
    asked = {name: value for name, value in new.items() if name != "checkBeforeUpdate"}
    if "limit" in new or "swap" in new:
        asked |= {name: now[name] for name in ("limit", "swap", "checkBeforeUpdate") if name in now}
    return asked, now


def _cpu(new: Value, old: Value) -> tuple[Value, Value]:
    new = _set(new, "shares", "quota", "period", "realtimeRuntime", "realtimePeriod", "cpus", "mems")
    now = {**old, **new}
    asked = dict(new)
    if not {"quota", "period", "burst"}.isdisjoint(new):
        asked |= {name: now[name] for name in ("quota", "period", "burst") if name in now}
    if new.get("idle") == 0 and "shares" in now:
        asked["shares"] = now["shares"]  # the kernel has forgotten them
    return asked, now


def _block_io(new: Value, old: Value) -> tuple[Value, Value]:
    new = _set(new, "weight", "leafWeight")
    now = {**old, **new}
    for name, devices_ in new.items():
        if isinstance(devices_, list):
            now[name] = _upsert(devices_, old.get(name) or [], "major", "minor")
    return new, now


def _network(new: Value, old: Value) -> tuple[Value, Value]:
    new = _set(new, "classID")
    now = {**old, **new}
    if new.get("priorities"):
        now["priorities"] = _upsert(new["priorities"], old.get("priorities") or [], "name")
    return new, now


def _rdma(new: Value, old: Value) -> tuple[Value, Value]:
    return new, old | {name: {**(old.get(name) or {}), **limits} for name, limits in new.items()}


def _huge_pages(new: list[Value], old: list[Value]) -> tuple[list[Value], list[Value]]:
    return new, _upsert(new, old, "pageSize")


def _plain(new: Value, old: Value) -> tuple[Value, Value]:
    return new, {**old, **new}


def _set(value: Value, *zero_is_unset: str) -> Value:
    """Without the properties that say nothing."""
    return {name: item for name, item in value.items() if item or name not in zero_is_unset}


def _upsert(new: list[Value], old: list[Value], *key: str) -> list[Value]:
    """Entries, those about the same thing merged, by the properties that say what they are about."""
    merged: dict[tuple[Any, ...], Value] = {}
    for entry in (*old, *new):
        about = tuple(entry.get(name) for name in key)
        merged[about] = {**merged.get(about, {}), **entry}
    return list(merged.values())


MERGES: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "memory": _memory,
    "cpu": _cpu,
    "pids": _plain,
    "blockIO": _block_io,
    "hugepageLimits": _huge_pages,
    "network": _network,
    "rdma": _rdma,
    "unified": _plain,
}
