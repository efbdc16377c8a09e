"""tmpcopyup, from inside."""

import os
import stat

import pytest

from tests.kernel.mounts import seen, tmpfs

pytestmark = pytest.mark.kernel


@pytest.fixture
def data(box):
    """A directory of the image with one of everything in it."""
    directory = box.own_root() / "data"
    (directory / "sub/deep").mkdir(parents=True)
    directory.chmod(0o2775)
    os.chown(directory, 20, 21)
    file = directory / "file"
    file.write_text("content")
    os.chown(file, 5, 6)
    file.chmod(0o4755)
    os.setxattr(file, "trusted.ocipy", b"kept")
    (directory / "sub").chmod(0o1777)
    os.link(file, directory / "sub/hard")
    (directory / "link").symlink_to("file")
    (directory / "away").symlink_to("/etc/passwd")
    os.chown(directory / "link", 7, 8, follow_symlinks=False)
    os.mkfifo(directory / "fifo", 0o640)
    os.mknod(directory / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (directory / "sub/deep/big").write_bytes(os.urandom(3_000_000))
    os.utime(file, (1, 1_000_000))
    return directory


LOOK = "cd /data && stat -c '%n|%F|%a|%u:%g|%Y|%h|%N' . $(find . | sort)"


def test_all_is_there_as_it_was(box, data):
    before = box.sh(LOOK)
    tmpfs(box, "/data", "tmpcopyup")
    after = box.sh(LOOK)
    # Where the directory lies says nothing of it: its links differ with the filesystem.
    assert [line.split("|")[:4] for line in after.splitlines()] == [
        line.split("|")[:4] for line in before.splitlines()
    ]
    assert "|1000000|2|" in next(line for line in after.splitlines() if line.startswith("./file|"))
    assert box.sh("cmp /data/file /data/sub/hard; cd /data; wc -c < sub/deep/big") == "3000000\n"


def test_what_was_copied_can_be_changed_and_the_image_stays(box, data):
    tmpfs(box, "/data", "tmpcopyup")
    box.capabilities("CAP_DAC_OVERRIDE", "CAP_FOWNER")
    box.sh("cd /data; echo changed > file; rm -r sub; echo new > new")
    assert (data / "file").read_text() == "content"
    assert (data / "sub/deep/big").exists()
    assert not (data / "new").exists()


def test_a_mode_that_is_asked_for_counts(box, data):
    tmpfs(box, "/data", "tmpcopyup", "mode=711", "nosuid")
    found = seen(box)["/data"]
    assert "nosuid" in found.options
    assert box.sh("stat -c %a /data") == "711\n"


def test_a_readonly_copy_is_complete(box, data):
    tmpfs(box, "/data", "tmpcopyup", "ro")
    assert box.sh("cat /data/link; ! touch /data/x 2>/dev/null && echo held") == "contentheld\n"


def test_a_place_that_is_missing_is_empty(box):
    box.own_root()
    tmpfs(box, "/data", "tmpcopyup")
    assert box.sh("ls -A /data") == ""


def test_a_deep_tree_is_copied(box):
    fd = os.open(box.own_root() / "mnt", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deep", dir_fd=fd)
        below = os.open("deep", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    tmpfs(box, "/mnt", "tmpcopyup")
    assert box.sh("find /mnt -type d | wc -l; find /mnt -name bottom | wc -l") == "301\n1\n"


def test_too_little_room_is_an_error(box, data):
    tmpfs(box, "/data", "tmpcopyup", "size=1m")
    assert "ENOSPC" in box.fails("true")


def test_symlinks_are_not_followed(box):
    """The image must not choose which files of the host the container gets to see."""
    root = box.own_root()
    (root / "links").mkdir()
    (root / "links/secret").symlink_to("/etc/shadow")
    (root / "links/dir").symlink_to("/etc")
    tmpfs(box, "/links", "tmpcopyup")
    assert box.sh("cd /links; stat -c '%F' *") == "symbolic link\nsymbolic link\n"


# ---------------------------------------------------------------- in a user namespace


def test_owners_are_the_containers(box, data):
    box.user_namespace(host=0, size=1000)
    for kind in ("uidMappings", "gidMappings"):
        box.linux[kind] = [{"containerID": 0, "hostID": 0, "size": 100}]
    tmpfs(box, "/data", "tmpcopyup")
    found = box.sh("cd /data; stat -c '%n %u:%g' file link")
    assert found == "file 5:6\nlink 7:8\n"


def test_owners_of_the_host_are_numbers_of_the_container(box):
    directory = box.own_root() / "data"
    directory.mkdir()
    for name, uid in (("root", 100000), ("five", 100005), ("strange", 12)):
        (directory / name).touch()
        os.chown(directory / name, uid, uid)
    (directory / "strange").chmod(0o644)
    box.user_namespace()
    tmpfs(box, "/data", "tmpcopyup")
    assert box.sh("cd /data; stat -c '%n %u:%g' *") == "five 5:5\nroot 0:0\nstrange 0:0\n"


def test_what_the_containers_root_may_not_read_is_not_copied(box):
    directory = box.own_root() / "data"
    directory.mkdir()
    (directory / "secret").write_text("of the host's root")
    (directory / "secret").chmod(0o600)
    box.user_namespace()
    pointer = tmpfs(box, "/data", "tmpcopyup")
    error = box.fails("true")
    assert f"(config.json {pointer})" in error
    assert "EACCES" in error


def test_devices_are_left_out_where_they_can_not_be(box):
    directory = box.own_root() / "data"
    directory.mkdir()
    os.mknod(directory / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (directory / "file").touch()
    box.user_namespace()
    tmpfs(box, "/data", "tmpcopyup")
    assert box.sh("ls /data") == "file\n"
