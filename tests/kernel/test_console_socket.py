"""Terminals that are handed over to who asked for one, as engines do."""

import array
import os
import socket

import pytest

pytestmark = pytest.mark.kernel


@pytest.fixture
def box(box):
    box.process["terminal"] = True
    return box


class Receiver:
    """Who listens at a console socket, as engines do."""

    def __init__(self, directory):
        self.path = str(directory / "console.sock")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(1)
        self.socket.settimeout(20)

    def receive(self):
        """(what the message says, the descriptors that came with it)."""
        connection, _ = self.socket.accept()
        with connection:
            message, ancillary, _, _ = connection.recvmsg(4096, 1024)
            assert connection.recv(1) == b""  # it is one message
        fds = array.array("i")
        for level, kind, data in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(data)
        return message, list(fds)

    def master(self):
        _, (fd,) = self.receive()
        return fd


@pytest.fixture
def receiver(box):
    made = Receiver(box.bundle)
    yield made
    made.socket.close()


def read_all(master):
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            part = b""
        if not part:
            os.close(master)
            return shown.decode()
        shown += part


def test_a_created_container_hands_over_one_master_with_a_name(box, receiver):
    box.create("true", flags=("--console-socket", receiver.path))
    message, fds = receiver.receive()
    assert message == b"/dev/ptmx"
    assert len(fds) == 1
    assert os.isatty(fds[0])
    os.close(fds[0])


def test_the_program_has_the_terminal_that_was_handed_over(box, receiver):
    script = (
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo to the tty > /dev/tty; stty size; exit 5"
    )
    box.process["consoleSize"] = {"height": 33, "width": 111}
    box.create("sh", "-c", script, flags=("--console-socket", receiver.path))
    master = receiver.master()
    box.start()
    assert read_all(master).split("\r\n") == ["/dev/pts/0", "all", "to the tty", "33 111", ""]


def test_run_detached_hands_the_terminal_over(box, receiver):
    box.process["args"] = ["tty"]
    box.run(flags=("-d", "--console-socket", receiver.path))
    assert read_all(receiver.master()) == "/dev/pts/0\r\n"


@pytest.mark.parametrize("as_file", [True, False])
def test_exec_detached_hands_the_terminal_over(box, receiver, as_file):
    box.process["terminal"] = False
    box.start("sleep", "100")
    flags = ("--detach", "--console-socket", receiver.path)
    if as_file:
        size = {"height": 7, "width": 9}
        box.exec_process(args=["sh", "-c", "tty; stty size"], terminal=True, consoleSize=size, flags=flags)
        assert read_all(receiver.master()) == "/dev/pts/0\r\n7 9\r\n"
    else:
        box.exec("tty", flags=("-t", *flags))
        assert read_all(receiver.master()) == "/dev/pts/0\r\n"


def test_the_console_device_is_the_terminal(box, receiver):
    box.create(
        "sh",
        "-c",
        "echo through > /dev/console; ls -l /dev/console",
        flags=("--console-socket", receiver.path),
    )
    master = receiver.master()
    box.start()
    first, second, _ = read_all(master).split("\r\n")
    assert first == "through"
    assert second.startswith("crw--w----")


def test_an_exec_leaves_the_console_device_alone(box, receiver):
    box.process["args"] = ["sleep", "100"]
    box.run(flags=("-d", "--console-socket", receiver.path))
    first = receiver.master()
    box.exec(
        "sh", "-c", "echo for the first > /dev/console", flags=("-t", "-d", "--console-socket", receiver.path)
    )
    assert read_all(receiver.master()) == ""
    assert os.read(first, 100) == b"for the first\r\n"
    os.close(first)


def test_the_terminal_belongs_to_the_user_and_to_the_group_of_terminals(box, receiver):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    script = 'stat -c "%u %g %a" $(tty); echo x > $(tty)'
    box.create("sh", "-c", script, flags=("--console-socket", receiver.path))
    master = receiver.master()
    box.start()
    assert read_all(master) == "1000 5 620\r\nx\r\n"


def test_a_terminal_works_in_a_user_namespace(box, receiver):
    box.user_namespace()
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.create(
        "sh", "-c", 'stat -c "%u %g" $(tty); echo x > /dev/console', flags=("--console-socket", receiver.path)
    )
    master = receiver.master()
    box.start()
    assert read_all(master) == "1000 5\r\nx\r\n"


def test_the_program_leads_a_session_with_job_control(box, receiver):
    """Its shell can tell its jobs apart: the terminal is its controlling one."""
    script = "sleep 1000 & cat /proc/self/stat | cut -d' ' -f 7"
    box.create("sh", "-mc", script, flags=("--console-socket", receiver.path))
    master = receiver.master()
    box.start()
    out = read_all(master)
    assert "can't access tty" not in out
    assert out.splitlines()[-1] != "0"


def test_a_console_socket_that_nobody_listens_at_is_named(box):
    path = str(box.bundle / "nobody")
    message = box.error(box.create("true", flags=("--console-socket", path), status=1))
    assert f"socket {path}: no such file or directory" in message
    assert not os.path.exists(box.ocipy.command[1] / box.id)


NO_SOCKET = "cannot allocate tty if runc will detach without setting console socket"
NO_TERMINAL = "cannot use console socket if runc will not detach or allocate tty"


@pytest.mark.parametrize(
    ("terminal", "verb", "flags", "words"),
    [
        (True, "create", (), NO_SOCKET),
        (True, "run", ("-d",), NO_SOCKET),
        (True, "run", ("--console-socket", "x"), NO_TERMINAL),
        (False, "create", ("--console-socket", "x"), NO_TERMINAL),
        (False, "run", ("-d", "--console-socket", "x"), NO_TERMINAL),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_words_of_runc(box, terminal, verb, flags, words):
    box.process["terminal"] = terminal
    assert words in box.error(box.ocipy(verb, "-b", box.write(), *flags, box.id, status=1))


def test_a_terminal_needs_a_devpts_that_is_one(box, receiver):
    """CVE-2025-52565: what lies at /dev/pts is the image's to choose when nothing is mounted there."""
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] not in ("/dev/pts", "/dev")]
    (box.own_root() / "dev/pts").mkdir(parents=True)
    (box.root / "dev/pts/ptmx").touch()
    message = box.error(box.create("true", flags=("--console-socket", receiver.path), status=1))
    assert "(config.json /process/terminal)" in message
    assert "not the multiplexer of a devpts" in message
