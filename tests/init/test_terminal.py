"""The terminal and the owner of the standard streams."""

import contextlib
import os
import stat
import termios

import pytest

from tests.init.driver import CLONE_NEWPID, NOBODY

pytestmark = pytest.mark.kernel


@pytest.fixture
def with_pts(container):
    """A container that has a devpts and a file for the console, before its pivot."""
    container.inside("mkdir", container.root / "dev/pts")
    container.inside(
        "mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666,mode=620", "none", container.root / "dev/pts"
    )
    container.inside("touch", container.root / "dev/console")
    return container


def everything(master):
    """What comes out of a terminal until its last process is gone."""
    pieces = []
    with contextlib.suppress(OSError):  # EIO
        while True:
            pieces.append(os.read(master, 65536))
    return b"".join(pieces)


def open_pty(container):
    return container.run("OPEN_PTY")[0]


def test_a_session_is_new(init):
    init.clone(CLONE_NEWPID)
    init.run("SETSID")
    assert os.getsid(init.pid) == init.pid
    assert init.failure("SETSID") == ("EPERM", "setsid()")


def test_the_terminal_of_the_devpts_becomes_the_controlling_one(with_pts):
    with_pts.clone(0)
    with_pts.enter()
    with_pts.run("SETSID")
    master = open_pty(with_pts)
    with_pts.run(("TERMINAL", 0))
    with_pts.become("sh", "-c", "tty; cat /proc/self/stat; ls /proc/$$/fd; readlink /proc/$$/fd/2")
    assert with_pts.wait() == 0
    name, status, *descriptors, last = everything(master).decode().split("\r\n")
    assert name == "/dev/pts/0"
    assert int(status.rpartition(")")[2].split()[4]) == os.makedev(136, 0)
    assert " ".join(descriptors).split() == ["0", "1", "2", "/dev/pts/0"]
    assert last == ""
    os.close(master)


def test_the_terminal_is_bound_on_the_console(with_pts):
    with_pts.clone(0)
    with_pts.enter()
    with_pts.run("SETSID")
    master = open_pty(with_pts)
    with_pts.run(("TERMINAL", 1))
    seen = os.stat(f"/proc/{with_pts.pid}/root/dev/console")
    assert (stat.S_ISCHR(seen.st_mode), seen.st_rdev) == (True, os.makedev(136, 0))
    os.close(master)


def test_the_master_works_for_who_holds_it(with_pts):
    with_pts.clone(0)
    with_pts.enter()
    with_pts.run("SETSID")
    master = open_pty(with_pts)
    with_pts.run(("TERMINAL", 0))
    termios.tcsetwinsize(master, (33, 77))
    with_pts.become("sh", "-c", 'read line; echo "got $line"')
    os.write(master, b"words\n")
    assert with_pts.wait() == 0
    assert everything(master) == b"words\r\ngot words\r\n"
    assert termios.tcgetwinsize(master) == (33, 77)
    os.close(master)


CONSOLES = {
    "a symlink": (("ln", "-sf", "/etc/passwd"), "ELOOP", "neither a file nor a character device"),
    "a directory": (("mkdir",), "ELOOP", "neither a file nor a character device"),
    "a fifo": (("mkfifo",), "ELOOP", "neither a file nor a character device"),
    "a block device": (("sh", "-c", 'mknod "$0" b 7 200'), "ELOOP", "neither a file nor a character device"),
    "missing": (("true",), "ENOENT", "O_PATH|O_NOFOLLOW)"),
}


@pytest.mark.parametrize(("command", "error", "reason"), CONSOLES.values(), ids=CONSOLES)
def test_the_terminal_is_bound_on_no_other_thing(with_pts, command, error, reason):
    """CVE-2025-52565: whatever the image has in place of /dev/console."""
    with_pts.inside("rm", with_pts.root / "dev/console")
    with_pts.inside(*command, with_pts.root / "dev/console")
    with_pts.enter()
    os.close(open_pty(with_pts))
    failure = with_pts.failure(("TERMINAL", 1))
    assert failure[0] == error
    assert failure[1].endswith(reason)


MULTIPLEXERS = {
    "a file": ("touch", "ENODEV"),
    "a fifo": ("mkfifo", "ENODEV"),
    "another device": ('mknod "$0" c 1 3', "ENODEV"),
    "a multiplexer without a devpts": ('mknod "$0" c 5 2', "ENOENT"),
    "a multiplexer beside a devpts": (
        'mknod "$0" c 5 2; cd "${0%/*}"; mkdir pts; mount -t devpts -o newinstance none pts',
        "ENODEV",
    ),
    "a symlink": ('ln -s /proc/self/fd/0 "$0"', "ELOOP"),
    "missing": (": ", "ENOENT"),
}


@pytest.mark.parametrize(("command", "error"), MULTIPLEXERS.values(), ids=MULTIPLEXERS)
def test_a_multiplexer_that_is_none_is_refused(container, command, error):
    container.inside("mkdir", container.root / "dev/pts")
    script = command if "$0" in command else command + ' "$0"'
    container.inside("sh", "-c", script, container.root / "dev/pts/ptmx")
    container.enter()
    name, text = container.failure("OPEN_PTY")
    assert name == error
    assert '"/dev/pts/ptmx"' in text


def test_a_terminal_needs_a_pty(init):
    assert init.failure(("TERMINAL", 0)) == ("EINVAL", "TERMINAL without OPEN_PTY")


def test_the_streams_are_given_to_the_user_but_for_the_null_device(start, tmp_path):
    reading, writing = os.pipe()
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    null = os.open("/dev/null", os.O_RDWR)
    before = os.fstat(null)
    start(streams=(null, writing, file)).run(("CHOWN_STDIO", NOBODY, NOBODY))
    assert [(os.fstat(fd).st_uid, os.fstat(fd).st_gid) for fd in (writing, file)] == [(NOBODY, NOBODY)] * 2
    after = os.fstat(null)
    assert (after.st_uid, after.st_gid, after.st_ctime_ns) == (
        before.st_uid,
        before.st_gid,
        before.st_ctime_ns,
    )
    for fd in (reading, writing, file, null):
        os.close(fd)


def test_a_group_of_minus_one_stays(start, tmp_path):
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    os.fchown(file, 5, 6)
    init = start(streams=(file, file, file))
    init.run(("CHOWN_STDIO", NOBODY, -1))
    assert (os.fstat(file).st_uid, os.fstat(file).st_gid) == (NOBODY, 6)
    before = os.fstat(file).st_ctime_ns
    init.run(("CHOWN_STDIO", NOBODY, -1))
    assert os.fstat(file).st_ctime_ns == before
    os.close(file)


def test_streams_that_can_not_be_given_away_stay(start):
    """A file of procfs refuses with EPERM."""
    file = os.open("/proc/self/status", os.O_RDONLY)
    start(streams=(file, file, file)).run(("CHOWN_STDIO", NOBODY, NOBODY))
    os.close(file)
