"""A thin binding to libseccomp, by ctypes: imported only when a profile has to be compiled.

Source: seccomp.h of libseccomp 2.5, seccomp_init(3) and its kin.
"""

from __future__ import annotations

import ctypes
import errno

from ocipy.linux import os

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


class _Version(ctypes.Structure):
    """struct scmp_version."""

    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def _load():
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    u32, context, text = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p
    library.seccomp_version.restype = ctypes.POINTER(_Version)
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
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    library.seccomp_syscall_resolve_num_arch.argtypes = [u32, ctypes.c_int]
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
_free = ctypes.CDLL(None).free
_free.argtypes = [ctypes.c_void_p]
_free.restype = None


def version():
    """Of the library that is loaded, "2.5.4"."""
    found = _library.seccomp_version().contents
    return f"{found.major}.{found.minor}.{found.micro}"


def path():
    """The file of the library that is loaded."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            if "/libseccomp.so" in line:
                return line.rstrip("\n").split(None, 5)[5]
    raise OSError(errno.ENOENT, "libseccomp in /proc/self/maps")


def arch(name):
    """The token of an architecture (AUDIT_ARCH_*, but for x32), 0 for one that this libseccomp lacks."""
    return _library.seccomp_arch_resolve_name(name.encode("utf-8", "surrogateescape"))


def native() -> int:
    """The token of the host's own architecture."""
    return _library.seccomp_arch_native()


def number(token, name):
    """The number of a system call on an architecture; negative for one that it has not."""
    return _library.seccomp_syscall_resolve_name_arch(token, name.encode("utf-8", "surrogateescape"))


def name(token: int, number: int) -> str:
    """The name of a system call on an architecture; "" for a number that has none."""
    found = _library.seccomp_syscall_resolve_num_arch(token, number)
    if not found:
        return ""
    text = ctypes.string_at(found).decode()
    _free(found)
    return text


class Filter:
    """A filter that is being made (scmp_filter_ctx).  To be used as a context manager.

    default: SECCOMP_RET_*, with data
    """

    def __init__(self, default):
        self._context = _library.seccomp_init(default)
        if not self._context:
            raise OSError(errno.EINVAL, f"seccomp_init({default:#x})")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _library.seccomp_release(self._context)

    def add_arch(self, token):
        """One more architecture; one that is there already is no error."""
        _check(_library.seccomp_arch_add(self._context, token), f"seccomp_arch_add({token:#x})", errno.EEXIST)

    def add_rule(self, action, name, comparisons):
        """A rule for the system call of this name; one that this libseccomp does not know is passed over.

        action:      SECCOMP_RET_*, with data
        comparisons: (argument, operator, value, second value) each
        """
        call = _library.seccomp_syscall_resolve_name(name.encode("utf-8", "surrogateescape"))
        if call == NR_SCMP_ERROR:
            return
        array = (ArgCmp * len(comparisons))(*(ArgCmp(*each) for each in comparisons))
        result = _library.seccomp_rule_add_array(self._context, action, call, len(array), array)
        _check(result, f"seccomp_rule_add({action:#x}, {name}, {len(array)})")

    def search_by_tree(self):
        """A binary tree in place of a list of comparisons; before libseccomp 2.5 there is none."""
        _library.seccomp_attr_set(self._context, SCMP_FLTATR_CTL_OPTIMIZE, 2)

    def program(self):
        """The filter as classic BPF, struct sock_filter each."""
        fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            _check(_library.seccomp_export_bpf(self._context, fd), "seccomp_export_bpf")
            os.lseek(fd, 0, os.SEEK_SET)
            with open(fd, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(fd)


def _check(result, call, *fine):
    if result < 0 and -result not in fine:
        raise OSError(-result, call)
