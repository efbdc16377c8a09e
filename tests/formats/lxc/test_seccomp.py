"""LXC's language of seccomp profiles, there and back; and the same calls under the real LXC."""

import os
import re

import pytest

from ocipy.errors import ConfigError
from ocipy.formats import lxc
from ocipy.formats.lxc import seccomp
from ocipy.formats.lxc.grammar import Entry
from ocipy.linux import libseccomp
from ocipy.spec import Spec
from ocipy.spec.origin import LOSSY, REFUSED
from tests.conftest import need
from tests.formats.lxc import made, real

ENTRY = Entry("lxc.seccomp.profile", "p", "config:1")


def parse(text, machine="x86_64"):
    return seccomp.parse(text, ENTRY, machine)


def rules(text, machine="x86_64"):
    return parse(text, machine).get("syscalls", [])


@pytest.mark.parametrize(
    ("policy", "default", "errno", "action"),
    [
        ("denylist", "ALLOW", None, "KILL"),
        ("blacklist", "ALLOW", None, "KILL"),
        ("allowlist", "KILL", None, "ALLOW"),
        ("whitelist", "KILL", None, "ALLOW"),
        ("allowlist errno 38", "ERRNO", 38, "ALLOW"),
        ("allowlist trap", "TRAP", None, "ALLOW"),
        ("denylist errno 1", "ERRNO", 1, "KILL"),
    ],
)
def test_a_policy_says_what_a_rule_does_and_what_happens_without_one(policy, default, errno, action):
    profile = parse(f"2\n{policy}\nread\n")
    assert profile["defaultAction"] == f"SCMP_ACT_{default}"
    assert profile.get("defaultErrnoRet") == errno
    assert profile["syscalls"] == [{"names": ["read"], "action": f"SCMP_ACT_{action}"}]
    assert profile["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("read errno 5", {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}),
        ("read errno 0", {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}),
        ("read trap", {"names": ["read"], "action": "SCMP_ACT_TRAP"}),
        ("read notify", {"names": ["read"], "action": "SCMP_ACT_NOTIFY"}),
        ("read   # a comment", {"names": ["read"], "action": "SCMP_ACT_KILL"}),
        (
            "socket errno 97 [0,16,SCMP_CMP_EQ] [1,0x3,>=]",
            {
                "names": ["socket"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 97,
                "args": [
                    {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
                    {"index": 1, "value": 3, "op": "SCMP_CMP_GE"},
                ],
            },
        ),
        (
            "personality kill [0,4,&=,12]",
            {
                "names": ["personality"],
                "action": "SCMP_ACT_KILL",
                # The mask comes first in OCI, and last in LXC.
                "args": [{"index": 0, "value": 12, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}],
            },
        ),
        (
            "mknod errno 1 [1,0020000,==]",
            {
                "names": ["mknod"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 1,
                "args": [{"index": 1, "value": 0o20000, "op": "SCMP_CMP_EQ"}],
            },
        ),
        (
            "reject_force_umount  # comment this to allow umount -f",
            {
                "names": ["umount2"],
                "action": "SCMP_ACT_ERRNO",
                "errnoRet": 13,
                "args": [{"index": 1, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
            },
        ),
    ],
)
def test_a_line_is_a_rule(line, rule):
    assert rules(f"2\ndenylist\n[all]\n# a comment\n\n{line}\n") == [rule]


def test_rules_that_are_alike_are_one():
    assert rules("2\ndenylist\na errno 1\nb errno 1\nc errno 2\n") == [
        {"names": ["a", "b"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["c"], "action": "SCMP_ACT_ERRNO", "errnoRet": 2},
    ]


def test_sections_of_other_architectures_are_passed_over_and_of_ours_are_for_all():
    text = "2\nallowlist\n[arm64]\nread\n[x86]\nwrite\n[all]\nclose\n"
    assert rules(text) == [{"names": ["write", "close"], "action": "SCMP_ACT_ALLOW"}]


def test_version_1_is_numbers():
    numbers = [libseccomp.number(libseccomp.native(), name) for name in ("read", "write")]
    text = "1\nallowlist\n" + "".join(f"{number}\n" for number in numbers)
    assert parse(text) == {
        "defaultAction": "SCMP_ACT_KILL",
        "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}],
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, '"" is not a version'),
        ("3\nallowlist\n", 1, '"3" is not a version'),
        ("2\nlist\n", 2, '"list" is not a policy'),
        ("1\ndenylist\n", 2, "is not the policy of version 1"),
        ("2\nallowlist debug\n", 2, "LXC has not implemented debug"),
        ("2\nallowlist log\n", 2, '"log" is not an action'),
        ("2\nallowlist\nread log\n", 3, '"log" is not an action'),
        ("2\nallowlist\n\nread errno\n", 4, "errno needs a number"),
        ("2\nallowlist\nread kill [6,1,==]\n", 3, "is not a comparison"),
        ("2\nallowlist\nread kill [0,1]\n", 3, "is not a comparison"),
        ("\n2\n\nallowlist\n\nread kill [-1,1,==]\n", 6, "is not a comparison"),
        ("\n2\n\nlist\n", 4, '"list" is not a policy'),
        ("2\nallowlist\nread kill [0,1,>=] [0,5,<=]\n", 3, "an argument is compared twice"),
        ("2\nallowlist\n[vax]\n", 3, "is not an architecture"),
        ("1\nallowlist\nread\n", 3, "is not the number of a system call"),
        ("1\nallowlist\n99999\n", 3, "has no system call 99999"),
    ],
)
def test_what_can_not_be_meant_says_its_line(text, line, message):
    with pytest.raises(ConfigError, match=rf"^config:1: lxc\.seccomp\.profile: p:{line}: ") as caught:
        parse(text)
    assert message in str(caught.value)


# ---------------------------------------------------------------- the same calls under LXC

CALLS = """mknod /tmp/p p; mknod /tmp/c c 1 3; umount -f /tmp; mkdir /tmp/d; rm -rf /tmp/*; echo end
"""

ALL_BUT_MKDIR = "\n".join(
    str(n) for n in range(500) if libseccomp.name(libseccomp.native(), n) not in ("", "mkdir")
)
IO, NOT_MOUNTED = "Input/output error", "Invalid argument"
#: Profile -> what is wrong with the calls that fail; None where no container starts.
EFFECTS = {
    "2\ndenylist\nmknod errno 5\nmknodat errno 5": [IO, IO, NOT_MOUNTED],
    "\n2\n\ndenylist\n\n[x86]\nmkdir errno 5\n[arm]\nmknodat errno 5": [NOT_MOUNTED, IO],
    "2\ndenylist\nmknodat errno 5 [2,0020666,==]": [IO, NOT_MOUNTED],
    "2\ndenylist\nmknodat errno 5 [2,0x2000,SCMP_CMP_MASKED_EQ,0xf000]": [IO, NOT_MOUNTED],
    "2\ndenylist\nreject_force_umount\nno_such_call errno 5": ["Permission denied"],
    "2\ndenylist\nmknodat errno 5 [2,5,>=] [2,9,<=]": None,
    "2\ndenylist\nmknodat log": None,
    "1\nallowlist\n" + ALL_BUT_MKDIR: [NOT_MOUNTED, "Bad system call"],
}

SCRIPT = r"""
for place in "$1"/*; do
    [ -e "$place/config" ] || continue
    echo "CASE ${place##*/}"
    timeout 20 lxc-execute -n "s${place##*/}" -P "$1" -f "$place/config" </dev/null 2>&1
    echo OCIPY
    timeout 20 "$2" --root "$1/state" run "$place" "s${place##*/}" </dev/null 2>&1
done
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory, launcher):
    """{profile: (what is printed under LXC, and under ocipy)}"""
    real.needs_lxc()
    need(os.uname().machine == "x86_64", "the numbers are those of x86_64")
    directory = tmp_path_factory.mktemp("seccomp")
    root = real.busybox_root(directory / "root")
    for name in ("mknod", "umount", "mkdir", "rm"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "calls").write_text(CALLS)
    for number, text in enumerate(EFFECTS):
        place = directory / str(number)
        lines = ["lxc.execute.cmd = /bin/sh /calls", f"lxc.seccomp.profile = {place}/profile"]
        made.configure(place, "lxc.apparmor.profile = unconfined", *lines, root=root)
        (place / "profile").write_text(text)
    said = real.sandboxed(SCRIPT, directory, launcher).stdout
    parts = re.split(r"^CASE (\d+)\n", said, flags=re.MULTILINE)[1:]
    texts = list(EFFECTS)
    return {texts[int(n)]: text.split("OCIPY\n") for n, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.kernel
@pytest.mark.parametrize("text", EFFECTS, ids=range(len(EFFECTS)))
@pytest.mark.parametrize("runtime", [0, 1], ids=["lxc", "ocipy"])
def test_a_profile_does_the_same_under_lxc_and_under_ocipy(answers, text, runtime):
    *failed, last = answers[text][runtime].splitlines()
    if EFFECTS[text] is None:
        assert last != "end"
    else:
        assert (last, [line.rpartition(": ")[2] for line in failed]) == ("end", EFFECTS[text])


# ---------------------------------------------------------------- back


def written(profile):
    files, notes = lxc.dump(Spec({"root": {"path": "/"}, "linux": {"namespaces": [], "seccomp": profile}}))
    return files.get("seccomp", b"").decode(), {
        note.key: note.fate for note in notes if "seccomp" in note.key
    }


def test_a_profile_is_written_with_its_actions():
    text, notes = written(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [
                {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
                {
                    "names": ["personality"],
                    "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 0, "value": 12, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}],
                },
            ],
        }
    )
    # Without an errno it is EPERM: 0 would have calls succeed in silence.
    assert text.splitlines() == [
        "2",
        "allowlist errno 1",
        "[all]",
        "read allow",
        "write allow",
        "personality allow [0,4,SCMP_CMP_MASKED_EQ,12]",
    ]
    assert set(notes) == {"/linux/seccomp"}


@pytest.mark.parametrize("action", ["LOG", "TRACE", "KILL_PROCESS"])
def test_an_action_that_lxc_lacks_is_refused(action):
    text, notes = written(
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": f"SCMP_ACT_{action}"}]}
    )
    assert not text
    assert notes == {"/linux/seccomp": REFUSED}


def test_what_a_profile_loses_is_said():
    _, notes = written({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]})
    assert notes["/linux/seccomp/flags"] == notes["/linux/seccomp/architectures"] == LOSSY


def test_comparisons_of_one_argument_are_a_rule_each():
    args = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (1, 2)]
    text, _ = written(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["a"], "action": "SCMP_ACT_KILL", "args": args}],
        }
    )
    assert text.splitlines()[3:] == ["a kill [0,1,SCMP_CMP_EQ]", "a kill [0,2,SCMP_CMP_EQ]"]


def test_a_profile_is_looked_for_beside_the_configuration(tmp_path):
    (tmp_path / "seccomp").write_text("2\ndenylist\nread errno 1\n")
    data = made.data(tmp_path, "lxc.seccomp.profile = seccomp")
    assert data["linux"]["seccomp"]["syscalls"][0]["names"] == ["read"]
