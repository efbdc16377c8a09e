"""What a program inherits of descriptors: three streams, what it is meant to have, and nothing else."""

import fcntl
import os
import socket
import subprocess

import pytest

from tests.kernel.box import until

pytestmark = pytest.mark.kernel

#: What ls has open: its streams, and the directory that it reads.
LS = ["0", "1", "2", "3"]


@pytest.fixture
def leaked():
    """How to start a command whose caller is careless: some descriptors are open and inheritable."""
    reader, writer = os.pipe()
    # Engines leave 10 and 251; here any number near those, for the former may be taken.
    copies = [fcntl.fcntl(writer, fcntl.F_DUPFD, number) for number in (10, 251)]
    yield {"pass_fds": copies}
    for fd in (reader, writer, *copies):
        os.close(fd)


def low(*given):
    """How to start a command whose descriptors from 3 up are these."""

    def move():
        copies = [os.dup(fd) for fd in given]
        for number, copy in enumerate(copies, 3):
            os.dup2(copy, number)
        os.closerange(3 + len(given), 300)

    # Without close_fds nothing is closed after `move`, which has done it.
    return {"preexec_fn": move, "close_fds": False}


def test_descriptors_of_the_caller_do_not_reach_the_program(box, leaked):
    assert box.run("ls", "/proc/self/fd", **leaked).split() == LS


def test_descriptors_of_the_caller_do_not_reach_an_exec(box, leaked):
    box.start("sleep", "100")
    assert box.exec("ls", "/proc/self/fd", **leaked).split() == LS


@pytest.mark.parametrize("verb", ["create", "start"])
def test_init_holds_no_descriptor_of_the_caller_while_it_waits(box, leaked, verb):
    box.create("sleep", "100", **leaked)
    if verb == "start":
        box.start(**leaked)
    pid = box.pid
    held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not [name for name in held if name.startswith("pipe:")]
    if verb == "start":
        assert len(held) == 3


def test_hooks_get_no_descriptor_of_the_caller(box, leaked):
    out = box.bundle / "out"
    box.config["hooks"] = {
        kind: [
            {
                "path": "/bin/sh",
                "args": ["sh", "-c", f"ls /proc/self/fd | tr '\\n' ' ' >> {out}; echo >> {out}"],
            }
        ]
        for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    }
    box.run("true", **leaked)
    assert [line.split() for line in out.read_text().splitlines()] == [LS] * 5


def test_preserved_descriptors_keep_their_numbers(box, leaked):
    ends = [os.pipe() for _ in range(3)]
    out = box.run(
        "ls", "/proc/self/fd", flags=("--preserve-fds", "2"), **low(*(writer for _, writer in ends))
    )
    assert out.split() == [*LS[:3], "3", "4", "5"]
    box.sh("echo three >&3; echo four >&4; echo >&5 2>/dev/null; true", flags=("--preserve-fds", "2"),
           **low(*(writer for _, writer in ends)))  # fmt: skip
    for _, writer in ends:
        os.close(writer)
    assert [os.read(reader, 100) for reader, _ in ends] == [b"three\n", b"four\n", b""]
    for reader, _ in ends:
        os.close(reader)


def test_a_preserved_descriptor_reaches_an_exec(box):
    box.start("sleep", "100")
    reader, writer = os.pipe()
    box.exec("sh", "-c", "echo hello >&3", flags=("--preserve-fds", "1"), **low(writer))
    os.close(writer)
    assert os.read(reader, 100) == b"hello\n"
    os.close(reader)


def test_a_descriptor_to_preserve_must_be_open(box):
    message = box.fails("true", flags=("--preserve-fds", "1"), **low())
    assert "file descriptor 3 is to be passed on, but is not open" in message
    # The log that ocipy itself opens as 3 does not count.
    done = box.ocipy("--log", box.bundle / "log", "run", "-b", box.write(), "--preserve-fds", "1", box.id,
                     status=1, **low())  # fmt: skip
    assert "file descriptor 3 is to be passed on, but is not open" in done.stderr


def listening(count, names=None, pid=None):
    """The start of a socket-activated command: LISTEN_PID is its own pid, known only there."""
    words = f"LISTEN_FDS={count} LISTEN_PID={pid or '$$'}" + (f" LISTEN_FDNAMES={names}" if names else "")
    return ["sh", "-c", f'{words} exec "$@"', "sh"]


def activated(box, *words, fds, **how):
    launcher, root = box.ocipy.command
    words = [*listening(**how), launcher, "--root", root, *map(str, words)]
    how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **low(*fds)}
    done = subprocess.run(words, check=False, **how)
    assert done.returncode == 0, done.stderr
    return done.stdout


SHOW = 'echo "$LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES"; cd /proc/self/fd; echo ?; echo $$'


def test_sockets_of_an_activation_reach_the_program(box):
    with socket.socket() as one, socket.socket() as two:
        box.process["args"] = ["sh", "-c", SHOW]
        out = activated(
            box, "run", "-b", box.write(), box.id, fds=(one.fileno(), two.fileno()), count=2, names="a:b"
        )
        assert out.split("\n")[0] == "2 1 a:b"
        assert {"3", "4"} <= set(out.split("\n")[1].split())
        assert out.split("\n")[2] == "1"


def test_sockets_come_before_what_else_is_preserved(box):
    with socket.socket() as one:
        reader, writer = os.pipe()
        box.process["args"] = ["sh", "-c", "echo more >&4; readlink /proc/self/fd/3"]
        words = ("run", "-b", box.write(), "--preserve-fds", "1", box.id)
        out = activated(box, *words, fds=(one.fileno(), writer), count=1)
        os.close(writer)
        assert os.read(reader, 10) == b"more\n"
        assert out.startswith("socket:")
        os.close(reader)


def test_an_exec_is_told_its_own_pid(box):
    box.start("sleep", "100")
    with socket.socket() as one:
        out = activated(box, "exec", box.id, "sh", "-c", SHOW, fds=(one.fileno(),), count=1, names="x")
        first, fds, pid = out.splitlines()
        assert first == f"1 {pid} x"
        assert int(pid) > 1
        assert "3" in fds.split()


def test_sockets_that_are_meant_for_another_process_stay_out(box):
    with socket.socket() as one:
        box.process["args"] = ["sh", "-c", 'echo "[$LISTEN_FDS]"; ls /proc/self/fd']
        out = activated(box, "run", "-b", box.write(), box.id, fds=(one.fileno(),), count=1, pid=1)
        assert out.split() == ["[]", *LS]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_closed_stream_is_the_null_device_inside(box, closed, verb):
    """Else the next file that is opened would become it."""
    file = box.bundle / "seen"
    file.touch()
    box.bind(box.bundle, "/mnt")
    if verb == "exec":
        box.start("sleep", "100")
    script = ["sh", "-c", "for n in 0 1 2; do readlink /proc/self/fd/$n; done > /mnt/seen"]

    def close():
        for fd in closed:
            os.close(fd)

    (box.run if verb == "run" else box.exec)(*script, preexec_fn=close)
    seen = file.read_text().splitlines()
    for fd in closed:
        if fd != 1:  # which the script itself sends elsewhere
            assert seen[fd] == "/dev/null"


def test_streams_are_given_to_the_user(box):
    """So that it can open /dev/stdout, whoever made the pipe."""
    reader, writer = os.pipe()
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.capabilities()
    box.sh("echo again > /dev/stdout", stdout=writer)
    assert os.fstat(writer).st_uid == 1000
    os.close(writer)
    assert os.read(reader, 100) == b"again\n"
    os.close(reader)


def test_the_null_device_is_never_given_away(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.run("true", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert os.stat("/dev/null").st_uid == 0


def test_init_closes_the_streams_of_who_created_it_when_the_program_ends(box):
    """A caller reads its pipe to the end, which comes when the container ends, not before, not later."""
    reader, writer = os.pipe()
    box.create("sh", "-c", "echo first; exec sleep 100", stdout=writer, stderr=writer)
    os.close(writer)
    box.start()
    assert os.read(reader, 100) == b"first\n"
    box.ocipy("kill", box.id, "KILL")
    until(lambda: box.state()["status"] == "stopped")
    assert os.read(reader, 100) == b""
    os.close(reader)
