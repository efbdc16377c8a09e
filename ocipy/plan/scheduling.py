"""When and where the program runs: scheduler, I/O priority, processors, memory nodes, personality.

Source: runtime-spec config.md#linux-process, config-linux.md#memory-policy; sched_setattr(2), ioprio_set(2),
sched_setaffinity(2), set_mempolicy(2), personality(2).
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan.steps import Op, Step
from ocipy.spec.names import MEMPOLICY_FLAGS, MEMPOLICY_MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.plan.context import Context

#: linux/sched.h
SCHED_POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}

#: linux/ioprio.h
IOPRIO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}

#: linux/personality.h
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}


def scheduler_bytes(scheduler: dict[str, Any]) -> bytes:
    """struct sched_attr of sched_setattr(2), 56 bytes, in host order (little-endian)."""
    flags = 0
    for name in scheduler.get("flags") or ():
        flags |= SCHED_FLAGS[name]

    def number(value: int, size: int, signed: bool = False) -> bytes:
        return value.to_bytes(size, "little", signed=signed)

    return (
        number(56, 4)
        + number(SCHED_POLICIES[scheduler["policy"]], 4)
        + number(flags, 8)
        + number(scheduler.get("nice", 0), 4, signed=True)
        + number(scheduler.get("priority", 0), 4)
        + number(scheduler.get("runtime", 0), 8)
        + number(scheduler.get("deadline", 0), 8)
        + number(scheduler.get("period", 0), 8)
        + bytes(8)
    )


def number_list(text: str) -> list[int]:
    """The numbers of a list such as "0-3,7" (cpuset(7), list format).  Raises ValueError."""
    numbers: list[int] = []
    for part in text.split(","):
        part = part.strip()
        if not part:
            continue
        low, dash, high = part.partition("-")
        high = high if dash else low
        if not (low.isascii() and low.isdigit() and high.isascii() and high.isdigit()):
            raise ValueError(f"bad range {part}")
        if not int(low) <= int(high) < 65536:
            raise ValueError(f"bad range {part}")
        numbers += range(int(low), int(high) + 1)
    return numbers


def bit_bytes(numbers: Iterable[int]) -> bytes:
    """A bit mask as the kernel takes it: whole unsigned longs, little-endian."""
    mask = 0
    for n in numbers:
        mask |= 1 << n
    return mask.to_bytes((mask.bit_length() // 64 + 1) * 8, "little")


def priorities(process: dict[str, Any], context: Context) -> list[Step]:
    """Steps of init, before the change of user."""
    at = context.pointer
    made: list[Step] = []
    if context.executing:
        made += _affinity(process, context, "final")
    if scheduler := process.get("scheduler"):
        text = f"set scheduler {scheduler['policy']}"
        made.append(Op("SCHEDULER", (scheduler_bytes(scheduler),), text, pointer=f"{at}/scheduler"))
    if ioprio := process.get("ioPriority"):
        kind, level = ioprio["class"], ioprio.get("priority", 0)
        value = IOPRIO_CLASSES[kind] << 13 | level
        made.append(Op("IOPRIO", (value,), f"set I/O priority {kind} {level}", pointer=f"{at}/ioPriority"))
    if personality := context.linux.get("personality"):
        domain = personality["domain"]
        text = f"set personality {domain}"
        made.append(Op("PERSONALITY", (PERSONALITIES[domain],), text, pointer="/linux/personality"))
    if policy := context.linux.get("memoryPolicy"):
        made.append(_memory_policy(policy))
    return made


def initial_affinity(process: dict[str, Any], context: Context) -> list[Step]:
    """Before init joins the container's cgroup, so that it need not wait there for a processor."""
    return _affinity(process, context, "initial")


def _affinity(process: dict[str, Any], context: Context, which: str) -> list[Step]:
    processors = (process.get("execCPUAffinity") or {}).get(which)
    if not processors:
        return []
    pointer = f"{context.pointer}/execCPUAffinity/{which}"
    bits = bit_bytes(_numbers(processors, pointer))
    return [Op("AFFINITY", (bits,), f"run on processors {processors}", pointer=pointer)]


def _numbers(text: str, pointer: str) -> list[int]:
    try:
        return number_list(text)
    except ValueError:
        raise ConfigError(Problem(pointer, f'"{text}" is not a list of numbers', "number-list")) from None


def _memory_policy(policy: dict[str, Any]) -> Step:
    mode = MEMPOLICY_MODES[policy["mode"]]
    for flag in policy.get("flags") or ():
        mode |= MEMPOLICY_FLAGS[flag]
    nodes = policy.get("nodes") or ""
    bits = bit_bytes(_numbers(nodes, "/linux/memoryPolicy/nodes")) if nodes else b""
    text = f"set memory policy {policy['mode']}" + (f" on nodes {nodes}" if nodes else "")
    return Op("MEMPOLICY", (mode, bits), text, pointer="/linux/memoryPolicy")
