"""Writing files, making filesystems, changing the root."""

import os

import pytest

from tests.conftest import need
from tests.init.driver import CLONE_NEWNS, MS_PRIVATE

pytestmark = pytest.mark.kernel


@pytest.fixture
def directory(tmp_path):
    """(descriptor, path) of a directory with a file."""
    (tmp_path / "top").mkdir()
    (tmp_path / "top/file").write_text("before")
    fd = os.open(tmp_path / "top", os.O_PATH)
    yield fd, tmp_path / "top"
    os.close(fd)


def test_write_writes_into_a_file_below_the_directory(init, directory):
    fd, path = directory
    init.run(("WRITE", 0, "file", "after!"), fds=(fd,))
    assert (path / "file").read_text() == "after!"


def test_write_follows_a_symlink_that_stays_below(init, directory):
    fd, path = directory
    (path / "link").symlink_to("file")
    init.run(("WRITE", 0, "link", "by link"), fds=(fd,))
    assert (path / "file").read_text() == "by link"


@pytest.mark.parametrize("target", ["../secret", "/etc/hostname", "sub/../../secret"])
def test_write_does_not_leave_the_directory(init, directory, target):
    fd, path = directory
    (path / "sub").mkdir()
    (path.parent / "secret").write_text("untouched")
    (path / "link").symlink_to(target)
    assert init.failure(("WRITE", 0, "link", "x"), fds=(fd,))[0] == "EXDEV"
    assert (path.parent / "secret").read_text() == "untouched"


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname"])
def test_write_refuses_a_path_that_leads_out(init, directory, name):
    error, text = init.failure(("WRITE", 0, name, "x"), fds=(directory[0],))
    assert (error, text.partition(", ")[2]) == ("EXDEV", f'"{name}", O_WRONLY)')


def test_write_creates_nothing(init, directory):
    assert init.failure(("WRITE", 0, "other", "x"), fds=(directory[0],))[0] == "ENOENT"


def test_write_follows_self_of_a_procfs(init):
    proc = os.open("/proc", os.O_PATH)
    init.run(
        ("WRITE", 0, "self/comm", "renamed"), ("WRITE", 0, "thread-self/oom_score_adj", "77"), fds=(proc,)
    )
    os.close(proc)
    assert (init.read("comm"), init.read("oom_score_adj")) == ("renamed\n", "77\n")


def test_write_follows_no_magic_link(init, directory):
    path = directory[1]
    file = os.open(path / "file", os.O_WRONLY)
    proc = os.open("/proc", os.O_PATH)
    assert init.failure(("WRITE", 0, f"{os.getpid()}/fd/{file}", "x"), fds=(proc,))[0] == "ELOOP"
    os.close(proc)
    os.close(file)
    assert (path / "file").read_text() == "before"


def test_write_does_not_cross_into_another_mount(container):
    """As of an image that has a volume over a file of /proc (CVE-2019-16884)."""
    container.inside("mount", "--bind", "/dev/null", container.root / "proc/sys/kernel/domainname")
    proc = os.open(f"/proc/{container.pid}/root{container.root}/proc", os.O_PATH)
    assert container.failure(("WRITE", 0, "sys/kernel/domainname", "x"), fds=(proc,))[0] == "EXDEV"
    os.close(proc)


def test_write_says_which_text_the_file_refused(init):
    proc = os.open("/proc", os.O_PATH)
    refused = init.failure(("WRITE", 0, "self/oom_score_adj", "5000"), fds=(proc,))
    os.close(proc)
    assert refused == ("EINVAL", 'write("self/oom_score_adj", "5000")')


def test_a_filesystem_comes_back_as_a_detached_mount(init):
    init.run(("UNSHARE", CLONE_NEWNS), ("PROPAGATION", MS_PRIVATE, 1))
    before = init.read("mountinfo")
    made = init.run(
        ("FSMOUNT", "tmpfs", "none", ("size=64k", "mode=700", "ro"), 2 | 4 | 8),
        ("FSMOUNT", "proc", "", (), 0),
    )
    assert sorted(made) == [0, 1]
    filesystem = os.fstatvfs(made[0])
    assert filesystem.f_blocks * filesystem.f_frsize == 65536
    assert os.fstat(made[0]).st_mode & 0o7777 == 0o700
    assert filesystem.f_flag & 0xF == 1 | 2 | 4 | 8  # ST_RDONLY ST_NOSUID ST_NODEV ST_NOEXEC
    assert os.readlink("self", dir_fd=made[1]) == str(os.getpid())
    assert init.read("mountinfo") == before
    for fd in made.values():
        os.close(fd)


FAILURES = {
    "unknown type": (("nofs", "", (), 0), "ENODEV", 'fsopen("nofs")'),
    "bad value": (
        ("tmpfs", "", ("size=foo",), 0),
        "EINVAL",
        """fsconfig(FSCONFIG_SET_STRING, "size", "foo") [tmpfs: Bad value for 'size']""",
    ),
    "unknown key": (
        ("tmpfs", "", ("nokey=1",), 0),
        "EINVAL",
        """fsconfig(FSCONFIG_SET_STRING, "nokey", "1") [tmpfs: Unknown parameter 'nokey']""",
    ),
    "unknown flag": (
        ("tmpfs", "", ("noflag",), 0),
        "EINVAL",
        """fsconfig(FSCONFIG_SET_FLAG, "noflag") [tmpfs: Unknown parameter 'noflag']""",
    ),
    "key too long": (("tmpfs", "", ("k" * 256 + "=v",), 0), "EINVAL", None),
    "empty option": (("tmpfs", "", ("",), 0), "EINVAL", None),
    "source that is too long": (("tmpfs", "x" * 5000, (), 0), "EINVAL", None),
    "source that is missing": (("ext4", "/missing", (), 0), "ENOENT", None),
    "options that don't agree": (("overlay", "", ("upperdir=/tmp",), 0), "EINVAL", None),
    "unknown attribute": (("tmpfs", "", (), 1 << 30), "EINVAL", 'fsmount(0x40000000) of "tmpfs"'),
}


@pytest.mark.parametrize(("arguments", "error", "text"), FAILURES.values(), ids=FAILURES)
def test_a_filesystem_that_can_not_be_made_says_why(init, arguments, error, text):
    init.run(("UNSHARE", CLONE_NEWNS))
    need(
        arguments[0] in (*open("/proc/filesystems").read().split(), "nofs"), f"no {arguments[0]}", kernel=True
    )
    failure = init.failure(("FSMOUNT", *arguments))
    assert failure[0] == error
    assert text in (None, failure[1])


@pytest.mark.parametrize("op", ["PIVOT", "MOVE_ROOT", "CHROOT"])
def test_the_root_changes_to_the_directory(container, op):
    container.enter(op)
    assert os.readlink(f"/proc/{container.pid}/cwd") == os.readlink(f"/proc/{container.pid}/root")
    assert container.execute("sh", "-c", "pwd; ls / /proc/self/root/").split() == [
        *("/", "/:", "bin", "dev", "etc", "old", "proc", "tmp"),
        *("/proc/self/root/:", "bin", "dev", "etc", "old", "proc", "tmp"),
    ]


def test_after_a_pivot_nothing_is_left_of_the_old_root(container):
    container.enter()
    points = [line.split()[4] for line in container.read("mountinfo").splitlines()]
    assert sorted(points) == ["/", "/dev", "/proc"]


def test_a_pivot_unmounts_nothing_of_another_namespace(start, root):
    """Were mounts of the old root still shared when it is detached, its peers would lose what is on them."""
    outer, inner = start(), start()
    outer.run(("UNSHARE", CLONE_NEWNS), ("PROPAGATION", MS_PRIVATE, 1))
    outer.inside("mount", "-t", "tmpfs", "none", root / "tmp")
    outer.inside("mount", "--make-shared", root / "tmp")
    outer.inside("mkdir", root / "tmp/sub")
    outer.inside("mount", "-t", "tmpfs", "none", root / "tmp/sub")
    before = outer.read("mountinfo")
    inner.run(("JOIN_PROCESS", 0, CLONE_NEWNS), ("UNSHARE", CLONE_NEWNS), fds=(outer.pidfd,))
    inner.inside("mount", "--bind", root, root)
    inner.root = root
    inner.enter()
    assert inner.read("mountinfo").count("\n") == 1
    assert outer.read("mountinfo") == before


@pytest.mark.parametrize(("op", "call"), [("PIVOT", 'pivot_root(".", ".")'), ("MOVE_ROOT", "move_mount(")])
def test_the_root_must_be_a_mount(init, tmp_path, op, call):
    init.run(("UNSHARE", CLONE_NEWNS), ("PROPAGATION", MS_PRIVATE, 1))
    init.inside("mount", "-t", "tmpfs", "none", tmp_path)
    init.inside("mkdir", tmp_path / "directory")
    fd = os.open(f"/proc/{init.pid}/root{tmp_path}/directory", os.O_PATH)
    error, text = init.failure((op, 0), fds=(fd,))
    os.close(fd)
    assert (error, text[: len(call)]) == ("EINVAL", call)


@pytest.mark.parametrize("op", ["PIVOT", "MOVE_ROOT", "CHROOT"])
def test_the_root_must_be_a_directory(init, op):
    fd = os.open("/etc/hostname", os.O_RDONLY)
    name, text = init.failure((op, 0), fds=(fd,))
    os.close(fd)
    assert (name, text[:7]) == ("ENOTDIR", "fchdir(")
