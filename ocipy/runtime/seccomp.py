"""Seccomp filters: a profile becomes the program that the kernel takes, from the cache or by libseccomp."""

from __future__ import annotations

import errno
from _blake2 import blake2b

import ocipy
from ocipy.errors import ConfigError, Problem, StepError, describe
from ocipy.linux import _syscall, const, os
from ocipy.plan import seccomp, steps
from ocipy.runtime.filtercache import Cache
from ocipy.spec import jsontext

#: Of the programs that we make of a profile: one more whenever the same profile gives another program.
GENERATION = 1


def bind(step, root):
    """The op that loads the compiled program of a LoadSeccomp step.

    root: the state root, where compiled programs are kept
    """
    require_flags(step.flags, f"{step.pointer}/flags")
    try:
        program = program_of(step.profile, root, step.pointer)
    except OSError as error:
        raise StepError(step, error, step.pointer, _hint(error)) from error
    return steps.Op("SECCOMP", (program, step.flags), str(step), pointer=step.pointer)


def _hint(error):
    return "libseccomp.so.2 is needed to compile a profile" if error.errno is None else ""


def program_of(text, root, pointer=""):
    """The program of a profile, given as JSON text."""
    host = os.uname()
    # The kernel is in it because libseccomp asks it which actions it has.
    subject = f"{GENERATION} {ocipy.__version__} {host.machine} {host.release}\n{text}"
    key = blake2b(subject.encode("utf-8", "surrogateescape"), digest_size=24).hexdigest()
    cache = Cache(root)
    program = cache.get(key)
    if program is None:
        profile = jsontext.parse(text.encode("utf-8", "surrogateescape"), "linux.seccomp")
        program, library = compile(seccomp.request(profile), pointer)
        cache.put(key, program, library)
    return program


# ---------------------------------------------------------------- compiling


def compile(request, pointer):
    """(program, file of the library that compiled it).

    Raises ConfigError for what libseccomp does not take, OSError when it is not there.
    """
    from ocipy.linux import libseccomp

    # libseccomp takes minutes for thousands, and each comparison is an instruction at least.
    compared = sum(len(rule.names) for rule in request.rules if rule.comparisons)
    if compared > seccomp.MAX_INSTRUCTIONS:
        message = f"has {compared} rules with arguments, more than a filter can have"
        raise ConfigError(Problem(pointer, message, "seccomp-size"))
    names = enumerate(request.architectures)
    tokens = [_token(libseccomp, name, f"{pointer}/architectures/{i}") for i, name in names]
    with libseccomp.Filter(request.default) as made:
        for i, token in enumerate(tokens):
            _take(f"{pointer}/architectures/{i}", "seccomp-arch", made.add_arch, token)
        for rule in request.rules:
            for name in rule.names:
                at = pointer + rule.pointer
                _take(at, "seccomp-rule", made.add_rule, rule.action, name, rule.comparisons)
        if sum(len(rule.names) for rule in request.rules) > 32:
            made.search_by_tree()
        program = made.program()
    if request.known:
        program = _prefix(libseccomp, request.known, [libseccomp.native(), *tokens]) + program
    length = len(program) // 8
    if length > seccomp.MAX_INSTRUCTIONS:
        message = f"is a filter of {length} instructions, the kernel takes {seccomp.MAX_INSTRUCTIONS}"
        raise ConfigError(Problem(pointer, message, "seccomp-size"))
    return program, libseccomp.path()


def _token(libseccomp, name, pointer):
    token = libseccomp.arch(name)
    if not token:
        message = f"libseccomp {libseccomp.version()} does not know the architecture {name}"
        raise ConfigError(Problem(pointer, message, "seccomp-arch"))
    return token


def _take(pointer, rule, call, *arguments):
    """Call libseccomp, whose refusal is one of what the configuration asks."""
    try:
        call(*arguments)
    except OSError as error:
        why = " (of another endianness than this host's)" if error.errno == errno.EDOM else ""
        raise ConfigError(Problem(pointer, f"libseccomp: {describe(error)}{why}", rule)) from error


def _prefix(libseccomp, names, tokens):
    numbers = {token: [libseccomp.number(token, name) for name in names] for token in tokens}
    x32 = [number & ~seccomp.X32_BIT for number in numbers.pop(libseccomp.arch("x32"), ()) if number >= 0]
    return seccomp.enosys_prefix(seccomp.newest_of(numbers), max(x32, default=None))


# ---------------------------------------------------------------- flags


def _kernel_takes(flags):
    """The kernel's own answer, for a null filter: EFAULT for flags that it knows, EINVAL for others."""
    set_mode_filter = 1
    return _syscall.call(_syscall.SYS_seccomp, set_mode_filter, flags, None) != -const.EINVAL


def require_flags(flags, pointer):
    """Raises ConfigError, with the flag's name, for one that this kernel does not take."""
    if _kernel_takes(flags):
        return
    for name, bit in seccomp.FLAGS.items():
        if flags & bit and not _kernel_takes(bit):
            if _kernel_takes(bit | seccomp.NEW_LISTENER):
                message = f"{name} is only for a profile that has SCMP_ACT_NOTIFY"
            else:
                message = f"this kernel does not know {name}"
            raise ConfigError(Problem(pointer, message, "seccomp-flag"))
    raise ConfigError(
        Problem(pointer, f"this kernel does not take flags {flags:#x} together", "seccomp-flag")
    )


def supported_flags():
    """The names of the flags that this kernel takes."""
    return [
        name
        for name, bit in seccomp.FLAGS.items()
        if _kernel_takes(bit) or _kernel_takes(bit | seccomp.NEW_LISTENER)
    ]
