"""Somebody swaps places while containers are made: nothing outside of the root may change.

CVE-2021-30465, CVE-2024-45310, CVE-2025-52565 and their kind: a name is looked at, and is a symlink by the
time it is used.
"""

import ctypes
import os
import threading
import time

import pytest

from tests.kernel.mounts import bind, tmpfs

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

SECONDS = 2
TRIES = 4  # at least, on a busy machine
RENAME_EXCHANGE = 2
AT_FDCWD = -100


class Swapping:
    """A thread that exchanges two names as fast as it can, for the length of a with block."""

    def __init__(self, one, other):
        self.names = os.fsencode(one), os.fsencode(other)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._swap)
        self.times = 0

    def _swap(self):
        # Without the GIL while it is in the kernel, as any other process of the host would be.
        rename = ctypes.CDLL(None, use_errno=True).renameat2
        while not self.ends.is_set():
            rename(AT_FDCWD, self.names[0], AT_FDCWD, self.names[1], RENAME_EXCHANGE)
            self.times += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
        assert self.times > 100


def state(directory):
    """All that can be told of a tree of the host, but for times."""
    found = []
    for path in sorted([directory, *directory.rglob("*")]):
        info = path.lstat()
        found.append((str(path), info.st_mode, info.st_uid, info.st_gid, info.st_ino, info.st_nlink))
    return found


@pytest.fixture
def outside(tmp_path):
    """A place of the host with things that a container must not get at."""
    directory = tmp_path / "outside"
    (directory / "sub").mkdir(parents=True)
    (directory / "null").write_text("precious")
    (directory / "null").chmod(0o600)
    (directory / "ptmx").write_text("precious")
    (directory / "sub/file").write_text("precious")
    directory.chmod(0o750)
    return directory


def race(box, one, other, outside):
    """Run containers while two names are swapped; how many were made, and how many were refused."""
    before, mounts = state(outside), open("/proc/self/mountinfo", encoding="utf-8").read()
    made = refused = 0
    with Swapping(one, other):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline or made + refused < TRIES:
            done = box.ocipy("run", "-b", box.write(), box.id, status=None)
            assert "internal error" not in done.stderr
            assert "Traceback" not in done.stderr
            made, refused = made + (done.returncode == 0), refused + (done.returncode != 0)
    assert state(outside) == before
    assert open("/proc/self/mountinfo", encoding="utf-8").read() == mounts
    assert (outside / "null").read_text() == "precious"
    return made, refused


@pytest.fixture
def box(box):
    box.own_root()
    return box


def swapped(box, name, outside):
    """A directory of the root, and beside it a symlink to the host's that takes its place now and then."""
    place = box.root / name
    place.mkdir(parents=True, exist_ok=True)
    link = place.with_name(f"{place.name}-link")
    link.symlink_to(outside)
    return place, link


def test_the_target_of_a_mount(box, outside):
    place, link = swapped(box, "volume/target", outside)
    tmpfs(box, "/volume/target/new/place")
    bind(box, "/etc/hostname", "/volume/target/null")
    tmpfs(box, "/volume/target")
    race(box, place, link, outside)


def test_a_file_target_of_a_mount(box, outside):
    (box.root / "volume").mkdir()
    place, link = box.root / "volume/file", box.root / "volume/link"
    place.touch()
    link.symlink_to(outside / "null")
    bind(box, "/etc/hostname", "/volume/file")
    race(box, place, link, outside)


def test_dev_itself(box, outside):
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    place, link = swapped(box, "dev", outside)
    box.linux["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 7, "gid": 8}]
    race(box, place, link, outside)


def test_a_device_in_a_shared_dev(box, outside):
    """What was made is a symlink by the time that its owner is set."""
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]
    (box.root / "dev").mkdir(exist_ok=True)
    place, link = box.root / "dev/x", box.root / "dev/y"
    place.touch()
    link.symlink_to(outside / "null")
    box.linux["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 7, "gid": 8}]
    race(box, place, link, outside)


def test_masked_and_readonly_paths(box, outside):
    place, link = swapped(box, "volume/secret", outside)
    box.linux["maskedPaths"] = ["/volume/secret", "/volume/secret/null"]
    box.linux["readonlyPaths"] = ["/volume/secret/sub"]
    race(box, place, link, outside)


def test_what_tmpcopyup_copies(box, outside):
    place, link = swapped(box, "volume/data", outside)
    (place / "null").write_text("of the image")
    tmpfs(box, "/volume", "tmpcopyup")
    box.process["args"] = ["sh", "-c", "! grep -r precious /volume"]
    _, refused = race(box, place, link, outside)
    assert refused is not None


def test_the_working_directory(box, outside):
    place, link = swapped(box, "work", outside)
    box.process["cwd"] = "/work/new"
    race(box, place, link, outside)
