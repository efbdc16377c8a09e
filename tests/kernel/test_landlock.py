"""Landlock by annotation: what a container's processes may do to files, root or not."""

import json
import os

import pytest

from ocipy.runtime.host import facts
from ocipy.spec.landlock import ANNOTATION
from tests.conftest import need
from tests.seccomp.profiles import LITTLE, profile, rule

pytestmark = pytest.mark.kernel

#: What a program needs that writes nothing: busybox is static.
READ = {"paths": ["/bin", "/etc", "/proc", "/root", "/tmp", "/dev"], "access": ["read", "execute"]}


@pytest.fixture
def landlocked(box):
    """landlocked(rules...): a box with these."""
    need(facts().landlock, "Landlock", kernel=True)

    def make(*rules, **more):
        box.process["noNewPrivileges"] = True
        box.config["annotations"] = {ANNOTATION: json.dumps({"rules": rules, **more})}
        return box

    return make


def allow(*paths, access):
    return {"paths": list(paths), "access": access.split()}


def tried(box, *scripts, **how):
    """Which of these scripts succeed: y or n each."""
    return box.sh(
        "; ".join(f"({script}) >/dev/null 2>&1 && echo y || echo n" for script in scripts), **how
    ).split()


WRITING = (
    "echo a >/tmp/new",
    "mkdir /tmp/d",
    "ln -s a /tmp/s",
    "mkfifo /tmp/f",
    "cat /etc/passwd",
    "ls /etc",
)


def test_what_no_rule_allows_is_denied_to_root_too(landlocked):
    box = landlocked(READ, allow("/dev/null", access="write"))
    box.own_root()
    box.capabilities("CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_MKNOD", "CAP_SYS_ADMIN")
    assert tried(box, *WRITING, "mknod /tmp/null c 1 3") == ["n"] * 4 + ["y"] * 2 + ["n"]


def test_what_a_rule_allows_is_allowed_beneath_its_path_only(landlocked):
    box = landlocked(READ, allow("/root/mine", "/dev/null", access="write"))
    (box.own_root() / "root" / "mine").mkdir(parents=True)
    scripts = ["echo a >/root/mine/a", "mv /root/mine/a /root/mine/b", "rm /root/mine/b"]
    scripts.append("mkdir -p /root/mine/x/y")
    assert tried(box, *scripts, "echo a >/root/a") == ["y", "y", "y", "y", "n"]


def test_a_file_can_have_a_rule_of_its_own(landlocked):
    box = landlocked(
        allow("/bin", access="read execute"),
        allow("/dev/null", access="all"),
        allow("/etc/group", access="read"),
    )
    box.own_root()
    assert tried(box, "cat /etc/group", "cat /etc/passwd", "ls /etc") == ["y", "n", "n"]


def test_a_program_that_may_not_be_executed_is_said(landlocked):
    box = landlocked(allow("/bin", access="read"))
    assert "permission denied" in box.fails("/bin/true")


def test_only_what_is_handled_is_denied(landlocked):
    box = landlocked(handles=["make_dir", "remove_dir"])
    box.own_root()
    assert tried(box, "echo a >/tmp/a", "mkdir /tmp/d", "rm /tmp/a") == ["y", "n", "y"]


def test_without_rules_nothing_can_be_executed(landlocked):
    assert "permission denied" in landlocked().fails("/bin/true")


@pytest.mark.parametrize("namespace", [False, True], ids=["", "in a user namespace"])
def test_another_user_is_held_and_his_paths_are_found_by_root(landlocked, namespace):
    box = landlocked(READ, allow("/dev/null", access="write"), allow("/root/private", access="all"))
    if namespace:
        box.user_namespace()
    private = box.own_root() / "root" / "private"
    private.mkdir(parents=True)
    private.parent.chmod(0o700)
    if namespace:
        for path in (private, private.parent):
            os.chown(path, 100000, 100000)
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.capabilities()
    assert tried(box, "cat /etc/passwd", "echo a >/tmp/a") == ["y", "n"]


def test_a_process_that_is_executed_later_is_held_too(landlocked):
    box = landlocked(READ, allow("/dev/null", access="write"))
    box.own_root()
    box.start("sleep", "1000")
    assert "ermission denied" in box.exec("sh", "-c", "echo a >/tmp/a", status=1)
    box.exec("cat", "/etc/passwd")
    error = box.exec_process(status=255, args=["true"], noNewPrivileges=False)
    assert "io.ocipy.landlock: needs process.noNewPrivileges" in error


def test_it_goes_with_a_filter_that_lets_little_through(landlocked, call):
    box = landlocked(allow("/call", access="execute read"))
    box.bind(call, "/call")
    box.linux["seccomp"] = profile(rule(*LITTLE), default="KILL_PROCESS")
    box.run("/call", status=42)


def test_created_is_held_already_and_start_works(landlocked):
    box = landlocked(READ)
    box.create("sleep", "1000")
    box.start()
    assert box.state()["status"] == "running"


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "is not an object"),
        ("{", "line 1 column 2"),
        ("{}", "rules is required"),
        ('{"rules": [], "rule": []}', 'there is no "rule", only abi, handles, rules'),
        ('{"rules": [{"paths": ["usr"], "access": []}]}', 'rules/0/paths: "usr" is not an absolute path'),
        ('{"rules": [{"paths": "/usr", "access": []}]}', "rules/0/paths: is not an array"),
        ('{"rules": [{"paths": [], "access": ["reed"]}]}', 'rules/0/access: "reed" is not one of execute'),
        ('{"rules": [], "handles": [7]}', "handles: 7 is not one of execute"),
        ('{"rules": [], "abi": true}', "abi: is not a version of Landlock"),
        ('{"rules": [], "abi": 1000}', "this kernel has version"),
    ],
)
def test_what_the_annotation_can_not_mean_is_refused(landlocked, text, expected):
    box = landlocked()
    box.config["annotations"][ANNOTATION] = text
    assert box.fails("true").partition(f"/annotations/{ANNOTATION}: ")[2].startswith(expected)


def test_it_needs_no_new_privs(landlocked):
    box = landlocked(READ)
    box.process["noNewPrivileges"] = False
    assert box.fails("true") == f"config.json: /annotations/{ANNOTATION}: needs process.noNewPrivileges"


def test_a_path_that_is_not_there_is_named(landlocked, state_root):
    box = landlocked(READ, allow("/nowhere", access="read"))
    error = box.fails("true")
    assert f"allow beneath /nowhere: read (config.json /annotations/{ANNOTATION})" in error
    assert "ENOENT: no such file or directory" in error


def test_the_features_name_the_annotation(ocipy):
    assert ANNOTATION in json.loads(ocipy("features").stdout)["potentiallyUnsafeConfigAnnotations"]
