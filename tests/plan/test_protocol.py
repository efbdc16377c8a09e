"""The Python half of the protocol says what init/protocol.h says."""

import re
from pathlib import Path

import pytest

from ocipy.plan import protocol

HEADER = (Path(__file__).parents[2] / "init" / "protocol.h").read_text()


def test_both_sides_have_the_same_ops():
    declared = {
        name: (int(number), signature)
        for number, name, signature in re.findall(r'\bX\((\d+), (\w+), "(\w*)"\)', HEADER)
    }
    assert declared == protocol.OPS


def test_op_numbers_are_unique():
    numbers = [number for number, _ in protocol.OPS.values()]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("name", ["MAX_FDS", "MAX_TEXT"])
def test_limits_are_the_same(name):
    assert int(re.search(rf"#define PROTOCOL_{name} (\d+)", HEADER)[1]) == getattr(protocol, name)


def test_answer_kinds_are_the_same():
    declared = {name: int(number) for name, number in re.findall(r"(ANSWER_\w+) = (\d+),", HEADER)}
    assert declared == {name: getattr(protocol, name) for name in declared}
    assert len(declared) == 5


def test_an_op_is_number_size_and_arguments():
    assert protocol.encode("UNSHARE", (0x20000,)) == (
        (3).to_bytes(4, "little") + (8).to_bytes(4, "little") + (0x20000).to_bytes(8, "little")
    )


def test_strings_end_in_a_nul_that_their_length_does_not_count():
    assert protocol.encode("SETHOSTNAME", ("ab",))[8:] == b"\x02\0\0\0ab\0"


def test_lists_count_their_strings():
    body = protocol.encode("PROCESS", (("a", "b"), (), -1))[8:]
    assert body == b"\2\0\0\0" + b"\1\0\0\0a\0" + b"\1\0\0\0b\0" + bytes(4) + b"\xff" * 8


def test_a_nul_inside_a_string_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        protocol.encode("SETHOSTNAME", ("a\0b",))


def test_a_wrong_number_of_arguments_is_refused():
    with pytest.raises(ValueError, match="takes 1 arguments"):
        protocol.encode("SETHOSTNAME", ("a", "b"))


def test_strings_that_are_not_utf8_pass_unchanged():
    assert protocol.encode("CHDIR", (b"/\xff".decode("utf-8", "surrogateescape"),))[8:] == b"\2\0\0\0/\xff\0"


def test_an_answer_is_read_back():
    message = b"".join(n.to_bytes(4, "little") for n in (4, 7, 13, 2)) + (5).to_bytes(8, "little") + b"no"
    answer = protocol.decode(message)
    assert (answer.kind, answer.index, answer.error, answer.value, answer.text) == (4, 7, 13, 5, "no")


@pytest.mark.parametrize("message", [b"", bytes(23), bytes(24), (1).to_bytes(4, "little") + bytes(21)])
def test_a_broken_answer_is_refused(message):
    with pytest.raises(ValueError, match="answer"):
        protocol.decode(message)
