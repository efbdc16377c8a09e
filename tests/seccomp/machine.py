"""The kernel's classic BPF machine, as far as seccomp filters use it: what a program returns for a call."""

from ocipy.plan.profile import ACTIONS, ENOSYS

X86_64, X86 = 0xC000003E, 0x40000003
MEMORY = 16
KILL = 0
ALLOW = ACTIONS["SCMP_ACT_ALLOW"]
ERRNO_ENOSYS = ACTIONS["SCMP_ACT_ERRNO"] | ENOSYS


def parse(program):
    """Bytes as instructions: (code, jt, jf, k) each."""
    assert len(program) % 8 == 0, "half an instruction"
    rows = [program[i : i + 8] for i in range(0, len(program), 8)]
    return [(int.from_bytes(r[:2], "little"), r[2], r[3], int.from_bytes(r[4:], "little")) for r in rows]


def data(arch, number, arguments=(), pointer=0):
    """struct seccomp_data."""
    arguments = (*arguments, *(0,) * (6 - len(arguments)))
    words = number.to_bytes(4, "little") + arch.to_bytes(4, "little") + pointer.to_bytes(8, "little")
    return words + b"".join(value.to_bytes(8, "little") for value in arguments)


_COMPARE = {
    0x10: lambda a, k: a == k,
    0x20: lambda a, k: a > k,
    0x30: lambda a, k: a >= k,
    0x40: lambda a, k: a & k,
}


def run(instructions, seccomp_data):
    """What a program returns.  Fails on what the kernel would not have taken."""
    accumulator = index = at = 0
    memory = [0] * MEMORY
    while True:
        code, jt, jf, k = instructions[at]
        at += 1
        kind = code & 0x07
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert k in range(0, 64, 4), f"load from {k}"
            accumulator = int.from_bytes(seccomp_data[k : k + 4], "little")
        elif kind == 0x05 and code & 0xF0 == 0:  # BPF_JA
            at += k
        elif kind == 0x05:
            operand = index if code & 0x08 else k
            at += jt if _COMPARE[code & 0xF0](accumulator, operand) else jf
        elif code == 0x06:  # BPF_RET | BPF_K
            return k
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= k
        elif code == 0x02:  # BPF_ST
            memory[k] = accumulator
        elif code == 0x60:  # BPF_LD | BPF_MEM
            accumulator = memory[k]
        else:
            raise AssertionError(f"instruction {code:#x}")
        assert at < len(instructions), "the program runs out of its end"


class Program:
    """A program that can be asked again and again."""

    def __init__(self, program):
        self.instructions = parse(program)

    def __call__(self, arch, number, arguments=()):
        return run(self.instructions, data(arch, number, arguments))
