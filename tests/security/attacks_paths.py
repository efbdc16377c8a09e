"""A root filesystem, or who can write to one meanwhile, leads the runtime outside of it.

Path handling is the largest class of published flaws: a name is looked at, and means something else when it
is used.  Under attack is create, which alone makes or mounts anything; exec does neither.
"""

import os
import stat

from tests.kernel.mounts import bind, tmpfs
from tests.security.corpus import attack
from tests.security.scene import PRECIOUS
from tests.security.weakenings import (
    CHECKED_THEN_USED,
    COPIED_BY_NAME,
    FOLLOWED,
    MASKED_BY_A_NAME,
    OWNED_BY_NAME,
    PINNED_TWICE,
)


def without_dev(box):
    """The image's own /dev: nothing is mounted there."""
    box.config["mounts"] = [m for m in box.config["mounts"] if not m["destination"].startswith("/dev")]


def with_its_dev(box):
    """The image's /dev by a bind of the configuration: the runtime puts nothing into it."""
    without_dev(box)
    bind(box, box.root / "dev", "/dev")


def race(scene, box, *racer, script="true", found=None):
    """Make containers while names change, until something is found outside.

    found: given a finished command, what it got, as a list
    """
    scene.watch_mounts(box)
    with scene.racing(*racer):
        for _ in scene.rounds():
            done = scene.process(box, script)
            got = (found(done) if found else []) + scene.damage()
            if got:
                return got
    return []


def reads_precious(done):
    return ["read what is outside"] if PRECIOUS in done.stdout else []


def swapped(scene, box, name, outside=""):
    """A directory, and beside it a symlink out that takes its place now and then: arguments of `race`."""
    place = scene.put(box, name)
    return "exchange", place, scene.put(box, f"{name}-link", scene.outside / outside)


# ---------------------------------------------------------------- what lies there


@attack("CVE-2019-18837", without={"create": FOLLOWED})
def a_mount_target_behind_a_symlink(scene):
    """A directory is made, and a filesystem mounted, where a symlink of the image leads."""
    box = scene.box()
    scene.put(box, "link", scene.outside)
    tmpfs(box, "/link/made")
    scene.watch_mounts(box)
    scene.process(box, "true")
    return []


@attack("CVE-2025-24965", without={"create": FOLLOWED})
def a_file_made_behind_a_symlink(scene):
    """An empty file is made to mount a file on, where a symlink of the image leads."""
    box = scene.box()
    scene.put(box, "link", scene.outside)
    bind(box, "/etc/hostname", "/link/made")
    scene.process(box, "true")
    return []


@attack("CVE-2026-41579", "CVE-2026-47766", without={"create": FOLLOWED})
def a_dev_that_is_a_symlink(scene):
    """/dev of the image is a directory of the host: there ptmx is unlinked, devices and links are made."""
    box = scene.box()
    without_dev(box)
    scene.put(box, "dev", scene.outside / "dev")
    scene.process(box, "true")
    return []


@attack("CVE-2025-31133", "CVE-2025-62161", without={"create": MASKED_BY_A_NAME})
def a_null_device_that_is_a_symlink(scene):
    """/dev/null of the image leads to a file, which is then mounted where something should be masked."""
    box = scene.box()
    (box.root / "evil").write_text("evil")
    (box.root / "secret").write_text("secret")
    (box.root / "dev/null").symlink_to("/evil")
    with_its_dev(box)
    box.linux["maskedPaths"] = ["/secret"]
    shown = scene.process(box, "cat /secret").stdout
    return [f"a masked file shows {shown!r}"] if shown else []


# ---------------------------------------------------------------- what changes meanwhile


@attack("CVE-2021-30465", "CVE-2024-45310", without={"create": CHECKED_THEN_USED})
def a_mount_target_that_becomes_a_symlink(scene):
    """A volume is changed by one container while another is made with it."""
    box = scene.box()
    racer = swapped(scene, box, "volume/target")
    tmpfs(box, "/volume/target/new/place")
    bind(box, "/etc/hostname", "/volume/target/null")
    tmpfs(box, "/volume/target")
    return race(scene, box, *racer)


@attack("CVE-2021-30465", without={"create": CHECKED_THEN_USED})
def a_mounted_file_that_becomes_a_symlink(scene):
    """As with a directory, but nothing has to be made: a file is mounted over one of the host."""
    box = scene.box()
    place = scene.put(box, "volume") / "file"
    place.touch()
    link = scene.put(box, "volume/link", scene.outside / "null")
    bind(box, "/etc/hostname", "/volume/file")
    return race(scene, box, "exchange", place, link)


@attack("CVE-2024-45310", without={"create": CHECKED_THEN_USED})
def a_working_directory_that_becomes_a_symlink(scene):
    """The working directory is made when it is missing, with all above it."""
    box = scene.box()
    racer = swapped(scene, box, "work")
    box.process["cwd"] = "/work/new/place"
    return race(scene, box, *racer)


@attack("CVE-2026-41579", "CVE-2026-47766", without={"create": CHECKED_THEN_USED})
def a_dev_that_becomes_a_symlink(scene):
    """As a /dev that is one, but it is still a directory when it is looked at."""
    box = scene.box()
    without_dev(box)
    return race(scene, box, *swapped(scene, box, "dev", "dev"))


@attack("CVE-2021-30465", without={"create": OWNED_BY_NAME})
def a_device_that_becomes_a_symlink(scene):
    """A device is given to a user: by its name, that is now a file of the host."""
    box = scene.box()
    without_dev(box)
    scene.put(box, "dev")
    device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 7, "gid": 8}
    box.linux["devices"] = [device] * 20

    def again(_):
        for path in (box.root / "dev").iterdir():
            if not path.name.startswith("x"):
                path.unlink()
        return []

    return race(scene, box, "plant", scene.outside / "null", box.root / "dev/x", found=again)


@attack("CVE-2025-31133", "CVE-2025-62161", without={"create": MASKED_BY_A_NAME})
def a_null_device_that_becomes_a_symlink(scene):
    """The device is the right one when it is looked at."""
    box = scene.box()
    (box.root / "evil").write_text("evil")
    (box.root / "secret").write_text("secret")
    os.mknod(box.root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    link = scene.put(box, "dev/other", "/evil")
    with_its_dev(box)
    box.linux["maskedPaths"] = ["/secret"]

    def found(done):
        return ["a masked file shows another one"] if "evil" in done.stdout else []

    return race(scene, box, "exchange", box.root / "dev/null", link, script="cat /secret", found=found)


@attack("youki 3573074f", without={"create": PINNED_TWICE})
def a_readonly_path_that_becomes_a_symlink(scene):
    """A read-only path is a copy of the mount that lies there: of one of the host's, if looked up twice."""
    box = scene.box()
    racer = swapped(scene, box, "volume/data")
    box.linux["readonlyPaths"] = ["/volume/data"] * 10
    return race(scene, box, *racer, script="cat /volume/data*/null", found=reads_precious)


@attack("CVE-2021-30465", without={"create": COPIED_BY_NAME})
def a_copied_directory_that_becomes_a_symlink(scene):
    """tmpcopyup copies what the image has below a tmpfs: not what the host has."""
    box = scene.box()
    racer = swapped(scene, box, "volume/data")
    tmpfs(box, "/volume", "tmpcopyup")
    return race(scene, box, *racer, script="cat /volume/data*/null", found=reads_precious)
