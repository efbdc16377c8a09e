"""Hooks: the right program, at the right moment, in the right place, and what becomes of its failure."""

import json
import os

import pytest

from tests.kernel.box import fields, until
from tests.kernel.hooked import CONTAINER_KINDS, CREATE_KINDS, KINDS, RUNTIME_KINDS, TYPES, Hooks, sh

pytestmark = pytest.mark.kernel


@pytest.fixture
def hooks(box):
    return Hooks(box)


# ---------------------------------------------------------------- moments


def test_hooks_run_in_the_order_of_a_life(box, hooks):
    hooks.everywhere("echo KIND 1 >> order")
    hooks.everywhere("echo KIND 2 >> order")
    box.create("sh", "-c", f"echo program >> {box.bundle}/order; sleep 1000")
    created = hooks.read("order").splitlines()
    assert created == [f"{kind} {n}" for kind in CREATE_KINDS for n in (1, 2)]
    box.start()
    until(lambda: "program\n" in hooks.read("order"))
    started = hooks.read("order").splitlines()[len(created) :]
    assert started[:2] == ["startContainer 1", "startContainer 2"]
    assert sorted(started[2:]) == ["poststart 1", "poststart 2", "program"]
    box.delete("--force")
    assert hooks.read("order").splitlines()[-2:] == ["poststop 1", "poststop 2"]


def test_poststart_comes_after_the_program_has_taken_over(box, hooks):
    pid = box.bundle / "pid"
    hooks.add("startContainer", "true")
    hooks.add("poststart", f"cat /proc/$(cat {pid})/cmdline > seen")
    box.create("sleep", "1000", flags=("--pid-file", pid))
    box.start()
    assert hooks.read("seen") == "sleep\x001000\0"


def test_poststop_comes_after_all_else_is_gone(box, hooks):
    state = box.ocipy.command[1] / box.id
    hooks.add(
        "poststop",
        f"test -e {state} && echo state >> left; ls -d /sys/fs/cgroup/*/{box.id} >> left 2>/dev/null; true",
    )
    box.start("sleep", "1000")
    box.delete("--force")
    assert not hooks.has("left") or hooks.read("left") == ""


def test_a_network_hook_can_use_the_new_namespace_by_pid(box, hooks):
    """As dockerd's does: prestart, in the runtime's namespaces, with the pid of the state on stdin."""
    hooks.add("prestart", "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net > net; "
                          "readlink /proc/self/ns/net >> net")  # fmt: skip
    box.create("true")
    inner, outer = hooks.read("net").split()
    assert inner == box.link("ns/net")
    assert outer == os.readlink("/proc/self/ns/net")


# ---------------------------------------------------------------- places

SHOW = "; ".join(f"readlink /proc/self/ns/{name} || echo none" for name in TYPES)


@pytest.mark.parametrize("user", [False, True])
def test_each_kind_runs_in_the_namespaces_of_the_standard(box, hooks, user):
    for kind in ("cgroup", "time"):
        box.namespace(kind)
    if user:
        box.user_namespace()
        box.bundle.chmod(0o777)
    hooks.everywhere(f"{{ {SHOW}; }} > ns.KIND")
    box.create("sleep", "1000")
    container = {name: os.readlink(f"/proc/{box.pid}/ns/{name}") for name in TYPES}
    box.start()
    box.delete("--force")
    ours = {name: os.readlink(f"/proc/self/ns/{name}") for name in TYPES}
    for kind in RUNTIME_KINDS:
        assert hooks.read(f"ns.{kind}").split() == list(ours.values()), kind
    for kind in CONTAINER_KINDS:
        assert hooks.read(f"ns.{kind}").split() == list(container.values()), kind


def test_create_container_sees_the_mounted_root_from_outside(box, hooks):
    """Its path is the host's, its mounts are the container's: what a hook mounts is in the container."""
    (box.own_root() / "mnt/inner").mkdir()
    (box.bundle / "data").mkdir()
    (box.bundle / "data/file").write_text("from the hook")
    script = (
        f"test -d {box.root}/proc/1 && test -d /proc/1 && mount --bind {box.bundle}/data {box.root}/mnt/inner"
    )
    hooks.add("createContainer", script)
    assert box.run("cat", "/mnt/inner/file") == "from the hook"
    assert not (box.root / "mnt/inner/file").exists()  # nor on the host


def test_create_container_begins_in_the_root(box, hooks):
    box.config["hooks"]["createContainer"] = [sh(f"pwd > {box.bundle}/pwd")]
    box.run("true")
    assert hooks.read("pwd") == f"{box.root}\n"


def test_masks_and_a_read_only_root_come_after_create_container(box, hooks):
    box.own_root()
    box.config["root"]["readonly"] = True
    box.linux["maskedPaths"].append("/made")
    hooks.add("createContainer", f"mkdir {box.root}/made; touch {box.root}/made/file")
    assert box.sh("ls /made; touch /x 2>&1 || true") == "touch: /x: Read-only file system\n"


def test_start_container_runs_the_containers_program_in_its_root_as_its_user(box, hooks):
    box.script(
        "/hook",
        "#!/bin/sh\nid -u; id -G; pwd; echo $0 $1\n"
        "grep -E 'Cap(Prm|Bnd)|NoNew' /proc/self/status; grep files /proc/self/limits\n",
    )
    box.process.update(
        user={"uid": 1000, "gid": 1000, "additionalGids": [5]},
        cwd="/tmp",
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
    )
    hook = {"path": "/hook", "args": ["hook", "argument"]}
    box.config["hooks"]["startContainer"] = [
        {**hook, "path": "/bin/sh", "args": ["sh", "-c", f"/hook argument > {box.bundle}/seen"]}
    ]
    (box.bundle / "seen").touch()
    (box.bundle / "seen").chmod(0o666)
    box.run("true")
    lines = hooks.read("seen").splitlines()
    assert lines[:4] == ["1000", "1000 5", "/tmp", "/hook argument"]
    found = fields("\n".join(lines[4:7]))
    assert (found["CapPrm"], found["CapBnd"], found["NoNewPrivs"]) == ("0" * 16, "0000000020000420", "1")
    assert lines[7].split()[3:5] == ["50", "60"]


def test_start_container_is_held_by_the_containers_seccomp(box, hooks):
    for no_new_privs in (True, False):
        box.process["noNewPrivileges"] = no_new_privs
        box.linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61}],
        }
        hooks.table["startContainer"] = [sh("mkdir /tmp/x 2>&1; exit 3")]
        assert "No data available" in box.fails("true")


@pytest.mark.parametrize("kind", CONTAINER_KINDS)
def test_hooks_inside_are_in_the_containers_cgroups(box, hooks, kind):
    box.linux["cgroupsPath"] = f"/{box.id}"
    box.without("cgroup")
    hooks.add(kind, "cat /proc/self/cgroup > cgroup")
    box.run("true")
    paths = {line.split(":", 2)[2] for line in hooks.read("cgroup").splitlines()}
    assert paths == {f"/{box.id}"}


@pytest.mark.parametrize("kind", RUNTIME_KINDS)
def test_hooks_outside_begin_in_the_bundle(box, hooks, kind):
    hooks.table[kind] = [sh(f"pwd > {box.bundle}/pwd")]
    box.run("true")
    assert hooks.read("pwd") == f"{box.bundle}\n"


# ---------------------------------------------------------------- what they get


def test_the_state_on_stdin_is_what_the_standard_says(box, hooks):
    box.config["annotations"] = {"org.example.key": "välue"}
    hooks.everywhere("cat > state.KIND")
    box.create("sleep", "1000")
    pid = box.pid
    box.start()
    box.delete("--force")
    wanted = {
        "prestart": ("created", pid), "createRuntime": ("creating", pid), "createContainer": ("creating", 1),
        "startContainer": ("created", 1), "poststart": ("running", pid), "poststop": ("stopped", 0),
    }  # fmt: skip
    from ocipy import spec

    for kind, (status, number) in wanted.items():
        state = json.loads(hooks.read(f"state.{kind}"))
        assert spec.check_state(state) == [], kind
        assert state == {
            "ociVersion": box.config["ociVersion"], "id": box.id, "status": status, "pid": number,
            "bundle": str(box.bundle), "annotations": {"org.example.key": "välue"},
        }, kind  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_and_environment_are_as_asked(box, hooks, kind):
    script = f"tr '\\0' '|' < /proc/$$/cmdline > {box.bundle}/args; cat /proc/$$/environ > {box.bundle}/env"
    if kind in CONTAINER_KINDS[:1]:
        script = f'printf \'%s|\' "$0" "$@" > {box.bundle}/args; env > {box.bundle}/env'
    hooks.table[kind] = [
        {"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "a b", ""], "env": ["A=b c", "PATH=/bin"]}
    ]
    box.run("true")
    assert hooks.read("args").endswith("zero|a b||")
    assert {"A=b c", "PATH=/bin"} <= set(hooks.read("env").replace("\0", "\n").splitlines())
    assert "HOME" not in hooks.read("env")


def test_the_name_of_a_program_need_not_be_its_path(box, hooks):
    hooks.table["prestart"] = [
        {
            "path": "/bin/bash",
            "args": ["another", "-c", f"tr '\\0' ' ' < /proc/$$/cmdline > {box.bundle}/seen"],
        }
    ]
    box.run("true")
    assert hooks.read("seen").startswith("another -c")


def test_without_arguments_a_hook_gets_its_path(box, hooks):
    program = box.bundle / "hook"
    program.write_text(f"#!/bin/sh\necho $# $0 > {box.bundle}/seen\n")
    program.chmod(0o755)
    hooks.table["prestart"] = [{"path": str(program)}]
    box.run("true")
    assert hooks.read("seen") == f"0 {program}\n"


def test_without_an_environment_hooks_have_none_but_those_of_the_container_have_its(box, hooks):
    box.process["env"] = ["PATH=/bin", "OF=the container"]
    for kind in KINDS:
        hooks.table[kind] = [
            {"path": "/bin/sh", "args": ["sh", "-c", f"cat /proc/self/environ > {box.bundle}/env.{kind}"]}
        ]
    box.run("true", env={"OF": "the runtime"})
    shells_own = ("PWD=", "OLDPWD=", "SHLVL=", "_=")
    for kind in KINDS:
        entries = hooks.read(f"env.{kind}").split("\0")
        seen = {entry for entry in entries if entry and not entry.startswith(shells_own)}
        assert seen == ({"PATH=/bin", "OF=the container"} if kind == "startContainer" else set()), kind


def test_an_empty_environment_is_one(box, hooks):
    hooks.table["startContainer"] = [sh(f"echo [$OF] > {box.bundle}/seen", env=[])]
    box.process["env"].append("OF=the container")
    box.run("true")
    assert hooks.read("seen") == "[]\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_nobody_reads_is_no_error(box, hooks, kind):
    """Nor one that is larger than a pipe."""
    box.config["annotations"] = {"org.example.big": "x" * 1000000}
    hooks.add(kind, "exec <&-; true")
    hooks.add(kind, "sleep 0.1")
    hooks.add(kind, "wc -c > size")
    box.run("true")
    assert int(hooks.read("size")) > 1000000
