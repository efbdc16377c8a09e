"""Id-mapped mounts: owners as the mapping has them, on either side."""

import os
import sys

import pytest

from tests.kernel.mounts import bind, on_host, tmpfs

IDMAP = os.path.join(os.path.dirname(__file__), "idmap.py")

pytestmark = pytest.mark.kernel


def maps(*ranges):
    entries = [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in ranges]
    return {"uidMappings": entries, "gidMappings": entries}


@pytest.fixture
def box(box):
    box.own_root()
    return box


@pytest.fixture
def source(tmp_path):
    """Files of several owners, and a mount below with some more."""
    directory = tmp_path / "source"
    directory.mkdir()
    for uid in (0, 5, 2000):
        (directory / str(uid)).touch()
        os.chown(directory / str(uid), uid, uid)
    return directory


OWNERS = "cd /x; stat -c '%n %u:%g' $(ls -d * */* 2>/dev/null)"


def test_owners_are_mapped(box, source):
    bind(box, source, "/x", "idmap", **maps((0, 1000, 10)))
    assert box.sh(OWNERS) == "0 1000:1000\n2000 65534:65534\n5 1005:1005\n"


def test_mappings_are_enough(box, source):
    """Neither idmap nor ridmap need be said."""
    bind(box, source, "/x", **maps((0, 7, 1), (5, 8, 1), (2000, 9, 1)))
    assert box.sh(OWNERS) == "0 7:7\n2000 9:9\n5 8:8\n"


def test_what_is_written_is_mapped_back(box, source):
    source.chmod(0o777)
    bind(box, source, "/x", "idmap", **maps((0, 1000, 10)))
    box.process["user"] = {"uid": 1003, "gid": 1004}
    box.sh("touch /x/new")
    assert ((source / "new").stat().st_uid, (source / "new").stat().st_gid) == (3, 4)


@pytest.mark.parametrize(("option", "below"), [("idmap", "0:0"), ("ridmap", "1000:1000")])
def test_ridmap_maps_what_is_below_too(box, source, option, below):
    (source / "below").mkdir()
    on_host(box, f"mount -t tmpfs x {source}/below; touch {source}/below/file")
    bind(box, source, "/x", "rbind", option, **maps((0, 1000, 10)))
    assert f"below/file {below}\n" in box.sh(OWNERS)


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_without_mappings_they_are_those_of_the_container(box, source, option):
    """A file of the host's root is the container's root's."""
    box.user_namespace()
    bind(box, source, "/x", option)
    assert box.sh(OWNERS) == "0 0:0\n2000 2000:2000\n5 5:5\n"


def test_without_it_they_are_nobodys(box, source):
    box.user_namespace()
    bind(box, source, "/x")
    assert box.sh(OWNERS) == "0 65534:65534\n2000 65534:65534\n5 65534:65534\n"


def test_several_mounts_may_have_mappings_of_their_own(box, source):
    for i in range(3):
        bind(box, source, f"/x{i}", "idmap", **maps((0, 100 * i, 10)))
    assert box.sh("stat -c %u /x0/5 /x1/5 /x2/5") == "5\n105\n205\n"


def test_a_new_filesystem_may_be_mapped(box):
    tmpfs(box, "/x", "idmap", "mode=755", **maps((0, 1000, 10)))
    assert box.sh("stat -c '%u' /x") == "1000\n"


def test_a_filesystem_that_can_not_be_mapped_is_named(box):
    pointer = bind(box, "/proc/sys", "/x", "idmap", **maps((0, 1000, 10)))
    error = box.fails("true")
    assert f"(config.json {pointer})" in error
    assert "EINVAL" in error
    assert "the filesystem may not support id-mapped mounts" in error


def test_an_id_mapped_root_works_in_a_user_namespace(box, tmp_path):
    """As container engines have it: nothing of the image is owned by the mapped ids, the mount maps them."""
    image, merged = box.root, tmp_path / "merged"
    merged.mkdir()
    box.user_namespace()
    box.config["root"]["path"] = str(merged)
    on_host(box, f"{sys.executable} {IDMAP} {image} {merged} 0 100000 65536")
    tmpfs(box, "/new/place")
    assert box.sh("stat -c '%u:%g' /bin/busybox /new") == "0:0\n0:0\n"
    assert (image / "new").stat().st_uid == 0
