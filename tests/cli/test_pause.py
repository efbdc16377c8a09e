"""``pause`` and ``resume``: all processes stop, go on, and can be killed in between."""

import json
import os
import select
import subprocess

import pytest

from ocipy.cgroups import from_kept

pytestmark = pytest.mark.kernel


@pytest.fixture
def echo(host):
    """A container that repeats what it is told: (id, tell, heard within seconds)."""
    theirs, tell = os.pipe()
    heard, mouth = os.pipe()
    id = host.id()
    bundle = host.bundle("cat")
    command = [*host.command, "create", "-b", bundle, id]
    subprocess.run(command, stdin=theirs, stdout=mouth, check=True, timeout=60)
    os.close(theirs)
    os.close(mouth)
    host.ok("start", id)

    def answer(text, seconds):
        if text:
            os.write(tell, text)
        ready, _, _ = select.select([heard], [], [], seconds)
        return os.read(heard, 100) if ready else b""

    yield id, answer
    os.close(tell)
    os.close(heard)


def test_a_paused_container_stands_still_until_it_is_resumed(host, echo):
    id, answer = echo
    assert answer(b"one\n", 10) == b"one\n"
    host.ok("pause", id)
    assert host.state(id)["status"] == "paused"
    assert answer(b"two\n", 0.3) == b""
    host.ok("resume", id)
    assert host.state(id)["status"] == "running"
    assert answer(b"", 10) == b"two\n"


def test_list_shows_paused(host):
    id = host.running()
    host.ok("pause", id)
    line = next(line for line in host.ok("list").splitlines() if line.startswith(id))
    assert line.split()[2] == "paused"


def test_what_is_paused_is_not_paused_again(host):
    id = host.running()
    host.ok("pause", id)
    assert host.fails("pause", id).endswith("container not running: it is paused already")
    assert host.state(id)["status"] == "paused"


def test_what_is_not_paused_is_not_resumed(host):
    assert host.fails("resume", host.created("true")).endswith("container not paused")
    assert host.fails("resume", host.running()).endswith("container not paused")


def test_what_has_stopped_is_neither_paused_nor_resumed(host):
    id = host.stopped(host.running("true"))
    assert host.fails("pause", id).endswith("container not running")
    assert host.fails("resume", id).endswith("container not paused")


def test_a_created_container_can_be_paused_and_started_after_it_was_resumed(host):
    id = host.created("sleep", "1000")
    host.ok("pause", id)
    assert host.state(id)["status"] == "paused"
    assert host.fails("start", id).endswith("cannot start a container in the paused state")
    host.ok("resume", id)
    assert host.state(id)["status"] == "created"
    host.ok("start", id)
    assert host.state(id)["status"] == "running"


def test_exec_in_a_paused_container_is_refused(host):
    id = host.running()
    host.ok("pause", id)
    refusal = host.fails("exec", id, "true", status=255)
    assert refusal.endswith("cannot exec in a paused container (use --ignore-paused to override)")


def test_exec_with_ignore_paused_goes_on_when_the_container_does(host):
    id = host.running()
    host.ok("pause", id)
    command = [*host.command, "exec", "--ignore-paused", id, "sh", "-c", "exit 7"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        host.ok("resume", id)
        assert process.wait(20) == 7
    finally:
        process.kill()
        process.wait()


def test_a_paused_container_is_not_deleted_without_force(host):
    id = host.running()
    host.ok("pause", id)
    assert host.fails("delete", id).endswith("cannot delete a container that is not stopped: it is paused")
    assert host.state(id)["status"] == "paused"


@pytest.mark.parametrize("words", [("kill", "KILL"), ("kill", "--all", "KILL"), ("delete", "--force")])
def test_a_paused_container_dies_of_sigkill_at_once(host, words):
    id = host.running("sh", "-c", "sleep 1000 & sleep 1000")
    host.ok("pause", id)
    verb, *rest = words
    flags, signal = [word for word in rest if word[0] == "-"], [word for word in rest if word[0] != "-"]
    host.ok(verb, *flags, id, *signal, timeout=5)
    if verb == "kill":
        host.stopped(id)
        host.ok("delete", id, timeout=5)
    assert id not in host.ids()


@pytest.mark.parametrize("words", [("kill", "KILL"), ("kill", "--all", "KILL"), ("delete", "--force")])
def test_what_the_container_itself_has_frozen_keeps_it_no_longer(host, words):
    """A paused container in the container, say: on v1 it would not die, nor the pid namespace with it."""
    id = host.running("sh", "-c", "sleep 1000 & sleep 1000")
    first = host.state(id)["pid"]
    host.until(lambda: len(json.loads(host.ok("ps", "-f", "json", id))) == 2)
    (second,) = set(json.loads(host.ok("ps", "-f", "json", id))) - {first}
    inner = from_kept(json.loads((host.root / id / "state.json").read_text())["ocipy"]["cgroup"])
    inner = inner.at({name: f"{path}/inner" for name, path in inner.paths.items() if name in ("freezer", "")})
    for path in inner.paths.values():
        os.mkdir(path)
    inner.join(second)
    inner.freeze()
    verb, *rest = words
    flags, signal = [word for word in rest if word[0] == "-"], [word for word in rest if word[0] != "-"]
    host.ok(verb, *flags, id, *signal, timeout=8)
    if verb == "kill":
        host.stopped(id)
        host.ok("delete", id, timeout=8)
    assert not any(os.path.exists(path) for path in inner.paths.values())


def test_another_signal_reaches_a_paused_container_when_it_goes_on(host):
    id = host.running("sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.1; done")
    host.ok("pause", id)
    host.ok("kill", "--all", id, "USR1")
    assert host.state(id)["status"] == "paused"
    host.ok("resume", id)
    host.stopped(id)
