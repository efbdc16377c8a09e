"""The filters that a process has loaded, as the kernel keeps them.

Source: ptrace(2), PTRACE_SECCOMP_GET_FILTER; needs CAP_SYS_ADMIN and CONFIG_CHECKPOINT_RESTORE.
"""

import ctypes
import os

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_SECCOMP_GET_FILTER = 17, 0x4206, 0x4207, 0x420C
WALL = 0x40000000
_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _call(request, pid, address=None, data=None):
    result = _ptrace(request, pid, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}, {pid}): {os.strerror(number)}")
    return result


def programs(pid):
    """The programs of a process, the newest first, as bytes."""
    _call(PTRACE_SEIZE, pid)
    try:
        _call(PTRACE_INTERRUPT, pid)
        os.waitpid(pid, WALL)
        found = []
        try:
            while True:
                count = _call(PTRACE_SECCOMP_GET_FILTER, pid, len(found))
                buffer = ctypes.create_string_buffer(count * 8)
                _call(PTRACE_SECCOMP_GET_FILTER, pid, len(found), ctypes.addressof(buffer))
                found.append(buffer.raw)
        except FileNotFoundError:
            return found
    finally:
        _call(PTRACE_DETACH, pid)
