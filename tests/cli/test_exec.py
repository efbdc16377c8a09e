"""``exec``: one more process inside a running container."""

import json
import os
import signal

import pytest

pytestmark = pytest.mark.kernel


@pytest.fixture
def web(host):
    return host.running()


def status_of(text, name):
    return next(line.split()[1:] for line in text.splitlines() if line.startswith(f"{name}:"))


def test_the_command_runs_inside(host, web):
    assert host.ok("exec", web, "cat", "/proc/1/comm") == "sleep\n"
    assert host.ok("exec", web, "--", "uname", "-n") == "ocipy\n"


def test_the_exit_status_is_the_commands(host, web):
    assert host("exec", web, "sh", "-c", "exit 7").status == 7
    assert host("exec", web, "sh", "-c", "kill -9 $$").status == 128 + signal.SIGKILL


def test_flags_after_the_id_are_the_commands(host, web):
    assert host.ok("exec", web, "echo", "-t", "--user", "x") == "-t --user x\n"


def test_the_streams_are_the_callers(host, web):
    result = host("exec", web, "sh", "-c", "cat; echo err >&2", input="in\n")
    assert (result.status, result.out, result.err) == (0, "in\n", "err\n")


def test_environment_and_directory_are_as_asked(host, web):
    out = host.ok("exec", "-e", "A=b=c", "--env", "TERM=dumb", "--cwd", "/var", web, "sh", "-c", "env; pwd")
    assert {"A=b=c", "TERM=dumb", "/var"} <= set(out.splitlines())
    assert "TERM=xterm" not in out


def test_the_user_is_as_asked(host, web):
    assert host.ok("exec", web, "id").startswith("uid=0(root) gid=0(root)")
    assert host.ok("exec", "-u", "1", web, "sh", "-c", "id -u; id -g") == "1\n0\n"
    assert (
        host.ok("exec", "-u", "1:2", "-g", "7", "-g", "8", web, "sh", "-c", "id -u; id -g; id -G")
        == "1\n2\n2 7 8\n"
    )


@pytest.mark.parametrize("user", ["x", "1:", ":1", "-1"])
def test_a_user_that_is_no_number_runs_nothing(host, web, user):
    message = host.fails("exec", f"--user={user}", web, "touch", "/tmp/ran", status=255)
    assert message.endswith("for --user: not a number")
    assert host("exec", web, "test", "-e", "/tmp/ran").status == 1


def test_a_capability_is_added_but_not_inheritable(host, web):
    """CVE-2022-29162, CVE-2022-27650."""
    text = host.ok("exec", "--cap", "CAP_SYS_CHROOT", web, "cat", "/proc/self/status")
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status_of(text, name)[0], 16) & 1 << 18, name
    assert status_of(text, "CapInh") == status_of(text, "CapAmb") == ["0000000000000000"]


def test_privileges_can_be_given_up(host):
    def change(config):
        config["process"]["noNewPrivileges"] = False

    id = host.running(change=change)
    assert status_of(host.ok("exec", id, "cat", "/proc/self/status"), "NoNewPrivs") == ["0"]
    text = host.ok("exec", "--no-new-privs", id, "cat", "/proc/self/status")
    assert status_of(text, "NoNewPrivs") == ["1"]


def test_a_process_file_says_all(host, web, tmp_path):
    path = tmp_path / "process.json"
    path.write_text(json.dumps({
        "args": ["sh", "-c", "echo $A; pwd; id -u"], "cwd": "/var", "env": ["A=b", "PATH=/bin"],
        "user": {"uid": 5, "gid": 6},
    }))  # fmt: skip
    assert host.ok("exec", "--process", str(path), web) == "b\n/var\n5\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{", "process.json: "),
        ("[]", "must be an object"),
        ('{"args":[],"cwd":"/","user":{"uid":0,"gid":0}}', "args"),
    ],
)
def test_a_process_file_that_is_wrong_is_an_error_of_ours(host, web, tmp_path, text, shown):
    path = tmp_path / "process.json"
    path.write_text(text)
    assert shown in host.fails("exec", "-p", str(path), web, status=255)


def test_a_process_file_that_is_not_there_is_an_error_of_ours(host, web):
    message = host.fails("exec", "-p", "/nowhere", web, status=255)
    assert message == f'exec {web}: "/nowhere": ENOENT: no such file or directory'


def test_a_command_that_is_not_there_fails_in_the_words_callers_look_for(host, web):
    log = host.directory / "log.json"
    flags = ("--log", str(log), "--log-format", "json")
    message = host.fails(*flags, "exec", web, "nowhere", status=255)
    assert "executable file not found in" in message
    assert json.loads(log.read_text())["msg"] == message
    assert "permission denied" in host.fails("exec", web, "/etc/passwd", status=255)
    assert "no such file or directory" in host.fails("exec", web, "/bin/nowhere", status=255)


def test_detached_it_returns_and_the_pid_is_in_the_file(host, web):
    pid_file = host.directory / "pid"
    words = ("exec", "-d", "--pid-file", str(pid_file), web, "sleep", "1000")
    host.ok(*words)
    pid = int(pid_file.read_text())
    host.until(lambda: open(f"/proc/{pid}/comm").read() == "sleep\n")
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{host.state(web)['pid']}/ns/pid")


def test_a_failed_exec_leaves_no_pid_file(host, web):
    """Its absence is how conmon knows."""
    pid_file = host.directory / "pid"
    host("exec", "-d", "--pid-file", str(pid_file), web, "nowhere")
    assert not pid_file.exists()


def test_only_a_running_container_can_be_entered(host):
    assert "container" in host.fails("exec", host.stopped(host.running("true")), "true", status=255)
    assert "cannot exec in a stopped container" in host.fails(
        "exec", host.stopped(host.running("true")), "true", status=255
    )


def test_a_cgroup_outside_of_the_containers_is_refused(host, web):
    for path in ("..", "../..", "a/../../b"):
        host.fails("exec", "--cgroup", path, web, "true", status=255)


def test_the_terminal_rules_are_in_runcs_words(host, web):
    message = host.fails("exec", "-t", "-d", web, "true", status=255)
    assert "cannot allocate tty if" in message
    message = host.fails("exec", "--console-socket", "/nowhere", web, "true", status=255)
    assert "cannot use console socket if" in message
