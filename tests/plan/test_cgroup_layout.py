"""Where a container's cgroups are, from the text of mountinfo and /proc/self/cgroup."""

import pytest

from ocipy.plan.cgroup_layout import Layout, below, clean, parse, parse_own, place, unescape

# Debian with legacy hierarchies: cpu and cpuacct share one, systemd has one without a controller.
V1_MOUNTS = """\
23 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
24 23 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
31 24 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,xattr,name=systemd
35 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:13 - cgroup cgroup rw,cpu,cpuacct
36 31 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:14 - cgroup cgroup rw,memory
"""
V1_OWN = "4:memory:/user.slice\n3:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/session-1.scope\n"
UNIFIED_MOUNT = "33 31 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:11 - cgroup2 cgroup2 rw,nsdelegate\n"

V2_MOUNTS = """\
23 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
24 23 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
31 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:9 - cgroup2 cgroup2 rw,nsdelegate
"""
V2_OWN = "0::/user.slice/user-0.slice/session-1.scope\n"


def directories(layout, path="", container_id="web"):
    return dict(place(layout, path, container_id))


def test_v1_takes_controllers_that_are_mounted_together_apart_and_flags_out():
    layout = parse(V1_MOUNTS, V1_OWN)
    assert layout.mode == "v1"
    assert layout.mounts == (
        ("name=systemd", "/sys/fs/cgroup/systemd", "/"),
        ("cpu", "/sys/fs/cgroup/cpu,cpuacct", "/"),
        ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/"),
        ("memory", "/sys/fs/cgroup/memory", "/"),
    )
    assert dict(layout.own)["cpuacct"] == "/user.slice"


def test_v1_beside_a_cgroup2_is_hybrid():
    layout = parse(V1_MOUNTS + UNIFIED_MOUNT, V1_OWN + "0::/x\n", "hugetlb\n")
    assert layout.mode == "hybrid"
    assert layout.mount("") == ("/sys/fs/cgroup/unified", "/")
    assert [layout.version(name) for name in ("memory", "hugetlb", "pids", "")] == [1, 2, 0, 0]


def test_cgroup2_alone_is_v2():
    layout = parse(V2_MOUNTS, V2_OWN, "cpuset cpu io memory pids\n")
    assert (layout.mode, layout.mounts) == ("v2", (("", "/sys/fs/cgroup", "/"),))
    assert layout.unified == ("cpuset", "cpu", "io", "memory", "pids")
    assert layout.controllers == ()


def test_named_hierarchies_alone_do_not_make_a_cgroup2_hybrid():
    named = "32 31 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    layout = parse(V2_MOUNTS + named, "1:name=systemd:/\n" + V2_OWN, "memory\n")
    assert (layout.mode, layout.mounts) == ("v2", (("", "/sys/fs/cgroup", "/"),))


def test_a_host_without_cgroup_mounts_has_none():
    layout = parse("23 1 254:1 / / rw - ext4 /dev/vda1 rw\n", "0::/\n")
    assert layout.mode == "none"
    assert place(layout, "/a", "web") == ()
    with pytest.raises(KeyError):
        layout.mount("")


def test_an_absolute_path_counts_from_the_mount_point():
    assert directories(parse(V1_MOUNTS, V1_OWN), "/pods/a")["memory"] == "/sys/fs/cgroup/memory/pods/a"
    assert directories(parse(V2_MOUNTS, V2_OWN), "/pods/a") == {"": "/sys/fs/cgroup/pods/a"}


def test_on_v1_a_relative_path_and_an_absent_one_count_from_the_callers_cgroup():
    layout = parse(V1_MOUNTS, V1_OWN)
    assert directories(layout, "a/b")["memory"] == "/sys/fs/cgroup/memory/user.slice/a/b"
    assert directories(layout)["memory"] == "/sys/fs/cgroup/memory/user.slice/web"
    assert directories(layout)["name=systemd"] == "/sys/fs/cgroup/systemd/user.slice/session-1.scope/web"


def test_on_v2_they_count_from_its_parent_because_the_caller_is_in_the_way_of_controllers():
    layout = parse(V2_MOUNTS, V2_OWN)
    assert directories(layout) == {"": "/sys/fs/cgroup/user.slice/user-0.slice/web"}
    assert directories(parse(V2_MOUNTS, "0::/\n")) == {"": "/sys/fs/cgroup/web"}


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("../../x", "/sys/fs/cgroup/memory/user.slice/x"), ("/../../x", "/sys/fs/cgroup/memory/x")],
)
def test_a_path_does_not_climb_out(path, cleaned):
    assert directories(parse(V1_MOUNTS, V1_OWN), path)["memory"] == cleaned


def test_in_a_container_with_the_hosts_cgroup_namespace_the_hosts_part_of_the_path_is_cut_off():
    mounts = V1_MOUNTS.replace(" 0:32 / ", " 0:32 /docker/c1 ")
    layout = parse(mounts, "4:memory:/docker/c1/init\n")
    assert layout.mount("memory") == ("/sys/fs/cgroup/memory", "/docker/c1")
    assert directories(layout)["memory"] == "/sys/fs/cgroup/memory/init/web"


def test_in_a_cgroup_namespace_paths_above_its_root_count_as_the_mount_point():
    mounts = V2_MOUNTS.replace(" 0:27 / ", " 0:27 /../.. ")
    assert directories(parse(mounts, "0::/\n")) == {"": "/sys/fs/cgroup/web"}
    assert below("/", "/docker/c1") == ""


def test_the_mount_below_sys_fs_cgroup_wins_over_binds_elsewhere():
    bind = "30 23 0:32 /docker/c1 /var/lib/c1/sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    assert parse(bind + V1_MOUNTS, V1_OWN).mount("memory") == ("/sys/fs/cgroup/memory", "/")
    other = "30 23 0:32 / /cgroup/memory rw - cgroup cgroup rw,memory\n"
    assert parse(other, V1_OWN).mount("memory") == ("/cgroup/memory", "/")


def test_what_another_mount_covers_is_not_there():
    covered = V1_MOUNTS + "40 31 0:40 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert parse(covered, V1_OWN + "0::/\n").mode == "v2"


def test_a_root_that_is_younger_than_sys_hides_nothing():
    # switch_root(8): /sys was mounted in the initramfs and moved into the root, which came later.
    lines = V2_MOUNTS.splitlines(keepends=True)
    assert parse("".join([*lines[1:], lines[0]]), V2_OWN).mode == "v2"


def test_own_paths_may_contain_colons():
    assert parse_own("1:name=x:/a:b\n0::/c:d\n") == (("name=x", "/a:b"), ("", "/c:d"))


def test_mount_points_are_unescaped():
    assert unescape("/a\\040b\\134c") == "/a b\\c"


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("", ""), ("/", "/"), ("a/./b//c", "a/b/c"), ("/a/../..", "/"), ("..", ""), ("/a/b/", "/a/b")],
)
def test_a_path_is_cleaned(path, cleaned):
    assert clean(path) == cleaned


def test_layouts_are_values():
    assert parse(V1_MOUNTS, V1_OWN) == parse(V1_MOUNTS, V1_OWN)
    assert Layout() == Layout("none", (), (), ())
