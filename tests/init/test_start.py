"""What ocipy-init is from its first instruction on: what it inherits, what it drops, when it ends."""

import os
import signal
import subprocess

import pytest

from tests.init.driver import DEADLINE, Init, program


def test_it_keeps_the_preserved_descriptors_and_closes_those_beyond_its_socket(start, tmp_path):
    fd = os.open(tmp_path, os.O_PATH)
    init = start(preserve=(fd, fd), leaked=(fd, fd, fd))
    init.run(("UNSHARE", 0))
    assert sorted(map(int, os.listdir(f"/proc/{init.pid}/fd"))) == [0, 1, 2, 3, 4, 5]
    assert os.readlink(f"/proc/{init.pid}/fd/3") == str(tmp_path)


def test_its_program_gets_the_streams_and_the_preserved_descriptors_and_no_other(start):
    kept = os.open("/dev/zero", os.O_RDONLY)
    null = os.open("/dev/null", os.O_RDWR)
    reading, writing = os.pipe()
    init = start(streams=(null, writing, writing), preserve=(kept, kept), leaked=(kept,))
    init.stdout = reading
    os.close(writing)
    init.run(("UNSHARE", 0), fds=[kept] * 5)
    seen = init.execute("/bin/sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/4")
    assert seen.split() == ["0", "1", "2", "3", "4", "/dev/zero"]


def test_closed_standard_streams_become_the_null_device(start):
    init = start(then=[(os.POSIX_SPAWN_CLOSE, 0), (os.POSIX_SPAWN_CLOSE, 2)])
    init.run(("UNSHARE", 0))
    assert [os.readlink(f"/proc/{init.pid}/fd/{fd}") for fd in (0, 2)] == ["/dev/null"] * 2


@pytest.fixture
def ignored_signals():
    numbers = [
        signal.SIGHUP,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGCHLD,
        signal.SIGRTMIN,
        signal.SIGRTMAX,
    ]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_resets_every_signal(ignored_signals, start):
    reading, writing = os.pipe()
    init = start(streams=(0, writing, 2), setsigmask=signal.valid_signals())
    os.close(writing)
    init.stdout = reading
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    init.run(("UNSHARE", 0))
    assert [int(init.status(name), 16) for name in ("SigBlk", "SigIgn")] == [0, 0]
    seen = init.execute("/bin/cat", "/proc/self/status")
    fields = dict(line.split(":", 1) for line in seen.splitlines())
    assert [int(fields[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]
    os.close(reading)


def test_it_shows_as_init(init):
    init.run(("UNSHARE", 0))
    assert init.read("comm") == "ocipy:[INIT]\n"


def test_it_ends_with_status_1_when_the_runtime_does(init):
    init.run(("UNSHARE", 0))
    init.socket.close()
    assert init.wait() == 1


def test_a_runtime_that_dies_before_it_reads_a_failure_does_not_make_it_die_of_sigpipe(init):
    init.send(program(("CHDIR", "/missing")))
    init.socket.close()
    assert init.wait() == 1


def test_a_stop_signal_while_it_waits_changes_nothing(init):
    init.run(("UNSHARE", 0))
    for number in (signal.SIGSTOP, signal.SIGCONT):
        signal.pidfd_send_signal(init.pidfd, number)
    init.run(("UNSHARE", 0))


@pytest.mark.parametrize(
    "words", [[], ["x"], ["2"], ["-3"], ["3x"], [""], ["99999999999"], ["3", "4"], ["999"]]
)
def test_it_does_nothing_without_the_number_of_a_socket(binary, words):
    done = subprocess.run([binary, *words], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_it_does_nothing_when_its_socket_is_none(binary):
    """As when a container makes it run again by a `#!/proc/self/exe` line."""
    with open("/dev/zero", "rb") as zero:
        done = subprocess.run(
            [binary, str(zero.fileno())],
            pass_fds=[zero.fileno()],
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


def test_the_binary_is_static_and_small(static):
    with open(static, "rb") as file:
        image = file.read()
    assert b"ld-musl" not in image
    assert b"ld-linux" not in image
    assert len(image) < 1_000_000


def test_it_stays_small_in_memory(start, static):
    """Resident pages are charged to the container; most of these are the program file's."""
    with Init(static) as init:
        init.run(("UNSHARE", 0))
        assert int(init.status("VmRSS").split()[0]) < 512
        assert int(init.status("RssAnon").split()[0]) < 64
