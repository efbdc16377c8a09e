"""Every way in which execve(2) refuses a file has words of its own."""

import struct

import pytest

from ocipy.linux.const import EACCES, EISDIR, ELOOP, ENOENT, ENOEXEC, EPERM
from ocipy.plan.execfailure import reason, words

FILE, DIRECTORY, FIFO = 0o100755, 0o040755, 0o010755
EM_386, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV = 3, 40, 62, 183, 243


def elf(machine=EM_X86_64, interpreter=b"", kind=2, wide=True, order="<"):
    """The beginning of an ELF file with one program header, PT_INTERP if there is an interpreter."""
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    head, segment = (64, 56) if wide else (52, 32)
    kind_of_segment = 3 if interpreter else 1
    name = interpreter + b"\0" if interpreter else b""
    if wide:
        rest = struct.pack(
            f"{order}HHIQQQIHHHHHH", kind, machine, 1, 0, head, 0, 0, head, segment, 1, 0, 0, 0
        )
        table = struct.pack(
            f"{order}IIQQQQQQ", kind_of_segment, 4, head + segment, 0, 0, len(name), len(name), 1
        )
    else:
        rest = struct.pack(
            f"{order}HHIIIIIHHHHHH", kind, machine, 1, 0, head, 0, 0, head, segment, 1, 0, 0, 0
        )
        table = struct.pack(
            f"{order}IIIIIIII", kind_of_segment, head + segment, 0, 0, len(name), len(name), 4, 1
        )
    return ident + rest + table + name


def why(error, head=b"", mode=FILE, noexec=False, machine="x86_64"):
    return reason(error, mode, noexec, head, machine)


@pytest.mark.parametrize(
    ("error", "bare", "lookup", "text"),
    [
        (ENOENT, True, True, "executable file not found in $PATH"),
        (ENOENT, True, False, "no such file or directory"),
        (ENOENT, False, True, "no such file or directory"),
        (EACCES, False, True, "permission denied"),
        (EISDIR, False, True, "permission denied"),
        (EPERM, False, False, "operation not permitted"),
        (ENOEXEC, False, False, ""),
        (ELOOP, False, True, ""),
    ],
)
def test_the_words_are_those_that_engines_turn_into_127_and_126(error, bare, lookup, text):
    assert words(error, bare, lookup) == text


def test_a_directory_and_a_fifo_are_no_programs():
    assert why(EISDIR, mode=DIRECTORY) == "it is a directory"
    assert why(EACCES, mode=FIFO) == "it is not a regular file"


def test_without_execute_permission_the_mode_is_said():
    assert why(EACCES, mode=0o100644) == "it is not executable, mode 0644"
    assert why(EACCES, mode=0o104700) == "mode 4700 does not let everyone execute it"


def test_a_noexec_mount_comes_before_the_mode():
    assert why(EACCES, noexec=True) == "its filesystem is mounted noexec"


def test_a_script_may_be_refused_for_its_interpreter():
    assert why(EACCES, b"#!/etc/passwd\n") == "its interpreter /etc/passwd can't be executed"


def test_what_the_file_itself_does_not_explain_is_said_to_lie_elsewhere():
    assert "a security module" in why(EACCES, elf())


def test_nothing_is_said_where_nothing_can_be_seen():
    assert why(ENOENT, b"text") == ""
    assert why(EPERM, elf()) == ""


@pytest.mark.parametrize(
    "line", [b"#!/bin/nope\n", b"#! /bin/nope -x\n", b"#!\t/bin/nope", b"#!/bin/nope \n"]
)
def test_a_missing_interpreter_is_named(line):
    assert why(ENOENT, line) == "its interpreter /bin/nope does not exist, or lacks its own"


def test_carriage_returns_are_seen():
    expected = "its lines end in CRLF, so its interpreter is /bin/sh and a carriage return"
    assert why(ENOENT, b"#!/bin/sh\r\necho\r\n") == expected


def test_a_carriage_return_of_a_later_line_is_not_the_first_ones():
    assert "CRLF" not in why(ENOENT, b"#!/bin/nope\necho\r\n")


@pytest.mark.parametrize("line", [b"#!\n", b"#!", b"#! \t \nrest"])
def test_a_first_line_may_name_no_interpreter(line):
    assert why(ENOEXEC, line) == "its first line names no interpreter"


def test_an_interpreter_that_is_no_program_is_named():
    assert why(ENOEXEC, b"#!/data\n") == "its interpreter is /data"
    assert why(ELOOP, b"#!/loop\n") == "its interpreter is /loop"


def test_an_interpreter_that_is_not_utf8_can_be_shown():
    assert "/bin/\\xff" in why(ENOENT, b"#!/bin/\xff\n")


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_missing_elf_interpreter_is_named(wide, order):
    head = elf(interpreter=b"/lib/ld-musl.so.1", wide=wide, order=order)
    assert why(ENOENT, head) == "its ELF interpreter /lib/ld-musl.so.1 does not exist"


def test_a_static_program_has_no_interpreter_to_miss():
    assert why(ENOENT, elf()) == ""


@pytest.mark.parametrize(
    ("machine", "host", "text"),
    [
        (EM_AARCH64, "x86_64", "it is a program for aarch64, this host is x86_64"),
        (EM_386, "x86_64", "it is a program for x86, this host is x86_64"),
        (EM_X86_64, "aarch64", "it is a program for x86_64, this host is aarch64"),
        (EM_X86_64, "i686", "it is a program for x86_64, this host is i686"),
        (0xABCD, "x86_64", "it is a program for another machine, this host is x86_64"),
        (EM_X86_64, "x86_64", "it is a damaged program"),
        (EM_386, "i686", "it is a damaged program"),
        (EM_RISCV, "riscv64", "it is a damaged program"),
        (EM_ARM, "armv7l", "it is a damaged program"),
    ],
)
def test_a_program_for_another_machine_is_told_from_a_damaged_one(machine, host, text):
    assert why(ENOEXEC, elf(machine), machine=host) == text


def test_an_object_file_is_no_program():
    assert why(ENOEXEC, elf(kind=1)) == "it is an ELF file, but no program"


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "a byte order mark stands before its #!"),
        (b"\n#!/bin/sh\n", "white space stands before its #!"),
        (b"echo\n", "it is neither a program nor a script that begins with #!"),
        (b"\x00\x01\x02", "it is neither a program nor a script that begins with #!"),
    ],
)
def test_what_is_no_program_at_all_is_described(head, text):
    assert why(ENOEXEC, head) == text


@pytest.mark.parametrize("length", range(0, 64, 3))
@pytest.mark.parametrize("error", [ENOENT, ENOEXEC, EACCES])
def test_a_head_that_is_cut_short_raises_nothing(length, error):
    assert isinstance(why(error, elf(interpreter=b"/x")[:length]), str)


def test_a_segment_table_that_claims_to_be_endless_is_not_followed():
    head = bytearray(elf())
    head[56:58] = b"\xff\xff"
    assert why(ENOENT, bytes(head)) == ""
