"""Why execve(2) refused a file, from what can be seen of it: pure, so that every case is a test.

Source: execve(2), elf(5), linux/elf.h.
"""

from __future__ import annotations

from ocipy.linux import const

_MACHINES = {
    3: "x86",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_S_IFMT, _S_IFDIR, _S_IFREG = 0o170000, 0o040000, 0o100000


def reason(error, mode, noexec, head, machine):
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
        if noexec:
            return "its filesystem is mounted noexec"
        if not mode & 0o111:
            return f"it is not executable, mode {mode & 0o7777:04o}"
        return ""
    if head[:2] == b"#!":
        return _script(error, head)
    if head[:4] == b"\x7fELF":
        return _elf(error, head, machine)
    if error == const.ENOEXEC:
        return "it is empty" if not head else "it is neither a program nor a script that begins with #!"
    return ""


def _script(error, head):
    line, newline, _ = head[2:].partition(b"\n")
    words = line.split(None, 1)
    if not words:
        return "its first line names no interpreter"
    interpreter = words[0].decode("utf-8", "backslashreplace")
    if line.endswith(b"\r"):
        return f"its lines end in CRLF, so its interpreter is {interpreter.rstrip()} and a carriage return"
    if error == const.ENOENT:
        return f"its interpreter {interpreter} does not exist"
    return f"its interpreter is {interpreter}"


def _elf(error, head, machine):
    wide, order = head[4:5] == b"\x02", "big" if head[5:6] == b"\x02" else "little"
    built_for = _MACHINES.get(int.from_bytes(head[18:20], order), "another machine")
    if error == const.ENOEXEC:
        return f"it is a program for {built_for}, this host is {machine}"
    if error == const.ENOENT:
        interpreter = _elf_interpreter(head, wide, order)
        if interpreter:
            return f"its ELF interpreter {interpreter} does not exist"
    return ""


def _elf_interpreter(head, wide, order):
    """The path of the PT_INTERP segment, "" when there is none among the first bytes."""

    def word(at, size):
        return int.from_bytes(head[at : at + size], order)

    table, entry, count = (word(32, 8), word(54, 2), word(56, 2)) if wide else (word(28, 4), word(42, 2), word(44, 2))
    for i in range(min(count, 64)):
        at = table + i * entry
        if word(at, 4) == 3:  # PT_INTERP
            offset, size = (word(at + 8, 8), word(at + 32, 8)) if wide else (word(at + 4, 4), word(at + 16, 4))
            return head[offset : offset + size].rstrip(b"\0").decode("utf-8", "backslashreplace")
    return ""
