"""create, start, state, kill, delete and list, as callers use them."""

import json
import os
import signal
import subprocess

import pytest

pytestmark = pytest.mark.kernel


def test_a_container_goes_from_created_to_running_to_stopped(host):
    id = host.created("sleep", "1000")
    assert host.state(id)["status"] == "created"
    assert host.ok("start", id) == ""
    assert host.state(id)["status"] == "running"
    assert host.ok("kill", id, "KILL") == ""
    host.stopped(id)
    assert host.state(id)["pid"] == 0
    assert host.ok("delete", id) == ""
    assert host.ids() == []


def test_the_program_runs_at_start_and_not_before(host):
    reader, writer = os.pipe()
    id = host.id()
    words = [*host.command, "create", "-b", host.bundle("echo", "now"), id]
    assert subprocess.run(words, stdout=writer, check=False, timeout=60).returncode == 0
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(writer)
    os.set_blocking(reader, True)
    host.ok("start", id)
    with open(reader) as f:
        assert f.read() == "now\n"


def test_the_state_has_what_the_specification_asks_for(host):
    def change(config):
        config["annotations"] = {"a.b": "c"}

    id = host.running(change=change)
    text = host.ok("state", id)
    state = json.loads(text)
    assert text.startswith('{\n  "ociVersion": ')
    assert text.endswith("\n}\n")
    assert (state["id"], state["status"], state["annotations"]) == (id, "running", {"a.b": "c"})
    assert os.path.isfile(f"{state['bundle']}/config.json")
    assert os.readlink(f"/proc/{state['pid']}/root") == "/"


def test_the_pid_file_holds_the_pid_when_create_returns(host):
    id, pid_file = host.id(), host.directory / "pid"
    host.ok("create", "--pid-file", str(pid_file), "-b", host.bundle("true"), id)
    assert pid_file.read_text() == str(host.state(id)["pid"])
    assert [name for name in os.listdir(host.directory) if "pid" in name] == ["pid"]


def test_a_pid_file_that_cannot_be_written_leaves_nothing(host):
    id = host.id()
    message = host.fails("create", "--pid-file", "/nowhere/pid", "-b", host.bundle("true"), id)
    assert "no such file or directory" in message
    assert host.ids() == []


def test_every_verb_needs_a_container_that_exists(host):
    for words in (("state",), ("start",), ("kill",), ("delete",)):
        assert host.fails(*words, "nope") == f"{words[0]} nope: container does not exist"
    assert host.fails("exec", "nope", "ls", status=255) == "exec nope: container does not exist"


def test_every_verb_refuses_what_cannot_be_an_id(host):
    for verb in ("state", "start", "kill", "delete", "create"):
        for id in ("a b", "a:b"):
            assert "invalid container id" in host.fails(verb, id), verb
    for verb in ("state", "start", "kill", "delete"):
        for id in ("..", ".", "../x", "/etc"):
            assert "invalid container id" in host.fails(verb, id), verb


def test_an_id_is_taken_once(host):
    id = host.created("true")
    before = host.state(id)
    message = host.fails("create", "-b", host.bundle("true"), id)
    assert message == f"create {id}: container with given ID already exists"
    assert host.state(id) == before


def test_a_running_container_cannot_be_started(host):
    id = host.running()
    assert "cannot start an already running container" in host.fails("start", id)
    assert host.state(id)["status"] == "running"


def test_a_container_without_a_process_is_created_and_cannot_be_started(host):
    bundle = host.bundle(change=lambda config: config.pop("process"))
    id = host.id()
    assert host("create", "-b", bundle, id).status == 0
    for _ in "twice":
        words = "cannot start a container whose configuration has no process"
        assert host.fails("start", id) == f"start {id}: {words}"
        assert host.state(id)["status"] == "created"
    process = {"args": ["cat", "/proc/1/comm"], "cwd": "/", "env": ["PATH=/bin"]}
    (host.directory / "process.json").write_text(json.dumps(process))
    assert host.ok("exec", "-p", str(host.directory / "process.json"), id) == "ocipy:[INIT]\n"
    host.ok("delete", id)


def test_a_stopped_container_cannot_be_started(host):
    id = host.stopped(host.running("true"))
    assert "cannot start a container that has stopped" in host.fails("start", id)


def test_a_stopped_container_cannot_be_killed(host):
    id = host.stopped(host.running("true"))
    assert "container not running" in host.fails("kill", id, "9")
    assert host.ok("kill", "--all", id, "9") == ""


def test_a_running_container_cannot_be_deleted(host):
    id = host.running()
    assert id in host.fails("delete", id)
    assert host.state(id)["status"] == "running"


def test_a_running_container_can_be_deleted_by_force(host):
    id = host.running()
    pid = host.state(id)["pid"]
    assert host.ok("delete", "--force", id) == ""
    host.until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert host.ids() == []


def test_a_created_container_can_be_deleted(host):
    id = host.created("true")
    pid = host.state(id)["pid"]
    assert host.ok("delete", id) == ""
    host.until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_deleting_by_force_what_is_not_there_is_no_error(host):
    assert host.ok("delete", "--force", "nope") == ""
    assert host.ok("delete", "-f", "nope") == ""


def test_delete_needs_no_working_directory(host):
    """The shim's is gone when it deletes once more."""
    id = host.running()
    gone = host.directory / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    for words in ((id,), (id,)):
        done = subprocess.run(
            ["sh", "-c", script, "sh", str(gone), *host.command, "delete", "--force", *words],
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        gone.mkdir()


TRAP = 'trap "echo got; exit 0" {}; echo ready; while :; do sleep 0.02; done'


@pytest.mark.parametrize("words", [(), ("TERM",), ("SIGTERM",), ("15",), ("sigterm",)])
def test_kill_sends_the_signal_that_it_is_given(host, words):
    id, (reader, writer) = host.id(), os.pipe()
    create = [*host.command, "create", "-b", host.bundle("sh", "-c", TRAP.format("TERM")), id]
    subprocess.run(create, stdout=writer, check=True, timeout=60)
    os.close(writer)
    host.ok("start", id)
    with open(reader) as out:
        assert out.readline() == "ready\n"
        host.ok("kill", id, *words)
        assert out.readline() == "got\n"


def test_kill_sends_no_signal_with_signal_0(host):
    id = host.running()
    host.ok("kill", id, "0")
    assert host.state(id)["status"] == "running"


def test_kill_all_reaches_every_process(host):
    id = host.running("sh", "-c", "sleep 1000 & sleep 1000")
    host.until(lambda: len(host.ok("exec", id, "pidof", "sleep").split()) == 2)
    host.ok("kill", "--all", id, str(int(signal.SIGKILL)))
    host.stopped(id)


def test_the_verbs_need_nothing_of_the_environment(host):
    id = host.created("sleep", "1000")
    for words in (("start", id), ("state", id), ("kill", id, "KILL"), ("list",), ("delete", "-f", id)):
        assert host(*words, env={}).status == 0, words


def test_the_list_is_a_table(host):
    assert host.ok("list") == "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    running, created = host.running(), host.created("true")
    header, *rows = host.ok("list").splitlines()
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [row.split()[0] for row in rows] == sorted([running, created])
    for row in rows:
        id, pid, status, bundle, when, owner = row.split()
        state = host.state(id)
        assert (pid, status, bundle, when) == (
            str(state["pid"]),
            state["status"],
            state["bundle"],
            state["created"],
        )
        assert owner == "root"
        for word, title in ((status, "STATUS"), (bundle, "BUNDLE"), (when, "CREATED")):
            assert row.index(f" {word} ") == header.index(f" {title}"), "columns are not aligned"


def test_the_list_can_be_json_or_ids_alone(host):
    assert host.ok("list", "--format=json") == "[]\n"
    assert host.ok("list", "-q") == ""
    id = host.running()
    (entry,) = json.loads(host.ok("list", "-f", "json"))
    assert entry == {**host.state(id), "owner": "root"}
    assert host.ok("list", "--quiet") == f"{id}\n"


def test_a_container_that_ended_is_listed_as_stopped(host):
    id = host.stopped(host.running("true"))
    assert host.ok("list").splitlines()[1].split()[:3] == [id, "0", "stopped"]


def test_every_line_of_a_json_log_is_json(host):
    log = host.directory / "log.json"
    flags = ("--log", str(log), "--log-format", "json", "--debug")
    for words in (("state", "nope"), ("start", "nope"), ("bogus",), ("exec", "-u", "x", "nope", "ls")):
        host(*flags, *words)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(list(entry) == ["level", "msg", "time"] for entry in entries)
    errors = [entry["msg"] for entry in entries if entry["level"] == "error"]
    assert errors == [
        "state nope: container does not exist",
        "start nope: container does not exist",
        'no verb "bogus" (see ocipy --help)',
        'exec: invalid value "x" for --user: not a number',
    ]


def test_a_warning_goes_to_the_log_and_the_container_is_made(host):
    def change(config):
        for names in config["process"]["capabilities"].values():
            names.append("CAP_BOGUS")

    log = host.directory / "log.json"
    bundle = host.bundle("true", change=change)
    host.ok("--log", str(log), "--log-format", "json", "run", bundle)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert entries
    assert {entry["level"] for entry in entries} == {"warning"}
    assert all("CAP_BOGUS" in entry["msg"] for entry in entries)
    assert "CAP_BOGUS" in host("run", bundle).err


def test_a_state_root_is_made_when_it_is_needed(host):
    assert not host.root.exists()
    host.ok("run", host.bundle("true"))
    assert host.root.is_dir()


def test_the_root_directory_is_no_state_root(host):
    assert "--root" in host.fails("--root", "/", "list")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_create_that_is_asked_to_end_leaves_nothing(host, number):
    there = host.directory / "hook"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"touch {there}; exec sleep 100"]}
    id, bundle = host.id(), host.bundle("true", change=lambda c: c.update(hooks={"createRuntime": [hook]}))
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "preexec_fn": heed_signals}
    with subprocess.Popen([*host.command, "create", "-b", bundle, id], **how) as create:
        host.until(there.exists)
        create.send_signal(number)
        assert create.wait(timeout=20) == 128 + number
    assert host.ids() == []
    assert host.fails("state", id) == f"state {id}: container does not exist"


def heed_signals():
    """Whoever runs the tests may ignore some of them."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
