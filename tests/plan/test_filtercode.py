"""Filters written anew answer as the old ones do: any program, any call."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.plan.filtercode import rewrite
from ocipy.plan.profile import instruction
from tests.seccomp.machine import data, parse, run

LOAD, AND, JUMP, RETURN = 0x20, 0x54, 0x05, 0x06
EQUAL, GREATER, GREATER_EQUAL, SET = 0x15, 0x25, 0x35, 0x45
ARCHES = (0xC000003E, 0x40000003, 5)
CONSTANTS = (0, 1, 2, 3, 7, 8, 100, 0x40000000, 0xFFFFFFFE, 0xFFFFFFFF, *ARCHES)
KINDS = (LOAD, LOAD, JUMP, EQUAL, EQUAL, GREATER, GREATER_EQUAL, SET, AND, RETURN)
constants = st.sampled_from(CONSTANTS)


@st.composite
def programs(draw):
    """A program as the kernel takes it: jumps stay inside, the end returns."""
    length = draw(st.integers(1, 40))
    rows = [(LOAD, 0, 0, draw(st.sampled_from([0, 4])))]
    while len(rows) < length:
        left = length - len(rows)  # instructions that may still follow this one, the last return included
        kind = draw(
            st.sampled_from([LOAD, LOAD, JUMP, EQUAL, EQUAL, GREATER, GREATER_EQUAL, SET, AND, RETURN])
        )
        if kind == LOAD:
            rows.append((LOAD, 0, 0, draw(st.sampled_from([0, 0, 4, 16, 20, 24]))))
        elif kind == JUMP:
            rows.append((JUMP, 0, 0, draw(st.integers(0, left - 1))))
        elif kind in (AND, RETURN):
            rows.append((kind, 0, 0, draw(constants)))
        else:
            rows.append(
                (kind, draw(st.integers(0, left - 1)), draw(st.integers(0, left - 1)), draw(constants))
            )
    rows.append((RETURN, 0, 0, draw(constants)))
    return b"".join(instruction(code, k, jt, jf) for code, jt, jf, k in rows)


calls = st.builds(
    data,
    st.sampled_from(ARCHES),
    st.sampled_from(CONSTANTS) | st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from(CONSTANTS) | st.integers(0, 2**64 - 1), min_size=6, max_size=6),
)


@settings(max_examples=400)
@given(programs(), st.lists(calls, min_size=30, max_size=30))
def test_any_program_answers_as_before(program, some):
    old, new = parse(program), parse(rewrite(program))
    assert len(new) <= len(old)
    assert [run(old, call) for call in some] == [run(new, call) for call in some]


def chain(numbers, answer, tail=0x7FFF0000):
    """A program as libseccomp writes it: number by number."""
    rows = [
        instruction(LOAD, 4),
        instruction(EQUAL, ARCHES[0], 1, 0),
        instruction(RETURN, 0),
        instruction(LOAD, 0),
    ]
    for number in numbers:
        rows += [instruction(EQUAL, number, 0, 1), instruction(RETURN, answer(number))]
    return b"".join([*rows, instruction(RETURN, tail)])


def test_neighbours_with_one_answer_become_one_range():
    new = rewrite(chain(range(300), lambda _: 0x50001))
    assert len(parse(new)) == 7
    for number, answer in ((0, 0x50001), (299, 0x50001), (300, 0x7FFF0000)):
        assert run(parse(new), data(ARCHES[0], number)) == answer
    assert run(parse(new), data(ARCHES[1], 5)) == 0


def test_a_program_with_more_answers_than_a_jump_can_span_is_right():
    old = chain(range(1, 2000, 2), lambda number: 0x50000 | number)
    new = parse(rewrite(old))
    assert len(new) <= len(parse(old)) * 3 // 2
    for number in range(2100):
        expected = 0x50000 | number if number % 2 and number < 2000 else 0x7FFF0000
        assert run(new, data(ARCHES[0], number)) == expected


def test_arguments_that_are_far_away_are_reached():
    """A block for each of many numbers: longer together than a conditional jump spans."""
    blocks = []
    for number in range(200):
        blocks += [
            instruction(LOAD, 16),
            instruction(EQUAL, number, 0, 1),
            instruction(RETURN, 0x50000 | number),
            instruction(RETURN, 0x7FFF0000),
        ]
    # The chain ends in a return that is one instruction, so every jump goes over it.
    entries = [instruction(EQUAL, n, 0, 1) + instruction(JUMP, (199 - n) * 2 + 1 + n * 4) for n in range(200)]
    program = instruction(LOAD, 0) + b"".join(entries) + instruction(RETURN, 7) + b"".join(blocks)
    old, new = parse(program), parse(rewrite(program))
    for number in range(210):
        for first in (number, number + 1):
            call = data(ARCHES[0], number, (first,))
            assert run(old, call) == run(new, call)


def test_what_is_not_understood_is_left_as_it_is():
    for strange in (
        instruction(0x02, 0),  # BPF_ST
        instruction(0x04, 1),  # BPF_ALU | BPF_ADD
        instruction(0x1D, 0),  # a comparison with X
    ):
        program = instruction(LOAD, 0) + strange + chain(range(50), lambda _: 1)
        assert rewrite(program) == program


def test_a_comparison_with_something_else_than_a_number_is_left_as_it_is():
    masked = (
        instruction(LOAD, 0) + instruction(AND, 0xFF) + instruction(EQUAL, 3, 0, 1) + instruction(RETURN, 1)
    )
    program = masked + instruction(RETURN, 2)
    assert rewrite(program) == program
