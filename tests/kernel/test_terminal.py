"""Our own terminal: raw while the container has it, and never after."""

import hashlib
import os
import signal
import subprocess
import termios

import pytest

from tests.kernel.box import popen, until
from tests.kernel.pty import Person

pytestmark = pytest.mark.kernel


@pytest.fixture
def box(box):
    box.process["terminal"] = True
    return box


@pytest.fixture
def person():
    """Start a command at a terminal: person(box, "run", ...)."""
    started = []

    def start(box, *words, **how):
        launcher, root = box.ocipy.command
        started.append(Person([launcher, "--root", root, *words], **how))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(params=["run", "exec"])
def session(request, box, person):
    """A command with a terminal, by run and by exec: session("sh", "-c", ...)."""

    def start(*command, **how):
        if request.param == "run":
            box.process["args"] = list(command)
            return person(box, "run", "-b", box.write(), box.id, **how)
        box.process["terminal"] = False
        box.start("sleep", "1000")
        return person(box, "exec", "-t", box.id, *command, **how)

    return start


# ---------------------------------------------------------------- our own


def test_a_shell_can_be_talked_to(session):
    person = session("sh", "-c", 'stty -echo; echo ready; while read line; do echo "[$line]"; done; exit 3')
    person.expect("ready\r\n")
    assert person.is_raw()
    person.type("one\r")
    person.expect("[one]\r\n")
    person.type("two\r")
    person.expect("[two]\r\n")
    person.type("\x04")
    assert person.end() == 3


def test_a_terminal_that_nobody_has_open_for_a_while_is_still_there(box, person):
    """An init closes its console, or has it hung up, and opens it anew for each thing that it says."""
    box.process["args"] = [
        "sh",
        "-c",
        "trap 'echo two >/dev/console; read a </dev/console; echo \"[$a]\" >/dev/console; exit 3' USR1; "
        "echo one; exec </dev/null >/dev/null 2>&1; while :; do sleep 0.02; done",
    ]
    session = person(box, "run", "-b", box.write(), box.id)
    session.expect("one\r\n")
    fds = f"/proc/{session.process.pid}/fd"
    until(lambda: any("[eventpoll]" in os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)))
    box.ocipy("kill", box.id, "USR1")
    session.expect("two\r\n")
    session.type("three\r")
    session.expect("[three]\r\n")
    assert session.end() == 3


def test_interrupt_and_suspend_are_the_containers_to_interpret(session):
    person = session(
        "sh", "-c", "trap 'echo int' INT; trap 'echo quit' QUIT; echo ready; while :; do sleep 0.02; done"
    )
    person.expect("ready\r\n")
    person.type("\x03")
    person.expect("int\r\n")
    person.type("\x1c")
    person.expect("quit\r\n")
    person.process.send_signal(signal.SIGTERM)
    person.process.send_signal(signal.SIGKILL)


def test_the_size_of_the_window_is_the_containers_and_follows(session):
    script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.02; done"
    person = session("sh", "-c", script, size=(40, 120))
    person.expect("40 120\r\n")
    person.resize(50, 132)
    person.expect("50 132\r\n")
    person.resize(10, 20)
    person.expect("10 20\r\n")


def test_large_output_arrives_whole_and_in_order(session):
    person = session("seq", "1", "200000")
    assert person.end(60) == 0
    expected = "".join(f"{n}\r\n" for n in range(1, 200001)).encode()
    assert hashlib.sha256(person.shown).digest() == hashlib.sha256(expected).digest()


def test_what_is_printed_just_before_the_end_is_not_lost(session):
    person = session("sh", "-c", "seq 1 3000; exit 9")
    assert person.end() == 9
    assert person.shown.endswith(b"\r\n2999\r\n3000\r\n")


def test_who_else_has_the_terminal_open_does_not_hold_us_up(box, person):
    """Of an exec the container's other processes live on, with the terminal."""
    box.process["terminal"] = False
    box.start("sleep", "1000")
    one = person(box, "exec", "-t", box.id, "sh", "-c", "trap '' HUP; sleep 1000 & echo done; exit 4")
    assert one.end() == 4
    assert b"done\r\n" in one.shown


def test_output_goes_to_a_file_without_carriage_returns(box, person, tmp_path):
    box.process["args"] = ["sh", "-c", "echo one; echo two"]
    with open(tmp_path / "out", "wb") as out:
        assert person(box, "run", "-b", box.write(), box.id, stdout=out).end() == 0
    assert (tmp_path / "out").read_bytes() == b"one\ntwo\n"


def test_input_comes_from_a_pipe_whose_end_is_typed(box, person):
    """The terminal is found on standard error: "echo ls | ocipy run" at a terminal."""
    box.process["args"] = ["sh", "-c", "stty -echo; echo ready; cat; echo over; exit 6"]
    reader, writer = os.pipe()
    one = person(box, "run", "-b", box.write(), box.id, stdin=reader)
    os.close(reader)
    one.expect("ready\r\n")
    os.write(writer, b"through\nand half a line")
    os.close(writer)
    assert one.end() == 6
    assert one.shown.split() == [b"through", b"and", b"half", b"a", b"lineover"]


def test_without_input_a_program_that_does_not_read_goes_on(box, person):
    box.process["args"] = ["sh", "-c", "sleep 0.3; echo still here; exit 2"]
    with open(os.devnull, "rb") as null:
        one = person(box, "run", "-b", box.write(), box.id, stdin=null)
        assert one.end() == 2
    assert one.shown == b"still here\r\n"


def test_a_large_input_arrives_whole(box, person, tmp_path):
    """More than a terminal can hold: it is written as the container reads."""
    lines = b"".join(b"%07d\n" % n for n in range(60000))
    (tmp_path / "in").write_bytes(lines)
    box.process["args"] = ["sh", "-c", "stty -echo; sha256sum"]
    with open(tmp_path / "in", "rb") as file:
        one = person(box, "run", "-b", box.write(), box.id, stdin=file)
        assert one.end(60) == 0
    assert hashlib.sha256(lines).hexdigest().encode() in one.shown


def test_a_reader_of_the_output_that_goes_away_does_not_end_the_program(box, person, tmp_path):
    box.bind(tmp_path, "/mnt")
    box.process["args"] = ["sh", "-c", "seq 1 50000; echo over > /mnt/end; exit 8"]
    reader, writer = os.pipe()
    one = person(box, "run", "-b", box.write(), box.id, stdout=writer)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    assert one.end() == 8
    assert (tmp_path / "end").read_text() == "over\n"


def test_our_terminal_is_as_before_after_a_failed_start(box, person):
    box.process["args"] = ["nope"]
    one = person(box, "run", "-b", box.write(), box.id)
    assert one.end() == 1
    assert b"executable file not found in $PATH" in one.shown


def test_our_terminal_is_as_before_after_a_signal_ended_the_program(session, box):
    person = session("sh", "-c", "echo ready; exec sleep 1000")
    person.expect("ready\r\n")
    until(person.is_raw)
    box.ocipy("kill", box.id, "KILL")
    assert person.end() == 128 + 9


def test_a_stopped_command_is_raw_again_when_it_is_continued(session):
    person = session("sh", "-c", 'echo ready; read line; echo "[$line]"')
    person.expect("ready\r\n")
    until(person.is_raw)
    os.kill(person.process.pid, signal.SIGSTOP)
    termios.tcsetattr(person.slave, termios.TCSANOW, person.before)  # what a shell does meanwhile
    os.kill(person.process.pid, signal.SIGCONT)
    until(person.is_raw)
    person.type("back\r")
    person.expect("[back]\r\n")
    assert person.end() == 0


def test_in_the_background_it_stops_and_leaves_the_terminal_alone(box, tmp_path):
    """A shell's "ocipy run &" must not take the terminal away from who types in the shell."""
    box.process["args"] = ["sh", "-c", "echo out; exit 3"]
    launcher, root = box.ocipy.command
    command = f"{launcher} --root {root} run -b {box.write()} {box.id}"
    # -m: each job in a process group of its own, as in a shell that is typed into.
    shell = Person(["bash", "-mc", f"{command} & jobs -p; read line; fg; echo status $?"])
    try:
        pid = int(shell.expect("\r\n"))
        state = lambda: open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        until(lambda: state() == "T")
        assert not shell.is_raw()
        shell.type("go on\r")
        shell.expect("out\r\n")
        shell.expect("status 3\r\n")
        assert shell.end() == 0
    finally:
        shell.close()


def test_without_any_terminal_it_is_refused_before_anything_is_made(box):
    box.config["hooks"] = {"prestart": [{"path": "/bin/touch", "args": ["touch", f"{box.bundle}/hooked"]}]}
    process = popen(box, "run", "-b", box.write(), box.id, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, start_new_session=True, text=True)  # fmt: skip
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert 'the process wants a terminal, but there is none here: "/dev/tty": ENXIO' in error
    assert not (box.bundle / "hooked").exists()


def test_without_a_terminal_the_streams_pass_straight_through(box):
    box.process["terminal"] = False
    box.process["args"] = ["sh", "-c", "wc -c; echo err >&2; tty; exit 0"]
    launcher, root = box.ocipy.command
    words = [launcher, "--root", root, "run", "-b", box.write(), box.id]
    done = subprocess.run(words, input=b"x" * 300000, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"300000\nnot a tty\n", b"err\n")
