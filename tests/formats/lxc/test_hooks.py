"""Hooks: LXC's lines of shell as OCI's programs, and the other way round; each run."""

import json
import os
import subprocess

import pytest

from ocipy.formats import lxc
from ocipy.formats.lxc import wrapper
from ocipy.spec import Spec
from ocipy.spec.origin import CHANGED, LOSSY
from tests.formats.lxc import made

STATE = {"ociVersion": "1.2.0", "id": "web", "status": "creating", "pid": 4321, "bundle": "/b",
         "annotations": {"a": '"pid": 1'}}  # fmt: skip


def run(hook, state=STATE):
    """What a hook prints."""
    words = [hook["path"], *hook["args"][1:]]
    env = dict(entry.split("=", 1) for entry in hook.get("env", ()))
    done = subprocess.run(words, input=json.dumps(state), env=env, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("pre-start", "createRuntime"),
        ("pre-mount", "createContainer"),
        ("mount", "createContainer"),
        ("autodev", "createContainer"),
        ("start-host", "createRuntime"),
        ("start", "startContainer"),
        ("stop", "poststop"),
        ("post-stop", "poststop"),
    ],
)
def test_a_hook_runs_at_the_moment_that_is_nearest(tmp_path, kind, moment):
    spec, _ = made.load(tmp_path, f"lxc.hook.{kind} = /x")
    assert list(spec.data["hooks"]) == [moment]
    assert spec.places[f"/hooks/{moment}/0"] == f"config:2: lxc.hook.{kind}"


def test_hooks_are_in_the_order_in_which_lxc_runs_them(tmp_path):
    kinds = ("autodev", "mount", "pre-mount", "mount")
    lines = [f"lxc.hook.{kind} = /{kind}{number}" for number, kind in enumerate(kinds)]
    hooks = made.data(tmp_path, *lines)["hooks"]["createContainer"]
    order = [dict(e.split("=", 1) for e in hook["env"])["OCIPY_LXC_VALUE"] for hook in hooks]
    assert order == ["/pre-mount2", "/mount1", "/mount3", "/autodev0"]


def test_without_autodev_its_hook_does_not_run(tmp_path):
    assert "hooks" not in made.data(tmp_path, "lxc.autodev = 0", "lxc.hook.autodev = /x")


def test_a_hook_is_told_all_by_arguments(tmp_path):
    for place in (tmp_path, tmp_path / "a; b 'c'"):
        (hook,) = made.data(place, "lxc.hook.pre-start = echo")["hooks"]["createRuntime"]
        assert run(hook) == f"{place.name} lxc pre-start\n"


def test_or_by_variables(tmp_path):
    line = "lxc.hook.start-host = sh -c 'echo \"$LXC_PID $LXC_NAME $LXC_HOOK_TYPE $LXC_ROOTFS_MOUNT $(cat)\"'"
    (hook,) = made.data(tmp_path, "lxc.hook.version = 1", line)["hooks"]["createRuntime"]
    # The first process is the state's own, not one that an annotation names; the standard input is empty.
    assert run(hook) == f"4321 {tmp_path.name} start-host {tmp_path}/root \n"


def test_a_hook_needs_no_more_than_a_shell(tmp_path):
    """Inside a container there may be nothing else."""
    lines = ["lxc.hook.version = 1", "lxc.hook.start = /bin/sh -c 'echo $LXC_PID'"]
    (hook,) = made.data(tmp_path, *lines)["hooks"]["startContainer"]
    env = [entry for entry in hook["env"] if not entry.startswith("PATH=")]
    assert run({**hook, "env": [*env, "PATH=/nowhere"]}) == "4321\n"


def test_a_hook_that_is_not_at_its_own_moment_says_so(tmp_path):
    _, notes = made.load(tmp_path, "lxc.hook.pre-start = /x", "lxc.hook.stop = /y", "lxc.hook.mount = /z")
    assert made.fates(notes, "lxc.hook.pre-start") == {CHANGED}
    assert made.fates(notes, "lxc.hook.stop") == {LOSSY}
    assert not made.fates(notes, "lxc.hook.mount")


@pytest.mark.kernel
def test_a_file_of_proc_is_written_by_a_hook(tmp_path):
    data = made.data(tmp_path, "lxc.proc.timerslack_ns = 77000", "lxc.proc.oom_score_adj = 5")
    (hook,) = data["hooks"]["createRuntime"]
    child = subprocess.Popen(["sleep", "60"])
    try:
        run(hook, {**STATE, "pid": child.pid})
        with open(f"/proc/{child.pid}/timerslack_ns") as file:
            assert file.read() == "77000\n"
    finally:
        child.kill()
        child.wait()


# ---------------------------------------------------------------- back


HOOK = {
    "path": "/bin/sh",
    "args": ["/bin/sh", "-c", 'echo "$A|$HOME|$1"; cat', "x", "it's"],
    "env": ["A='1' 2"],
    "timeout": 9,
}


BASE = {"root": {"path": "/"}, "linux": {"namespaces": [{"type": "mount"}]}}


def lines_of(data):
    files, notes = lxc.dump(Spec({**BASE, **data}), "5")
    return files["config"].decode().splitlines(), notes


@pytest.mark.parametrize(
    ("kind", "key", "status", "pid"),
    [
        ("prestart", "start-host", "creating", 4321),
        ("createRuntime", "start-host", "creating", 4321),
        ("createContainer", "mount", "creating", 1),
        ("startContainer", "start", "created", 1),
        ("poststop", "post-stop", "stopped", 0),
    ],
)
def test_an_oci_hook_gets_its_state_environment_and_arguments(kind, key, status, pid):
    lines, _ = lines_of({"hooks": {kind: [HOOK]}})
    assert "lxc.hook.version = 1" in lines
    *_, line = (line.partition(" = ")[2] for line in lines if line.startswith(f"lxc.hook.{key} = "))
    env = {**os.environ, "LXC_NAME": "web", "LXC_CONFIG_FILE": "/b/config", "HOME": "/h"}
    if kind != "createContainer":
        env["LXC_PID"] = "4321"
    # As LXC runs it: by a shell that becomes it.
    words = ["/bin/sh", "-c", f"exec {lxc_value(line)}"]
    printed, state = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.split(
        "\n", 1
    )
    assert printed == "'1' 2||it's"
    assert json.loads(state) == {
        "ociVersion": "1.2.0", "id": "web", "status": status, "pid": pid, "bundle": "/b",
    }  # fmt: skip


def lxc_value(text):
    """What LXC makes of the value of a line."""
    return text[1:-1] if text[:1] == text[-1:] == '"' else text


def test_a_hook_in_the_container_comes_after_one_that_lxc_can_check(tmp_path):
    for path, found in (("/", ["/bin/true", "\"'/bin/sh' '-c'"]), (str(tmp_path), [])):
        lines, notes = lines_of({"root": {"path": path}, "hooks": {"startContainer": [HOOK, HOOK]}})
        starts = [line.partition(" = ")[2] for line in lines if line.startswith("lxc.hook.start = ")]
        assert [start[:15] for start in starts] == [*found, *found[1:]]
        lossy = {note.key for note in notes if note.fate == LOSSY and "startContainer" in note.key}
        assert lossy == (set() if found else {"/hooks/startContainer/0", "/hooks/startContainer/1"})


def test_a_hook_for_which_lxc_has_no_moment_is_lossy():
    _, notes = lines_of({"hooks": {"poststart": [{"path": "/x"}]}})
    assert {note.key: note.fate for note in notes if "hooks" in note.key} == {"/hooks/poststart/0": LOSSY}


@pytest.mark.parametrize("version", ["0", "1"])
def test_hooks_of_lxc_s_go_back_as_they_were(tmp_path, version):
    lines = [
        f"lxc.hook.{kind} = echo '{kind}' \"$A\"" for kind in ("pre-start", "mount", "start", "post-stop")
    ]
    spec, _ = made.load(tmp_path, f"lxc.hook.version = {version}", "lxc.proc.timerslack_ns = 5", *lines)
    found, _ = lines_of({"hooks": spec.data["hooks"]})
    assert set(lines) <= set(found)
    assert "lxc.proc.timerslack_ns = 5" in found
    assert ("lxc.hook.version = 1" in found) == (version == "1")


def test_a_line_that_only_looks_like_ours_is_not_taken_for_it():
    assert wrapper.read_hook("'/bin/sh' '-c' 'true' 'ocipy' 'poststop'") is None
    assert wrapper.read_hook("/bin/sh -c x") is None
    assert wrapper.read_hook("'unfinished") is None
    assert wrapper.read_sysctl("") is None


@pytest.mark.parametrize("readonly", [False, True])
def test_a_sysctl_that_would_be_read_only_is_set_from_outside(readonly):
    """LXC writes sysctls when all is mounted, OCI's runtimes before paths are made read-only."""
    linux = {
        "namespaces": [{"type": "mount"}, {"type": "network"}],
        "sysctl": {"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.1/rp_filter": "0"},
        "readonlyPaths": ["/proc/sys"] if readonly else [],
    }
    lines, _ = lines_of({"linux": linux, "domainname": "example.org"})
    keys = [
        line.partition(" = ")[0] for line in lines if line.startswith(("lxc.sysctl", "lxc.hook.start-host"))
    ]
    plain = ["lxc.sysctl.net.ipv4.ip_forward", "lxc.sysctl.kernel.domainname"]
    assert sorted(keys) == sorted(
        ["lxc.hook.start-host"] * 3 if readonly else [*plain, "lxc.hook.start-host"]
    )
