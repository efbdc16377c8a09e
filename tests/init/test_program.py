"""Programs that break the protocol are refused before any of their ops has run."""

import os

import pytest

from ocipy.plan import protocol
from tests.init.driver import Init, program

UNSHARE = program(("UNSHARE", 0))


def word(number):
    return number.to_bytes(4, "little")


def op(number, body=b"", size=None):
    return word(number) + word(len(body) if size is None else size) + body


MALFORMED = {
    "half of an op's number": b"\3\0",
    "no size": word(3),
    "half of a size": word(3) + b"\x08\0",
    "size beyond the end": op(3, bytes(8), 9),
    "largest size": op(3, bytes(8), 0xFFFFFFFF),
    "op 0": op(0),
    "an op between two others": op(16),
    "op beyond the last": op(54),
    "largest op": op(0xFFFFFFFF),
    "argument missing": op(3),
    "argument cut off": op(3, bytes(7)),
    "an argument too many": op(4, bytes(8)),
    "a byte too many": op(3, bytes(9)),
    "string without its NUL": op(6, word(1) + b"a"),
    "string that ends in another byte": op(6, word(1) + b"ab"),
    "NUL in a string": op(6, word(3) + b"a\0b\0"),
    "string longer than the op": op(6, word(9) + b"a\0"),
    "string of the largest length": op(6, word(0xFFFFFFFF) + b"a\0"),
    "string that ends with the program": op(47, word(0)),
    "bytes longer than the op": op(33, word(5) + b"abcd"),
    "list without its strings": op(50, word(1) + word(0) + bytes(8)),
    "list of more strings than there are": op(50, word(2) + word(0) + b"\0" + word(0) + bytes(8)),
    "list of the largest count": op(50, word(0xFFFFFFFF) + word(0) + bytes(8)),
    "descriptor that was not sent": program(("JOIN", 2, 0)),
    "descriptor -1": program(("JOIN", -1, 0)),
    "descriptor 2**32": program(("JOIN", 1 << 32, 0)),
    "CLONE before the last op": program(("CLONE", 0, -1), ("UNSHARE", 0)),
    "CLONE into a descriptor that was not sent": program(("CLONE", 0, 2)),
    "CLONE into descriptor -2": program(("CLONE", 0, -2)),
}


@pytest.mark.parametrize("broken", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_op_is_refused_before_any_op_has_run(init, tmp_path, broken):
    file = tmp_path / "file"
    file.write_text("")
    directory = os.open(tmp_path, os.O_PATH)
    init.send(program(("WRITE", 0, "file", "an op ran")) + broken, (directory, 1))
    assert init.failed() == ("EBADMSG", "malformed program", 1, None)
    assert file.read_text() == ""


def test_every_op_cut_at_every_byte_is_refused(static):
    sample = {"i": 0, "f": 0, "s": "ab", "b": b"abc", "l": ("a", "", "bc")}
    for name, (_, signature) in protocol.OPS.items():
        if name == "CLONE":
            continue
        whole = protocol.encode(name, [sample[kind] for kind in signature])
        for cut in range(1, len(whole)):
            with Init(static) as init:
                init.send(whole[:cut], (1,))
                assert init.failed()[0] == "EBADMSG", (name, cut)


def test_an_empty_program_is_done(init):
    init.send(b"")
    answer, fd = init.answer()
    assert (answer.kind, answer.index, answer.error, answer.text, fd) == (
        protocol.ANSWER_DONE,
        0,
        0,
        "",
        None,
    )


def test_63_descriptors_and_the_program_are_the_most(init):
    init.run(("UNSHARE", 0), fds=[1] * 63)
    init.send(UNSHARE, [1] * 64)
    assert init.failed()[:2] == ("EBADMSG", "recvmsg(): not a request")


@pytest.mark.parametrize("request_bytes", [b"Q", b"PP", b"p\0"])
def test_a_message_that_is_no_request_is_refused(init, request_bytes):
    init.send(UNSHARE, request=request_bytes)
    assert init.failed()[:2] == ("EBADMSG", "recvmsg(): not a request")


def test_a_request_without_a_program_is_refused(init):
    init.socket.send(protocol.REQUEST)
    assert init.failed()[:2] == ("EBADMSG", "recvmsg(): not a request")


@pytest.mark.parametrize(
    "make", [os.pipe, lambda: (os.open("/", os.O_PATH),), lambda: (os.open("/", os.O_RDONLY),)]
)
def test_a_program_must_be_in_a_file(init, make):
    init.send(None, make())
    assert init.failed()[:2] == ("EBADMSG", "fstat(): the program is not in a file")


def test_a_failure_names_the_op_by_its_place(init):
    init.send(program(("UNSHARE", 0), ("UMASK", 0o22), ("CHDIR", "/missing")))
    assert init.failed() == ("ENOENT", 'chdir("/missing")', 2, None)


def test_the_text_of_a_failure_is_escaped_and_cut(init):
    name = '/\x01\n"\\é' + "x" * 300
    _, text = init.failure(("CHDIR", name))
    assert text == 'chdir("/\\001\\n\\"\\\\é' + "x" * 193 + '...")'


def test_descriptors_of_a_request_are_closed_when_its_program_ends(init):
    init.run(("UNSHARE", 0))
    before = os.listdir(f"/proc/{init.pid}/fd")
    for _ in range(20):
        init.run(("UNSHARE", 0), fds=[1, 1, 1])
    assert os.listdir(f"/proc/{init.pid}/fd") == before


def test_the_mappings_of_programs_do_not_pile_up(init):
    init.run(("UNSHARE", 0))
    before = init.read("maps")
    for _ in range(20):
        init.run(("UNSHARE", 0))
    assert init.read("maps") == before


def test_a_program_may_be_larger_than_a_page(init):
    init.run(*[("UMASK", 0o22)] * 3000)


def test_a_program_must_be_readable(init, tmp_path):
    (tmp_path / "program").write_bytes(UNSHARE)
    init.send(None, (os.open(tmp_path / "program", os.O_PATH),))
    assert init.failed()[:2] == ("EBADF", "mmap() of the program")
