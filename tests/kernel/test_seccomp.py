"""Seccomp: what a program in a container meets when it makes a call that the profile speaks of."""

import errno
import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import need
from tests.kernel.box import fields
from tests.seccomp import profiles
from tests.seccomp.loaded import programs
from tests.seccomp.machine import X86, X86_64, Program
from tests.seccomp.profiles import LITTLE, all_but, profile, rule

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64"),
]

MKDIR, GETPID, UMASK, NEWER = 83, 39, 95, 500
WITH_OR_WITHOUT = pytest.mark.parametrize("nnp", [True, False], ids=["no_new_privs", "without"])


@pytest.fixture
def confined(box, call):
    """A box that runs `call` under a profile; what it printed, as numbers."""

    def run(document, *calls, nnp=True, status=0, **how):
        box.linux["seccomp"] = document
        box.process["noNewPrivileges"] = nnp
        words = [word for each in calls for word in ("/", *map(str, each))][1:]
        said = box.run("/call", *words, status=status, **how)
        return [int(line) for line in said.split()] if status == 0 else said

    box.bind(call, "/call")
    return run


# ---------------------------------------------------------------- it holds


@WITH_OR_WITHOUT
def test_a_call_gets_what_the_profile_says(confined, nnp):
    document = all_but(rule("mkdir", action="ERRNO", errno=77), rule("umask", action="ERRNO"))
    assert confined(document, (MKDIR, "@/tmp/x"), (UMASK,), (GETPID,), nnp=nnp) == [-77, -errno.EPERM, 1]


@WITH_OR_WITHOUT
def test_a_call_that_the_profile_could_not_know_is_unknown(confined, nnp):
    document = profiles.docker_like()
    assert confined(document, (NEWER,), (248,), nnp=nnp) == [-errno.ENOSYS, -errno.EPERM]  # 248: add_key


def test_comparisons_are_of_64_bits(confined):
    document = all_but(rule("umask", action="ERRNO", errno=77, args=[(0, "GE", 1 << 32), (1, "NE", 5)]))
    calls = [(UMASK, 18), (UMASK, 1 << 32), (UMASK, 1 << 40, 5), (UMASK, (1 << 64) - 1)]
    assert confined(document, *calls) == [18, -77, 18, -77]


def test_numbers_of_another_architecture_end_the_program(confined):
    document = all_but(rule("umask", action="ERRNO", errno=77))
    assert confined(document, (80, 20), status=128 + 31) == ""


def test_numbers_of_an_architecture_that_is_named_are_judged(confined):
    need(os.path.exists("/proc/sys/abi/vsyscall32"), "a kernel that runs programs of 32 bits", kernel=True)
    document = all_but(rule("getpid", action="ERRNO", errno=77), architectures=["SCMP_ARCH_X86"])
    assert confined(document, (80, 20), (GETPID,), (80, 24)) == [-77, -77, 0]


@pytest.mark.parametrize(
    ("action", "status"), [("KILL", 159), ("KILL_THREAD", 159), ("KILL_PROCESS", 159), ("TRAP", 159)]
)
def test_an_action_that_kills_ends_the_program_by_sigsys(confined, action, status):
    assert confined(all_but(rule("umask", action=action)), (UMASK,), status=status) == ""


def test_log_lets_through_and_trace_fails_without_a_tracer(confined):
    document = all_but(rule("umask", action="LOG"), rule("getpid", action="TRACE", errno=3))
    assert confined(document, (UMASK, 18), (GETPID,)) == [18, -errno.ENOSYS]


def test_a_static_program_needs_hardly_anything(confined):
    document = profile(rule(*LITTLE), default="KILL_PROCESS")
    confined(document, status=42)
    confined(document, (MKDIR, "@/x"), status=128 + 31)


def test_a_static_program_of_another_user_needs_no_more(box, confined):
    box.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]
    box.capabilities()
    confined(profile(rule(*LITTLE), default="KILL_PROCESS"), status=42)


@WITH_OR_WITHOUT
def test_the_home_directory_is_found_under_a_filter_that_is_older_than_openat2(box, nnp):
    box.linux["seccomp"] = all_but(rule("openat2", action="ERRNO"))
    box.process |= {"noNewPrivileges": nnp, "env": ["PATH=/bin"]}
    assert box.sh("echo $HOME") == "/root\n"


@pytest.mark.parametrize(("nnp", "status"), [(True, 128 + signal.SIGILL), (False, 1)])
def test_a_filter_that_forbids_even_to_exit_is_the_end_and_no_endless_try(confined, nnp, status):
    of_nobodys = rule("execve", args=[(0, "EQ", 1)])
    confined(profile(of_nobodys), nnp=nnp, status=status)


@WITH_OR_WITHOUT
def test_it_holds_in_a_user_namespace(box, confined, nnp):
    box.user_namespace()
    document = all_but(rule("mkdir", action="ERRNO", errno=77))
    assert confined(document, (MKDIR, "@/tmp/x"), nnp=nnp) == [-77]


@WITH_OR_WITHOUT
def test_another_user_without_capabilities_is_held(box, confined, nnp):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.capabilities()
    document = profiles.docker_like()
    assert confined(document, (248,), (GETPID,), nnp=nnp) == [-errno.EPERM, 1]


@WITH_OR_WITHOUT
def test_a_process_that_is_executed_later_is_held_too(box, call, nnp):
    box.bind(call, "/call")
    box.linux["seccomp"] = all_but(rule("mkdir", action="ERRNO", errno=77))
    box.process["noNewPrivileges"] = nnp
    box.start("sleep", "1000")
    assert box.exec("/call", str(MKDIR), "@/tmp/x") == "-77\n"
    assert fields(box.exec("cat", "/proc/self/status"))["Seccomp_filters"] == "1"


def test_a_process_that_is_executed_later_needs_no_more_than_the_first(box, call):
    box.bind(call, "/call")
    box.linux["seccomp"] = profile(rule(*LITTLE, "pause", "rt_sigreturn"), default="KILL_PROCESS")
    box.process["noNewPrivileges"] = True
    box.create("/call")
    box.exec("/call", status=42)


# ---------------------------------------------------------------- as it is with runc


def loaded_by_runc(box, runc):
    """The filters of runc's container of the box's bundle."""
    console = box.bundle / "console"
    with open(console, "w", encoding="utf-8") as out:  # the container would hold a pipe open
        runc(box, "run", "-d", "-b", str(box.write()), box.id, capture_output=False, stdout=out, stderr=out)
    try:
        return programs(json.loads(runc(box, "state", box.id))["pid"])
    finally:
        runc(box, "delete", "--force", box.id)


@pytest.mark.parametrize(
    "document",
    [
        profiles.docker_like(),
        profiles.docker_like(capabilities=("CAP_SYS_ADMIN", "CAP_SYS_CHROOT")),
        all_but(rule("mkdir", action="ERRNO", errno=77, args=[(0, "EQ", 1), (0, "EQ", 2)])),
        profile(rule(*profiles.ORDINARY), errno=38),
        profile(
            rule(*profiles.ORDINARY), default="TRAP", architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
        ),
        all_but(rule("mkdir"), rule("rmdir", action="LOG"), rule("umask", action="TRACE")),
        # Rules that overlap, whose order is libseccomp's business.
        all_but(
            rule("umask", action="ERRNO", args=[(0, "GT", 5)]),
            rule("umask", action="ERRNO", errno=9, args=[(0, "GT", 7)]),
            rule("umask", action="LOG"),
            rule("umask", action="ERRNO", errno=10, args=[(1, "EQ", 7)]),
        ),
    ],
    ids=["docker", "docker with capabilities", "alternatives", "ENOSYS", "TRAP", "permissive", "overlapping"],
)
def test_the_filter_is_the_one_that_runc_loads(box, runc, document):
    """Asked for every number, and a few arguments where they count.  Older copies of runc hide new calls only
    on the architectures that a profile names."""
    box.linux["seccomp"] = document
    box.process["noNewPrivileges"] = True
    box.start("sleep", "1000")
    [ours] = programs(box.pid)
    [theirs] = loaded_by_runc(box, runc)
    ours, theirs = Program(ours), Program(theirs)
    differing = [
        (hex(arch), number, first, hex(ours(*question)), hex(theirs(*question)))
        for arch in (X86_64, X86)
        for number in (*range(500), *(range(1 << 30, (1 << 30) + 560) if arch == X86_64 else ()))
        for first in ((0, 6, 8, 40, 1 << 17, 1 << 32) if number in (41, 56, 95, 120, 135) else (0,))
        for question in [(arch, number, (first, 7))]
        if ours(*question) != theirs(*question)
    ]
    assert not differing


def test_runc_prints_what_we_print(box, runc, call):
    box.bind(call, "/call")
    box.linux["seccomp"] = profiles.docker_like()
    words = [
        ("248",),
        ("135", "9"),
        ("135", "8"),
        ("161", "@/"),
        ("435", "0", "0"),
        ("435", "1"),
        ("500",),
        ("80", "20"),
    ]
    box.process["args"] = ["/call", *[w for each in words for w in ("/", *each)][1:]]
    assert box.run() == runc(box)


# ---------------------------------------------------------------- flags


def speculation(box):
    return fields(box.run("cat", "/proc/self/status"))["Speculation_Store_Bypass"]


def test_without_flags_speculation_is_left_alone(box, runc):
    box.linux["seccomp"] = all_but(rule("mkdir", action="ERRNO"))
    assert speculation(box) == fields(runc(box))["Speculation_Store_Bypass"]
    before = speculation(box)
    box.linux["seccomp"]["flags"] = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    assert speculation(box) == before


@pytest.mark.parametrize("flag", ["LOG", "SPEC_ALLOW", "TSYNC"])
def test_the_kernel_takes_a_flag(confined, flag):
    document = all_but(rule("umask", action="ERRNO"), flags=[f"SECCOMP_FILTER_FLAG_{flag}"])
    assert confined(document, (UMASK,)) == [-1]


def test_a_flag_that_the_kernel_does_not_take_is_named(box):
    flag = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    box.linux["seccomp"] = all_but(rule("umask", action="ERRNO"), flags=["SECCOMP_FILTER_FLAG_LOG", flag])
    error = box.fails("true")
    assert error.startswith(f"config.json: /linux/seccomp/flags: {flag} is only for a profile")


def test_the_features_say_what_the_kernel_takes(ocipy):
    seccomp = json.loads(ocipy("features").stdout)["linux"]["seccomp"]
    assert seccomp["enabled"] is True
    assert "SECCOMP_FILTER_FLAG_LOG" in seccomp["supportedFlags"]
    assert set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"])
    assert {"SCMP_ACT_NOTIFY", "SCMP_ACT_KILL_PROCESS"} <= set(seccomp["actions"])


# ---------------------------------------------------------------- the cache, from outside


def test_the_second_container_of_a_profile_is_compiled_by_no_one(box, boxes, state_root, launcher, tmp_path):
    box.linux["seccomp"] = profiles.docker_like()
    box.run("true")
    [name] = os.listdir(state_root / "@seccomp")
    assert os.stat(state_root / "@seccomp" / name).st_mode & 0o777 == 0o600
    trace = tmp_path / "trace"
    need(shutil.which("strace"), "strace")
    words = ["strace", "-f", "-e", "trace=openat", "-o", trace, launcher, "--root", state_root]
    words += ["run", "-b", box.write(), box.id]
    subprocess.run([*map(str, words)], stdin=subprocess.DEVNULL, check=True, timeout=60)
    opened = trace.read_text()
    assert name in opened
    assert "libseccomp" not in opened
    assert "ctypes" not in opened


def test_a_poisoned_cache_is_compiled_anew(box, state_root):
    box.linux["seccomp"] = all_but(rule("umask", action="ERRNO"))
    box.run("true")
    [name] = os.listdir(state_root / "@seccomp")
    path = state_root / "@seccomp" / name
    good = path.read_bytes()
    path.write_bytes(good[:-8] + bytes([6, 0, 0, 0, 0, 0, 0xFF, 0x7F]))  # the last return: allow
    box.run("true")
    assert path.read_bytes() == good


def test_what_others_may_write_is_not_used(box, confined, state_root):
    document = all_but(rule("umask", action="ERRNO"))
    confined(document, (UMASK,))
    os.chmod(state_root / "@seccomp", 0o777)
    assert confined(document, (UMASK,)) == [-1]


def test_a_profile_that_is_refused_leaves_nothing(box, state_root):
    box.linux["seccomp"] = profile(rule("read", "execve"), architectures=["SCMP_ARCH_S390X"])
    assert "/linux/seccomp/architectures/0: libseccomp" in box.fails("true")
    assert not state_root.exists()


def test_many_containers_of_a_new_profile_at_once(boxes, state_root):
    some = [boxes() for _ in range(8)]
    for box in some:
        box.linux["seccomp"] = profiles.docker_like()
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda box: fields(box.run("cat", "/proc/self/status"))["Seccomp"], some))
    assert said == ["2"] * 8
    assert len(os.listdir(state_root / "@seccomp")) == 1
