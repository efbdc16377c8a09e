"""exec: one more process, in every namespace of the container and held by no less than the first."""

import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from tests.conftest import need
from tests.kernel.box import fields, popen, until

pytestmark = pytest.mark.kernel

TYPES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def namespaces(links):
    return dict(line.split(":", 1) for line in links.split())


SHOW = "for n in " + " ".join(TYPES) + "; do readlink /proc/self/ns/$n; done"


@pytest.fixture
def sleeper(box):
    """A running container."""
    box.start("sleep", "1000")
    return box


# ---------------------------------------------------------------- where it is


@pytest.mark.parametrize("user", [False, True])
def test_it_is_in_every_namespace_of_the_container(box, user):
    for kind in ("cgroup", "time"):
        box.namespace(kind)
    if user:
        box.user_namespace()
    box.start("sleep", "1000")
    theirs = {name: os.readlink(f"/proc/{box.pid}/ns/{name}") for name in TYPES}
    ours = {name: os.readlink(f"/proc/self/ns/{name}") for name in TYPES}
    seen = namespaces(box.exec("sh", "-c", SHOW))
    assert {f"{name}:{value}" for name, value in seen.items()} == set(theirs.values())
    assert {name for name in TYPES if theirs[name] == ours[name]} == (set() if user else {"user"})


@pytest.mark.parametrize("shared", ["pid", "network", "ipc", "uts"])
def test_it_shares_with_the_host_what_the_container_shares(box, shared):
    box.without(shared)
    if shared == "uts":
        del box.config["hostname"]
    if shared == "ipc":
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] != "mqueue"]
    if shared == "network":
        box.config["mounts"] = [m for m in box.config["mounts"] if m["type"] != "sysfs"]
    box.start("sleep", "1000")
    theirs = {os.readlink(f"/proc/{box.pid}/ns/{name}") for name in TYPES}
    seen = namespaces(box.exec("sh", "-c", SHOW))
    assert {f"{name}:{value}" for name, value in seen.items()} == theirs


def test_without_a_mount_namespace_it_is_in_the_containers_root(box):
    root = box.own_root()
    (root / "here").touch()
    box.config["mounts"] = []
    for name in ("maskedPaths", "readonlyPaths"):
        del box.linux[name]
    box.without("mount", "cgroup")
    box.start("sleep", "1000")
    assert "here" in box.exec("ls", "/").split()


def test_it_is_in_the_containers_cgroups(sleeper):
    file = sleeper.bundle / "pid"
    sleeper.exec("sleep", "1001", flags=("--detach", "--pid-file", file))
    assert sleeper.proc("cgroup", pid=int(file.read_text())) == sleeper.proc("cgroup")


def test_it_may_be_put_into_a_cgroup_below(box):
    controller = next((c for c in ("freezer", "pids") if os.path.isdir(f"/sys/fs/cgroup/{c}")), None)
    need(controller, "has no cgroup v1", kernel=True)
    box.start("sleep", "1000")
    path = next(
        line.split(":")[2] for line in box.proc("cgroup").splitlines() if controller in line.split(":")[1]
    )
    os.mkdir(f"/sys/fs/cgroup/{controller}{path}/sub")
    seen = box.exec("cat", "/proc/self/cgroup", flags=("--cgroup", f"{controller}:sub"))
    assert next(line.split(":")[2] for line in seen.splitlines() if controller in line) == f"{path}/sub"


def test_a_created_container_takes_it_too(box):
    box.create("sleep", "1000")
    assert box.exec("echo", "early") == "early\n"
    assert box.state()["status"] == "created"
    box.start()


# ---------------------------------------------------------------- who it is


def test_it_is_what_the_flags_say(sleeper):
    flags = ("--user", "1000:1001", "-g", "5", "-g", "6", "--cwd", "/usr", "-e", "A=1", "-e", "A=2")
    out = sleeper.exec("sh", "-c", "id -u; id -g; id -G; pwd; echo $A; echo $PATH", flags=flags)
    uid, gid, groups, cwd, a, path = out.splitlines()
    assert (uid, gid, set(groups.split()), cwd, a) == ("1000", "1001", {"1001", "5", "6"}, "/usr", "2")
    assert path == next(e for e in sleeper.process["env"] if e.startswith("PATH="))[5:]


def test_it_is_what_its_process_object_says(sleeper):
    out = sleeper.exec_process(
        args=["sh", "-c", "id -u; id -g; id -G; pwd; env; umask"],
        cwd="/usr", env=["PATH=/bin", "X=y"],
        user={"uid": 10, "gid": 11, "additionalGids": [12], "umask": 0o77},
    ).splitlines()  # fmt: skip
    assert out[:4] == ["10", "11", "11 12", "/usr"]
    assert "X=y" in out
    assert "HOME=/" in out
    assert out[-1] == "0077"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "process-"),
        ("[]", "must be an object"),
        ("{}", "cwd"),
        ('{"cwd": "/", "args": []}', "/args"),
        ('{"cwd": "x", "args": ["true"]}', "/cwd"),
        ('{"cwd": "/", "args": ["true"], "user": {"uid": "root", "gid": 0}}', "/user/uid"),
        ('{"cwd": "/", "args": ["true"], "user": {"uid": -1, "gid": 0}}', "/user/uid"),
        ('{"cwd": "/", "args": ["true"], "user": {"uid": 4294967295, "gid": 0}}', "/user/uid"),
        (
            '{"cwd": "/", "args": ["true"], "rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}',
            "/rlimits/0",
        ),
    ],
)
def test_a_process_object_that_is_wrong_is_refused_with_its_place(sleeper, document, words):
    path = sleeper.bundle / "process-bad.json"
    path.write_text(document)
    message = sleeper.error(sleeper.exec(status=255, flags=("--process", path)))
    assert words in message


def test_what_it_does_not_say_is_as_for_the_first_process(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]
    box.process["oomScoreAdj"] = 321
    box.process["user"]["umask"] = 0o27
    box.capabilities("CAP_KILL")
    box.start("sleep", "1000")
    for run in (lambda *a: box.exec(*a), lambda *a: box.exec_process(args=list(a))):
        found = fields(run("cat", "/proc/self/status"))
        assert (found["CapEff"], found["CapBnd"], found["NoNewPrivs"]) == ("0000000000000020",) * 2 + ("1",)
        assert found["Umask"] == "0027"
        assert "77                   99" in run("cat", "/proc/self/limits")
        assert run("cat", "/proc/self/oom_score_adj") == "321\n"


def test_what_it_says_counts(box):
    box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]
    box.process["noNewPrivileges"] = True
    box.start("sleep", "1000")
    asked = {
        "noNewPrivileges": False, "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 6}],
        "capabilities": {"bounding": ["CAP_CHOWN"]}, "oomScoreAdj": 500,
    }  # fmt: skip
    found = fields(box.exec_process(args=["cat", "/proc/self/status"], **asked))
    assert (found["NoNewPrivs"], found["CapBnd"], found["CapEff"]) == (
        "0",
        "0000000000000001",
        "0000000000000001",
    )
    assert "5                    6" in box.exec_process(args=["cat", "/proc/self/limits"], **asked)
    assert box.exec_process(args=["cat", "/proc/self/oom_score_adj"], **asked) == "500\n"


def test_a_seccomp_filter_of_the_container_holds_it(box):
    box.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61}],
    }
    box.start("sleep", "1000")
    out = box.exec("sh", "-c", "mkdir /tmp/x 2>&1; grep Seccomp: /proc/self/status")
    assert "No data available" in out
    assert out.split()[-1] == "2"


def test_capabilities_that_are_added_are_never_inheritable(sleeper):
    """CVE-2022-29162: else a program with file capabilities would gain them."""
    found = fields(
        sleeper.exec("cat", "/proc/self/status", flags=("--cap", "CAP_CHOWN", "--cap", "CAP_SYS_ADMIN"))
    )
    mask = 1 << 0 | 1 << 5 | 1 << 10 | 1 << 21 | 1 << 29
    assert [int(found[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [
        0,
        mask,
        mask,
        mask,
        0,
    ]


def test_a_user_that_is_no_number_never_means_root(sleeper):
    """CVE-2026-30892."""
    assert sleeper.exec("id", "-u", flags=("-u", "1")) == "1\n"
    for user in ("1:", "x", "+1", " 1", "1:x", "4294967295", "0x1", ":"):
        assert sleeper.exec("id", "-u", flags=("-u", user), status=255).startswith("ocipy: exec")


def test_groups_in_a_user_namespace_that_denies_them_are_refused(box):
    # It denies them to be able to map its root without privilege.
    holder = subprocess.Popen(["unshare", "--user", "--map-root-user", "sleep", "60"])
    until(lambda: open(f"/proc/{holder.pid}/comm").read() == "sleep\n")
    box.namespace("user", f"/proc/{holder.pid}/ns/user")
    devpts = next(m for m in box.config["mounts"] if m["type"] == "devpts")
    devpts["options"].remove("gid=5")  # it maps no other id than root's
    box.start("sleep", "1000")
    holder.kill()
    holder.wait()
    for flags in ((), ("-u", "0")):
        assert box.exec("id", flags=flags, extra_groups=[4242]) == "uid=0(root) gid=0(root)\n"
    message = box.error(box.exec("id", flags=("-g", "5"), status=255))
    assert (
        "/user/additionalGids: additional groups can't be set in a user namespace that denies setgroups"
        in message
    )


def test_a_user_namespace_that_the_program_has_made_is_not_entered(box):
    """There its own word would count: nobody could be executed, or would keep the caller's groups."""
    box.capabilities("CAP_SETFCAP", "CAP_SETGID")
    box.start("unshare", "--map-root-user", "sleep", "1000")
    until(lambda: box.proc("comm") == "sleep\n")
    assert box.proc("setgroups") == "deny\n"
    said = box.exec("sh", "-c", "id -G; readlink /proc/self/ns/user", flags=("-g", "5"), extra_groups=[4242])
    assert said.split() == ["0", "5", os.readlink("/proc/self/ns/user")]


@pytest.mark.parametrize(("initial", "final"), [(None, "0"), ("0", None), ("0-1", "0"), ("0", "0-1")])
def test_processors_are_as_asked(sleeper, initial, final):
    need(os.cpu_count() > 1, "has one processor", kernel=True)
    affinity = {name: value for name, value in (("initial", initial), ("final", final)) if value}
    out = sleeper.exec_process(args=["cat", "/proc/self/status"], execCPUAffinity=affinity)
    assert fields(out)["Cpus_allowed_list"] == (final or initial)


def test_processors_that_are_no_list_are_refused(sleeper):
    out = sleeper.exec_process(status=255, args=["true"], execCPUAffinity={"final": "two"})
    assert "/execCPUAffinity/final" in sleeper.error(out)


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize("number", [0, 1, 7, 127, 255])
def test_the_exit_status_is_the_programs(sleeper, number):
    sleeper.exec("sh", "-c", f"exit {number}", status=number)


def test_the_streams_are_those_of_the_caller(sleeper):
    words = [sleeper.ocipy.command[0], "--root", sleeper.ocipy.command[1], "exec", sleeper.id]
    words += ["sh", "-c", "cat; echo err >&2"]
    how = {"input": "through", "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(words, check=False, **how)
    assert (done.returncode, done.stdout, done.stderr) == (0, "through", "err\n")


def test_detached_it_returns_at_once_and_says_which_pid(sleeper):
    file = sleeper.bundle / "pid"
    assert sleeper.exec("sleep", "1001", flags=("--detach", "--pid-file", file)) == ""
    pid = int(file.read_text())
    assert open(f"/proc/{pid}/cmdline").read() == "sleep\x001001\0"
    assert os.readlink(f"/proc/{pid}/ns/pid") == sleeper.link("ns/pid")


def test_when_the_program_can_not_be_executed_no_process_is_left(sleeper):
    sleeper.exec("nope", status=255, flags=("--detach",))
    cgroup = next(
        line for line in sleeper.proc("cgroup").splitlines() if ":pids:" in line or line.startswith("0:")
    )
    path = f"/sys/fs/cgroup/{cgroup.split(':')[1] or '.'}{cgroup.split(':')[2]}/cgroup.procs"
    need(os.path.exists(path), "has no pids cgroup", kernel=True)
    assert open(path).read().split() == [str(sleeper.pid)]


@pytest.mark.parametrize("shared", [False, True])
def test_delete_by_force_ends_it_as_well(box, shared):
    if shared:
        box.without("pid")
    box.start("sleep", "1000")
    file = box.bundle / "pid"
    box.exec("sh", "-c", "trap '' TERM HUP; exec sleep 1001", flags=("--detach", "--pid-file", file))
    pid = int(file.read_text())
    box.delete("--force")
    assert not os.path.exists(f"/proc/{pid}/exe")


def test_it_gets_a_pidfd_to_its_caller(sleeper):
    path = str(sleeper.bundle / "pidfd.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        pid_file = sleeper.bundle / "pid"
        sleeper.exec("sleep", "1001", flags=("-d", "--pid-file", pid_file, "--pidfd-socket", path))
        connection, _ = listener.accept()
        with connection:
            _, fds, _, _ = socket.recv_fds(connection, 100, 4)
    assert f"Pid:\t{pid_file.read_text()}\n" in open(f"/proc/self/fdinfo/{fds[0]}").read()
    signal.pidfd_send_signal(fds[0], signal.SIGKILL)
    os.close(fds[0])


def test_a_stopped_container_takes_none(box):
    box.start("true")
    box.stopped()
    assert box.error(box.exec("true", status=255)).endswith("cannot exec in a stopped container")


def test_a_container_that_does_not_exist_takes_none(box):
    assert box.error(box.exec("true", status=255)).endswith("container does not exist")


def test_many_at_once_do_not_disturb_each_other(sleeper):
    running = [
        popen(sleeper, "exec", sleeper.id, "sh", "-c", f"exit {n}", stdin=subprocess.DEVNULL)
        for n in range(20)
    ]
    assert [process.wait(60) for process in running] == list(range(20))


# ---------------------------------------------------------------- what the container can do to it


@pytest.mark.parametrize("kind", ["user namespace", "plain"])
def test_the_container_can_not_look_into_an_init_that_comes(box, probe, kind):
    """CVE-2016-9962: neither its descriptors nor its memory, before its program runs."""
    box.bind(probe, "/mnt/probe")
    if kind == "user namespace":
        box.user_namespace()
        # Its root has every capability over the namespace; that init was made outside of it must be enough.
        box.capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    box.process["args"] = ["/mnt/probe", "pry"]
    process = popen(
        box, "run", "-b", box.write(), box.id, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(15):
        box.exec("true")
    box.ocipy("kill", box.id, "KILL")
    seen = process.communicate(timeout=60)[0].splitlines()
    # What it may see is the program after execve: it has the container's files alone.
    private = [line for line in seen if any(word in line for word in ("memfd", "socket:", "/host", "ocipy"))]
    assert private == []


def test_what_a_shim_writes_is_taken(sleeper):
    """A process object as containerd sends it, whole."""
    process = json.loads(json.dumps(sleeper.process)) | {"args": ["id", "-u"], "terminal": False}
    process["user"] = {"uid": 0, "gid": 0, "additionalGids": [0, 10]}
    path = sleeper.bundle / "p.json"
    path.write_text(json.dumps(process))
    log = sleeper.bundle / "log.json"
    pid_file = sleeper.bundle / "exec.pid"
    words = [
        "--log",
        log,
        "--log-format",
        "json",
        "exec",
        "--process",
        path,
        "--detach",
        "--pid-file",
        pid_file,
    ]
    assert sleeper.ocipy(*words, sleeper.id).stdout == "0\n" or until(pid_file.exists)
    assert stat.S_ISREG(pid_file.stat().st_mode)
    process["args"] = ["nope"]
    path.write_text(json.dumps(process))
    sleeper.ocipy(*words, sleeper.id, status=255)
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["level"] == "error"
    assert last["msg"].endswith('exec: "nope": executable file not found in $PATH')
