"""Masked and read-only paths, and a read-only root, from inside."""

import os
import stat

import pytest

from tests.kernel.mounts import bind, seen, tmpfs

pytestmark = pytest.mark.kernel


@pytest.fixture
def box(box):
    box.own_root()
    box.linux["maskedPaths"] = []
    box.linux["readonlyPaths"] = []
    return box


@pytest.fixture
def image(box):
    """Something of each kind to be hidden."""
    (box.root / "secret/dir").mkdir(parents=True)
    (box.root / "secret/dir/file").write_text("secret")
    (box.root / "secret/file").write_text("secret")
    os.mknod(box.root / "secret/device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mkfifo(box.root / "secret/fifo")
    (box.root / "secret/link").symlink_to("file")
    return box.root / "secret"


# ---------------------------------------------------------------- masks


def test_files_and_directories_are_hidden(box, image):
    box.linux["maskedPaths"] = ["/secret/dir", "/secret/file", "/secret/device", "/secret/fifo"]
    found = box.sh(
        "cd /secret; ls -A dir; cat file; head -c 1 device; ! touch dir/new 2>/dev/null; stat -c '%n %F' *"
    )
    assert found == (
        "device character special file\ndir directory\nfifo character special file\n"
        "file character special file\nlink symbolic link\n"
    )
    assert (image / "file").read_text() == "secret"


def test_a_symlink_is_masked_where_it_leads(box, image):
    box.linux["maskedPaths"] = ["/secret/link"]
    assert box.sh("cat /secret/file; readlink /secret/link") == "file\n"


def test_a_symlink_does_not_lead_a_mask_outside(box):
    (box.root / "link").symlink_to("/etc/hostname")
    (box.root / "etc/hostname").write_text("inside")
    box.linux["maskedPaths"] = ["/link"]
    assert box.sh("cat /etc/hostname; cat /link") == ""


@pytest.mark.parametrize("path", ["/missing", "/missing/below", "/bin/busybox/below", "/proc/nosuch"])
@pytest.mark.parametrize("which", ["maskedPaths", "readonlyPaths"])
def test_what_is_missing_is_no_error(box, which, path):
    box.linux[which] = [path]
    box.run("true")


def test_masks_share_one_filesystem_that_holds_nothing(box):
    for name in "abc":
        (box.root / name).mkdir()
    box.linux["maskedPaths"] = ["/a", "/b", "/c", "/a"]
    mounts = seen(box)
    assert mounts["/a"].options == {"ro", "nosuid", "nodev", "noexec", "relatime"}
    assert "nr_inodes=1" in mounts["/c"].superblock
    devices = set(box.sh("stat -c %d /a /b /c").split())
    assert len(devices) == 1


def test_masks_lie_on_mounts_of_the_config(box, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/secret").write_text("secret")
    bind(box, tmp_path / "data", "/data")
    box.linux["maskedPaths"] = ["/data/secret"]
    assert box.sh("cat /data/secret") == ""


def test_the_masking_device_is_the_containers_own(box, image):
    """chmod of a masked file must not reach the host's /dev/null."""
    box.linux["maskedPaths"] = ["/secret/file"]
    box.capabilities("CAP_FOWNER")
    assert box.sh("chmod 600 /secret/file && stat -c %a /dev/null") == "600\n"
    assert os.stat("/dev/null").st_mode & 0o777 == 0o666


@pytest.mark.parametrize("found", ["missing", "file", "other device", "symlink"])
def test_what_else_the_image_has_as_null_device_is_not_used(box, image, found):
    """CVE-2025-31133: a symlink there had any file of proc mounted over masked ones, to be written to."""
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    bind(box, box.root / "dev", "/dev")
    null = box.root / "dev/null"
    {
        "missing": lambda: None,
        "file": lambda: null.write_text("of the image"),
        "other device": lambda: os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        "symlink": lambda: null.symlink_to("/proc/sysrq-trigger"),
    }[found]()
    box.linux["maskedPaths"] = ["/secret/file"]
    box.capabilities("CAP_FOWNER")
    assert box.sh("stat -c '%F %t:%T' /secret/file; ! chmod 600 /secret/file 2>&1") == (
        "character special file 1:3\nchmod: /secret/file: Read-only file system\n"
    )


def test_masks_hold_in_a_user_namespace(box, image):
    box.user_namespace()
    box.linux["maskedPaths"] = ["/secret/dir", "/secret/file", "/proc/keys"]
    box.linux["readonlyPaths"] = ["/proc/sys"]
    assert (
        box.sh("ls -A /secret/dir; cat /secret/file /proc/keys; grep -c ' /proc/sys ro' /proc/self/mountinfo")
        == "1\n"
    )


def test_a_hook_may_still_write_to_what_is_masked_later(box, image):
    """createContainer hooks come first."""
    write = ["sh", "-c", f"echo seen > {image}/file"]
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": write}]}
    box.linux["maskedPaths"] = ["/secret/file"]
    assert box.sh("cat /secret/file") == ""
    assert (image / "file").read_text() == "seen\n"


# ---------------------------------------------------------------- read-only paths


def test_paths_are_readonly(box, image):
    box.linux["readonlyPaths"] = ["/secret/dir", "/secret/file", "/proc/sys"]
    tries = "touch /secret/dir/new", "echo x >> /secret/file", "echo x > /proc/sys/kernel/domainname"
    for attempt in tries:
        assert "Read-only file system" in box.sh(f"! {{ {attempt}; }} 2>&1")
    assert box.sh("touch /secret/new; cat /secret/file") == "secret"


def test_flags_of_a_readonly_path_stay(box):
    tmpfs(box, "/x", "nosuid", "nodev", "noexec", "noatime")
    box.linux["readonlyPaths"] = ["/x"]
    assert seen(box)["/x"].options == {"ro", "nosuid", "nodev", "noexec", "noatime"}


def test_mounts_below_a_readonly_path_stay_as_they_are(box):
    """As with every peer: the config said what they are."""
    tmpfs(box, "/x")
    tmpfs(box, "/x/y", "nosuid")
    tmpfs(box, "/x/y/z", "ro")
    box.linux["readonlyPaths"] = ["/x"]
    mounts = seen(box)
    assert mounts["/x"].options == {"ro", "relatime"}
    assert mounts["/x/y"].options == {"rw", "nosuid", "relatime"}
    assert mounts["/x/y/z"].options == {"ro", "relatime"}
    assert box.sh("! touch /x/new 2>/dev/null; touch /x/y/new; ls /x/y") == "new\nz\n"


def test_a_readonly_path_may_be_a_symlink(box, image):
    (box.root / "link").symlink_to("secret/../secret/dir")
    box.linux["readonlyPaths"] = ["/link"]
    assert "Read-only file system" in box.sh("! touch /secret/dir/new 2>&1")


def test_a_path_can_be_masked_inside_a_readonly_one(box, image):
    box.linux["readonlyPaths"] = ["/secret"]
    box.linux["maskedPaths"] = ["/secret/file"]
    assert box.sh("cat /secret/file; cat /secret/dir/file; ! touch /secret/new 2>/dev/null") == "secret"


def test_the_root_itself_may_be_a_readonly_path(box):
    box.linux["readonlyPaths"] = ["/"]
    assert "Read-only file system" in box.sh("touch /dev/shm/x; ! touch /new 2>&1")


def test_below_proc_self_the_first_process_is_meant(box):
    box.linux["maskedPaths"] = ["/proc/self/status", "/proc/thread-self/limits"]
    assert box.sh("cat /proc/1/status /proc/1/task/1/limits") == ""
    assert box.sh("cat /proc/1/comm") == "cat\n"


def test_relative_paths_are_taken_from_the_root(box, image):
    box.linux["maskedPaths"] = ["secret/file"]
    box.linux["readonlyPaths"] = ["secret/dir"]
    assert box.ocipy("run", "-b", box.write(), box.id).returncode == 0
    box.process["args"] = ["sh", "-c", "cat /secret/file; ! touch /secret/dir/x 2>/dev/null"]
    assert box.ocipy("run", "-b", box.write(), box.id).stdout == ""


# ---------------------------------------------------------------- the root


def test_a_readonly_root_leaves_mounts_writable(box):
    box.config["root"]["readonly"] = True
    tmpfs(box, "/x")
    assert "Read-only file system" in box.sh("! touch /new 2>&1")
    assert box.sh("touch /x/new /dev/shm/new /tmp/new; ls /x") == "new\n"
    assert not (box.root / "new").exists()


def test_places_are_made_in_a_root_that_becomes_readonly(box):
    box.config["root"]["readonly"] = True
    tmpfs(box, "/deep/new/place")
    box.process["cwd"] = "/work/dir"
    assert box.sh("pwd; ls -d /deep/new/place") == "/work/dir\n/deep/new/place\n"


def test_the_working_directory_is_made_and_is_the_containers(box):
    box.user_namespace()
    for path in [box.root, *box.root.rglob("*")]:
        os.chown(path, 100000, 100000, follow_symlinks=False)
    box.process["cwd"] = "/home/new"
    assert box.sh("stat -c '%a %u' .") == "755 0\n"
