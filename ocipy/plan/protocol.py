"""The messages between the runtime and ocipy-init; the C side is init/protocol.h, which a test compares.

A program is a sequence of ops, each encoded by the signature that the table gives it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: op -> (number, signature), as PROTOCOL_OPS of init/protocol.h has them.
OPS = {
    "JOIN": (1, "fi"),
    "JOIN_PROCESS": (2, "fi"),
    "UNSHARE": (3, "i"),
    "BECOME_ROOT": (4, ""),
    "CLONE": (5, "ii"),
    "SETHOSTNAME": (6, "s"),
    "SETDOMAINNAME": (7, "s"),
    "LOOPBACK_UP": (8, ""),
    "JOIN_CGROUP": (9, "f"),
    "WRITE": (10, "fss"),
    "PROPAGATION": (11, "ii"),
    "FSMOUNT": (12, "ssli"),
    "PIVOT": (13, "f"),
    "MOVE_ROOT": (14, "f"),
    "CHROOT": (15, "f"),
    "SETSID": (20, ""),
    "OPEN_PTY": (21, ""),
    "TERMINAL": (22, "i"),
    "CHOWN_STDIO": (23, "ii"),
    "SESSION_KEYRING": (30, "s"),
    "DUMPABLE": (31, "i"),
    "NO_NEW_PRIVS": (32, ""),
    "SCHEDULER": (33, "b"),
    "IOPRIO": (34, "i"),
    "PERSONALITY": (35, "i"),
    "MEMPOLICY": (36, "ib"),
    "AFFINITY": (37, "b"),
    "UMASK": (38, "i"),
    "BOUNDING": (39, "i"),
    "KEEP_CAPS": (40, "i"),
    "SETGROUPS": (41, "b"),
    "SETGID": (42, "i"),
    "SETUID": (43, "i"),
    "CAPSET": (44, "iii"),
    "AMBIENT": (45, "i"),
    "SECCOMP": (46, "bi"),
    "CHDIR": (47, "s"),
    "RAISE_RLIMIT": (48, "ii"),
    "SET_RLIMIT": (49, "iii"),
    "PROCESS": (50, "lli"),
    "LOOKUP": (51, ""),
    "WAIT_START": (52, "f"),
    "EXECVE": (53, ""),
    "LANDLOCK_RULESET": (54, "i"),
    "LANDLOCK_RULE": (55, "is"),
    "LANDLOCK_RESTRICT": (56, ""),
    "ANSWER_BY_SENDMMSG": (57, ""),
    "NAMESPACE": (58, "s"),
}

REQUEST = b"P"
MAX_FDS = 64  # of one request, the program's own included
MAX_TEXT = 1024  # of one answer
ANSWER_DONE, ANSWER_FD, ANSWER_PID, ANSWER_FAIL, ANSWER_WAITING = 1, 2, 3, 4, 5
ANSWER_SIZE = 24  # struct answer


def _bytes(value: bytes) -> bytes:
    return len(value).to_bytes(4, "little") + value


def _string(value: str | bytes) -> bytes:
    """Text as init sees it.  A NUL would end it early there: refused here, whoever let it through."""
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise ValueError(f"NUL in {value!r}")
    return len(raw).to_bytes(4, "little") + raw + b"\0"


def _integer(value: int) -> bytes:
    return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")


def encode(op: str, arguments: Sequence[Any]) -> bytes:
    """One op as bytes: u32 number, u32 size, arguments.

    Strings are str or bytes, lists are sequences of them, integers are taken modulo 2**64.
    """
    number, signature = OPS[op]
    if len(arguments) != len(signature):
        raise ValueError(f"{op} takes {len(signature)} arguments")
    body = b""
    for kind, value in zip(signature, arguments):
        if kind in "if":
            body += _integer(value)
        elif kind == "s":
            body += _string(value)
        elif kind == "b":
            body += _bytes(value)
        else:
            body += len(value).to_bytes(4, "little") + b"".join(map(_string, value))
    return number.to_bytes(4, "little") + len(body).to_bytes(4, "little") + body


class Answer:
    """What init said: kind is ANSWER_*, index the op's place in its program."""

    __slots__ = ("error", "index", "kind", "text", "value")

    def __init__(self, kind: int, index: int, error: int, value: int, text: str):
        self.kind, self.index, self.error, self.value, self.text = kind, index, error, value, text


def decode(message: bytes) -> Answer:
    """An answer from bytes.  Raises ValueError for one that breaks the protocol."""
    if len(message) < ANSWER_SIZE:
        raise ValueError(f"answer of {len(message)} bytes")
    word = [int.from_bytes(message[i : i + 4], "little") for i in (0, 4, 8, 12)]
    value = int.from_bytes(message[16:24], "little", signed=True)
    text = message[24:]
    if len(text) != word[3] or not ANSWER_DONE <= word[0] <= ANSWER_WAITING:
        raise ValueError(f"answer {word}")
    return Answer(word[0], word[1], word[2], value, text.decode("utf-8", "backslashreplace"))
