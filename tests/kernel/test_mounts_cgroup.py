"""Mounts of type cgroup, as a container sees them."""

import os

import pytest

from tests.conftest import need
from tests.kernel.mounts import on_host, seen

pytestmark = pytest.mark.kernel

#: A host with cgroup v2 and nothing else, whatever this one has.
UNIFIED = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup"
NO_CGROUPS = "umount -R /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup"


def is_v1():
    return os.path.exists("/sys/fs/cgroup/memory")


@pytest.fixture
def box(box):
    box.own_root()
    box.linux["resources"] = {}
    return box


def options(box, *words):
    entry = next(m for m in box.config["mounts"] if m["type"] == "cgroup")
    entry["options"] = list(words)


@pytest.fixture
def v1():
    need(is_v1(), "has no cgroup v1", kernel=True)


def disabled(box):
    launcher, root = box.ocipy.command
    return [launcher, "--cgroup-manager", "disabled", "--root", root]


def hierarchies(mounts):
    return {target.rpartition("/")[2]: found for target, found in mounts.items() if found.fstype == "cgroup"}


def test_v1_shows_each_hierarchy_of_the_container_alone(v1, box):
    options(box, "ro", "nosuid")
    mounts = seen(box)
    assert mounts["/sys/fs/cgroup"].fstype == "tmpfs"
    found = hierarchies(mounts)
    assert {"memory", "pids", "devices"} <= set(found)
    assert all(hierarchy.root.endswith(f"/{box.id}") for hierarchy in found.values())
    assert all(
        hierarchy.options >= {"ro", "nosuid"} for hierarchy in [*found.values(), mounts["/sys/fs/cgroup"]]
    )
    assert not any(found.fstype == "cgroup2" for found in mounts.values())


def test_v1_is_writable_when_it_is_asked_for(v1, box):
    options(box, "rw")
    assert all("rw" in found.options for found in hierarchies(seen(box)).values())


def test_v1_in_a_cgroup_namespace_is_its_root(v1, box):
    box.namespace("cgroup")
    options(box)
    found = hierarchies(seen(box))
    assert {hierarchy.root for hierarchy in found.values()} == {"/"}
    assert (
        box.sh("head -n 1 /sys/fs/cgroup/pids/cgroup.procs; cut -d: -f3 /proc/self/cgroup | sort -u")
        == "1\n/\n"
    )


def test_v1_in_a_user_namespace_is_readonly(v1, box):
    """CVE-2023-25809."""
    box.user_namespace()
    options(box, "rw")
    assert all("ro" in found.options for found in hierarchies(seen(box)).values())


def test_v1_in_a_user_and_a_cgroup_namespace_is_the_containers(v1, box):
    box.user_namespace()
    box.namespace("cgroup")
    options(box, "rw")
    assert all(found.options >= {"rw"} and found.root == "/" for found in hierarchies(seen(box)).values())


@pytest.mark.parametrize("words", [("ro",), ("rw", "nosuid")])
@pytest.mark.parametrize("namespaces", [(), ("cgroup",)])
def test_v2_is_mounted(box, words, namespaces):
    for kind in namespaces:
        box.namespace(kind)
    options(box, *words)
    found = seen(box, UNIFIED)["/sys/fs/cgroup"]
    assert (found.fstype, found.root) == ("cgroup2", "/")
    assert found.options >= set(words)
    assert "rw" in found.superblock


def test_v2_without_a_cgroup_namespace_is_the_hosts_tree_as_with_runc(box):
    options(box, "ro")
    on_host(box, UNIFIED)
    assert box.sh(f"ls -d /sys/fs/cgroup/{box.id}; cat /proc/self/cgroup | grep ^0") == (
        f"/sys/fs/cgroup/{box.id}\n0::/{box.id}\n"
    )


def test_v2_in_a_cgroup_namespace_is_the_containers(box):
    box.namespace("cgroup")
    options(box, "ro")
    on_host(box, UNIFIED)
    assert box.sh("head -n 1 /sys/fs/cgroup/cgroup.procs") == "1\n"


def test_v2_in_a_user_namespace_is_bound_and_readonly(box):
    """CVE-2023-25809; and of the host's tree it sees its own part."""
    box.user_namespace()
    options(box, "rw")
    found = seen(box, UNIFIED)["/sys/fs/cgroup"]
    assert (found.fstype, found.root) == ("cgroup2", f"/{box.id}")
    assert "ro" in found.options


def test_v2_in_a_user_and_a_cgroup_namespace_is_mounted(box):
    box.user_namespace()
    box.namespace("cgroup")
    options(box, "rw")
    found = seen(box, UNIFIED)["/sys/fs/cgroup"]
    assert (found.fstype, found.root) == ("cgroup2", "/")
    assert "rw" in found.options


def test_a_host_without_cgroups_shows_none(box):
    on_host(box, NO_CGROUPS, runtime=disabled(box))
    assert "/sys/fs/cgroup" not in seen(box)


def test_without_a_cgroup_of_its_own_a_container_sees_the_callers(v1, box):
    """--cgroup-manager disabled."""
    options(box, "ro")
    on_host(box, "", runtime=disabled(box))
    found = hierarchies(seen(box))
    with open("/proc/self/cgroup", encoding="ascii") as file:
        own = dict(line.strip().split(":")[1:] for line in file)
    assert found["memory"].root == own["memory"]
