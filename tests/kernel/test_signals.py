"""Signals: none of the caller's habits reaches the program, those sent to a command in the foreground do."""

import os
import signal
import subprocess

import pytest

from tests.kernel.box import fields, popen, until

pytestmark = pytest.mark.kernel


def ill_mannered():
    """What callers do: ignore some signals, handle others, block the rest, and want us dead when they die."""
    import ctypes

    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGRTMIN + 5):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(
        signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGWINCH}
    )
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)


CLEAN = {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}


def dispositions(text):
    found = fields(text)
    return {name: int(found[name], 16) for name in CLEAN}


def test_nothing_of_the_callers_signals_reaches_the_program(box):
    assert dispositions(box.run("cat", "/proc/self/status", preexec_fn=ill_mannered)) == CLEAN


def test_nothing_of_the_callers_signals_reaches_an_exec(box):
    box.start("sleep", "100")
    assert dispositions(box.exec("cat", "/proc/self/status", preexec_fn=ill_mannered)) == CLEAN


def test_nothing_of_the_callers_signals_reaches_a_container_that_is_started_later(box):
    box.create("sleep", "100", preexec_fn=ill_mannered)
    box.start(preexec_fn=ill_mannered)
    assert dispositions(box.proc("status")) == CLEAN


@pytest.mark.parametrize(
    "kind", ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
)
def test_nothing_of_the_callers_signals_reaches_a_hook(box, kind):
    out = box.bundle / "out"
    out.touch()
    box.bind(box.bundle, str(box.bundle))
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"exec cat /proc/self/status > {out}"]}
    box.config["hooks"] = {kind: [hook]}
    box.run("true", preexec_fn=ill_mannered)
    assert dispositions(out.read_text()) == CLEAN


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN + 3])
def test_what_would_end_the_program_ends_a_container_that_waits_for_start(box, number):
    """podman sends the stop signal to what it has only initialized, and SIGKILL ten seconds later."""
    box.create("sleep", "100")
    box.ocipy("kill", box.id, str(int(number)))
    box.stopped()


def test_what_would_not_end_the_program_leaves_it_waiting(box):
    box.create("sleep", "100")
    for number in (signal.SIGWINCH, signal.SIGCHLD, signal.SIGCONT):
        box.ocipy("kill", box.id, str(int(number)))
    box.start()
    assert box.state()["status"] == "running"


def test_a_caller_that_ignores_sigchld_gets_the_exit_status(box):
    assert box.run("sh", "-c", "exit 7", status=7, preexec_fn=ill_mannered) == ""


def test_init_outlives_a_caller_that_wants_its_children_dead(box, probe):
    """PR_SET_PDEATHSIG of the runtime is the caller's wish for the runtime, not for the container."""
    box.bind(probe, "/mnt/probe")
    assert box.run("/mnt/probe", "death-signal", preexec_fn=ill_mannered) == "0\n"
    launcher, root = box.ocipy.command
    box.process["args"] = ["sleep", "100"]
    # The shell outlives the create that it waits for, but not by much.
    create = f"setpriv --pdeathsig KILL {launcher} --root {root} create -b {box.write()} {box.id}"
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(["sh", "-c", f"{create}; exit"], check=True, timeout=60, **how)
    assert box.state()["status"] == "created"
    box.start()
    assert box.state()["status"] == "running"


# ---------------------------------------------------------------- in the foreground

COUNT = 'for s in HUP INT TERM USR1 USR2 QUIT ALRM CONT TSTP; do trap "echo $s" $s; done; echo ready; ' \
        'while :; do read -t 0.05 x < /mnt/never; done'  # fmt: skip


class Foreground:
    """A run or an exec that goes on, and what it says, line by line."""

    def __init__(self, box, *words, **how):
        self.process = popen(box, *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **how)

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdout.close()
        return self.process.wait(20)


@pytest.fixture(params=["run", "exec"])
def foreground(request, box):
    """A command in the foreground whose program says which signals it gets."""
    os.mkfifo(box.bundle / "never")
    box.bind(box.bundle, "/mnt")
    command = ["sh", "-c", COUNT]
    if request.param == "run":
        box.process["args"] = command
        made = Foreground(box, "run", "-b", box.write(), box.id)
    else:
        box.start("sleep", "100")
        made = Foreground(box, "exec", box.id, *command)
    keep = os.open(box.bundle / "never", os.O_RDWR)
    assert made.line() == "ready"
    yield made
    if made.process.poll() is None:
        box.ocipy("delete", "--force", box.id)
    made.end()
    os.close(keep)


@pytest.mark.parametrize("name", ["HUP", "INT", "TERM", "USR1", "USR2", "QUIT", "ALRM", "CONT", "TSTP"])
def test_a_signal_is_passed_on(foreground, name):
    foreground.process.send_signal(getattr(signal, f"SIG{name}"))
    assert foreground.line() == name


def test_many_signals_are_passed_on_in_turn(foreground):
    for name in ("USR1", "USR2", "HUP", "USR1"):
        foreground.process.send_signal(getattr(signal, f"SIG{name}"))
        assert foreground.line() == name


@pytest.mark.parametrize("verb", ["run", "exec"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, 35])
def test_the_exit_status_is_128_and_the_signal_that_ended_it(box, verb, number):
    script = f"kill -{int(number)} $$; sleep 5"
    box.without("pid")  # in one of its own the first process can't kill itself
    if verb == "run":
        box.sh(script, status=128 + number)
    else:
        box.start("sleep", "100")
        box.exec("sh", "-c", script, status=128 + number)


def test_the_first_process_can_be_killed_from_outside(box):
    box.process["args"] = ["sh", "-c", "echo ready; exec sleep 100"]
    made = Foreground(box, "run", "-b", box.write(), box.id)
    assert made.line() == "ready"
    box.ocipy("kill", box.id, "KILL")
    assert made.end() == 128 + 9


@pytest.mark.parametrize("flags", [(), ("--no-subreaper",)])
def test_orphans_of_the_container_are_adopted_unless_asked_not_to(box, flags):
    """Without a pid namespace of its own, what the first process leaves behind finds a new parent."""
    box.without("pid")
    os.mkfifo(box.bundle / "go")
    box.bind(box.bundle, "/mnt")
    script = '(sh -c "sleep 1000 & echo \\$!") ; read x < /mnt/go; exit 3'
    box.process["args"] = ["sh", "-c", script]
    made = Foreground(box, "run", "-b", box.write(), *flags, box.id)
    orphan = int(made.line())
    parent = lambda: fields(open(f"/proc/{orphan}/status").read())["PPid"]
    adopted = until(lambda: parent() if parent() != str(box.pid) else None)
    assert (adopted == str(made.process.pid)) == (not flags)
    os.kill(orphan, signal.SIGKILL)
    if not flags:
        until(lambda: not os.path.exists(f"/proc/{orphan}"))  # reaped
    with open(box.bundle / "go", "w") as go:
        go.write("\n")
    assert made.end() == 3


def test_a_signal_at_the_very_end_does_not_change_the_exit_status(box):
    pid = box.bundle / "pid"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"kill -TERM $(cat {pid})"]}
    box.config["hooks"] = {"poststop": [hook]}
    box.process["args"] = ["sh", "-c", "exit 3"]
    launcher, root = box.ocipy.command
    script = f"echo $$ > {pid}; exec {launcher} --root {root} run -b {box.write()} {box.id}"
    done = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, check=False, timeout=60)
    assert done.returncode == 3
