"""Hooks that fail: what is said of it, and what becomes of the container."""

import os
import signal
import subprocess
import time

import pytest

from tests.kernel.hooked import CONTAINER_KINDS, KINDS, RUNTIME_KINDS, Hooks, sh

pytestmark = pytest.mark.kernel


@pytest.fixture
def hooks(box):
    return Hooks(box)


def words(kind, index=0, path="/bin/sh"):
    return f"{kind} hook {path} (config.json /hooks/{kind}/{index}): "


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_failing_hook_ends_it_all_and_is_described(box, hooks, kind):
    hooks.add(kind, "true")
    hooks.add(kind, "echo out; echo 'the last words' >&2; exit 7")
    hooks.add(kind, "echo never > never")
    hooks.add("poststop", "echo > stopped")
    message = box.fails("sleep", "1000")
    begin, end = f"run {box.id}: {words(kind, 1)}exit status 7 after 0.", " s: out\\nthe last words"
    assert message.startswith(begin)
    assert message.endswith(end)
    assert not hooks.has("never")
    assert hooks.has("stopped")
    assert not os.path.exists(box.ocipy.command[1] / box.id)
    assert not [c for c in os.listdir("/sys/fs/cgroup") if os.path.exists(f"/sys/fs/cgroup/{c}/{box.id}")]


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_a_hook_of_start_that_fails_destroys_the_container(box, hooks, kind):
    hooks.add(kind, "exit 1")
    hooks.add("poststop", "echo > stopped")
    box.create("sleep", "1000")
    pid = box.pid
    assert f"start {box.id}: {words(kind)}exit status 1" in box.error(box.start(status=1))
    assert hooks.has("stopped")
    assert not os.path.exists(f"/proc/{pid}/exe")
    assert box.error(box.ocipy("state", box.id, status=1)).endswith("container does not exist")


def test_after_a_failing_start_container_hook_the_program_has_not_run(box, hooks):
    hooks.add("startContainer", "exit 1")
    box.fails("sh", "-c", f"echo > {box.bundle}/ran")
    assert not hooks.has("ran")


def test_a_failing_poststop_hook_only_warns_and_the_next_one_runs(box, hooks):
    hooks.add("poststop", "echo broken >&2; exit 3")
    hooks.add("poststop", "echo > second")
    box.start("true")
    box.stopped()
    done = box.delete()
    assert f"warning: {words('poststop')}exit status 3 after 0." in done.stderr
    assert done.stderr.endswith(": broken\n")
    assert hooks.has("second")
    assert not os.path.exists(box.ocipy.command[1] / box.id)


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_a_signal_ends_has_failed(box, hooks, kind):
    hooks.add(kind, "kill -9 $$") if kind not in CONTAINER_KINDS else hooks.add(kind, "kill -9 $$; sleep 1")
    assert f"{words(kind)}killed by signal 9 after 0." in box.fails("sleep", "1000")


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_takes_too_long_is_killed(box, hooks, kind):
    hooks.add(kind, "echo $$ > pid; echo before; exec sleep 1000", timeout=1)
    began = time.monotonic()
    message = box.fails("sleep", "1000")
    assert f"{words(kind)}timed out after 1." in message
    assert message.endswith(" s (timeout 1 s): before")
    assert time.monotonic() - began < 10
    if kind in RUNTIME_KINDS:
        assert not os.path.exists(f"/proc/{hooks.read('pid').strip()}/exe")


def test_a_hook_in_time_is_left_alone(box, hooks):
    hooks.add("prestart", "sleep 0.2", timeout=5)
    assert box.run("echo", "ran") == "ran\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_daemon_that_a_hook_leaves_behind_does_not_hold_us_up(box, hooks, kind):
    """It may keep the pipe of its stderr open as long as it likes, and write to it."""
    hooks.add(
        kind,
        "(trap '' PIPE; while sleep 0.05; do echo still here; done) & echo $! > daemon",
    )
    began = time.monotonic()
    box.run("true")
    assert time.monotonic() - began < 10
    if kind in RUNTIME_KINDS:
        os.kill(int(hooks.read("daemon")), signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_is_not_there_is_named(box, hooks, kind):
    hooks.table[kind] = [{"path": "/nowhere/hook", "args": ["hook"]}]
    message = box.fails("sleep", "1000")
    assert (
        message == f"run {box.id}: {words(kind, path='/nowhere/hook')}"
        'exec: "/nowhere/hook": no such file or directory'
    )


def test_why_a_hook_can_not_be_executed_is_explained(box, hooks):
    program = box.bundle / "hook"
    program.write_text("#!/bin/nope\n")
    hooks.table["prestart"] = [{"path": str(program)}]
    assert box.fails("true").endswith(
        f'exec: "{program}": permission denied (it is not executable, mode 0644)'
    )
    program.chmod(0o755)
    assert "(its interpreter /bin/nope does not exist" in box.fails("true")


@pytest.mark.parametrize("path", ["bin/true", "true", "./true"])
def test_a_hook_without_an_absolute_path_is_refused(box, hooks, path):
    hooks.table["prestart"] = [{"path": path}]
    assert box.fails("true").startswith("config.json: /hooks/prestart/0/path: ")


def test_the_tail_of_what_a_hook_says_is_kept(box, hooks):
    hooks.add(
        "prestart",
        "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; printf '\\033[31mend\\377'; exit 1",
    )
    message = box.fails("true")
    assert "line 4999\\n\\x1b[31mend" in message
    assert "line 0\\n" not in message
    assert len(message) < 8000


def test_a_created_container_whose_bundle_is_gone_can_be_deleted_with_its_hooks(box, hooks, tmp_path):
    out = tmp_path / "stopped"
    hooks.table["poststop"] = [sh(f"pwd > {out}")]
    box.create("sleep", "1000")
    subprocess.run(["rm", "-rf", box.bundle], check=True)
    box.delete("--force")
    assert out.read_text() == "/\n"
