"""Every option of a mount, as the kernel shows it inside."""

import pytest

from tests.kernel.mounts import FLAGGED, bind, on_host, seen, tmpfs

pytestmark = pytest.mark.kernel


@pytest.fixture
def box(box):
    """With a root of its own: places of mounts stay in it."""
    box.own_root()
    return box


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


@pytest.fixture
def flagged(box, source):
    on_host(box, FLAGGED.format(source))
    return source


# ---------------------------------------------------------------- flags


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ((), {"rw", "nosuid", "nodev", "noexec", "noatime"}),
        (("ro",), {"ro", "noatime"}),
        (("rw",), {"rw", "noatime"}),
        (("nosuid", "nodev"), {"rw", "nosuid", "nodev", "noatime"}),
        (("nosuid", "suid"), {"rw", "noatime"}),
        (("ro", "exec", "noexec"), {"ro", "noexec", "noatime"}),
        (("relatime", "nosuid"), {"rw", "nosuid", "relatime"}),
        (("atime",), {"rw", "relatime"}),
        (("nostrictatime",), {"rw", "relatime"}),
        (("strictatime",), {"rw"}),
        (("noatime", "nodiratime"), {"rw", "noatime", "nodiratime"}),
        (("nosymfollow",), {"rw", "noatime", "nosymfollow"}),
        (("symfollow",), {"rw", "noatime"}),
        (("defaults", "async", "loud", "silent", "nomand"), {"rw", "nosuid", "nodev", "noexec", "noatime"}),
    ],
)
def test_flags_of_a_bind(box, flagged, options, flags):
    """With any flag given, those given are all there are; access times stay unless they are spoken of."""
    bind(box, flagged, "/x", *options)
    assert seen(box)["/x"].options == flags


@pytest.mark.parametrize(
    ("options", "top", "below"),
    [
        ((), {"rw", "nosuid", "nodev", "noexec", "noatime"}, {"rw", "nosuid", "relatime"}),
        (("ro",), {"ro", "noatime"}, {"rw", "nosuid", "relatime"}),
        (("rro",), {"ro", "nosuid", "nodev", "noexec", "noatime"}, {"ro", "nosuid", "relatime"}),
        (("ro", "rrw"), {"rw", "noatime"}, {"rw", "nosuid", "relatime"}),
        (("rsuid", "rdev", "rexec"), {"rw", "noatime"}, {"rw", "relatime"}),
        (
            ("rnodev", "rnoexec"),
            {"rw", "nosuid", "nodev", "noexec", "noatime"},
            {"rw", "nosuid", "nodev", "noexec", "relatime"},
        ),
        (("rrelatime",), {"rw", "nosuid", "nodev", "noexec", "relatime"}, {"rw", "nosuid", "relatime"}),
        (("rnoatime",), {"rw", "nosuid", "nodev", "noexec", "noatime"}, {"rw", "nosuid", "noatime"}),
        (("ratime",), {"rw", "nosuid", "nodev", "noexec", "relatime"}, {"rw", "nosuid", "relatime"}),
        (("rstrictatime",), {"rw", "nosuid", "nodev", "noexec"}, {"rw", "nosuid"}),
        (("rnostrictatime",), {"rw", "nosuid", "nodev", "noexec", "relatime"}, {"rw", "nosuid", "relatime"}),
        (("rnorelatime",), {"rw", "nosuid", "nodev", "noexec", "noatime"}, {"rw", "nosuid", "relatime"}),
        (
            ("rnodiratime",),
            {"rw", "nosuid", "nodev", "noexec", "noatime", "nodiratime"},
            {"rw", "nosuid", "nodiratime", "relatime"},
        ),
        (
            ("rnodiratime", "rdiratime"),
            {"rw", "nosuid", "nodev", "noexec", "noatime"},
            {"rw", "nosuid", "relatime"},
        ),
        (
            ("rnosymfollow",),
            {"rw", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"},
            {"rw", "nosuid", "relatime", "nosymfollow"},
        ),
        (
            ("rnosymfollow", "rsymfollow"),
            {"rw", "nosuid", "nodev", "noexec", "noatime"},
            {"rw", "nosuid", "relatime"},
        ),
    ],
)
def test_recursive_flags_of_a_bind(box, flagged, options, top, below):
    bind(box, flagged, "/x", "rbind", *options)
    mounts = seen(box)
    assert mounts["/x"].options == top
    assert mounts["/x/below"].options == below


def test_a_bind_that_is_not_recursive_leaves_out_what_is_below(box, flagged):
    bind(box, flagged, "/x")
    assert "/x/below" not in seen(box)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ((), {"rw", "relatime"}),
        (("ro", "nosuid", "nodev", "noexec"), {"ro", "nosuid", "nodev", "noexec", "relatime"}),
        (("noatime", "nodiratime", "nosymfollow"), {"rw", "noatime", "nodiratime", "nosymfollow"}),
        (("strictatime", "norelatime"), {"rw"}),
        (("rnosuid", "suid", "rro"), {"ro", "nosuid", "relatime"}),
    ],
)
def test_flags_of_a_new_filesystem(box, options, flags):
    tmpfs(box, "/x", *options)
    assert seen(box)["/x"].options == flags


@pytest.mark.parametrize(
    ("options", "superblock"),
    [
        (("size=1m", "mode=700"), {"rw", "size=1024k", "mode=700"}),
        (("size=1m,mode=711",), {"rw", "size=1024k", "mode=711"}),
        (("sync", "dirsync", "lazytime", "mode=1777"), {"rw", "sync", "dirsync", "lazytime"}),
        (("sync", "async", "lazytime", "nolazytime", "iversion", "noiversion", "mode=1777"), {"rw"}),
        (("nr_inodes=7", "mode=1777"), {"rw", "nr_inodes=7"}),
    ],
)
def test_options_of_a_filesystem(box, options, superblock):
    tmpfs(box, "/x", *options)
    assert seen(box)["/x"].superblock == superblock


def test_a_readonly_tmpfs_takes_later_mounts(box):
    tmpfs(box, "/x", "ro")
    tmpfs(box, "/x/y")
    mounts = seen(box)
    assert "ro" in mounts["/x"].options
    assert "rw" in mounts["/x/y"].options


def test_a_readonly_dev_still_gets_its_devices(box):
    for entry in box.config["mounts"]:
        if entry["destination"] == "/dev":
            entry["options"].append("ro")
    assert box.sh("ls /dev/null && ! touch /dev/new 2>/dev/null && echo held") == "/dev/null\nheld\n"


@pytest.mark.parametrize("mode", [0o700, 0o1777, 0o2750])
def test_a_tmpfs_without_a_mode_has_that_of_what_it_covers(box, mode):
    (box.root / "x").mkdir()
    (box.root / "x").chmod(mode)
    tmpfs(box, "/x")
    assert box.sh("stat -c %a /x") == f"{mode:o}\n"


def test_a_tmpfs_with_a_mode_has_it(box):
    (box.root / "x").mkdir(0o700)
    tmpfs(box, "/x", "mode=755")
    assert box.sh("stat -c %a /x") == "755\n"


def test_a_tmpfs_that_covers_nothing_is_for_all(box):
    tmpfs(box, "/x")
    assert box.sh("stat -c %a /x") == "1777\n"


def test_remount_changes_flags_of_a_bind(box, flagged):
    bind(box, flagged, "/x", "ro", "nosuid")
    bind(box, flagged, "/x", "remount", "nodev")
    assert seen(box)["/x"].options == {"rw", "nodev", "noatime"}


def test_remount_changes_options_of_a_filesystem(box):
    tmpfs(box, "/x", "size=1m", "mode=755")
    tmpfs(box, "/x", "remount", "size=2m", "ro")
    found = seen(box)["/x"]
    assert "size=2048k" in found.superblock
    assert "ro" in found.options


# ---------------------------------------------------------------- propagation


@pytest.mark.parametrize(
    ("options", "top", "below"),
    [
        ((), {"master"}, {"master"}),
        (("shared",), {"master", "shared"}, {"master"}),
        (("rshared",), {"master", "shared"}, {"master", "shared"}),
        (("slave",), {"master"}, {"master"}),
        (("rslave",), {"master"}, {"master"}),
        (("private",), set(), {"master"}),
        (("rprivate",), set(), set()),
        (("unbindable",), {"unbindable"}, {"master"}),
        (("runbindable",), {"unbindable"}, {"unbindable"}),
        (("rprivate", "shared"), {"shared"}, set()),
    ],
)
def test_propagation_of_a_bind(box, source, options, top, below):
    """By default the host's mounts arrive and the container's do not leave."""
    on_host(box, FLAGGED.format(source), propagation="shared")
    bind(box, source, "/x", "rbind", *options)
    mounts = seen(box)
    assert mounts["/x"].tags == top
    assert mounts["/x/below"].tags == below


@pytest.mark.parametrize(
    ("value", "root", "bound"),
    [
        ("", set(), {"master"}),
        ("private", set(), {"shared"}),
        ("slave", {"master"}, {"shared"}),
        ("shared", {"shared"}, {"shared"}),
        ("unbindable", {"unbindable"}, {"master"}),
        ("rprivate", set(), set()),
        ("rslave", {"master"}, {"master"}),
        ("rshared", {"shared"}, {"shared"}),
        ("runbindable", {"unbindable"}, {"unbindable"}),
    ],
)
def test_propagation_of_the_root(box, source, value, root, bound):
    """Without an r it is that of "/" alone: mounts of the host that are shared stay so, as with runc."""
    on_host(box, FLAGGED.format(source), propagation="shared")
    if value:
        box.linux["rootfsPropagation"] = value
    bind(box, source, "/x")
    mounts = seen(box)
    assert mounts["/"].tags == root
    assert mounts["/x"].tags == bound


def test_a_shared_root_does_not_show_its_mounts_to_the_host(box, source):
    """What the host of this test shares with the container is looked at by a hook, which runs there."""
    on_host(box, FLAGGED.format(source), propagation="shared")
    box.linux["rootfsPropagation"] = "shared"
    tmpfs(box, "/only-inside")
    look = ["sh", "-c", f"cat /proc/self/mountinfo > {source.parent}/seen"]
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": look}]}
    box.run("true")
    assert "flagged" in (source.parent / "seen").read_text()
    assert "only-inside" not in (source.parent / "seen").read_text()
