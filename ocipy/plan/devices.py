"""linux.resources.devices: which device numbers the container may make nodes for, read and write.

Every container also gets the default rules, after its own, so that what is in its /dev works whatever the
config forbids.  For each access of a request the *last* rule about it decides.  The kernel has no such list:
v1 keeps a default and exceptions from it, v2 runs a program of ours (bpf.py).  Both are made from the rules
here in such a way that they decide alike.

Sources: runtime-spec config-linux.md#allowed-device-list and #default-devices; kernel
Documentation/admin-guide/cgroup-v1/devices.rst and security/device_cgroup.c.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan.steps import LoadDevices, WriteCgroup
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANY = -1


class Rule(Record):
    """Allow or forbid accesses ("r", "w", "m") to a type of device ("a", "b", "c"); -1 is any number."""

    allow: bool
    type: str = "a"
    major: int = ANY
    minor: int = ANY
    access: str = "rwm"
    pointer: str = ""

    def __str__(self) -> str:
        """As v1's devices.allow and devices.deny have it."""
        if self.type == "a":
            return "a"
        major, minor = ("*" if n == ANY else str(n) for n in (self.major, self.minor))
        return f"{self.type} {major}:{minor} {self.access}"

    @property
    def numbers(self) -> tuple[str, int, int]:
        """Which devices it is about."""
        return self.type, self.major, self.minor

    @property
    def is_everything(self) -> bool:
        """Whether it is about every access to every device."""
        return self.numbers == ("a", ANY, ANY) and self.access == "rwm"

    def meets(self, kind: str, major: int, minor: int) -> bool:
        """Whether it is about a device."""
        return self.type in ("a", kind) and self.major in (ANY, major) and self.minor in (ANY, minor)

    def covers(self, other: Rule) -> bool:
        """Whether it is about every device that another is about (neither is for both types)."""
        return self.meets(*other.numbers)

    def meeting(self, other: Rule) -> Rule | None:
        """A rule for the devices that both are about, with the accesses of both; None if there are none."""
        pairs = ((self.major, other.major), (self.minor, other.minor))
        if self.type != other.type or any(a != b and ANY not in (a, b) for a, b in pairs):
            return None
        major, minor = (b if a == ANY else a for a, b in pairs)
        return self.replace(major=major, minor=minor, access=_letters(self.access + other.access))


#: What every container may do: make any node, use what is in every /dev, terminals, and tun (runc had left
#: it out in 1.2 and VPNs in containers stopped working).
DEFAULT = (
    Rule(True, "c", ANY, ANY, "m"),
    Rule(True, "b", ANY, ANY, "m"),
    Rule(True, "c", 1, 3),  # null
    Rule(True, "c", 1, 5),  # zero
    Rule(True, "c", 1, 7),  # full
    Rule(True, "c", 1, 8),  # random
    Rule(True, "c", 1, 9),  # urandom
    Rule(True, "c", 5, 0),  # tty
    Rule(True, "c", 5, 2),  # ptmx
    Rule(True, "c", 136, ANY),  # pts/*
    Rule(True, "c", 10, 200),  # net/tun
)


def rules(entries: list[dict[str, Any]], pointer: str = "") -> tuple[Rule, ...]:
    """The config's rules in order, then the default ones, but for those that decide nothing.

    The first one is about everything: as on v1, what comes before such a rule is moot, and a container that
    has none of them is forbidden everything to begin with.  Engines list the default rules themselves.
    """
    listed: list[Rule] = []
    for i, entry in enumerate(entries):
        listed += _rule(entry, f"{pointer}/{i}")
    start = max((i for i, rule in enumerate(listed) if rule.is_everything), default=-1)
    if start < 0:
        start, listed = 0, [Rule(False), *listed]
    return (listed[start], *_live([*listed[start + 1 :], *DEFAULT]))


def _live(listed: list[Rule]) -> list[Rule]:
    """Rules without those whose every access is decided by later ones."""
    decided: dict[tuple[str, int, int], set[str]] = {}
    live = []
    for rule in reversed(listed):
        covering = [(rule.type, major, minor) for major in {ANY, rule.major} for minor in {ANY, rule.minor}]
        if not set(rule.access).issubset("".join("".join(decided.get(numbers, ())) for numbers in covering)):
            live.append(rule)
        decided.setdefault(rule.numbers, set()).update(rule.access)
    return live[::-1]


def _rule(entry: dict[str, Any], pointer: str) -> list[Rule]:
    """One entry as rules; none for one that is about no device (a FIFO) or no access.

    A rule for part of both types is one for each: in v1's files "a" means everything, whatever follows.
    """
    kind = entry.get("type") or "a"
    asked = entry.get("access")
    access = "".join(letter for letter in "rwm" if asked is None or letter in asked)
    major, minor = (ANY if n is None or n < 0 else n for n in (entry.get("major"), entry.get("minor")))
    if kind == "p" or not access:
        return []
    whole = Rule(bool(entry["allow"]), "c" if kind == "u" else kind, major, minor, access, pointer)
    if kind != "a" or whole.is_everything:
        return [whole]
    return [whole.replace(type=kind) for kind in "bc"]


def allowed(listed: tuple[Rule, ...], kind: str, major: int, minor: int, access: str) -> bool:
    """Whether the rules let a request through: every one of its accesses must be allowed.

    This is the meaning that both the v1 writes and the v2 program must have.
    """
    for letter in access:
        verdict = False
        for rule in listed:
            if letter in rule.access and rule.meets(kind, major, minor):
                verdict = rule.allow
        if not verdict:
            return False
    return True


# ---------------------------------------------------------------- v1


def v1(entries: list[dict[str, Any]], pointer: str) -> tuple[WriteCgroup, ...]:
    """The writes to devices.deny and devices.allow of a new cgroup.

    Raises ConfigError for rules that v1 can't express: an exception to an exception.
    """
    first, exceptions = _exceptions(entries, pointer)
    return tuple(_write(rule, rule.allow) for rule in (first, *exceptions))


def v1_change(old: list[dict[str, Any]], new: list[dict[str, Any]], pointer: str) -> tuple[WriteCgroup, ...]:
    """The writes that turn a cgroup with the rules `old` into one with the rules `new`.

    Only what differs, what is allowed first: a container that may do something before and after may do it in
    between, and what somebody else has added (a GPU, by its own tool) stays.  But when the default turns, all
    is written anew.
    """
    before, had = _exceptions(old, "")
    after, wanted = _exceptions(new, pointer)
    if before.allow != after.allow:
        return v1(new, pointer)
    lost, gained = _without(had, wanted), _without(wanted, had)
    steps = [_write(rule, rule.allow) for rule in gained]
    steps += [_write(rule, not rule.allow) for rule in lost]
    return tuple(sorted(steps, key=lambda step: step.file))


def _without(some: list[Rule], others: list[Rule]) -> list[Rule]:
    """Rules with the accesses that others do not have for the same numbers."""
    have = {rule.numbers: set(rule.access) for rule in others}
    left = [rule.replace(access=_letters(set(rule.access) - have.get(rule.numbers, set()))) for rule in some]
    return [rule for rule in left if rule.access]


def _write(rule: Rule, allow: bool) -> WriteCgroup:
    file = "devices.allow" if allow else "devices.deny"
    return WriteCgroup("devices", file, str(rule), pointer=rule.pointer)


def _exceptions(entries: list[dict[str, Any]], pointer: str) -> tuple[Rule, list[Rule]]:
    """The default, as a rule about everything, and v1's exceptions from it."""
    first, *rest = rules(entries, pointer)
    exceptions: list[Rule] = []
    for rule in rest:
        exceptions = (
            _add(exceptions, rule) if rule.allow != first.allow else _take(exceptions, rule, first.allow)
        )
    return first, exceptions if first.allow else _close(exceptions)


def _add(exceptions: list[Rule], rule: Rule) -> list[Rule]:
    """Exceptions with one more; the same numbers again add accesses to those that they have."""
    for i, known in enumerate(exceptions):
        if known.numbers == rule.numbers:
            access = _letters(known.access + rule.access)
            return [*exceptions[:i], known.replace(access=access), *exceptions[i + 1 :]]
    return [*exceptions, rule]


def _take(exceptions: list[Rule], rule: Rule, default: bool) -> list[Rule]:
    """Exceptions after a rule that says what the default says: it takes back those that it covers.

    The kernel would silently ignore one that takes back a part: a false sense of security, so it is refused.
    """
    kept = []
    for known in exceptions:
        common = set(known.access) & set(rule.access)
        if common and rule.covers(known):
            access = _letters(set(known.access) - common)
            kept += [known.replace(access=access)] if access else []
        elif common and rule.meeting(known) is not None:
            verb = "allows" if known.allow else "forbids"
            message = f"cgroup v1 can't make {rule} an exception to a rule that {verb} {known}"
            pointer = rule.pointer or known.pointer
            raise ConfigError(Problem(pointer, message, "device-rule-hole"))
        else:
            kept.append(known)
    return kept


def _close(exceptions: list[Rule]) -> list[Rule]:
    """Allowed exceptions such that each device's reading and writing are both in one of them.

    The kernel wants a single exception to allow the whole of a request: "c 1:3 r" beside "c *:3 w" does not
    let anybody open 1:3 for reading and writing (device_cgroup.c, match_exception).  mknod(2) is a request
    of its own.
    """
    closed = list(exceptions)
    grown = True
    while grown:
        grown = False
        for one in list(closed):
            for other in list(closed):
                both = one.meeting(other)
                if both is None:
                    continue
                wanted = set(both.access) - {"m"}
                if not any(rule.covers(both) and wanted.issubset(rule.access) for rule in closed):
                    closed = _add(closed, both.replace(access=_letters(wanted)))
                    grown = True
    return closed


def _letters(access: str | set[str]) -> str:
    return "".join(letter for letter in "rwm" if letter in access)


# ---------------------------------------------------------------- v2


def v2(entries: list[dict[str, Any]], pointer: str) -> tuple[LoadDevices, ...]:
    """The device program, in one step."""
    from ocipy.plan import bpf  # only where there is a cgroup v2

    return (LoadDevices(bpf.device_program(rules(entries, pointer)), pointer=pointer if entries else ""),)
