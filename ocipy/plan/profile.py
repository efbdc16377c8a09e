"""`linux.seccomp` as a request to libseccomp, and what is put before its answer.  Pure.

Source: runtime-spec config-linux.md#seccomp; seccomp(2); linux/audit.h for AUDIT_ARCH_*.
"""

from __future__ import annotations

from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPERM, ENOSYS = 1, 38

#: linux/seccomp.h, SECCOMP_RET_*; those that carry data have it in the low 16 bits.
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_CARRIES_DATA = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")

#: seccomp.h of libseccomp, enum scmp_compare.
OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

#: The architectures that a filter may name, as libseccomp calls them without SCMP_ARCH_ and in lower case.
ARCHITECTURES = (
    "x86 x86_64 x32 arm aarch64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 ppc ppc64 ppc64le s390 "
    "s390x parisc parisc64 riscv64 loongarch64 m68k sh sheb"
).split()

X32_BIT = 0x40000000  # asm/unistd.h: set in the numbers of x32, which shares AUDIT_ARCH_X86_64


#: Where numbers of another kind begin, which are not new however high they are: x32's, which share x86_64's
#: architecture, and those that only 32-bit ARM has (asm/unistd.h there, __ARM_NR_BASE).
AUDIT_ARCH_X86_64, AUDIT_ARCH_ARM = 0xC000003E, 0x40000028
AUDIT_ARCH_64BIT = 0x80000000  # in those, but x32's own token of libseccomp
_APART = {AUDIT_ARCH_X86_64: X32_BIT, AUDIT_ARCH_ARM: 0x000F0000}

#: Calls that others go through on some architectures: socketcall(2), ipc(2).
MULTIPLEXERS = ("socketcall", "ipc")

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of linux/bpf_common.h


class Rule(Record):
    """One rule: all of its comparisons hold."""

    names: tuple[str, ...]
    action: int
    comparisons: tuple[tuple[int, int, int, int], ...] = ()  # (argument, operator, value, second value)
    pointer: str = ""  # into the profile


class Request(Record):
    """What libseccomp is to compile."""

    default: int
    architectures: tuple[str, ...]  # beside the host's own
    rules: tuple[Rule, ...]
    known: tuple[str, ...]  # names; calls newer than all of them get ENOSYS.  Empty: they get the default


def action(name: str, errno: int | None) -> int:
    """An action with its data; the errno is EPERM when it is not given."""
    value = ACTIONS[name]
    return value | ((EPERM if errno is None else errno) & 0xFFFF) if name in _CARRIES_DATA else value


def request(profile: dict[str, Any]) -> Request:
    """The rules of `linux.seccomp`, those that say no more than the default left out.

    Comparisons of one argument that is named twice are alternatives: a rule for each, as runc has it.
    """
    default = action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    rules: list[Rule] = []
    known: list[str] = []
    for i, call in enumerate(profile.get("syscalls") or ()):
        names = tuple(call["names"])
        known += names
        act = action(call["action"], call.get("errnoRet"))
        if act == default:
            continue
        compared = tuple(
            (arg["index"], OPERATORS[arg["op"]], arg["value"], arg.get("valueTwo", 0))
            for arg in call.get("args") or ()
        )
        indexes = [comparison[0] for comparison in compared]
        together = (compared,) if len(set(indexes)) == len(indexes) else tuple((one,) for one in compared)
        rules += [Rule(names, act, comparisons, f"/syscalls/{i}") for comparisons in together]
    architectures = tuple(
        name.removeprefix("SCMP_ARCH_").lower() for name in profile.get("architectures") or ()
    )
    hides = _hides_new_calls(profile["defaultAction"], default)
    return Request(default, architectures, tuple(rules), tuple(dict.fromkeys(known)) if hides else ())


def _hides_new_calls(name: str, default: int) -> bool:
    """Does the default make a system call that the profile's author could not know look forbidden?

    Not where a tracer or an agent gives the answer: it may know better.
    """
    return name not in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE") and (
        default != ACTIONS["SCMP_ACT_ERRNO"] | ENOSYS
    )


# ---------------------------------------------------------------- classic BPF

_LOAD, _JUMP, _EQUAL, _GREATER, _GREATER_EQUAL, _RETURN = 0x20, 0x05, 0x15, 0x25, 0x35, 0x06
_NR, _ARCH = 0, 4  # offsets in struct seccomp_data


def instruction(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    """struct sock_filter."""
    return code.to_bytes(2, "little") + bytes((jt, jf)) + k.to_bytes(4, "little")


def enosys_prefix(newest: dict[int, int], newest_x32: int | None = None) -> bytes:
    """A program to put before a filter: calls newer than any that the profile names get ENOSYS.

    A C library that meets EPERM for a call that it knows and the profile does not gives up, where ENOSYS
    makes it try the older one.

    newest:     AUDIT_ARCH_* -> the highest number that the profile names there
    newest_x32: the same for x32, without the bit that its numbers have; None: the filter decides on all
    """
    program = b""
    for arch, number in reversed(newest.items()):
        body = _newer(number, _APART.get(arch), newest_x32 if arch == AUDIT_ARCH_X86_64 else None)
        rest = len(program) // 8
        if rest:
            body += instruction(_JUMP, rest)
        program = instruction(_EQUAL, arch, 0, len(body) // 8) + body + program
    return instruction(_LOAD, _ARCH) + program if program else b""


def _newer(number: int, apart: int | None, newest_x32: int | None) -> bytes:
    """Return ENOSYS for a number of one architecture that is higher; else go on behind this."""
    enosys = instruction(_GREATER, number, 0, 1) + instruction(_RETURN, ACTIONS["SCMP_ACT_ERRNO"] | ENOSYS)
    if newest_x32 is not None:
        # To the return, or behind it; below the bit to the comparison of other numbers.
        enosys = (
            instruction(_GREATER_EQUAL, X32_BIT, 0, 1)
            + instruction(_GREATER, newest_x32 | X32_BIT, 1, 2)
            + enosys
        )
    elif apart is not None:
        enosys = instruction(_GREATER_EQUAL, apart, 2, 0) + enosys
    return instruction(_LOAD, _NR) + enosys


def newest_of(numbers: dict[int, list[int]]) -> dict[int, int]:
    """AUDIT_ARCH_* -> the highest number; those of another kind, or of no call, do not count."""
    found = {}
    for arch, each in numbers.items():
        ordinary = [number for number in each if 0 <= number < _APART.get(arch, 1 << 32)]
        if ordinary:
            found[arch] = max(ordinary)
    return found
