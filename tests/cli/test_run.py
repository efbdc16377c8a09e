"""``run``: one command, from a bundle to an exit status."""

import json
import os
import pty
import signal
import subprocess

import pytest

pytestmark = pytest.mark.kernel


def cgroups_of(id):
    hierarchies = ("", *os.listdir("/sys/fs/cgroup"))
    return [name for name in hierarchies if os.path.isdir(f"/sys/fs/cgroup/{name}/{id}")]


def leaves_nothing(host, id=None):
    assert host.ids() == []
    assert not os.path.exists(host.root) or os.listdir(host.root) == []
    assert not id or cgroups_of(id) == []


def test_a_bundle_runs_and_leaves_nothing(host):
    bundle = host.bundle("echo", "hello")
    assert host.ok("run", f"{bundle}/") == "hello\n"
    leaves_nothing(host, os.path.basename(bundle))


def test_a_slash_that_was_forgotten_is_asked_for(host):
    bundle = host.bundle("echo", "hello")
    above, name = os.path.split(bundle)
    said = host.fails("run", name, cwd=above)
    assert said == f"run: no config.json here: the bundle {name} needs a slash, {name}/"
    assert host.ok("run", name, cwd=bundle) == "hello\n"  # there it is an id


def test_where_state_can_not_be_kept_is_said_with_how_to_choose(refused, host):
    said = refused("--root", "/proc/none", "create", "-b", host.bundle("true"), "web")
    expected = 'state directory "/proc/none": ENOENT: no such file or directory'
    assert said == f"create: {expected} (--root or XDG_RUNTIME_DIR can name another)"


def test_the_exit_status_is_the_programs(host):
    result = host("run", host.bundle("sh", "-c", "exit 7"))
    assert (result.status, result.out, result.err) == (7, "", "")
    leaves_nothing(host)


def test_a_program_that_is_killed_gives_128_and_the_signal(host):
    id = host.id()
    with subprocess.Popen([*host.command, "run", "-b", host.bundle("sleep", "1000"), id]) as process:
        host.until(lambda: id in host.ids() and host.state(id)["status"] == "running")
        host.ok("kill", id, "KILL")
        assert process.wait(20) == 128 + signal.SIGKILL
    leaves_nothing(host, id)


def test_standard_input_reaches_the_program(host):
    assert host.ok("run", host.bundle("cat"), input="through\n") == "through\n"


def test_the_three_standard_streams_are_the_callers(host):
    result = host("run", host.bundle("sh", "-c", "echo out; echo err >&2"))
    assert (result.status, result.out, result.err) == (0, "out\n", "err\n")


@pytest.mark.parametrize("closed", ["0<&-", "1<&-", "2<&-", "0<&- 1<&- 2<&-"])
def test_with_closed_streams_it_runs_too(host, closed):
    words = [
        "sh",
        "-c",
        f'exec {closed}; exec "$@"',
        "sh",
        *host.command,
        "run",
        host.bundle("sh", "-c", "exit 7"),
    ]
    done = subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


def test_the_id_comes_from_the_name_of_the_bundle(host):
    bundle = host.bundle("true", name="my web (1)")
    host.ok("create", f"{bundle}/")
    assert host.ids() == ["my-web--1-"]
    assert host.state("my-web--1-")["bundle"] == bundle


def test_the_id_may_be_the_second_argument(host):
    id = host.id()
    host.ok("create", host.bundle("true"), id)
    assert host.ids() == [id]


@pytest.mark.parametrize("word", [".", "./", "../{name}", "{path}/."])
def test_a_bundle_may_be_named_in_every_way_that_is_no_id(host, word):
    bundle = host.bundle("echo", "here")
    word = word.format(name=os.path.basename(bundle), path=bundle)
    assert host.ok("run", word, cwd=bundle) == "here\n"


def test_without_a_slash_it_is_an_id_and_the_bundle_is_where_we_are(host):
    id = host.id()
    bundle = host.bundle("echo", "here")
    assert host.ok("run", id, cwd=bundle) == "here\n"
    assert host.ok("run", "-b", bundle, id) == "here\n"
    assert host.ok("run", id, "--bundle", bundle) == "here\n"


def test_two_bundles_are_refused(host):
    assert host.fails("run", "-b", "a", "b/") == "run: two bundles: a and b/"
    assert host.fails("create", "-b", "a", "b/", "id") == "create: two bundles: a and b/"


def test_a_second_word_after_an_id_is_refused(host):
    message = host.fails("run", "web", "box")
    assert message == 'run: takes no argument "box" after an id (a bundle has a slash in it: web/)'


@pytest.mark.parametrize("id", ["", "a b", "a\n", "é", "a:b", "a" * 2000])
def test_what_cannot_be_an_id_is_refused(host, id):
    assert "invalid container id" in host.fails("run", "-b", host.bundle("true"), id)
    leaves_nothing(host)


def test_a_bundle_that_is_not_there_is_refused(host):
    assert "no such" in host.fails("run", f"{host.directory}/nowhere/")
    assert "no such file or directory" in host.fails("run", host.id(), cwd=host.directory)
    leaves_nothing(host)


def test_a_config_that_is_wrong_is_refused_with_its_place(host):
    def change(config):
        config["linux"]["namespaces"].append({"type": "pidd"})

    message = host.fails("run", host.bundle("true", change=change))
    assert message.startswith('config.json: /linux/namespaces/5/type: "pidd" is not one of ')
    leaves_nothing(host)


def test_a_program_that_is_not_there_fails_in_the_words_callers_look_for(host):
    log = host.directory / "log.json"
    id = host.id()
    bundle = host.bundle("nowhere")
    message = host.fails("--log", str(log), "--log-format", "json", "run", "-b", bundle, id)
    assert message.startswith(f"run {id}: ")
    assert "executable file not found in" in message
    entry = json.loads(log.read_text().splitlines()[-1])
    assert (entry["level"], entry["msg"]) == ("error", message)
    leaves_nothing(host, id)


def test_a_program_that_cannot_be_executed_fails_in_the_words_callers_look_for(host):
    assert "permission denied" in host.fails("run", host.bundle("/etc/passwd"))
    leaves_nothing(host)


def test_an_error_is_about_the_container_however_it_was_named(host):
    bundle = host.bundle("nowhere")
    for words in ((f"{bundle}/", "web"), ("-b", bundle, "web")):
        assert host.fails("run", *words).startswith("run web: ")
    assert host.fails("run", f"{bundle}/").startswith(f"run {os.path.basename(bundle)}: ")


def test_a_path_that_is_not_there_fails_in_the_words_callers_look_for(host):
    assert "no such file or directory" in host.fails("run", host.bundle("/bin/nowhere"))
    leaves_nothing(host)


def test_with_keep_the_container_stays(host):
    id = host.id()
    assert host.ok("run", "--keep", "-b", host.bundle("true"), id) == ""
    assert host.state(id)["status"] == "stopped"
    host.ok("delete", id)
    leaves_nothing(host, id)


def test_detached_it_returns_while_the_program_runs(host):
    id = host.id()
    pid_file = host.directory / "pid"
    words = ("run", "-d", "--pid-file", str(pid_file), "-b", host.bundle("sleep", "1000"), id)
    host.ok(*words)
    state = host.state(id)
    assert (state["status"], state["pid"]) == ("running", int(pid_file.read_text()))


def test_a_signal_to_the_command_reaches_the_program(host):
    script = 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.02; done'
    words = [*host.command, "run", host.bundle("sh", "-c", script)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got\n"
        assert process.wait(20) == 5
    leaves_nothing(host)


def test_no_descriptor_of_the_caller_reaches_the_program(host):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    out = host.ok("run", host.bundle("ls", "/proc/self/fd"), pass_fds=(writer,))
    os.close(reader)
    os.close(writer)
    assert out.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_descriptors_reach_the_program_if_asked_for(host):
    out = host.directory / "out"
    words = [
        "sh",
        "-c",
        'exec 3>"$1"; shift; exec "$@"',
        "sh",
        str(out),
        *host.command,
        "run",
        "--preserve-fds",
        "1",
    ]
    bundle = host.bundle("sh", "-c", "echo through >&3; ls /proc/self/fd >&3")
    subprocess.run([*words, bundle], check=True, timeout=60, stdin=subprocess.DEVNULL)
    assert out.read_text().split() == ["through", "0", "1", "2", "3", "4"]


def terminal(config):
    config["process"]["terminal"] = True


def test_with_a_terminal_the_program_has_one(host):
    bundle = host.bundle("sh", "-c", "tty; stty size; exit 3", change=terminal)
    master, slave = pty.openpty()
    process = subprocess.Popen([*host.command, "run", bundle], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:
        pass  # EIO: the last one that had the slave is gone
    os.close(master)
    assert process.wait(20) == 3
    assert b"/dev/" in shown, shown
    assert b"not a tty" not in shown


def test_a_terminal_nobody_holds_is_refused_in_runcs_words(host):
    message = host.fails("create", host.bundle("true", change=terminal))
    assert "cannot allocate tty if" in message
    assert "will detach without setting console socket" in message
    leaves_nothing(host)


def test_a_socket_for_a_terminal_that_is_not_asked_for_is_refused_in_runcs_words(host):
    message = host.fails("create", "--console-socket", "/nowhere", host.bundle("true"))
    assert "cannot use console socket if" in message
    assert "will not detach or allocate tty" in message
    leaves_nothing(host)


def test_nothing_of_the_environment_is_needed(host):
    assert host.ok("run", host.bundle("echo", "hello"), env={}) == "hello\n"


def test_nothing_of_the_callers_environment_reaches_the_program(host):
    out = host.ok("run", host.bundle("env"), env={"SECRET": "1", "PYTHONPATH": "/x", "LD_LIBRARY_PATH": "/x"})
    assert sorted(line.partition("=")[0] for line in out.splitlines()) == ["HOME", "PATH", "TERM"]


@pytest.mark.parametrize("base", ["busybox", "host"])
def test_the_demo_bundle_runs(host, base):
    bundle = host.directory / "demo"
    assert host.ok("bundle", str(bundle), "--base", base, "--demo") == ""
    out = host.ok("run", f"{bundle}/")
    assert out.startswith("Hello from a container")
    assert "hostname      ocipy\n" in out
    assert "user          uid=0(root)" in out
    leaves_nothing(host)


def test_options_of_a_bundle_are_seen_inside(host):
    bundle = str(host.directory / "box")
    script = "id -u; id -g; pwd; uname -n; echo $A; cat /mnt/file; touch /x 2>/dev/null || echo read-only"
    (host.directory / "data").mkdir()
    (host.directory / "data/file").write_text("data\n")
    mount = f"src={host.directory}/data,dst=/mnt,ro"
    options = f"--base busybox -u 5:6 --cwd /var --hostname box -e A=b --read-only --mount {mount}"
    host.ok("bundle", bundle, *options.split(), "--", "sh", "-c", script)
    assert host.ok("run", bundle).split() == ["5", "6", "/var", "box", "b", "data", "read-only"]
