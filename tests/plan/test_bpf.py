"""The device program: run by an interpreter here, it decides as the rule list does."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.plan.bpf import EXIT, MOV_K, Program, device_program
from ocipy.plan.devices import allowed, rules, v2

DENY_ALL = {"allow": False, "access": "rwm"}
TYPE = {"b": 1, "c": 2}
ACCESS = {"m": 1, "r": 2, "w": 4}
MASK = 2**64 - 1


def decode(program):
    """(opcode, destination, source, offset, number) of each instruction, little endian."""
    for opcode, registers, offset, number in struct.iter_unpack("<BBhi", program):
        yield opcode, registers & 15, registers >> 4, offset, number


def interpret(program, context):
    """Run a program as the kernel's interpreter does; returns r0."""
    code = list(decode(program))
    registers = {1: "context"}
    place = steps = 0
    while True:
        steps += 1
        assert steps <= len(code), "a device program has no loops"
        opcode, to, source, offset, number = code[place]
        place += 1
        value = number & MASK  # sign-extended to 64 bits
        match opcode:
            case 0x61:
                assert registers[source] == "context"
                registers[to] = int.from_bytes(context[offset : offset + 4], "little")
            case 0xB7:
                registers[to] = value
            case 0xBF:
                registers[to] = registers[source]
            case 0x57:
                registers[to] &= value
            case 0x77:
                registers[to] >>= number
            case 0x05:
                place += offset
            case 0x15:
                place += offset if registers[to] == value else 0
            case 0x55:
                place += offset if registers[to] != value else 0
            case 0x45:
                place += offset if registers[to] & value else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(f"opcode {opcode:#x}")


def reached(program):
    """The instructions that some path leads to; the verifier refuses a program with others."""
    code = list(decode(program))
    todo, seen = [0], set()
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        opcode, _, _, offset, _ = code[place]
        if opcode == EXIT:
            continue
        if opcode & 7 == 5:
            todo.append(place + 1 + offset)
        if opcode != 0x05:
            todo.append(place + 1)
    return seen


def lets(program, kind, major, minor, access):
    wanted = sum(ACCESS[letter] for letter in access)
    return bool(interpret(program, struct.pack("<III", wanted << 16 | TYPE[kind], major, minor)))


numbers = st.one_of(st.sampled_from([None, 1, 3, 5, 10, 136, 200]), st.integers(0, 2**32 - 1))
entries = st.lists(
    st.fixed_dictionaries(
        {"allow": st.booleans()},
        optional={
            "type": st.sampled_from(["a", "b", "c", "u", "p"]),
            "major": numbers,
            "minor": numbers,
            "access": st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm", ""]),
        },
    ),
    max_size=8,
)
requests = st.tuples(
    st.sampled_from("bc"),
    st.one_of(st.sampled_from([1, 3, 5, 10, 136]), st.integers(0, 4095)),
    st.one_of(st.sampled_from([0, 1, 3, 5, 200]), st.integers(0, 2**20 - 1)),
    st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"]),
)


@given(entries, st.lists(requests, min_size=10, max_size=30))
def test_the_program_decides_as_the_rules_do(config, asked):
    listed = rules(config)
    program = device_program(listed)
    for request in asked:
        assert lets(program, *request) == allowed(listed, *request), request


@given(entries)
def test_the_verifier_would_find_every_instruction_reached_and_every_jump_forward(config):
    program = device_program(rules(config))
    code = list(decode(program))
    assert reached(program) == set(range(len(code)))
    assert all(offset >= 0 for opcode, _, _, offset, _ in code if opcode & 7 == 5)
    assert code[-1][0] == EXIT


@pytest.mark.parametrize(
    ("kind", "major", "minor", "access", "verdict"),
    [
        ("c", 1, 3, "rw", True),
        ("c", 1, 3, "rwm", True),
        ("b", 8, 0, "m", True),
        ("b", 8, 0, "r", False),
        ("b", 8, 0, "rm", False),
        ("c", 10, 200, "rw", True),
        ("c", 136, 1048575, "rw", True),
    ],
)
def test_of_what_runc_spec_has(kind, major, minor, access, verdict):
    assert lets(device_program(rules([DENY_ALL])), kind, major, minor, access) is verdict


def test_an_exception_to_an_exception_which_v1_can_not_express():
    config = [
        DENY_ALL,
        {"allow": True, "type": "b", "major": 8},
        {"allow": False, "type": "b", "major": 8, "minor": 1},
    ]
    (step,) = v2(config, "/linux/resources/devices")
    assert (lets(step.program, "b", 8, 0, "rw"), lets(step.program, "b", 8, 1, "rw")) == (True, False)
    assert step.pointer == "/linux/resources/devices"


def test_numbers_that_no_device_can_have_are_left_out():
    huge = {"allow": True, "type": "b", "major": 2**32 - 1, "minor": 0}
    assert device_program(rules([DENY_ALL, huge])) == device_program(rules([DENY_ALL]))


def test_the_assembler_resolves_labels_and_follows_the_byte_order():
    program = Program()
    program.add(0x15, 3, offset="end", number=-2)
    program.add(MOV_K, 0, number=1)
    program.label("end")
    program.add(EXIT)
    assert program.assemble("little").hex(" ", 8) == "15030100feffffff b700000001000000 9500000000000000"
    assert program.assemble("big").hex(" ", 8) == "15300001fffffffe b700000000000001 9500000000000000"
