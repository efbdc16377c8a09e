"""A small eBPF assembler, and the device program of a cgroup v2 made with it.

An instruction is eight bytes: opcode, destination and source register, a jump offset counted in instructions
from the next one, and a number.  Jumps name a label; `assemble` turns labels into offsets.

Source: kernel Documentation/bpf/standardization/instruction-set.rst; linux/bpf.h, struct bpf_cgroup_dev_ctx.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ocipy.plan.devices import Rule

# opcodes: class | operation | whether the operand is the number (K) or the source register (X)
LOAD32 = 0x61  # destination = *(u32 *)(source + offset)
MOV_K, MOV_X = 0xB7, 0xBF
AND_K = 0x57
RSH_K = 0x77
JUMP = 0x05
JEQ_K, JNE_K, JSET_K = 0x15, 0x55, 0x45  # JSET: jump if any of these bits is set
EXIT = 0x95

# linux/bpf.h: access_type is access << 16 | type
TYPE = {"b": 1, "c": 2}
ACCESS = {"m": 1, "r": 2, "w": 4}
# linux/kdev_t.h: 12 bits of major, 20 of minor; no device has a larger number
LARGEST_MAJOR, LARGEST_MINOR = (1 << 12) - 1, (1 << 20) - 1

# what the registers hold
VERDICT, CONTEXT, KIND, WANTED, NUMBER = range(5)
# struct bpf_cgroup_dev_ctx
ACCESS_TYPE_AT, MAJOR_AT, MINOR_AT = 0, 4, 8


class Program:
    """Instructions and labels, in order."""

    __slots__ = ("code", "labels")

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int | str, int]] = []
        self.labels: dict[str, int] = {}

    def add(self, opcode: int, to: int = 0, source: int = 0, offset: int | str = 0, number: int = 0) -> None:
        """One instruction; `offset` of a jump is a label."""
        self.code.append((opcode, to, source, offset, number))

    def label(self, name: str) -> None:
        """The next instruction is where jumps to `name` go."""
        self.labels[name] = len(self.code)

    def uses(self, name: str) -> bool:
        """Whether something jumps to a label."""
        return any(offset == name for _, _, _, offset, _ in self.code)

    def assemble(self, byteorder: str = sys.byteorder) -> bytes:
        """The program as the kernel takes it."""
        order: Literal["little", "big"] = "little" if byteorder == "little" else "big"
        out = bytearray()
        for place, (opcode, to, source, offset, number) in enumerate(self.code):
            if isinstance(offset, str):
                offset = self.labels[offset] - place - 1
            # The two registers are bit fields of one byte, laid out as the machine's C compiler does.
            registers = to | source << 4 if order == "little" else to << 4 | source
            out += bytes((opcode, registers))
            out += offset.to_bytes(2, order, signed=True)
            out += number.to_bytes(4, order, signed=True)
        return bytes(out)


def device_program(listed: tuple[Rule, ...]) -> bytes:
    """A BPF_PROG_TYPE_CGROUP_DEVICE program that decides as `ocipy.plan.devices.allowed` does.

    The rules are asked from the last to the first about the accesses that are still wanted: one that forbids
    any of them ends it, one that allows some takes those away.  The first rule is about everything and
    decides on the rest.
    """
    first, *rest = listed
    program = Program()
    program.add(LOAD32, KIND, CONTEXT, ACCESS_TYPE_AT)
    program.add(MOV_X, WANTED, KIND)
    program.add(RSH_K, WANTED, number=16)
    program.add(AND_K, KIND, number=0xFFFF)
    for place, rule in enumerate(reversed(rest)):
        if rule.major <= LARGEST_MAJOR and rule.minor <= LARGEST_MINOR:
            _ask(program, rule, f"after {place}")
            program.label(f"after {place}")
    # The verifier refuses code that nothing reaches, so a verdict that nobody gives is left out.
    for verdict in (first.allow, not first.allow):
        name = "allow" if verdict else "forbid"
        if verdict == first.allow or program.uses(name):
            program.label(name)
            program.add(MOV_K, VERDICT, number=int(verdict))
            program.add(EXIT)
    return program.assemble()


def _ask(program: Program, rule: Rule, otherwise: str) -> None:
    """One rule: jump to `otherwise` if it is about another device, else act on the wanted accesses.

    A number is loaded anew for each rule.  If it stayed in a register, the verifier would follow what it has
    learnt of it through all the rules that come: its time would grow with the square of their number.
    """
    if rule.type != "a":
        program.add(JNE_K, KIND, offset=otherwise, number=TYPE[rule.type])
    for number, where in ((rule.major, MAJOR_AT), (rule.minor, MINOR_AT)):
        if number >= 0:
            program.add(LOAD32, NUMBER, CONTEXT, where)
            program.add(JNE_K, NUMBER, offset=otherwise, number=number)
    mask = sum(ACCESS[letter] for letter in rule.access)
    if rule.allow:
        program.add(AND_K, WANTED, number=~mask)
        program.add(JEQ_K, WANTED, offset="allow")
    else:
        program.add(JSET_K, WANTED, offset="forbid", number=mask)
