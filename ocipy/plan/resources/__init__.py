"""linux.resources of config.json as writes to cgroup files, for cgroup v1 and v2.

Every controller has a module of its own with the same shape, imported only when the config has something for
it: ``v1(value, out)`` and ``v2(value, out)`` take the property's value and put steps, problems and warnings
into an `Out`.  Which of the two is asked follows from where this host has the controller; on a hybrid host
some are v1 and some are v2.

A container's files are written in the order of this table, each property once, `unified` last: it may
correct what the others set.
"""

from __future__ import annotations

from ocipy.errors import ConfigError
from ocipy.plan.cgroup_layout import Layout
from ocipy.plan.resources.out import CheckUsage, Out
from ocipy.plan.steps import WriteCgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.steps import Step

__all__ = ["CheckUsage", "Out", "alternative", "cgroup_steps", "may_be_absent", "needed"]

# property of linux.resources, module, name of the controller on v1 and on v2 ("": there is none)
CONTROLLERS = (
    ("cpu", "cpuset", "cpuset", "cpuset"),
    ("memory", "memory", "memory", "memory"),
    ("cpu", "cpu", "cpu", "cpu"),
    ("pids", "pids", "pids", "pids"),
    ("blockIO", "io", "blkio", "io"),
    ("hugepageLimits", "hugetlb", "hugetlb", "hugetlb"),
    ("rdma", "rdma", "rdma", "rdma"),
    ("network", "net_cls", "net_cls", ""),
    ("network", "net_prio", "net_prio", ""),
)


def cgroup_steps(
    resources: dict[str, Any],
    layout: Layout,
    *,
    rootless: bool = False,
    disabled: bool = False,
    update: bool = False,
    warnings: list[str] | None = None,
    pointer: str = "/linux/resources",
) -> tuple[Step, ...]:
    """The steps that set a container's limits and device rules, in order.

    rootless: device rules can't be set and need not be
    disabled: the container gets no cgroup (``--cgroup-manager disabled``)
    update:   the cgroup has limits already: go round the orders that the kernel would refuse
    warnings: gets a line for each property that this host ignores, as runc ignores it

    A value of 0 means unset where runc has it so (all of memory and cpu but swappiness, burst and idle).
    Raises ConfigError with every property that makes no sense, or has no controller here.
    """
    out = Out(pointer, update)
    if disabled:
        layout = Layout()
    _devices(resources.get("devices") or [], layout, out, rootless or disabled, update)
    for name, module, v1_name, v2_name in CONTROLLERS:
        value = resources.get(name)
        if value:
            _controller(value, layout, out.below(name), module, v1_name, v2_name)
    unified = resources.get("unified")
    if unified:
        from ocipy.plan.resources import unified as module_

        module_.v2(unified, layout, out.below("unified"))
    if warnings is not None:
        warnings += out.warnings
    if out.problems:
        raise ConfigError(out.problems)
    return tuple(out.steps)


def _controller(value: Any, layout: Layout, out: Out, module: str, v1_name: str, v2_name: str) -> None:
    found = __import__(f"ocipy.plan.resources.{module}", fromlist=("v1",))
    if layout.version(v1_name) == 1:
        found.v1(value, out)
    elif layout.mode == "v2" or layout.version(v2_name) == 2:
        before = len(out.steps)
        found.v2(value, out)
        if len(out.steps) > before and v2_name not in layout.unified:
            _missing(out, before, v2_name)
    else:
        before = len(out.steps)
        found.v1(value, out)
        _missing(out, before, v1_name)


def _missing(out: Out, before: int, controller: str) -> None:
    """Steps for a controller that is not there become problems, one for each property."""
    written = [step for step in out.steps[before:] if isinstance(step, WriteCgroup)]
    pointers = [step.pointer for step in written if not may_be_absent(step.file, step.value)]
    message = f"needs the {controller} cgroup controller, which this host does not have"
    for pointer in dict.fromkeys(pointers):
        out.problem(pointer.removeprefix(out.pointer), message, "cgroup-controller-missing")
    del out.steps[before:]


def _devices(rules: list[Any], layout: Layout, out: Out, optional: bool, update: bool) -> None:
    from ocipy.plan import devices

    if update and not rules:
        return
    where = layout.version("devices")
    if where == 1:
        try:
            out.steps += devices.v1(rules, out.pointer + "/devices")
        except ConfigError as error:
            out.problems += error.problems
    elif layout.mode in ("v2", "hybrid"):
        out.steps += devices.v2(rules, out.pointer + "/devices")
    elif not optional:
        out.problem("/devices", "no cgroup hierarchy is mounted here that limits devices", "cgroup-missing")


def needed(steps: tuple[Step, ...]) -> tuple[str, ...]:
    """The controllers that steps write to, as cgroup v2 names them; what Manager.make() wants to know."""
    names = [file.partition(".")[0] for file in (getattr(step, "file", "") for step in steps)]
    return tuple(dict.fromkeys(name for name in names if name and name != "cgroup"))


def alternative(file: str, value: str) -> tuple[str, str]:
    """A file that does the same, and its value, where the kernel lacks this one; ("", "") for none."""
    if file != "io.bfq.weight":
        return "", ""
    from ocipy.plan.resources import io

    return io.alternative(value)


def may_be_absent(file: str, value: str) -> bool:
    """Whether it changes nothing that this kernel does not have a file, or does nothing with it.

    No swap accounting: no swap can be used up or be forbidden either.  Reservation of huge pages is since
    Linux 5.7, burst since 5.14, idle since 5.15.  Kernel memory is no longer limited since 5.16
    (58056f77502f "memcg, kmem: further deprecate kmem.limit_in_bytes"), and the spec says not to ask for it.
    """
    if file in ("memory.swap.max", "memory.memsw.limit_in_bytes"):
        return value in ("0", "max", "-1")
    if file.startswith("hugetlb.") and ".rsvd." in file:
        return True
    if file in ("cpu.max.burst", "cpu.cfs_burst_us", "cpu.idle"):
        return value == "0"
    return file in ("memory.kmem.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes")
