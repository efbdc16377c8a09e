"""Load a device program and attach it to a cgroup v2 directory: bpf(2).

No RLIMIT_MEMLOCK is raised for it, which would need CAP_SYS_RESOURCE: since Linux 5.11 (5b0764f5d3c0 "bpf:
Eliminate rlimit-based memory accounting for bpf progs") programs are charged to the memory cgroup.
"""

from __future__ import annotations

import errno
import sys
from array import array

from ocipy.linux import os
from ocipy.linux._syscall import SYS_bpf, call
from ocipy.linux.syscalls import failed, fd_text

# linux/bpf.h
BPF_PROG_LOAD, BPF_PROG_ATTACH, BPF_PROG_DETACH, BPF_PROG_GET_FD_BY_ID, BPF_PROG_QUERY = 5, 8, 9, 13, 16
BPF_OBJ_GET_INFO_BY_FD = 15
BPF_PROG_TYPE_CGROUP_DEVICE = 15
BPF_CGROUP_DEVICE = 6
BPF_F_ALLOW_MULTI, BPF_F_REPLACE = 2, 4

ATTR_SIZE = 72  # of union bpf_attr up to what PROG_LOAD needs; the kernel takes the rest as zero
LOG_SIZE = 65536
MOST_PROGRAMS = 64  # BPF_CGROUP_MAX_PROGS
INFO_SIZE, INFO_NAME = 80, 64  # of struct bpf_prog_info, as far as `name`
NAME = b"ocipy_devices"


def attach(directory: str, program: bytes) -> None:
    """Attach a device program to a cgroup, in place of ours and beside those of others (systemd's).

    A request must get past every program of a cgroup and of those above it.  One program is replaced by
    another in one step: there is no moment with neither.
    Raises OSError worded as the call; with what the verifier said, when it was that.
    """
    cgroup_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fds = [cgroup_fd]
    try:
        fds.append(load(program))
        old = _ours(cgroup_fd)
        fds += old
        if len(old) == 1:
            _attach(cgroup_fd, fds[1], BPF_F_ALLOW_MULTI | BPF_F_REPLACE, old[0])
            return
        _attach(cgroup_fd, fds[1], BPF_F_ALLOW_MULTI, 0)
        for fd in old:
            _bpf("BPF_PROG_DETACH", BPF_PROG_DETACH, _words(cgroup_fd, fd, BPF_CGROUP_DEVICE), cgroup_fd)
    finally:
        for fd in fds:
            os.close(fd)


def load(program: bytes) -> int:
    """Load a device program; returns its descriptor."""
    result, _ = _load(program, 0)
    if result >= 0:
        return result
    # What the verifier has to say costs a second try: it refuses with EACCES or EINVAL.
    reason = "" if result == -errno.EPERM else _load(program, 1)[1]
    said = reason.strip().replace("\n", "; ")[-400:]
    raise failed(-result, "bpf", "BPF_PROG_LOAD", *((said,) if said else ()))


def _load(program: bytes, log_level: int) -> tuple[int, str]:
    code, licence = array("B", program), array("B", b"Apache-2.0\0")
    log = array("B", bytes(LOG_SIZE if log_level else 0))
    attr = bytearray()
    attr += _words(BPF_PROG_TYPE_CGROUP_DEVICE, len(program) // 8)
    attr += _address(code) + _address(licence)
    attr += _words(log_level, len(log)) + (_address(log) if log_level else bytes(8))
    attr += _words(0, 0)  # kern_version, prog_flags
    attr += NAME.ljust(16, b"\0")
    result = call(SYS_bpf, BPF_PROG_LOAD, attr.ljust(ATTR_SIZE, b"\0"), ATTR_SIZE)
    return result, log.tobytes().partition(b"\0")[0].decode("ascii", "replace")


def _ours(cgroup_fd: int) -> list[int]:
    """Descriptors of the programs of a cgroup that we have attached."""
    found = []
    for number in query(cgroup_fd):
        fd = fd_of(number)
        if name_of(fd) == NAME:
            found.append(fd)
        else:
            os.close(fd)
    return found


def name_of(fd: int) -> bytes:
    """The name that a program was loaded with."""
    info = array("B", bytes(INFO_SIZE))
    attr = bytearray((_words(fd, len(info)) + _address(info)).ljust(ATTR_SIZE, b"\0"))
    result = call(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, attr, ATTR_SIZE)
    if result < 0:
        raise failed(-result, "bpf", "BPF_OBJ_GET_INFO_BY_FD", fd)
    return info.tobytes()[INFO_NAME : INFO_NAME + 16].rstrip(b"\0")


def query(cgroup_fd: int) -> list[int]:
    """The ids of the device programs that are attached to a cgroup itself."""
    ids = array("I", bytes(4 * MOST_PROGRAMS))
    asked = _words(cgroup_fd, BPF_CGROUP_DEVICE, 0, 0) + _address(ids) + _words(MOST_PROGRAMS, 0)
    answer = _bpf("BPF_PROG_QUERY", BPF_PROG_QUERY, asked, cgroup_fd)
    count = int.from_bytes(answer[24:28], sys.byteorder)
    return ids[:count].tolist()


def fd_of(number: int) -> int:
    """A descriptor of a program by its id."""
    attr = _words(number).ljust(ATTR_SIZE, b"\0")
    result = call(SYS_bpf, BPF_PROG_GET_FD_BY_ID, bytearray(attr), ATTR_SIZE)
    if result < 0:
        raise failed(-result, "bpf", "BPF_PROG_GET_FD_BY_ID", number)
    return result


def _attach(cgroup_fd: int, program_fd: int, flags: int, old_fd: int) -> None:
    attr = _words(cgroup_fd, program_fd, BPF_CGROUP_DEVICE, flags, old_fd)
    _bpf("BPF_PROG_ATTACH", BPF_PROG_ATTACH, attr, cgroup_fd)


def _bpf(name: str, command: int, attr: bytes, cgroup_fd: int) -> bytearray:
    buffer = bytearray(attr.ljust(ATTR_SIZE, b"\0"))
    result = call(SYS_bpf, command, buffer, ATTR_SIZE)
    if result < 0:
        raise failed(-result, "bpf", name, fd_text(cgroup_fd), "BPF_CGROUP_DEVICE")
    return buffer


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, sys.byteorder) for number in numbers)


def _address(buffer: array) -> bytes:
    """Where an array's data is; it must stay alive until the call is over."""
    return buffer.buffer_info()[0].to_bytes(8, sys.byteorder)
