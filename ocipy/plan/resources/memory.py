"""linux.resources.memory: limit, reservation, swap and what only cgroup v1 has.

Sources: runtime-spec config-linux.md#memory; kernel Documentation/admin-guide/cgroup-v1/memory.rst and
cgroup-v2.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import CheckUsage, Out, unlimited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


UNSET_SWAPPINESS = (None, -1, 2**64 - 1)  # Go callers write their -1 unsigned


def v1(memory: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v1, where swap means memory and swap together, as in the spec."""
    limit, swap = _limits(memory, out)
    before = len(out.steps)
    if limit:
        _write_limit(memory, limit, "memory.limit_in_bytes", "memory.usage_in_bytes", str(limit), out)
    if swap:
        out.write("memory", "memory.memsw.limit_in_bytes", swap, "/swap" if memory.get("swap") else "/limit")
    if out.update and limit and swap:
        # The kernel refuses memory above memory+swap at any moment (EINVAL), and either may be the one that
        # is in the way of the other.  Without a limit on the sum, both fit.
        out.write("memory", "memory.memsw.limit_in_bytes", -1, out.steps[-1].pointer[len(out.pointer) :])
        out.steps.insert(before, out.steps.pop())
    reservation = memory.get("reservation")
    if reservation and out.limit(reservation, "/reservation"):
        out.write("memory", "memory.soft_limit_in_bytes", reservation, "/reservation")
    if memory.get("kernel"):
        out.write("memory", "memory.kmem.limit_in_bytes", memory["kernel"], "/kernel")
    if memory.get("kernelTCP"):
        out.write("memory", "memory.kmem.tcp.limit_in_bytes", memory["kernelTCP"], "/kernelTCP")
    swappiness = memory.get("swappiness")
    if swappiness is not None:
        if 0 <= swappiness <= 100:
            out.write("memory", "memory.swappiness", swappiness, "/swappiness")
        elif swappiness not in UNSET_SWAPPINESS:
            out.problem("/swappiness", f"{swappiness} is not between 0 and 100", "swappiness-range")
    disabled = memory.get("disableOOMKiller")
    if disabled or (disabled is False and out.update):
        out.write("memory", "memory.oom_control", int(disabled), "/disableOOMKiller")
    if memory.get("useHierarchy") is False:
        # Since Linux 5.11 (bef8620cd8e0 "mm: memcg: deprecate the non-hierarchical mode").
        out.ignored("/useHierarchy", "every memory cgroup is hierarchical")


def v2(memory: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v2.  Swap first: a limit may need it to be out of the way."""
    limit, swap = _limits(memory, out)
    if limit is not None and swap is not None:
        value = swap_max(limit, swap)
        if value is not None:
            out.write("memory", "memory.swap.max", value, "/swap" if memory.get("swap") else "/limit")
    if limit:
        _write_limit(memory, limit, "memory.max", "memory.current", unlimited(limit), out)
    reservation = memory.get("reservation")
    if reservation and out.limit(reservation, "/reservation"):
        out.write("memory", "memory.low", unlimited(reservation), "/reservation")
    for name in ("kernel", "kernelTCP", "swappiness", "disableOOMKiller"):
        unset = UNSET_SWAPPINESS if name == "swappiness" else (None, 0)
        if memory.get(name) not in unset:
            out.ignored(f"/{name}", "cgroup v2 has nothing like it")


def _limits(memory: dict[str, Any], out: Out) -> tuple[int | None, int | None]:
    """(limit, memory+swap): 0 unset, None impossible.  Unlimited memory alone means unlimited swap too."""
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if not out.limit(limit, "/limit") or not out.limit(swap, "/swap"):
        return None, None
    if limit == -1 and not swap:
        swap = -1
    if swap > 0:
        if limit <= 0:
            out.problem("/swap", "can't be limited without memory.limit", "swap-without-limit")
            return None, None
        if swap < limit:
            out.problem(
                "/swap",
                f"{swap} bytes of memory and swap are less than memory.limit, {limit}",
                "swap-below-limit",
            )
            return None, None
    return limit, swap


def swap_max(limit: int, swap: int) -> str | None:
    """cgroup v2 ``memory.swap.max`` for OCI ``memory.limit`` and ``memory.swap``.

    Both in bytes; -1 is unlimited, 0 is unset.  OCI counts memory and swap together, as v1 does, v2 counts
    swap alone: the answer is the difference.  Returns a number of bytes, "max", or None to leave the file
    alone.

    >>> swap_max(1000, 3000), swap_max(1000, 1000), swap_max(1000, -1), swap_max(1000, 0)
    ('2000', '0', 'max', None)
    """
    if swap == 0:
        return None
    return "max" if swap == -1 else str(swap - limit)


def _write_limit(memory: dict[str, Any], limit: int, file: str, usage: str, value: str, out: Out) -> None:
    """The limit; of an update that asks for it, after a look at what is in use.

    v2 takes any limit and kills to get below it; v1 refuses one that it can't reclaim its way to (EBUSY).
    """
    if out.update and memory.get("checkBeforeUpdate") and limit > 0:
        out.steps.append(CheckUsage("memory", usage, limit, pointer=f"{out.pointer}/limit"))
    out.write("memory", file, value, "/limit")
