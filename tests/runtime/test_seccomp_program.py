"""What a compiled profile says to a call: the program, interpreted, against the profile, read by hand."""

import ctypes.util
import os

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from ocipy.errors import ConfigError
from ocipy.plan import profile as plan
from ocipy.runtime import seccomp
from tests.conftest import need
from tests.seccomp import profiles
from tests.seccomp.machine import ALLOW, ERRNO_ENOSYS, KILL, X86, X86_64, Program
from tests.seccomp.profiles import profile, rule

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64")

X32_BIT = plan.X32_BIT
ERRNO = plan.ACTIONS["SCMP_ACT_ERRNO"]
NAMES = (
    "read write open close stat fstat lstat poll lseek mmap mprotect munmap brk ioctl access pipe dup "
    "dup2 pause nanosleep getpid fork vfork execve exit kill uname fcntl flock fsync chdir rename mkdir "
    "rmdir creat link unlink symlink readlink chmod chown umask getrlimit getrusage sysinfo times ptrace "
    "getuid setuid setgid personality prctl mount umount2 reboot openat mkdirat unlinkat splice tee "
    "preadv prlimit64 getrandom"
).split()
ACTIONS = {
    "ALLOW": None,
    "ERRNO": 13,
    "TRACE": 7,
    "LOG": None,
    "TRAP": None,
    "KILL": None,
    "KILL_PROCESS": None,
}


@pytest.fixture(scope="module")
def libseccomp():
    need(ctypes.util.find_library("seccomp"), "libseccomp")
    from ocipy.linux import libseccomp

    return libseccomp


def compiled(document):
    return Program(seccomp.compile(document, "/linux/seccomp")[0])


# ---------------------------------------------------------------- the profile, read by hand

HOLDS = {
    "NE": lambda a, x, _: a != x,
    "LT": lambda a, x, _: a < x,
    "LE": lambda a, x, _: a <= x,
    "EQ": lambda a, x, _: a == x,
    "GE": lambda a, x, _: a >= x,
    "GT": lambda a, x, _: a > x,
    "MASKED_EQ": lambda a, mask, x: a & mask == x,
}


def value(action, errno):
    return plan.ACTIONS[action] | (
        errno if errno is not None else 1 if action[9:] in ("ERRNO", "TRACE") else 0
    )


def matches(call, arguments, bits):
    compared = call.get("args", ())
    kept = (1 << bits) - 1
    each = [
        HOLDS[arg["op"][9:]](
            arguments[arg["index"]] & kept, arg["value"] & kept, arg.get("valueTwo", 0) & kept
        )
        for arg in compared
    ]
    indexes = [arg["index"] for arg in compared]
    return all(each) if len(set(indexes)) == len(indexes) else any(each)


class Reading:
    """What a profile means: asked as the program is."""

    def __init__(self, document, libseccomp):
        self.document = document
        self.default = value(document["defaultAction"], document.get("defaultErrnoRet"))
        tokens = {X86_64: "x86_64"}
        for name in document.get("architectures", ()):
            short = name.removeprefix("SCMP_ARCH_").lower()
            tokens["x32" if short == "x32" else libseccomp.arch(short)] = short
        self.calls = {}
        for kind, short in tokens.items():
            self.calls[kind] = numbers = {}
            for call in document["syscalls"]:
                for name in call["names"]:
                    number = libseccomp.number(libseccomp.arch(short), name)
                    if number >= 0:
                        numbers.setdefault(number, []).append(call)

    def __call__(self, arch, number, arguments):
        kind = "x32" if arch == X86_64 and number >= X32_BIT else arch
        if kind not in self.calls:
            return KILL
        known = self.calls[kind]
        if self.hides and known and number > max(known):
            return ERRNO_ENOSYS
        for call in known.get(number, ()):
            if matches(call, arguments, 64 if kind == X86_64 else 32):
                return value(call["action"], call.get("errnoRet"))
        return self.default

    @property
    def hides(self):
        action = self.document["defaultAction"][9:]
        return action not in ("ALLOW", "LOG", "TRACE") and self.default != ERRNO_ENOSYS


#: Numbers of x86 that libseccomp has under no name of their own: they also go through socketcall and ipc.
MULTIPLEXED = {102, 117, 337, 345, *range(359, 374), *range(393, 403)}

# ---------------------------------------------------------------- any profile, any call

words = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2, 2**31, 2**32 - 1])
long_words = words | st.integers(0, 2**64 - 1) | st.sampled_from([2**32, 2**32 + 1, 2**63, 2**64 - 1])


@st.composite
def arguments_of(draw, values):
    made = []
    for _ in range(draw(st.integers(0, 3))):
        op = draw(st.sampled_from(sorted(HOLDS)))
        first, second = draw(values), draw(values)
        # A comparison that can hold for no argument is none that anyone would write.
        made.append((draw(st.integers(0, 5)), op, first, second & first if op == "MASKED_EQ" else second))
    return made


@st.composite
def documents(draw):
    """A profile that takes one action on a call, whatever rules of the call hold."""
    architectures = draw(st.sets(st.sampled_from(["X86_64", "X86", "X32"])))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=len(NAMES)))
    made = []
    while names:
        count = draw(st.sampled_from([1, 2, 5, 40]))
        some, names = names[:count], names[count:]
        action = draw(st.sampled_from(sorted(ACTIONS)))
        errno = draw(st.sampled_from([None, ACTIONS[action]]))
        count = draw(st.sampled_from([1, 1, 2]))
        arguments = draw(st.lists(arguments_of(long_words), min_size=count, max_size=count))
        made += [rule(*some, action=action, errno=errno, args=each) for each in arguments]
    default = draw(st.sampled_from(sorted(ACTIONS)))
    errno = (
        draw(st.sampled_from([None, ACTIONS[default]]))
        if default != "ERRNO"
        else draw(st.sampled_from([None, 1, 38]))
    )
    return profile(
        *made, default=default, errno=errno, architectures=[f"SCMP_ARCH_{a}" for a in architectures]
    )


@st.composite
def calls(draw, document):
    """A call near to what the profile speaks of."""
    arch = draw(st.sampled_from([X86_64, X86_64, X86, 0xC00000B7]))
    number = draw(
        st.integers(0, 460) | st.sampled_from([1000, X32_BIT - 1, X32_BIT | 2, X32_BIT | 59, X32_BIT | 520])
    )
    near = [0, 1, 2**64 - 1]
    for call in document["syscalls"]:
        for arg in call.get("args", ()):
            for x in (arg["value"], arg.get("valueTwo", 0)):
                near += [x, x + 1, x - 1, x | 1 << 40]
    limit = 2**32 if arch == X86 else 2**64
    one = st.sampled_from(near).map(lambda x: x % limit) | st.integers(0, limit - 1)
    return arch, number, draw(st.lists(one, min_size=6, max_size=6))


@settings(max_examples=150)
@given(st.data())
def test_the_program_does_what_the_profile_says(libseccomp, data):
    document = data.draw(documents())
    program, reading = compiled(document), Reading(document, libseccomp)
    for _ in range(20):
        call = data.draw(calls(document))
        assert program(*call) == reading(*call), (hex(call[0]), call[1], [hex(a) for a in call[2]])


#: Beside x86_64: of 32 and of 64 bits, with calls that go through others, of little endian as this one.
OTHERS = ("x86", "x32", "aarch64", "arm", "mipsel64", "riscv64")


@st.composite
def overlapping(draw):
    """A profile in which rules of several actions are about the same call."""
    names = draw(st.lists(st.sampled_from([*NAMES, "socket", "semop"]), unique=True, min_size=1, max_size=6))
    default = draw(st.sampled_from(sorted(ACTIONS)))
    actions = st.lists(st.sampled_from(sorted(set(ACTIONS) - {default})), unique=True, min_size=2, max_size=3)
    rules = [
        rule(name, action=action, args=draw(arguments_of(long_words))[:2])
        for name in names
        for action in draw(actions)
    ]
    others = draw(st.sets(st.sampled_from(OTHERS), max_size=3))
    return profile(*rules, default=default, architectures=[f"SCMP_ARCH_{other.upper()}" for other in others])


# Always the same profiles: there are some that take libseccomp minutes.
@settings(max_examples=60, derandomize=True)
@given(st.data())
def test_where_libseccomp_decides_the_program_answers_as_its_own(libseccomp, data):
    """Which of rules of several actions comes first is its business: it is only written anew."""
    document = data.draw(overlapping())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seccomp, "rewrite", lambda program, decisions: program)
        try:
            theirs = compiled(document)
        except ConfigError:  # it takes no two rules of x86's socket(2), say
            reject()
    ours = compiled(document)
    tokens = {name: libseccomp.arch(name) for name in ("x86_64", *OTHERS)}
    spoken_of = [
        (X86_64 if name == "x32" else token, libseccomp.number(token, call["names"][0]))
        for call in document["syscalls"]
        for name, token in tokens.items()
    ]
    for _ in range(20):
        arch, number = data.draw(st.sampled_from(spoken_of))
        _, _, arguments = data.draw(calls(document))
        call = arch, number & 0xFFFFFFFF, arguments
        assert ours(*call) == theirs(*call), (hex(arch), number, [hex(a) for a in arguments])


def test_the_program_does_what_a_profile_of_400_names_says(libseccomp):
    document = profiles.docker_like()
    assert sum(len(call["names"]) for call in document["syscalls"]) == 399
    program, reading = compiled(document), Reading(document, libseccomp)
    firsts = (0, 8, 40, 0x20000, 0x7E020000, 2**32 - 1)
    asked = [(arch, number, 0) for arch in (X86_64, X86, 0xC00000B7) for number in range(520)]
    asked += [(X86_64, X32_BIT + number, 0) for number in range(560)]
    asked += [(X86_64, number, first) for number in (41, 56, 135, X32_BIT + 135) for first in firsts]
    asked += [(X86, number, first) for number in (120, 136) for first in firsts]
    for arch, number, first in asked:
        if arch != X86 or number not in MULTIPLEXED:
            call = (arch, number, (first, 0, 0, 0, 0, 0))
            assert program(*call) == reading(*call), call


# ---------------------------------------------------------------- details


def test_calls_newer_than_the_profile_are_unknown_not_forbidden(libseccomp):
    document = profile(rule("read", "openat2"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    program = compiled(document)
    assert program(X86_64, 437) == program(X86, 437) == ALLOW
    assert program(X86_64, 1) == ERRNO | 1
    assert program(X86_64, 438) == program(X86, 438) == program(X86_64, 500) == ERRNO_ENOSYS
    assert program(X86_64, X32_BIT | 500) == KILL  # not new, but of another ABI
    assert program(X86_64, 0xFFFFFFFF) == ERRNO | 1  # a tracer lets the kernel skip a call so


def test_a_call_that_is_named_only_to_be_denied_is_known(libseccomp):
    program = compiled(profile(rule("read"), rule("openat2", action="ERRNO")))
    assert program(X86_64, 437) == ERRNO | 1
    assert program(X86_64, 438) == ERRNO_ENOSYS


def test_x32_has_newest_numbers_of_its_own(libseccomp):
    program = compiled(profile(rule("read", "execve", "getpid"), architectures=["SCMP_ARCH_X32"]))
    assert program(X86_64, X32_BIT | 520) == ALLOW  # execve of x32
    assert program(X86_64, X32_BIT | 521) == ERRNO_ENOSYS
    assert program(X86_64, X32_BIT | 39) == ALLOW
    assert program(X86_64, 60) == ERRNO_ENOSYS


@pytest.mark.parametrize("default", ["ALLOW", "LOG", "TRACE"])
def test_a_default_that_lets_through_or_asks_hides_nothing(libseccomp, default):
    program = compiled(profile(rule("read", action="ERRNO"), default=default))
    assert program(X86_64, 500) == value(f"SCMP_ACT_{default}", None)


@pytest.mark.parametrize("default", ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"])
def test_a_default_that_ends_the_program_hides_new_calls(libseccomp, default):
    program = compiled(profile(rule("read"), default=default))
    assert program(X86_64, 500) == ERRNO_ENOSYS
    assert program(X86_64, 0) == ALLOW


def test_a_profile_without_rules_is_its_default(libseccomp):
    assert compiled(profile(default="ALLOW"))(X86_64, 0) == ALLOW
    assert compiled(profile(errno=5))(X86_64, 400) == ERRNO | 5


@pytest.mark.parametrize("action", sorted(plan.ACTIONS))
def test_every_action_is_what_the_kernel_knows(libseccomp, action):
    short = action.removeprefix("SCMP_ACT_")
    errno = 77 if short in ("ERRNO", "TRACE") else None
    made = rule("read", action=short, errno=errno)
    expected = plan.ACTIONS[action] | (errno or 0)
    assert compiled(profile(made, default="ALLOW" if short != "ALLOW" else "LOG"))(X86_64, 0) == expected


def test_names_that_no_one_knows_are_passed_over(libseccomp):
    assert compiled(profile(rule("read", "no_such_call", "écrire", "")))(X86_64, 0) == ALLOW


def test_an_argument_that_is_named_twice_has_alternatives(libseccomp):
    program = compiled(profile(rule("personality", args=[(0, "EQ", 0), (0, "EQ", 8), (1, "EQ", 5)])))
    for arguments, allowed in (((0,), 1), ((8, 1), 1), ((3, 5), 1), ((3, 4), 0)):
        assert (program(X86_64, 135, arguments) == ALLOW) is bool(allowed)


def test_halves_of_an_argument_are_not_confused(libseccomp):
    """libseccomp 2.5.4 lets 100 pass here, and so do runtimes that load what it makes."""
    program = compiled(profile(rule("read", args=[(0, "LE", 9), (0, "GE", 1 << 32)])))
    for first, allowed in ((9, 1), (10, 0), (100, 0), ((1 << 32) - 1, 0), (1 << 32, 1), ((1 << 40) + 10, 1)):
        assert (program(X86_64, 0, (first,)) == ALLOW) is bool(allowed)


def test_a_value_outside_of_its_mask_counts_as_far_as_the_mask_goes(libseccomp):
    program = compiled(profile(rule("read", args=[(0, "MASKED_EQ", 0xFF, 0xFF00)])))
    assert [program(X86_64, 0, (first,)) == ALLOW for first in (0, 0xFF00, 0xFFFF)] == [True, True, False]


def test_on_32_bits_a_value_counts_as_far_as_an_argument_goes(libseccomp):
    """A profile that denies -1 denies it to 32-bit programs too, whose -1 has no upper half."""
    denied = rule("read", action="ERRNO", errno=9, args=[(0, "EQ", 2**64 - 1)])
    program = compiled(profile(denied, default="ALLOW", architectures=["SCMP_ARCH_X86", "SCMP_ARCH_X32"]))
    assert program(X86, 3, (2**32 - 1,)) == program(X86_64, X32_BIT, (2**32 - 1,)) == ERRNO | 9
    assert program(X86_64, 0, (2**64 - 1,)) == ERRNO | 9
    assert program(X86_64, 0, (2**32 - 1,)) == program(X86, 3, (1,)) == ALLOW


def test_rules_of_several_actions_are_as_libseccomp_orders_them(libseccomp):
    some = [rule("read", action="ERRNO", errno=9, args=[(0, "EQ", 7)]), rule("read", args=[(1, "EQ", 5)])]
    program = compiled(profile(*some))
    assert program(X86_64, 0, (7, 6)) == ERRNO | 9
    assert program(X86_64, 0, (6, 5)) == ALLOW
    assert program(X86_64, 0, (6, 6)) == ERRNO | 1


@pytest.mark.parametrize(
    ("document", "pointer", "rule_name", "text"),
    [
        (
            profile(architectures=["SCMP_ARCH_X86", "SCMP_ARCH_SHEB"]),
            "/architectures/1",
            "seccomp-arch",
            "sheb",
        ),
        (profile(architectures=["SCMP_ARCH_S390X"]), "/architectures/0", "seccomp-arch", "endian"),
    ],
)
def test_what_libseccomp_does_not_take_is_said_by_pointer(libseccomp, document, pointer, rule_name, text):
    with pytest.raises(ConfigError) as caught:
        compiled(document)
    [problem] = caught.value.problems
    assert (problem.pointer, problem.rule) == (f"/linux/seccomp{pointer}", rule_name)
    assert text in problem.message


def test_a_filter_that_is_too_long_for_the_kernel_is_refused(libseccomp, monkeypatch):
    monkeypatch.setattr(plan, "MAX_INSTRUCTIONS", 70)
    rules = [rule(name, args=[(0, "EQ", i << 33)]) for i, name in enumerate(NAMES)]
    with pytest.raises(
        ConfigError, match=r"/linux/seccomp: is a filter of [0-9]+ instructions, the kernel takes 70"
    ):
        compiled(profile(*rules))


def test_more_rules_than_a_filter_can_have_are_refused_before_they_are_compiled(libseccomp):
    """libseccomp takes minutes for them."""
    rules = [rule(*NAMES, args=[(0, "EQ", i), (0, "EQ", i << 33)]) for i in range(50)]
    with pytest.raises(ConfigError, match="/linux/seccomp: has 6300 rules with arguments"):
        compiled(profile(*rules))
