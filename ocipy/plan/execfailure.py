"""Why execve(2) refused a file, from what can be seen of it: pure, so that every case is a test.

Source: execve(2), elf(5), linux/elf.h, linux/elf-em.h.
"""

from __future__ import annotations

from ocipy.linux import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Word = Callable[[int, int], int]  # the number at a place, of so many bytes

#: e_machine -> what uname(1) calls a machine of that kind
_MACHINES = {
    3: "x86",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    258: "loongarch",
}
_S_IFMT, _S_IFDIR, _S_IFREG = 0o170000, 0o040000, 0o100000
_ET_EXEC, _ET_DYN, _PT_INTERP = 2, 3, 3
_MAX_SEGMENTS = 64


def words(error: int, bare: bool, lookup: bool) -> str:
    """The error in the words that engines look for, as runc has them.

    bare:   was the program named without a slash, so that PATH decides?
    lookup: was the file not even found?
    """
    if error == const.ENOENT:
        return "executable file not found in $PATH" if bare and lookup else "no such file or directory"
    if error in (const.EACCES, const.EISDIR):
        return "permission denied"
    if error == const.EPERM:
        return "operation not permitted"
    return ""


def reason(error: int, mode: int, noexec: bool, head: bytes, machine: str) -> str:
    """A reason in a few words, "" when nothing can be seen.

    error:   errno of the failed execve or look-up
    mode:    st_mode of the file
    noexec:  is its filesystem mounted so?
    head:    its first bytes
    machine: of the host, as uname(2) says it
    """
    if mode & _S_IFMT == _S_IFDIR:
        return "it is a directory"
    if mode & _S_IFMT != _S_IFREG:
        return "it is not a regular file"
    if error == const.EACCES:
        return _refusal(mode, noexec, head)
    if head[:2] == b"#!":
        return _script(error, head)
    if head[:4] == b"\x7fELF":
        return _elf(error, head, machine)
    if error == const.ENOEXEC:
        return _no_program(head)
    return ""


def _refusal(mode: int, noexec: bool, head: bytes) -> str:
    if noexec:
        return "its filesystem is mounted noexec"
    permissions = mode & 0o7777
    if not mode & 0o111:
        return f"it is not executable, mode {permissions:04o}"
    if mode & 0o111 != 0o111:
        return f"mode {permissions:04o} does not let everyone execute it"
    interpreter = _interpreter_of_line(head) if head[:2] == b"#!" else ""
    if interpreter:
        return f"its interpreter {interpreter} can't be executed"
    return "its own mode allows it: a directory on the way, or a security module, does not"


def _no_program(head: bytes) -> str:
    if not head:
        return "it is empty"
    if head[:5] == b"\xef\xbb\xbf#!":
        return "a byte order mark stands before its #!"
    if head.lstrip()[:2] == b"#!":
        return "white space stands before its #!"
    return "it is neither a program nor a script that begins with #!"


def _interpreter_of_line(head: bytes) -> str:
    """What a first line names after #!, "" when nothing."""
    named = head[2:].partition(b"\n")[0].split(None, 1)
    return named[0].decode("utf-8", "backslashreplace") if named else ""


def _script(error: int, head: bytes) -> str:
    line = head[2:].partition(b"\n")[0]
    interpreter = _interpreter_of_line(head)
    if not interpreter:
        return "its first line names no interpreter"
    if error == const.ENOENT:
        if line.endswith(b"\r"):
            return f"its lines end in CRLF, so its interpreter is {interpreter} and a carriage return"
        return f"its interpreter {interpreter} does not exist, or lacks its own"
    return f"its interpreter is {interpreter}"


def _elf(error: int, head: bytes, machine: str) -> str:
    wide, big = head[4:5] == b"\x02", head[5:6] == b"\x02"

    def word(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], "big" if big else "little")

    if error == const.ENOEXEC:
        built_for = _MACHINES.get(word(18, 2), "another machine")
        if not _serves(machine, built_for):
            return f"it is a program for {built_for}, this host is {machine}"
        if word(16, 2) not in (_ET_EXEC, _ET_DYN):
            return "it is an ELF file, but no program"
        return "it is a damaged program"
    if error == const.ENOENT:
        interpreter = _elf_interpreter(head, wide, word)
        if interpreter:
            return f"its ELF interpreter {interpreter} does not exist"
    return ""


def _serves(machine: str, built_for: str) -> bool:
    """Could a host of this machine, as uname(2) says it, run what is built for that one?"""
    if machine in ("i386", "i486", "i586", "i686"):
        machine = "x86"
    return machine.startswith(built_for) and not (built_for == "x86" and machine == "x86_64")


def _elf_interpreter(head: bytes, wide: bool, word: Word) -> str:
    """The path of the PT_INTERP segment, "" when there is none among the first bytes."""
    table, entry, count = (
        (word(32, 8), word(54, 2), word(56, 2)) if wide else (word(28, 4), word(42, 2), word(44, 2))
    )
    for i in range(min(count, _MAX_SEGMENTS)):
        at = table + i * entry
        if word(at, 4) == _PT_INTERP:
            offset, size = (
                (word(at + 8, 8), word(at + 32, 8)) if wide else (word(at + 4, 4), word(at + 16, 4))
            )
            return head[offset : offset + size].rstrip(b"\0").decode("utf-8", "backslashreplace")
    return ""
