"""Mounts in a user namespace: what is locked stays, what is not the container's is bound, errors say why."""

import os

import pytest

from tests.kernel.mounts import bind, mount, on_host, seen, tmpfs

pytestmark = pytest.mark.kernel

LOCKED = "mount -t tmpfs -o nosuid,nodev,noexec,ro,mode=755 flagged {0}"


@pytest.fixture
def box(box):
    box.own_root()
    box.user_namespace()
    return box


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def owned(box):
    """The root as the container's root's, which an engine has seen to."""
    for path in [box.root, *box.root.rglob("*")]:
        os.chown(path, 100000, 100000, follow_symlinks=False)
    return box


def test_the_root_is_the_containers(owned):
    assert owned.sh("stat -c '%n %u:%g' / /bin /proc/1 /dev/shm; id -u") == (
        "/ 0:0\n/bin 0:0\n/proc/1 0:0\n/dev/shm 0:0\n0\n"
    )


def test_places_that_are_made_are_the_containers(owned):
    tmpfs(owned, "/new/place")
    owned.run("true")
    assert (owned.root / "new/place").stat().st_uid == 100000
    assert (owned.root / "new").stat().st_gid == 100000


def test_places_are_made_in_a_root_that_is_not_the_containers(box):
    tmpfs(box, "/new/place")
    assert seen(box)["/new/place"].fstype == "tmpfs"


def test_new_filesystems_belong_to_the_containers_root(owned):
    assert owned.sh("touch /dev/shm/x; stat -c %u:%g /dev/shm/x /dev /dev/fd") == "0:0\n0:0\n0:0\n"
    assert "uid=100000" in seen(owned)["/dev/shm"].superblock


def test_devpts_gives_terminals_to_the_mapped_group(box):
    assert "gid=100005" in seen(box)["/dev/pts"].superblock


def test_a_group_that_is_not_mapped_is_refused_with_the_reason(box):
    for kind in ("uidMappings", "gidMappings"):
        box.linux[kind][0]["size"] = 3
    error = box.fails("true")
    assert "/mounts/2" in error
    assert "uid and gid must be mapped in the user namespace" in error


# ---------------------------------------------------------------- locked flags


@pytest.mark.parametrize("options", [(), ("ro",), ("nosuid",), ("rbind", "rprivate"), ("nosymfollow",)])
def test_locked_flags_stay(box, source, options):
    """Who only adds flags, or asks for some, does not notice that others can't be taken away."""
    on_host(box, LOCKED.format(source))
    bind(box, source, "/x", *options)
    assert seen(box)["/x"].options >= {"nosuid", "nodev", "noexec", "ro"}


@pytest.mark.parametrize("option", ["suid", "dev", "exec", "rw", "rrw"])
def test_to_clear_a_locked_flag_is_an_error(box, source, option):
    on_host(box, LOCKED.format(source))
    pointer = bind(box, source, "/x", option)
    error = box.fails("true")
    assert f"(config.json {pointer})" in error
    assert "the flags of the source's mount are locked in a user namespace: they can't be cleared" in error


def test_a_locked_access_time_can_not_be_changed(box, source):
    on_host(box, f"mount -t tmpfs -o noatime flagged {source}")
    bind(box, source, "/x", "strictatime")
    assert "they can't be cleared" in box.fails("true")


def test_what_is_not_locked_can_be_changed(box, source):
    on_host(box, f"mount -t tmpfs -o mode=755 flagged {source}")
    bind(box, source, "/x", "ro", "nodev")
    bind(box, source, "/y", "rw", "suid")
    mounts = seen(box)
    assert {"ro", "nodev"} <= mounts["/x"].options
    assert "rw" in mounts["/y"].options


def test_what_is_mounted_below_can_not_be_left_out(box, source):
    (source / "below").mkdir()
    on_host(box, f"mount -t tmpfs x {source}/below")
    bind(box, source, "/x")
    assert "what is mounted below the source is locked in a user namespace" in box.fails("true")


def test_with_what_is_below_it_can_be_bound(box, source):
    (source / "below").mkdir()
    on_host(box, f"mount -t tmpfs x {source}/below")
    bind(box, source, "/x", "rbind")
    assert "/x/below" in seen(box)


# ---------------------------------------------------------------- what needs other namespaces


def test_without_a_network_namespace_sys_is_the_hosts_and_readonly_all_over(box):
    box.without("network")
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    mounts = seen(box)
    assert mounts["/sys"].fstype == "sysfs"
    below = [found for target, found in mounts.items() if target.startswith("/sys/fs/cgroup")]
    assert all("ro" in found.options for found in [mounts["/sys"], *below])


def test_in_a_network_namespace_of_another_owner_too(box, tmp_path):
    """That is seen only when it is there: its owner is asked."""
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    setup = f"""mkdir {tmp_path}/p; mount --bind --make-private {tmp_path}/p {tmp_path}/p
touch {tmp_path}/p/ns; unshare --net={tmp_path}/p/ns true"""
    on_host(box, setup)
    box.namespace("network", tmp_path / "p/ns")
    assert "ro" in seen(box)["/sys"].options


def test_in_a_network_namespace_of_its_own_sys_shows_that(box):
    assert box.sh("ls /sys/class/net") == "lo\n"


def test_proc_needs_a_pid_namespace_of_its_own(box):
    box.without("pid")
    assert "needs a pid namespace of the same user namespace" in box.fails("true")


def test_mqueue_needs_an_ipc_namespace_of_its_own(box):
    box.without("ipc")
    assert "needs an ipc namespace of the same user namespace" in box.fails("true")


def test_a_filesystem_for_the_hosts_root_alone_is_refused(box):
    mount(box, "/x", "devtmpfs", "dev")
    assert "the user namespace may not mount it" in box.fails("true")


def test_a_joined_user_namespace_is_as_good_as_a_new_one(owned, tmp_path):
    """Its mappings are found out: places and devices are made accordingly."""
    place = tmp_path / "p"
    place.mkdir()
    os.mkfifo(tmp_path / "ready")
    setup = f"""mount --bind --make-private {place} {place}; touch {place}/user
unshare --user sh -c 'echo > {tmp_path}/ready; exec sleep 60' & read x < {tmp_path}/ready
echo 0 100000 65536 > /proc/$!/uid_map; echo 0 100000 65536 > /proc/$!/gid_map
mount --bind /proc/$!/ns/user {place}/user; kill $!"""
    on_host(owned, setup)
    del owned.linux["uidMappings"], owned.linux["gidMappings"]
    owned.namespace("user", place / "user")
    tmpfs(owned, "/new/place")
    assert owned.sh(
        "stat -c %u:%g /new/place /dev/fd; cat /proc/self/uid_map | tr -s ' '; test -c /dev/null"
    ) == ("0:0\n0:0\n 0 100000 65536\n")
    assert (owned.root / "new/place").stat().st_uid == 100000


# ---------------------------------------------------------------- overlay


def test_overlay_can_be_mounted(owned, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 100000, 100000)
    (tmp_path / "lower/file").write_text("x")
    options = [f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    mount(owned, "/x", "overlay", "overlay", options)
    assert owned.sh("cat /x/file; echo y > /x/new") == "x"
    assert (tmp_path / "upper/new").stat().st_uid == 100000
