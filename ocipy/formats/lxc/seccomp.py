"""LXC's language of seccomp profiles, and `linux.seccomp`: one into the other.

    2                                       version; 1 is a list of numbers that are allowed
    allowlist errno 38                      policy, and perhaps what becomes of calls that no rule names
    [all]                                   architecture: rules below hold for all, or are passed over
    socket errno 97 [0,16,SCMP_CMP_EQ]      a rule: name, action, comparisons of arguments, all of which hold
    reject_force_umount                     umount2 with MNT_FORCE fails with EACCES

Sources: lxc.container.conf(5); liblxc 5.0.2, seccomp.c.
"""

from __future__ import annotations

from ocipy.formats.lxc.grammar import Entry, c_number, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Profile = dict[str, Any]

EPERM, EACCES, MNT_FORCE = 1, 13, 1

#: uname's machine -> the architectures that LXC filters there, the native one first.
ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}
#: Section -> the machines on which it counts.
_SECTIONS = {"x86": ("i686", "x86_64"), "x32": ("x86_64",), "x86_64": ("x86_64",)} | {
    "arm": ("armv7l", "aarch64"), "arm64": ("aarch64",), "ppc64le": ("ppc64le",), "ppc64": ("ppc64",),
    "ppc": ("ppc", "ppc64"), "s390x": ("s390x",), "s390": ("s390",), "mips": ("mips", "mips64"),
    "mips64": ("mips64",), "mips64n32": ("mips64",), "mipsel": ("mips", "mips64"), "mipsel64": ("mips64",),
    "mipsel64n32": ("mips64",), "loongarch64": ("loongarch64",),
}  # fmt: skip
_ACTIONS = {
    "kill": "SCMP_ACT_KILL",
    "errno": "SCMP_ACT_ERRNO",
    "allow": "SCMP_ACT_ALLOW",
    "trap": "SCMP_ACT_TRAP",
    "notify": "SCMP_ACT_NOTIFY",
}
_WORDS = {name: word for word, name in _ACTIONS.items()} | {"SCMP_ACT_KILL_THREAD": "kill"}
_OPERATORS = {
    "!=": "SCMP_CMP_NE",
    "<": "SCMP_CMP_LT",
    "<=": "SCMP_CMP_LE",
    "==": "SCMP_CMP_EQ",
    ">=": "SCMP_CMP_GE",
    ">": "SCMP_CMP_GT",
    "&=": "SCMP_CMP_MASKED_EQ",
}
_DENY = ("denylist", "blacklist")
_ALLOW = ("allowlist", "whitelist")
_FORCED = {
    "names": ["umount2"],
    "action": "SCMP_ACT_ERRNO",
    "errnoRet": EACCES,
    "args": [{"index": 1, "value": MNT_FORCE, "valueTwo": MNT_FORCE, "op": "SCMP_CMP_MASKED_EQ"}],
}


class _Fault(ValueError):
    """A line that can't be meant."""


# ---------------------------------------------------------------- text to a profile


def parse(text: str, entry: Entry, machine: str) -> Profile:
    """`linux.seccomp` of a profile's text.

    entry: the line that names the profile.  Raises ConfigError for it.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    (_, version), (second, policy) = (lines + [(1, ""), (2, "")])[:2]
    read = _Reader(machine)
    try:
        read.head(version, policy, second)
        for read.number, line in lines[2:]:
            read.line(line)
    except _Fault as fault:
        raise entry.problem(f"{entry.value}:{read.number}: {fault}", "lxc-seccomp") from None
    profile: Profile = {"defaultAction": read.default[0]}
    if read.default[1] is not None:
        profile["defaultErrnoRet"] = read.default[1]
    if version == "2" and machine in ARCHITECTURES:
        profile["architectures"] = list(ARCHITECTURES[machine])
    if read.rules:
        profile["syscalls"] = read.rules
    return profile


class _Reader:
    """A profile, line by line; ``number`` is that of the line."""

    def __init__(self, machine: str):
        self.machine = machine
        self.number = 1
        self.counts = True
        self.rules: list[Profile] = []

    def head(self, version: str, policy: str, number: int) -> None:
        """The first two lines, of which the second has this number."""
        if version not in ("1", "2"):
            raise _Fault(f'"{version}" is not a version: 1 or 2')
        self.number = number
        if "debug" in policy:
            raise _Fault("LXC has not implemented debug either")
        word, _, action = policy.partition(" ")
        if version == "1" and "allowlist" not in policy:
            raise _Fault(f'"{policy}" is not the policy of version 1: allowlist')
        if version == "2" and word not in (*_DENY, *_ALLOW):
            raise _Fault(f'"{word}" is not a policy: denylist or allowlist')
        denies = version == "2" and word in _DENY
        self.default: tuple[str, int | None] = ("SCMP_ACT_ALLOW" if denies else "SCMP_ACT_KILL", None)
        if version == "2" and action.strip():
            self.default = _action(action)
        self.usual = ("SCMP_ACT_KILL" if denies else "SCMP_ACT_ALLOW", None)
        self.version = version

    def line(self, line: str) -> None:
        """One more line."""
        if self.version == "1":
            self._add(_name(line.split(maxsplit=1)[0], self.machine), self.usual, [])
        elif line.startswith("["):
            self._section(line)
        elif not line.startswith("#") and self.counts:
            name, _, rest = line.partition(" ")
            if name == "reject_force_umount":
                self.rules.append(_FORCED)
                return
            said, bracket, compared = rest.partition("[")
            said = said.strip()
            action = self.usual if not said or said.startswith("#") else _action(said)
            self._add(name, action, _comparisons(bracket + compared) if not said.startswith("#") else [])

    def _section(self, line: str) -> None:
        name = line.strip("[]").lower()
        if name == "all":
            self.counts = True
            return
        if name not in _SECTIONS:
            raise _Fault(f'"{line}" is not an architecture')
        self.counts = self.machine in _SECTIONS[name]

    def _add(self, name: str, action: tuple[str, int | None], args: list[Profile]) -> None:
        """One more rule, or one more name of the one before."""
        rule: Profile = {"names": [name], "action": action[0]}
        if action[1] is not None:
            rule["errnoRet"] = action[1]
        if args:
            rule["args"] = args
        last = self.rules[-1] if self.rules else None
        if last is not None and last is not _FORCED and {**last, "names": [name]} == rule:
            if name not in last["names"]:
                last["names"].append(name)
        else:
            self.rules.append(rule)


def _action(text: str) -> tuple[str, int | None]:
    """Of `errno 1` the errno, too."""
    word, *rest = text.split()
    if word not in _ACTIONS:
        raise _Fault(f'"{word}" is not an action: {", ".join(_ACTIONS)}')
    if word != "errno":
        return _ACTIONS[word], None
    if not rest or not is_number(rest[0]):
        raise _Fault("errno needs a number")
    return _ACTIONS[word], int(rest[0])


def _comparisons(text: str) -> list[Profile]:
    found = []
    for one in text.split("]"):
        inner = one.strip().removeprefix("[")
        if not one.strip():
            continue
        parts = [part.strip() for part in inner.split(",")]
        try:
            index, value = c_number(parts[0]), c_number(parts[1])
            operator = _OPERATORS.get(parts[2], parts[2])
            mask = c_number(parts[3]) if parts[3:] else 0
            if index > 5 or operator not in _OPERATORS.values() or len(parts) > 4:
                raise ValueError
        except (ValueError, IndexError):
            raise _Fault(
                f'"[{inner}]" is not a comparison: [INDEX,VALUE,OPERATOR] or one with a mask'
            ) from None
        if operator == "SCMP_CMP_MASKED_EQ":  # here the mask comes first
            found.append({"index": index, "value": mask, "valueTwo": value, "op": operator})
        else:
            found.append({"index": index, "value": value, "op": operator})
    if len({one["index"] for one in found}) < len(found):
        # In OCI these would be alternatives, to libseccomp they are no rule.
        raise _Fault("an argument is compared twice")
    return found


def _name(line: str, machine: str) -> str:
    """The system call of a number."""
    from ocipy.linux import libseccomp

    if not is_number(line):
        raise _Fault(f'"{line}" is not the number of a system call')
    name = libseccomp.name(libseccomp.native(), int(line))
    if not name:
        raise _Fault(f"{machine} has no system call {line}")
    return name


# ---------------------------------------------------------------- a profile to text


def text(profile: Profile, machine: str) -> tuple[str, list[tuple[str, str]]]:
    """The text of `linux.seccomp`, and (pointer below it, what is lost) of what it can't say.

    Raises ValueError for a profile that would let through what it shall stop.
    """
    lost = []
    default = _said(profile["defaultAction"], profile.get("defaultErrnoRet"))
    policy = "denylist" if default == "allow" else f"allowlist {default}"
    lines = ["2", policy, "[all]"]
    for i, rule in enumerate(profile.get("syscalls") or ()):
        action = _said(rule["action"], rule.get("errnoRet"))
        compared = rule.get("args") or []
        indexes = [one["index"] for one in compared]
        # Comparisons of one argument that is named twice are alternatives in OCI.
        alternatives = [compared] if len(set(indexes)) == len(indexes) else [[one] for one in compared]
        for name in rule["names"]:
            lines += [f"{name} {action}{''.join(map(_compared, each))}" for each in alternatives]
        if rule.get("comment"):
            lost.append((f"/syscalls/{i}/comment", "a profile of LXC's has no such comments"))
    if profile.get("flags"):
        lost.append(("/flags", "LXC loads filters without flags"))
    wanted = set(profile.get("architectures") or ())
    have = set(ARCHITECTURES.get(machine, ()))
    if have and wanted != have:
        lost.append(("/architectures", f"LXC filters {', '.join(sorted(have))} there, all alike"))
    return "\n".join(lines) + "\n", lost


def _said(action: str, errno: int | None) -> str:
    if action not in _WORDS:
        raise ValueError(f"LXC has no action {action}")
    word = _WORDS[action]
    # An errno of 0 would have the call fail with success: without one it is EPERM, as runc has it.
    return f"errno {EPERM if errno is None else errno}" if word == "errno" else word


def _compared(one: Profile) -> str:
    value, mask = one["value"], ""
    if one["op"] == "SCMP_CMP_MASKED_EQ":
        value, mask = one.get("valueTwo", 0), f",{one['value']}"
    return f" [{one['index']},{value},{one['op']}{mask}]"
