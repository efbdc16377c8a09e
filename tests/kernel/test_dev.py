"""/dev of a container, from inside."""

import os
import stat
import subprocess

import pytest

from tests.kernel.mounts import bind, seen

pytestmark = pytest.mark.kernel

NODES = "stat -c '%n %F %t:%T %a %u:%g' null zero full random urandom tty"
DEFAULT = """\
null character special file 1:3 666 0:0
zero character special file 1:5 666 0:0
full character special file 1:7 666 0:0
random character special file 1:8 666 0:0
urandom character special file 1:9 666 0:0
tty character special file 5:0 666 0:0
"""
LINKS = "core fd ptmx stderr stdin stdout"


@pytest.fixture
def box(box):
    box.own_root()
    return box


def device(box, path, kind="c", major=1, minor=3, **more):
    """Add to linux.devices; its JSON pointer."""
    devices = box.linux.setdefault("devices", [])
    devices.append({"path": path, "type": kind, "major": major, "minor": minor, **more})
    return f"/linux/devices/{len(devices) - 1}"


def test_the_default_devices_are_there_and_work(box):
    assert box.sh(f"cd /dev; {NODES}") == DEFAULT
    assert (
        box.sh("echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; ! echo > /dev/full") == " 00 00 00\n"
    )


def test_the_links_are_there(box):
    kept = [name for name in LINKS.split() if name != "core" or os.path.exists("/proc/kcore")]
    found = box.sh(f"cd /dev; for i in {' '.join(kept)}; do readlink $i; done").split()
    where = {"core": "/proc/kcore", "fd": "/proc/self/fd", "ptmx": "pts/ptmx"}
    where |= {name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))}
    assert found == [where[name] for name in kept]


def test_without_a_filesystem_at_dev_the_images_is_filled(box):
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    assert box.sh(f"cd /dev; {NODES}") == DEFAULT
    # They stay, and are the right ones the next time.
    assert box.sh(f"cd /dev; {NODES}") == DEFAULT


def test_devices_are_made_as_listed(box):
    device(box, "/dev/a/b/one", mode=0, fileMode=0o640, uid=5, gid=6)
    device(box, "/dev/block", "b", 7, 99)
    device(box, "/dev/unbuffered", "u", 1, 5, fileMode=0o20600)
    box.linux["devices"].append({"path": "/run/fifo", "type": "p", "fileMode": 0o622, "uid": 3})
    look = "stat -c '%n %F %t:%T %a %u:%g' /dev/a/b/one /dev/block /dev/unbuffered /run/fifo"
    assert box.sh(look) == (
        "/dev/a/b/one character special file 1:3 640 5:6\n"
        "/dev/block block special file 7:63 666 0:0\n"
        "/dev/unbuffered character special file 1:5 600 0:0\n"
        "/run/fifo fifo 0:0 622 3:0\n"
    )


def test_a_listed_device_takes_the_place_of_a_default_one(box):
    device(box, "/dev/null", fileMode=0o600)
    assert box.sh("stat -c %a /dev/null") == "600\n"


def test_ptmx_is_the_containers_whatever_is_listed(box):
    """The host's would open terminals of the host."""
    device(box, "/dev/ptmx", "c", 5, 2)
    assert box.sh("readlink /dev/ptmx") == "pts/ptmx\n"


def test_what_the_image_has_as_ptmx_gives_way(box):
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    (box.root / "dev/ptmx").write_text("of the image")
    assert box.sh("readlink /dev/ptmx") == "pts/ptmx\n"


def test_links_of_the_image_stay(box):
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    (box.root / "dev/fd").symlink_to("/elsewhere")
    assert box.sh("readlink /dev/fd") == "/elsewhere\n"


@pytest.mark.parametrize("found", ["file", "other device", "symlink", "directory"])
def test_something_else_in_a_devices_place_is_an_error(box, found):
    """runtime-spec config-linux.md#devices."""
    place = box.root / "dev/x"
    {
        "file": place.touch,
        "other device": lambda: os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
        "symlink": lambda: place.symlink_to("null"),
        "directory": place.mkdir,
    }[found]()
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    pointer = device(box, "/dev/x")
    error = box.fails("true")
    assert f"make device /dev/x c 1:3 0666 (config.json {pointer}): " in error
    assert "EEXIST" in error
    assert "something else is there" in error


def test_the_right_device_in_its_place_stays_as_it_is(box):
    place = box.root / "dev/x"
    os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chown(place, 5, 6)
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    device(box, "/dev/x", fileMode=0o666)
    assert box.sh("stat -c '%a %u:%g' /dev/x") == "600 5:6\n"


def test_a_dev_of_the_caller_is_left_alone(box, tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/only").touch()
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    bind(box, tmp_path / "dev", "/dev", "rbind")
    device(box, "/dev/x")
    assert box.sh("ls /dev") == "only\n"


def test_a_dev_that_is_a_symlink_leads_inside(box, tmp_path):
    """CVE-2026-41579: links and devices were made, and ptmx deleted, in a directory of the host."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ptmx").write_text("the host's")
    (box.root / "dev").rmdir()
    (box.root / "dev").symlink_to(outside)
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    box.sh("ls /dev/")
    assert [path.name for path in outside.iterdir()] == ["ptmx"]
    assert (outside / "ptmx").read_text() == "the host's"


def test_the_callers_umask_decides_nothing(box):
    box.process["args"] = ["sh", "-c", f"cd /dev; {NODES}"]
    assert box.run(umask=0o777) == DEFAULT


# ---------------------------------------------------------------- without the right to make nodes


def test_in_a_user_namespace_devices_are_the_hosts(box):
    box.user_namespace()
    mounts = seen(box)
    assert mounts["/dev/null"].root == "/null"
    found = box.sh(f"cd /dev; {NODES}; echo x > /dev/null").splitlines()
    assert [line.split(" ")[:5] for line in found] == [line.split(" ")[:5] for line in DEFAULT.splitlines()]


@pytest.mark.parametrize(("path", "major"), [("/dev/null", 2), ("/dev/nosuchdevice", 1)])
def test_in_a_user_namespace_the_hosts_device_must_be_the_one_that_is_meant(box, path, major):
    box.user_namespace()
    pointer = device(box, path, major=major)
    error = box.fails("true")
    assert f"bind {path} at {path} (config.json {pointer}): " in error
    assert "in a user namespace devices are those of the host, by the same path" in error


def test_in_a_user_namespace_a_fifo_is_made_and_owned_as_asked(box):
    box.user_namespace()
    box.linux["devices"] = [{"path": "/run/fifo", "type": "p", "fileMode": 0o640, "uid": 5, "gid": 6}]
    assert box.sh("stat -c '%F %a %u:%g' /run/fifo") == "fifo 640 5:6\n"


def test_without_the_capability_devices_are_bound_and_can_not_be_changed(box, ocipy, launcher, state_root):
    """The host's nodes must keep their mode; to write to a device is no writing to its filesystem."""
    command = ["setpriv", "--bounding-set", "-mknod", "--inh-caps", "-mknod", launcher, "--root", state_root]
    box.capabilities("CAP_FOWNER")
    box.process["args"] = ["sh", "-c", "echo x > /dev/null && ! chmod 600 /dev/null 2>&1"]
    done = subprocess.run(
        [*command, "run", "-b", box.write(), box.id], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "chmod: /dev/null: Read-only file system\n")
    assert os.stat("/dev/null").st_mode & 0o777 == 0o666


def test_a_terminal_has_a_console(box):
    """A place for it is made; what lies on it is the terminal's business."""
    box.process["terminal"] = True
    assert "make file /dev/console  [/process/terminal]" in box.ocipy("plan", box.write()).stdout
