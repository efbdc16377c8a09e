"""A seccomp profile becomes the program that the kernel takes, by libseccomp.  The hot path is filters.py."""

from __future__ import annotations

import errno

from ocipy.errors import ConfigError, Problem, describe
from ocipy.plan import profile
from ocipy.plan.filtercode import Decision, rewrite


def compile(document, pointer):
    """(program, file of the library that compiled it) of a profile, a dict.

    Raises ConfigError for what libseccomp does not take, OSError when it is not there.
    """
    from ocipy.linux import libseccomp

    request = profile.request(document)
    # libseccomp takes minutes for thousands, and each comparison is an instruction at least.
    compared = sum(len(rule.names) for rule in request.rules if rule.comparisons)
    if compared > profile.MAX_INSTRUCTIONS:
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
    program = rewrite(program, _decisions(libseccomp, request, [libseccomp.native(), *tokens]))
    length = len(program) // 8
    if length > profile.MAX_INSTRUCTIONS:
        message = f"is a filter of {length} instructions, the kernel takes {profile.MAX_INSTRUCTIONS}"
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
    x32 = [number & ~profile.X32_BIT for number in numbers.pop(libseccomp.arch("x32"), ()) if number >= 0]
    return profile.enosys_prefix(profile.newest_of(numbers), max(x32, default=None))


def _decisions(libseccomp, request, tokens):
    """What arguments decide, where a profile leaves no doubt: architecture -> number -> Decision.

    Not where arguments have 32 bits: there libseccomp compares no more than so many bits of what a rule says
    (-1 is all ones on either), has no halves to confuse, and is left to it.
    """
    found = {}
    for token in dict.fromkeys(tokens):
        if not token & profile.AUDIT_ARCH_64BIT:
            continue
        numbers = {}
        for rule in request.rules:
            for name in rule.names:
                numbers.setdefault(libseccomp.number(token, name), []).append(rule)
        for name in profile.MULTIPLEXERS:  # rules of the calls that go through it are rules for it too
            numbers.pop(libseccomp.number(token, name), None)
        found.setdefault(token, {}).update(
            (number, Decision(rules[0].action, request.default, tuple(rule.comparisons for rule in rules)))
            for number, rules in numbers.items()
            if number >= 0 and all(rule.comparisons and rule.action == rules[0].action for rule in rules)
        )
    return found
