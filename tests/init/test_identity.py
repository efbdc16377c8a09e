"""Who the program is and what it may."""

import errno
import os
import resource
import struct

import pytest

from tests.conftest import need
from tests.init.driver import CLONE_NEWUSER, NOBODY, program

pytestmark = pytest.mark.kernel

CAP_CHOWN, CAP_KILL, CAP_SETUID, CAP_NET_RAW, CAP_SETPCAP = 1 << 0, 1 << 5, 1 << 7, 1 << 13, 1 << 8
ALL = (1 << 64) - 1


def capabilities(init):
    return [int(init.status(name), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]


def words(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def test_the_user_changes_with_all_its_ids(init):
    init.run(("SETGROUPS", words(5, 6, 4_000_000_000)), ("SETGID", 1001), ("SETUID", 1000))
    assert init.status("Uid").split() == ["1000"] * 4
    assert init.status("Gid").split() == ["1001"] * 4
    assert init.status("Groups").split() == ["5", "6", "4000000000"]
    assert capabilities(init)[1:3] == [0, 0]


def test_ids_may_be_of_32_bits(init):
    init.run(("SETGID", 4_294_967_294), ("SETUID", 4_294_967_294))
    assert init.status("Uid").split() == ["4294967294"] * 4


def test_groups_can_be_emptied(init):
    init.run(("SETGROUPS", words(5)), ("SETGROUPS", b""))
    assert init.status("Groups") == ""


FAILURES = {
    "SETGROUPS of a part of a group": (("SETGROUPS", b"abc"), "EINVAL", "setgroups() of 3 bytes"),
    "SETGROUPS of too many": (("SETGROUPS", bytes(4 * 65537)), "EINVAL", "setgroups(65537)"),
    "SETUID that would change nothing": (("SETUID", -1), "EINVAL", "setresuid(-1)"),
    "SETUID of 32 bits that would": (("SETUID", 0xFFFFFFFF), "EINVAL", "setresuid(4294967295)"),
    "SETUID of what 32 bits make 0": (("SETUID", 1 << 32), "EINVAL", "setresuid(4294967296)"),
    "SETGID that would change nothing": (("SETGID", -1), "EINVAL", "setresgid(-1)"),
    "SETGID of what 32 bits make 0": (("SETGID", 1 << 32), "EINVAL", "setresgid(4294967296)"),
    "CAPSET of what is not permitted": (
        ("CAPSET", CAP_CHOWN, 0, 0),
        "EPERM",
        "capset({effective=0x1, permitted=0x0, inheritable=0x0})",
    ),
    "AMBIENT of what is not inheritable": (
        ("AMBIENT", CAP_KILL),
        "EPERM",
        "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5)",
    ),
    "KEEP_CAPS of 2": (("KEEP_CAPS", 2), "EINVAL", "prctl(PR_SET_KEEPCAPS, 2)"),
    "DUMPABLE of 9": (("DUMPABLE", 9), "EINVAL", "prctl(PR_SET_DUMPABLE, 9)"),
    "SCHEDULER without a size": (("SCHEDULER", b""), "EINVAL", "sched_setattr(0, {size=0}) of 0 bytes"),
    "SCHEDULER that says it is larger": (
        ("SCHEDULER", words(56, 0, 0)),
        "EINVAL",
        "sched_setattr(0, {size=56}) of 12 bytes",
    ),
    "SCHEDULER of no policy": (
        ("SCHEDULER", words(48, 99) + bytes(40)),
        "EINVAL",
        "sched_setattr(0, {size=48})",
    ),
    "IOPRIO of no class": (("IOPRIO", 7 << 13), "EINVAL", "ioprio_set(IOPRIO_WHO_PROCESS, 0, 0xe000)"),
    "AFFINITY to no processor": (("AFFINITY", bytes(8)), "EINVAL", "sched_setaffinity(0, 8)"),
    "MEMPOLICY of no mode": (("MEMPOLICY", 99, b""), "EINVAL", "set_mempolicy(0x63)"),
    "MEMPOLICY of too many nodes": (
        ("MEMPOLICY", 2, bytes(129)),
        "EINVAL",
        "set_mempolicy(0x2) with 129 bytes of nodes",
    ),
    "SET_RLIMIT of no resource": (("SET_RLIMIT", 99, 1, 1), "EINVAL", "prlimit64(0, 99, {1, 1})"),
    "SET_RLIMIT that is soft beyond hard": (("SET_RLIMIT", 7, 9, 8), "EINVAL", "prlimit64(0, 7, {9, 8})"),
    "RAISE_RLIMIT of no resource": (("RAISE_RLIMIT", 99, 1), "EINVAL", "prlimit64(0, 99, NULL)"),
    "SECCOMP of a part of a filter": (
        ("SECCOMP", b"abc", 0),
        "EINVAL",
        "seccomp(SECCOMP_SET_MODE_FILTER) of 3 bytes",
    ),
    "SECCOMP of an empty filter": (
        ("SECCOMP", b"", 0),
        "EINVAL",
        "seccomp(SECCOMP_SET_MODE_FILTER, 0x0, {len=0})",
    ),
    "SECCOMP of too long a filter": (("SECCOMP", bytes(8 * 4097), 0), "EINVAL", None),
    "SECCOMP of flags unknown": (
        ("SECCOMP", struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000), 1 << 20),
        "EINVAL",
        "seccomp(SECCOMP_SET_MODE_FILTER, 0x100000, {len=1})",
    ),
}


@pytest.mark.parametrize(("op", "error", "text"), FAILURES.values(), ids=FAILURES)
def test_what_the_kernel_refuses_is_said(init, op, error, text):
    failure = init.failure(op)
    assert failure[0] == error
    assert text in (None, failure[1])


def test_capabilities_are_kept_over_the_change_of_user(init):
    some = CAP_CHOWN | CAP_KILL
    init.run(
        ("BOUNDING", some | CAP_NET_RAW),
        ("KEEP_CAPS", 1),
        ("SETUID", 1000),
        ("KEEP_CAPS", 0),
        ("CAPSET", some, some, CAP_KILL),
        ("AMBIENT", CAP_KILL),
    )
    assert capabilities(init) == [CAP_KILL, some, some, some | CAP_NET_RAW, CAP_KILL]


def test_ambient_capabilities_reach_the_program(start):
    reading, writing = os.pipe()
    init = start(streams=(0, writing, 2))
    os.close(writing)
    init.stdout = reading
    init.run(
        ("KEEP_CAPS", 1), ("SETUID", 1000), ("CAPSET", CAP_KILL, CAP_KILL, CAP_KILL), ("AMBIENT", CAP_KILL)
    )
    status = init.execute("/bin/cat", "/proc/self/status")
    assert f"CapEff:\t{CAP_KILL:016x}\n" in status
    os.close(reading)


def test_ambient_clears_what_was_there(init):
    init.run(("CAPSET", CAP_KILL | CAP_CHOWN, CAP_KILL | CAP_CHOWN, CAP_KILL | CAP_CHOWN))
    init.run(("AMBIENT", CAP_KILL), ("AMBIENT", CAP_CHOWN))
    assert capabilities(init)[4] == CAP_CHOWN


def test_a_bounding_set_of_everything_drops_nothing(init):
    before = capabilities(init)
    init.run(("BOUNDING", ALL))
    assert capabilities(init) == before


def test_a_bounding_set_of_what_is_there_needs_no_capability(init):
    """As in a nested runtime without CAP_SETPCAP."""
    init.run(("BOUNDING", CAP_KILL), ("CAPSET", 0, 0, 0), ("BOUNDING", CAP_KILL))
    assert init.failure(("BOUNDING", 0)) == ("EPERM", "prctl(PR_CAPBSET_DROP, 5)")


def test_the_capabilities_of_both_words_are_set(init):
    high = CAP_CHOWN | 1 << 38  # CAP_PERFMON
    init.run(("CAPSET", high, high, 0))
    assert capabilities(init)[:3] == [0, high, high]


def test_simple_attributes_are_set(init):
    init.run("NO_NEW_PRIVS", ("UMASK", 0o027), ("PERSONALITY", 8), ("DUMPABLE", 0))
    assert (init.status("NoNewPrivs"), init.status("Umask")) == ("1", "0027")
    assert int(init.read("personality"), 16) == 8
    assert os.stat(f"/proc/{init.pid}/environ").st_uid == 0


def test_priorities_are_set(init):
    init.run(("SCHEDULER", words(48, 3, 0, 0, 5) + bytes(28)), ("IOPRIO", 3 << 13))
    assert os.sched_getscheduler(init.pid) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, init.pid) == 5


def test_processors_are_chosen(init):
    processor = min(os.sched_getaffinity(0))
    init.run(("AFFINITY", (1 << processor).to_bytes(16, "little")))
    assert os.sched_getaffinity(init.pid) == {processor}


def test_memory_nodes_are_chosen(init):
    need(os.path.exists("/proc/self/numa_maps"), "no NUMA support in the kernel", kernel=True)
    init.run(("MEMPOLICY", 2, b"\1"))
    assert " bind:0 " in init.read("numa_maps")
    init.run(("MEMPOLICY", 0, b""))
    assert " bind:0 " not in init.read("numa_maps")


def limits(init, number):
    return resource.prlimit(init.pid, number)


def test_limits_are_set(init):
    init.run(("SET_RLIMIT", resource.RLIMIT_NOFILE, 10, 20), ("SET_RLIMIT", resource.RLIMIT_CORE, 0, 0))
    assert (limits(init, resource.RLIMIT_NOFILE), limits(init, resource.RLIMIT_CORE)) == ((10, 20), (0, 0))


def test_a_limit_is_raised_only_when_it_is_lower(init):
    init.run(("SET_RLIMIT", resource.RLIMIT_NOFILE, 10, 20), ("RAISE_RLIMIT", resource.RLIMIT_NOFILE, 20))
    assert limits(init, resource.RLIMIT_NOFILE) == (10, 20)
    if int(init.status("CapEff"), 16) >> 24 & 1:  # CAP_SYS_RESOURCE
        init.run(("RAISE_RLIMIT", resource.RLIMIT_NOFILE, 30))
        assert limits(init, resource.RLIMIT_NOFILE) == (10, 30)
    init.run(("CAPSET", 0, 0, 0))
    failure = init.failure(("RAISE_RLIMIT", resource.RLIMIT_NOFILE, 40))
    assert failure == ("EPERM", "prlimit64(0, 7, {10, 40})")


@pytest.mark.parametrize(("flags", "permissions"), [(0, "3f1b0000"), (CLONE_NEWUSER, "3f130008")])
def test_the_session_keyring_is_new_and_searchable(start, flags, permissions):
    reading, writing = os.pipe()
    init = start(streams=(0, writing, 2))
    os.close(writing)
    init.stdout = reading
    if flags:
        init.run(("UNSHARE", flags))
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{init.pid}/{name}", "w", encoding="ascii") as file:
                file.write("0 100000 65536\n")
        init.run("BECOME_ROOT")
    name = f"_ses.test-{init.pid}"
    init.run(("SESSION_KEYRING", name))
    lines = [line.split() for line in init.execute("/bin/cat", "/proc/keys").splitlines()]
    os.close(reading)
    assert [fields[4] for fields in lines if fields[7:9] == ["keyring", name + ":"]] == [permissions]


def test_the_name_of_a_keyring_may_be_long(init):
    init.run(("SESSION_KEYRING", "_ses." + "x" * 1024 + str(init.pid)))


ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
NEW_LISTENER = 1 << 3
UMASK, EXECVE = 95, 59  # of x86_64


def instruction(code, jump_if, jump_else, value):
    return struct.pack("<HBBI", code, jump_if, jump_else, value)


def filtering(action, *numbers):
    """A filter that takes this action on these system calls and allows any other."""
    load = instruction(0x20, 0, 0, 0)
    tests = [instruction(0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    return load + b"".join(tests) + instruction(0x06, 0, 0, ALLOW) + instruction(0x06, 0, 0, action)


x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filters are of x86_64")


@x86_64
def test_a_filter_is_loaded(init):
    init.run("NO_NEW_PRIVS", ("SECCOMP", filtering(ERRNO | errno.ENOTTY, UMASK), 0))
    assert init.status("Seccomp") == "2"


@x86_64
def test_a_filter_that_asks_for_a_listener_answers_with_it(init):
    made = init.run("NO_NEW_PRIVS", ("SECCOMP", filtering(NOTIFY, UMASK), NEW_LISTENER))
    assert os.readlink(f"/proc/self/fd/{made[1]}") == "anon_inode:seccomp notify"
    os.close(made[1])
    assert "seccomp" not in str(
        [os.readlink(f"/proc/{init.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{init.pid}/fd")]
    )


@x86_64
def test_a_filter_may_forbid_everything_but_execve(start):
    """Whatever init has to do before execve, it does before the filter."""
    reading, writing = os.pipe()
    init = start(streams=(0, writing, 2))
    os.close(writing)
    everything = instruction(0x20, 0, 0, 0) + instruction(0x15, 0, 1, EXECVE)
    everything += instruction(0x06, 0, 0, ALLOW) + instruction(0x06, 0, 0, 0x80000000)  # kill the process
    init.run(("PROCESS", ("/bin/true",), (), -1), "LOOKUP", "NO_NEW_PRIVS")
    init.send(program(("SECCOMP", everything, 0), "EXECVE"))
    assert init.answer() == (None, None)
    assert init.wait() == -31  # the program itself dies of SIGSYS
    os.close(reading)


@x86_64
def test_without_privilege_a_filter_needs_no_new_privs(init):
    init.run(("SETUID", NOBODY))
    failure = init.failure(("SECCOMP", filtering(ERRNO, UMASK), 0))
    assert failure == ("EACCES", "seccomp(SECCOMP_SET_MODE_FILTER, 0x0, {len=4})")
