"""A thin binding to libseccomp, by ctypes: imported only when a profile has to be compiled.

Source: seccomp.h of libseccomp 2.5, seccomp_init(3) and its kin.
"""

from __future__ import annotations

import ctypes
import errno
import os

SCMP_ACT_NOTHING = 0xFFFFFFFF
SCMP_FLTATR_ACT_BADARCH = 2
SCMP_FLTATR_CTL_NNP = 3
SCMP_FLTATR_CTL_OPTIMIZE = 8
NR_SCMP_ERROR = -1


class ArgCmp(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def _load():
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    u32, context, text = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p
    library.seccomp_init.restype = context
    library.seccomp_init.argtypes = [u32]
    library.seccomp_release.argtypes = [context]
    library.seccomp_arch_add.argtypes = [context, u32]
    library.seccomp_arch_native.restype = u32
    library.seccomp_arch_resolve_name.restype = u32
    library.seccomp_arch_resolve_name.argtypes = [text]
    library.seccomp_attr_set.argtypes = [context, ctypes.c_int, u32]
    library.seccomp_syscall_resolve_name.argtypes = [text]
    library.seccomp_syscall_resolve_name_arch.argtypes = [u32, text]
    library.seccomp_rule_add_array.argtypes = [
        context,
        u32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(ArgCmp),
    ]
    library.seccomp_export_bpf.argtypes = [context, ctypes.c_int]
    return library


_library = _load()


def path():
    """The file of the library that is loaded."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            if "/libseccomp.so" in line:
                return line.rstrip("\n").split(None, 5)[5]
    raise OSError(errno.ENOENT, "libseccomp in /proc/self/maps")


def arch(name):
    """The token of an architecture (AUDIT_ARCH_*, but for x32), 0 for one that this libseccomp lacks."""
    return _library.seccomp_arch_resolve_name(name.encode())


def native():
    """The token of the host's own architecture."""
    return _library.seccomp_arch_native()


def number(token, name):
    """The number of a system call on an architecture; negative for one that it has not."""
    return _library.seccomp_syscall_resolve_name_arch(token, name.encode())


def compile(default, architectures, rules):
    """The classic BPF program (struct sock_filter each) of a filter.

    default:       SECCOMP_RET_*, with data
    architectures: tokens beside the host's own
    rules:         (names, SECCOMP_RET_*, ((argument, operator, value, second value), ...)); a name that this
                   libseccomp does not know is passed over
    """
    context = _library.seccomp_init(default)
    if not context:
        raise OSError(errno.EINVAL, f"seccomp_init({default:#x})")
    try:
        for token in architectures:
            _check(_library.seccomp_arch_add(context, token), f"seccomp_arch_add({token:#x})", errno.EEXIST)
        for names, action, comparisons in rules:
            array = (ArgCmp * len(comparisons))(*(ArgCmp(*each) for each in comparisons))
            for name in names:
                call = _library.seccomp_syscall_resolve_name(name.encode())
                if call != NR_SCMP_ERROR:
                    result = _library.seccomp_rule_add_array(context, action, call, len(array), array)
                    _check(result, f"seccomp_rule_add({action:#x}, {name}, {len(array)})")
        if sum(len(names) for names, _, _ in rules) > 32:
            # A binary tree in place of a list of comparisons; libseccomp before 2.5 has none, which is no harm.
            _library.seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        return _export(context)
    finally:
        _library.seccomp_release(context)


def _export(context):
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(_library.seccomp_export_bpf(context, fd), "seccomp_export_bpf")
        os.lseek(fd, 0, os.SEEK_SET)
        with open(fd, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def _check(result, call, *fine):
    if result < 0 and -result not in fine:
        raise OSError(-result, call)
