"""linux.resources as properties of a systemd unit.

systemd writes the cgroup's files again whenever it sees fit (at a daemon-reload, say), from the properties
that it was given: what it has a property for must be one, or it would come undone.  The files are written by
us as well, after it: it knows neither every file nor every value (a CPU quota is a whole percentage).

Sources: systemd.resource-control(5), org.freedesktop.systemd1(5); which are set, and from what, is as in runc
(docs/systemd.md).
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import gvariant
from ocipy.plan.resources.cpu import DEFAULT_PERIOD, weight
from ocipy.plan.resources.io import io_weight
from ocipy.plan.resources.memory import swap_max
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.cgroup_layout import Layout
    from ocipy.plan.devices import Rule

    Value = dict[str, Any]

INFINITY = 2**64 - 1
ANNOTATION = "org.systemd.property."
#: Microseconds of a second that systemd's percentages of a CPU can say: a hundredth.
QUOTA_STEP = 10_000
MOST_CPUS = 8192  # that Linux can be built for
#: The files for which systemd knows only something like the value: written again after it.
ROUNDED = ("cpu.max", "cpu.cfs_quota_us", "io.weight", "io.bfq.weight", "blkio.bfq.weight", "pids.max")
#: file of cgroup v2 -> property, for those that hold a size or a number or "max"
UNIFIED = {
    "memory.min": "MemoryMin",
    "memory.low": "MemoryLow",
    "memory.high": "MemoryHigh",
    "memory.max": "MemoryMax",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
    "cpu.weight": "CPUWeight",
}


class Property(Record):
    """A property of a unit.

    signature: the D-Bus type of the value
    since:     the first version of systemd that has it, 0 for any that can meet this kernel
    """

    name: str
    signature: str
    value: Any
    since: int = 0

    def __str__(self) -> str:
        return f"{self.name}={_shown(self.value)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        numbers = [i for i in range(8 * len(value)) if value[i // 8] >> i % 8 & 1]
        return ",".join(map(str, numbers))
    if isinstance(value, (list, tuple)):
        return " ".join(" ".join(item) if isinstance(item, tuple) else str(item) for item in value)
    return "infinity" if value == INFINITY else str(value)


def number(name: str, value: int, since: int = 0) -> Property:
    """A property that is a number; -1 is unlimited."""
    return Property(name, "t", value & INFINITY, since)


#: What a property is when nobody has set it; those of a limit are unlimited.
DEFAULTS = {
    "AllowedCPUs": Property("AllowedCPUs", "ay", b""),
    "AllowedMemoryNodes": Property("AllowedMemoryNodes", "ay", b""),
    "DevicePolicy": Property("DevicePolicy", "s", "auto"),
    "DeviceAllow": Property("DeviceAllow", "a(ss)", []),
    "MemoryMin": number("MemoryMin", 0),
    "MemoryLow": number("MemoryLow", 0),
}


def scope_properties(
    config: Value, container_id: str, layout: Layout, rootless: bool = False
) -> tuple[Property, ...]:
    """All properties that a container's scope is made with, but for its processes and its slice.

    Raises ConfigError for annotations that can't be properties.
    """
    resources = (config.get("linux") or {}).get("resources") or {}
    io = "IOAccounting" if layout.mode == "v2" else "BlockIOAccounting"
    made = [
        Property("Description", "s", f"ocipy container {container_id}"),
        *(
            Property(name, "b", True)
            for name in ("Delegate", "CPUAccounting", io, "MemoryAccounting", "TasksAccounting")
        ),
        # A shutdown is no reason to kill a container before who manages it has had its say.
        Property("DefaultDependencies", "b", False),
        # A scope that has failed would be kept, and its name taken, until somebody resets it.
        Property("CollectMode", "s", "inactive-or-failed"),
        *of_resources(resources, layout, rootless),
    ]
    group = (resources.get("unified") or {}).get("memory.oom.group", "").strip()
    if group in ("0", "1"):
        made.append(Property("OOMPolicy", "s", ("continue", "kill")[int(group)], 253))
    return (*made, *of_annotations(config.get("annotations") or {}))


def of_resources(resources: Value, layout: Layout, rootless: bool = False) -> tuple[Property, ...]:
    """linux.resources, as far as systemd has properties for them.

    What makes no sense is left out: it is `ocipy.plan.resources` that says so.
    """
    v2 = layout.mode == "v2"
    made: list[Property] = []
    made += _memory(resources.get("memory") or {}, v2)
    made += _cpu(resources.get("cpu") or {}, v2)
    limit = (resources.get("pids") or {}).get("limit")
    if limit is not None:
        made.append(_tasks(max(limit, -1)))
    block_weight = (resources.get("blockIO") or {}).get("weight") or 0
    if 10 <= block_weight <= 1000:
        made.append(
            number("IOWeight", io_weight(block_weight)) if v2 else number("BlockIOWeight", block_weight)
        )
    if v2:
        for file, value in (resources.get("unified") or {}).items():
            made += _unified(file, value.strip(), made)
    last = {prop.name: prop for prop in made}
    rules = () if rootless else _devices(resources.get("devices") or [])
    return (*last.values(), *rules)


def _tasks(limit: int) -> Property:
    """TasksMax, which can't be 0; the file can, and does the same as 1 for who is in."""
    return number("TasksMax", 1 if limit == 0 else limit)


def _memory(memory: Value, v2: bool) -> list[Property]:
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    made = [number("MemoryMax" if v2 else "MemoryLimit", limit)] if limit >= -1 and limit else []
    if not v2:
        return made
    if memory.get("reservation"):
        made.append(number("MemoryLow", memory["reservation"]))
    if limit == -1 and not swap:
        swap = -1
    more = swap_max(limit, swap) if swap == -1 or 0 < limit <= swap else None
    if more is not None:
        made.append(number("MemorySwapMax", -1 if more == "max" else int(more)))
    return made


def _cpu(cpu: Value, v2: bool) -> list[Property]:
    made: list[Property] = []
    shares, idle = cpu.get("shares") or 0, cpu.get("idle")
    if v2 and idle == 1:
        made.append(number("CPUWeight", 0, 252))  # which stands for cpu.idle
    elif v2 and (shares or idle == 0):
        made.append(number("CPUWeight", weight(shares) or -1))
    elif shares:
        made.append(number("CPUShares", shares))
    made += _quota(cpu.get("quota") or 0, cpu.get("period") or 0)
    for name, prop in (("cpus", "AllowedCPUs"), ("mems", "AllowedMemoryNodes")):
        mask = bits(cpu.get(name) or "")
        if mask:
            made.append(Property(prop, "ay", mask))
    return made


def _quota(quota: int, period: int) -> list[Property]:
    """A quota in microseconds for each second, up to the next hundredth.

    Up, because it holds for the cgroups below as well, which could have no more than it has.
    """
    made = [number("CPUQuotaPeriodUSec", period)] if period else []
    if quota > 0:
        each_second = quota * 1_000_000 // (period or DEFAULT_PERIOD)
        made.append(number("CPUQuotaPerSecUSec", -(-each_second // QUOTA_STEP) * QUOTA_STEP))
    elif quota or period:
        made.append(number("CPUQuotaPerSecUSec", -1))
    return made


def bits(text: str) -> bytes:
    """A list of CPUs or memory nodes as a mask, bit 0 of byte 0 first; empty for what is no list.

    >>> bits("0,2-3"), bits("9"), bits(""), bits("3-1")
    (b'\\r', b'\\x00\\x02', b'', b'')
    """
    mask = 0
    for part in text.strip().split(",") if text.strip() else ():
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < MOST_CPUS):
            return b""  # the kernel may understand it, or not; it will be asked
        mask |= (1 << int(last) + 1) - (1 << int(first))
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def _unified(file: str, value: str, made: list[Property]) -> list[Property]:
    """The property for a file of linux.resources.unified; [] for none, and what the kernel will refuse."""
    if file in UNIFIED:
        if value != "max" and not value.isdecimal():
            return []
        amount = -1 if value == "max" else int(value)
        if amount > INFINITY or any(prop.name == UNIFIED[file] and not prop.value for prop in made):
            return []  # idle has no weight
        if file == "pids.max":
            return [_tasks(amount)]
        return [number(UNIFIED[file], amount, 253 if "zswap" in file else 0)]
    if file == "cpu.idle":
        return [number("CPUWeight", 0, 252)] if value == "1" else []
    if file == "cpu.max":
        quota, _, period = value.partition(" ")
        known = quota == "max" or quota.isdecimal()
        if not known or not (period.strip() or str(DEFAULT_PERIOD)).isdecimal():
            return []
        return _quota(-1 if quota == "max" else int(quota), int(period or DEFAULT_PERIOD))
    if file in ("cpuset.cpus", "cpuset.mems"):
        mask = bits(value)
        name = "AllowedCPUs" if file == "cpuset.cpus" else "AllowedMemoryNodes"
        return [Property(name, "ay", mask)] if mask else []
    return []


# ---------------------------------------------------------------- devices


def _devices(entries: list[Value]) -> tuple[Property, ...]:
    """DevicePolicy and DeviceAllow, never narrower than the rules.

    systemd knows allowed devices by number, by major number, and by type, and none that are forbidden.  What
    it can't say it allows: the rules themselves are in force beside it (a program of ours, or v1's files).
    """
    from ocipy.plan.devices import rules

    first, *others = rules(entries)
    if first.allow:
        return DEFAULTS["DevicePolicy"], DEFAULTS["DeviceAllow"]
    allow: dict[str, str] = {}
    for rule in others:
        if rule.allow:
            name = _device(rule)
            access = allow.get(name, "") + rule.access
            allow[name] = "".join(letter for letter in "rwm" if letter in access)
    return (
        Property("DevicePolicy", "s", "strict"),
        DEFAULTS["DeviceAllow"],  # forgets those of before
        Property("DeviceAllow", "a(ss)", list(allow.items())),
    )


def _device(rule: Rule) -> str:
    """A device, or a set of them, as DeviceAllow names it: numbers do for who is not in /proc/devices."""
    from ocipy.plan.devices import ANY

    kind = "char" if rule.type == "c" else "block"
    if rule.major == ANY:
        return f"{kind}-*"
    return f"{kind}-{rule.major}" if rule.minor == ANY else f"/dev/{kind}/{rule.major}:{rule.minor}"


# ---------------------------------------------------------------- annotations, updates


def of_annotations(annotations: dict[str, str]) -> list[Property]:
    """Properties that annotations ``org.systemd.property.NAME`` set, each to a value in GVariant text.

    A name that ends in Sec stands for the one in USec, with a number of seconds.
    """
    made, problems = [], []
    for key, text in annotations.items():
        name = key.removeprefix(ANNOTATION)
        if name == key:
            continue
        try:
            made.append(_annotation(name, text))
        except ValueError as error:
            pointer = f"/annotations/{key.replace('~', '~0').replace('/', '~1')}"
            problems.append(Problem(pointer, str(error), "systemd-property"))
    if problems:
        raise ConfigError(problems)
    return made


def _annotation(name: str, text: str) -> Property:
    if not (name.isascii() and name.isalpha() and len(name) > 2):
        raise ValueError(f'"{name}" is not the name of a property')
    signature, value = gvariant.parse(text)
    if name.endswith("Sec") and not name.endswith("USec"):
        if signature not in gvariant.RANGES and signature != "d":
            raise ValueError(f"{text} is not a number of seconds")
        name, signature, value = f"{name[:-3]}USec", "t", int(value * 1_000_000)
        if not 0 <= value <= INFINITY:
            raise ValueError(f"{text} is not a number of seconds")
    return Property(name, signature, value)


def changed(
    asked: Value, before: Value, layout: Layout, rootless: bool = False
) -> tuple[tuple[Property, ...], tuple[Property, ...]]:
    """(properties, what they were) for an update.

    asked:  linux.resources, as far as they change, with what has to be said along with it
    before: linux.resources as they hold
    """
    new, old = of_resources(asked, layout, rootless), of_resources(before, layout, rootless)
    if not asked.get("devices"):
        new = tuple(prop for prop in new if not prop.name.startswith("Device"))
    names = dict.fromkeys(prop.name for prop in new)
    back = [prop for prop in old if prop.name in names]
    have = {prop.name for prop in back}
    back += [DEFAULTS.get(name) or number(name, -1) for name in names if name not in have]
    return new, tuple(back)
