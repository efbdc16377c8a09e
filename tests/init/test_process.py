"""The program: its directory, its environment, its file, its start."""

import os
import resource
import select
import signal
import socket

import pytest

from ocipy.plan import protocol
from tests.init.driver import DEADLINE, NOBODY, program

pytestmark = pytest.mark.kernel


def test_the_program_gets_its_arguments_and_environment_and_nothing_else(container):
    container.enter()
    seen = container.execute(
        "sh", "-c", 'printf "%s|" "$@"; env', "x", "", "a b", "é\n", env=("PATH=/bin", "A=1=2", "B=")
    )
    shown, _, environment = seen.rpartition("|")
    assert shown == "|a b|é\n"
    assert set(environment.splitlines()) == {"PATH=/bin", "A=1=2", "B=", "PWD=/", "SHLVL=1"}


def test_many_large_arguments_arrive(container):
    container.enter()
    many = ["x" * 1000] * 200
    assert (
        container.execute(
            "sh", "-c", "echo $#", "sh", *many, env=("PATH=/bin", *(f"V{i}=y" for i in range(1000)))
        )
        == "200\n"
    )


def test_a_program_needs_an_argument(init):
    assert init.failure(("PROCESS", (), (), -1)) == ("EINVAL", "execve() without arguments")


@pytest.mark.parametrize("op", ["LOOKUP", "EXECVE"])
def test_a_program_must_be_told_first(init, op):
    assert init.failure(op)[0] == "EINVAL"


# ---------------------------------------------------------------- HOME

PASSWD = {
    "the user's line": (
        "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:,,,:/home/user:/bin/sh\n",
        "/home/user",
    ),
    "the first of two": ("a:x:1000:1:::/no\nb:x:1000:1::/first:\nc:x:1000:1::/second:\n", "/"),
    "the last line without its end": ("user:x:1000:1000::/home/user:/bin/sh", "/home/user"),
    "a line without a shell": ("user:x:1000:1000::/home/user\n", "/home/user"),
    "a line after one that is too long": (
        f"root:x:0:0:{'x' * 10000}:/:\nuser:x:1000:1::/home/user:\n",
        "/home/user",
    ),
    "a line that is too long": (f"user:x:1000:0:{'x' * 10000}:/home/user:\n", "/"),
    "a line far down": ("other:x:1:1::/:\n" * 5000 + "user:x:1000:1::/home/user:\n", "/home/user"),
    "no line": ("root:x:0:0:root:/root:/bin/sh\n", "/"),
    "an empty file": ("", "/"),
    "too few fields": ("user:x:1000:1000\n", "/"),
    "an empty directory": ("user:x:1000:1000:::\n", "/"),
    "a relative directory": ("user:x:1000:1000::home:\n", "/"),
    "a uid with a sign": ("user:x:+1000:1000::/home/user:\n", "/"),
    "a uid with a space": ("user:x: 1000:1000::/home/user:\n", "/"),
    "a uid in hexadecimal": ("user:x:0x3e8:1000::/home/user:\n", "/"),
    "a uid that 32 bits would make ours": (f"user:x:{1000 + (1 << 32)}:1000::/home/user:\n", "/"),
    "a uid that 64 bits would make ours": (f"user:x:{1000 + (1 << 64)}:1000::/home/user:\n", "/"),
    "no name": (":x:1000:1000::/home/user:\n", "/"),
    "a line of NIS": ("+::::::\n+@group:x:1000\nuser:x:1000:1::/home/user:\n", "/home/user"),
    "a NUL in the line": ("user:x:1000:1000::/home/\0user:\n", "/"),
    "a line of the buffer's size": (f"user:x:1000:1000:{'x' * (2047 - 29)}:/home/user\n", "/home/user"),
    "a line one longer": (f"user:x:1000:1000:{'x' * (2047 - 28)}:/home/user\n", "/"),
}


@pytest.mark.parametrize(("text", "home"), PASSWD.values(), ids=PASSWD)
def test_home_comes_from_the_containers_passwd(container, text, home):
    (container.root / "etc/passwd").write_text(text)
    container.enter()
    assert f"HOME={home}\n" in container.execute("env", uid=1000)


def test_home_of_the_environment_stays(container):
    (container.root / "etc/passwd").write_text("user:x:1000:1000::/home/user:\n")
    container.enter()
    environment = container.execute("env", env=("PATH=/bin", "HOME=/mine"), uid=1000)
    assert [line for line in environment.splitlines() if "HOME" in line] == ["HOME=/mine"]


def test_an_empty_home_counts_as_none(container):
    (container.root / "etc/passwd").write_text("user:x:1000:1000::/home/user:\n")
    container.enter()
    environment = container.execute("env", env=("PATH=/bin", "HOME=", "HOMES=1"), uid=1000)
    assert [line for line in environment.splitlines() if "HOME" in line] == ["HOME=/home/user", "HOMES=1"]


def test_home_is_not_set_when_nobody_asks(container):
    container.enter()
    assert "HOME" not in container.execute("env")


TRAPS = {
    "a fifo": os.mkfifo,
    "a directory": os.mkdir,
    "a device that never ends": lambda path: os.mknod(path, 0o20666, os.makedev(1, 5)),
    "a symlink to itself": lambda path: os.symlink("passwd", path),
    "a magic link": lambda path: os.symlink("/proc/self/fd/1", path),
    "an endless file": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 1 << 42),
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS)
def test_a_passwd_that_is_a_trap_holds_nobody_up(container, trap):
    trap(container.root / "etc/passwd")
    container.enter()
    assert "HOME=/\n" in container.execute("env", uid=1000)


# ---------------------------------------------------------------- the working directory


def test_the_working_directory_is_entered(container):
    (container.root / "tmp/sub").mkdir()
    container.enter()
    container.run(("CHDIR", "/tmp/sub"))
    assert container.execute("/bin/pwd") == "/tmp/sub\n"


@pytest.mark.parametrize(
    ("path", "error"), [("/missing", "ENOENT"), ("/etc/file", "ENOTDIR"), ("", "ENOENT")]
)
def test_a_working_directory_that_is_none_fails(container, path, error):
    (container.root / "etc/file").touch()
    container.enter()
    assert container.failure(("CHDIR", path)) == (error, f'chdir("{path}")')


def test_a_working_directory_outside_the_root_fails(start, root):
    """CVE-2024-21626: a descriptor of the host's that leaked in is no way out."""
    leaked = os.open("/", os.O_PATH)
    reading, writing = os.pipe()
    container = start(preserve=(leaked, leaked), streams=(0, writing, writing))
    os.close(writing)
    container.run(("UNSHARE", 0x20000), ("PROPAGATION", 1 << 18, 1))
    container.inside("mount", "--bind", root, root)
    container.inside("mount", "-t", "proc", "proc", root / "proc")
    container.root = root
    container.enter()
    error, text = container.failure(("CHDIR", "/proc/self/fd/3"))
    assert (error, text) == ("ENOENT", 'getcwd() = "(unreachable)/": outside the container\'s root')
    os.close(leaked)
    os.close(reading)


def test_a_working_directory_that_is_removed_before_the_start_fails(container):
    (container.root / "tmp/sub").mkdir()
    container.enter()
    container.run(("CHDIR", "/tmp/sub"), ("PROCESS", ("/bin/true",), (), -1), "LOOKUP")
    (container.root / "tmp/sub").rmdir()
    assert container.failure("EXECVE") == ("ENOENT", "getcwd()")


def drop_file_capabilities(init):
    """No CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: as root of a user namespace is to files of others."""
    kept = int(init.status("CapPrm"), 16) & ~6
    init.run(("CAPSET", kept, kept, 0))


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o700), (NOBODY, 0o700)])
def test_a_working_directory_may_be_one_that_only_root_or_only_the_user_can_enter(container, owner, mode):
    (container.root / "tmp/sub").mkdir()
    os.chown(container.root / "tmp/sub", owner, owner)
    os.chmod(container.root / "tmp/sub", mode)
    container.enter()
    drop_file_capabilities(container)
    container.run(("CHDIR", "/tmp/sub"), ("SETGID", NOBODY), ("SETUID", NOBODY))
    container.become("/bin/true")
    assert container.wait() == 0


def test_a_working_directory_that_nobody_may_enter_fails_as_chdir(container):
    (container.root / "tmp/sub").mkdir(mode=0)
    os.chown(container.root / "tmp/sub", 5, 5)
    container.enter()
    drop_file_capabilities(container)
    container.send(program(("UMASK", 0), ("CHDIR", "/tmp/sub"), ("PROCESS", ("true",), (), -1), "LOOKUP"))
    assert container.failed() == ("EACCES", 'chdir("/tmp/sub")', 1, None)


# ---------------------------------------------------------------- finding the file


@pytest.fixture
def programs(container):
    """The container with files that are and that are not programs, before its pivot."""
    for directory in ("first", "second", "locked"):
        (container.root / directory).mkdir()
    for directory in ("second", "tmp", "locked", "bin"):
        (container.root / directory / "where").write_text('#!/bin/sh\necho "$0"\n')
        (container.root / directory / "where").chmod(0o755)
    (container.root / "first/where").write_text("no program")
    (container.root / "first/only").write_text("no program")
    (container.root / "first/folder").mkdir()
    (container.root / "first/dangling").symlink_to("missing")
    os.mkfifo(container.root / "first/fifo")
    (container.root / "first/fifo").chmod(0o777)
    (container.root / "locked").chmod(0o600)
    return container


FOUND = {
    "in the path": ("where", "PATH=/second:/bin", "/second/where"),
    "behind a file that is no program": ("where", "PATH=/first:/second", "/second/where"),
    "in an empty element": ("where", "PATH=/first::", "./where"),
    "in a leading empty element": ("where", "PATH=:/first", "./where"),
    "in the current directory": ("./where", "PATH=", "./where"),
    "in the usual path": ("where", "A=1", "/bin/where"),
    "behind an element that is too long": ("where", f"PATH=/{'x' * 5000}:/second", "/second/where"),
    "by its own path": ("/second/where", "PATH=/bin", "/second/where"),
}


@pytest.mark.parametrize(("name", "path", "found"), FOUND.values(), ids=FOUND)
def test_the_program_is_found(programs, name, path, found):
    programs.enter()
    programs.run(("CHDIR", "/tmp"))
    assert programs.execute(name, env=(path,)) == found + "\n"


MISSING = {
    "nowhere": ("missing", "PATH=/first:/second", "ENOENT", None),
    "a path that is not there": ("/missing", "PATH=/bin", "ENOENT", None),
    "a dangling symlink": ("/first/dangling", "PATH=/bin", "ENOENT", None),
    "a file as directory": ("/first/where/x", "PATH=/bin", "ENOTDIR", None),
    "a directory": ("/first/folder", "PATH=/bin", "EISDIR", "first/folder"),
    "only a directory of that name": ("folder", "PATH=/first", "ENOENT", None),
    "not executable": ("only", "PATH=/first:/second", "EACCES", "first/only"),
    "not executable, by its path": ("/first/only", "PATH=/bin", "EACCES", "first/only"),
    "a fifo": ("/first/fifo", "PATH=/bin", "EACCES", "first/fifo"),
    "an empty name": ("", "PATH=/bin", "ENOENT", None),
    "an empty path": ("true", "PATH=", "ENOENT", None),
    "a name that is too long": ("/" + "x/" * 2500, "PATH=/bin", "ENAMETOOLONG", None),
    "a locked directory": ("/locked/where", "PATH=/bin", "EACCES", None),
    "only in a locked directory": ("where", "PATH=/locked", "EACCES", None),
}


@pytest.mark.parametrize(("name", "path", "error", "evidence"), MISSING.values(), ids=MISSING)
def test_a_program_that_can_not_run_is_explained(programs, name, path, error, evidence):
    programs.enter()
    programs.run(("SETUID", NOBODY), ("CAPSET", 0, 0, 0))
    programs.send(program(("PROCESS", (name,), (path,), -1), "LOOKUP"))
    failed = programs.failed()
    assert failed[0] == error
    assert failed[1] == f'lookup("{name[:200]}{"..." if len(name) > 200 else ""}")'
    assert failed[2] == 1
    fd = failed[3]
    assert (evidence is None) == (fd is None)
    if fd is not None:
        assert os.path.sameopenfile(fd, os.open(programs.root / evidence, os.O_PATH))
        os.close(fd)


@pytest.mark.parametrize(
    ("content", "error"),
    [("#!/missing\n", "ENOENT"), ("\x7fELF nonsense", "ENOEXEC"), ("text", "ENOEXEC"), ("", "ENOEXEC")],
)
def test_a_program_that_the_kernel_refuses_comes_with_its_file(container, content, error):
    file = container.root / "tmp/program"
    file.write_text(content)
    file.chmod(0o755)
    container.enter()
    container.send(program(("PROCESS", ("/tmp/program",), (), -1), "LOOKUP", "EXECVE"))
    name, text, index, fd = container.failed()
    assert (name, text, index) == (error, 'execve("/tmp/program")', 2)
    assert os.read(fd, 100) == content.encode()
    os.close(fd)


def test_the_file_comes_even_when_no_descriptor_is_free(container):
    file = container.root / "tmp/program"
    file.write_text("#!/missing\n")
    file.chmod(0o755)
    container.enter()
    words = ("PROCESS", ("/tmp/program",), (), -1)
    container.send(program(words, "LOOKUP", ("SET_RLIMIT", resource.RLIMIT_NOFILE, 3, 3), "EXECVE"))
    name, _, _, fd = container.failed()
    assert name == "ENOENT"
    os.close(fd)


def test_arguments_that_are_too_long_fail_as_execve(container):
    container.enter()
    container.send(program(("PROCESS", ("/bin/true", "x" * 200_000), (), -1), "LOOKUP", "EXECVE"))
    name, text, index, fd = container.failed()
    assert (name, text, index) == ("E2BIG", 'execve("/bin/true")', 2)
    os.close(fd)


# ---------------------------------------------------------------- start


@pytest.fixture
def listener(tmp_path):
    path = str(tmp_path / "start")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen(8)
        yield listening


def connect(listening):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(DEADLINE)
    client.connect(listening.getsockname())
    return client


def waiting(init, listening, *args):
    init.run(("PROCESS", args, ("PATH=/bin",), -1), "LOOKUP")
    init.send(program(("WAIT_START", 0), "EXECVE"), (listening.fileno(),))
    answer, _ = init.answer()
    assert answer.kind == protocol.ANSWER_WAITING
    assert init.answer() == (None, None)  # it has closed our socket


def test_the_program_starts_when_someone_connects(start, listener):
    reading, writing = os.pipe()
    init = start(streams=(0, writing, 2))
    os.close(writing)
    waiting(init, listener, "/bin/sh", "-c", "ls /proc/$$/fd; echo started")
    assert init.read("comm") == "ocipy:[INIT]\n"
    assert not select.select([init.pidfd, reading], [], [], 0)[0]
    with connect(listener) as client:
        assert client.recv(4096) == b""
    assert init.wait() == 0
    assert os.read(reading, 100).split() == [b"0", b"1", b"2", b"started"]
    os.close(reading)


def test_the_runtime_that_waits_for_the_start_may_end(init, listener):
    waiting(init, listener, "/bin/true")
    init.socket.close()
    connect(listener).close()
    assert init.wait() == 0


def test_who_comes_second_is_refused(init, listener):
    waiting(init, listener, "/bin/true")
    signal.pidfd_send_signal(init.pidfd, signal.SIGSTOP)
    os.waitpid(init.pid, os.WUNTRACED)
    first, second = connect(listener), connect(listener)
    signal.pidfd_send_signal(init.pidfd, signal.SIGCONT)
    assert first.recv(1) == b""
    assert init.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(listener)
    listener.close()
    with pytest.raises(ConnectionResetError):
        second.recv(1)
    first.close()
    second.close()


def test_a_failure_after_the_start_goes_to_who_started(container, listener):
    file = container.root / "tmp/program"
    file.write_text("#!/missing\n")
    file.chmod(0o755)
    container.enter()
    waiting(container, listener, "/tmp/program")
    container.socket.close()
    container.socket = connect(listener)
    name, text, index, fd = container.failed()
    assert (name, text, index) == ("ENOENT", 'execve("/tmp/program")', 1)
    os.close(fd)


def test_a_container_that_waits_can_be_killed(init, listener):
    waiting(init, listener, "/bin/true")
    init.__exit__()


def test_the_working_directory_is_verified_after_the_start(container, listener):
    (container.root / "tmp/sub").mkdir()
    container.enter()
    container.run(("CHDIR", "/tmp/sub"))
    waiting(container, listener, "/bin/true")
    (container.root / "tmp/sub").rmdir()
    container.socket = connect(listener)
    assert container.failed()[:2] == ("ENOENT", "getcwd()")
