"""Where mounts come from and where they go."""

import os
import socket

import pytest

from tests.kernel.mounts import bind, mount, on_host, seen, tmpfs

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


# ---------------------------------------------------------------- sources


def test_a_file_is_bound_on_a_file(box, source):
    (source / "file").write_text("content")
    bind(box, source / "file", "/etc/new/file", "ro")
    assert box.sh("cat /etc/new/file; ! echo x 2>/dev/null > /etc/new/file && echo held") == "contentheld\n"
    assert (box.root / "etc/new/file").read_bytes() == b""


def test_a_socket_a_fifo_and_a_device_are_bound_on_a_file(box, source):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(source / "socket"))
    os.mkfifo(source / "fifo")
    for name in ("socket", "fifo"):
        bind(box, source / name, f"/x/{name}")
    bind(box, "/dev/full", "/x/full")
    assert box.sh("cd /x; stat -c '%n %F' *") == ("fifo fifo\nfull character special file\nsocket socket\n")
    server.close()


def test_a_relative_source_lies_in_the_bundle(box):
    (box.bundle / "data").mkdir()
    (box.bundle / "data/file").write_text("x")
    bind(box, "data", "/x")
    assert box.sh("cat /x/file") == "x"


def test_a_symlink_of_the_host_is_followed(box, source):
    (source / "real").mkdir()
    (source / "real/file").write_text("x")
    (source / "link").symlink_to("real")
    bind(box, source / "link", "/x")
    assert box.sh("cat /x/file") == "x"


def test_a_source_that_is_missing_is_named_with_its_pointer(box):
    pointer = bind(box, "/nowhere/at/all", "/x")
    error = box.fails("true")
    assert f"bind /nowhere/at/all at /x (config.json {pointer}): " in error
    assert "ENOENT: no such file or directory" in error
    assert "the source of a bind mount must exist" in error


@pytest.mark.parametrize(("is_directory", "destination"), [(True, "/bin/busybox"), (False, "/bin")])
def test_directories_go_on_directories_and_files_on_files(box, source, is_directory, destination):
    if not is_directory:
        (source / "file").touch()
    bind(box, source if is_directory else source / "file", destination)
    assert "a directory can be mounted onto a directory only, a file onto a file only" in box.fails("true")


def test_a_filesystem_that_the_kernel_lacks_is_named(box):
    pointer = mount(box, "/x", "nosuchfs", "none")
    error = box.fails("true")
    assert f"mount nosuchfs at /x (config.json {pointer}): " in error
    assert "ENODEV" in error


def test_what_the_kernel_says_of_an_option_is_passed_on(box):
    tmpfs(box, "/x", "nonsense=1")
    assert "Unknown parameter 'nonsense'" in box.fails("true")


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("links", "destination", "place"),
    [
        ({}, "/new/place/x", "new/place/x"),
        ({}, "relative/x", "relative/x"),
        ({}, "//odd/./path//x/", "odd/path/x"),
        ({"l": "/absolute"}, "/l", "absolute"),
        ({"l": "relative/deep"}, "/l", "relative/deep"),
        ({"l": "../../../../outside"}, "/l", "outside"),
        ({"l": "/a", "a": "/b", "b": "/c"}, "/l", "c"),
        ({"l": "/dir"}, "/l/sub/x", "dir/sub/x"),
        ({"etc/l": "x/y"}, "/etc/l/z", "etc/x/y/z"),
        ({"l": "/etc"}, "/l/../x", "x"),
        ({}, "/missing/../x", "x"),
        ({}, "/missing/sub/../../x", "x"),
        ({}, "/../../x", "x"),
    ],
)
def test_a_place_is_found_and_made_inside_the_root(box, links, destination, place):
    """Symlinks of the image lead inside, absolute and dangling ones too; what they name is made."""
    root = box.root
    for name, target in links.items():
        (root / name).symlink_to(target)
    tmpfs(box, destination)
    assert seen(box)[f"/{place}"].fstype == "tmpfs"
    assert (root / place).is_dir()
    assert (root / place).stat().st_mode & 0o7777 == 0o755
    for name, target in links.items():
        assert os.readlink(root / name) == target


def test_a_file_is_made_where_a_dangling_symlink_leads(box, source):
    root = box.root
    (root / "etc/link").symlink_to("/run/../somewhere/file")
    (source / "file").write_text("x")
    bind(box, source / "file", "/etc/link")
    assert box.sh("cat /somewhere/file") == "x"
    assert (root / "somewhere/file").stat().st_mode & 0o7777 == 0o644


def test_a_circle_of_symlinks_is_an_error(box):
    root = box.root
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    tmpfs(box, "/a/x")
    assert "ELOOP" in box.fails("true")


def test_the_callers_umask_decides_nothing(box):
    root = box.root
    tmpfs(box, "/x/y")
    box.run("true", umask=0o77)
    assert (root / "x").stat().st_mode & 0o7777 == 0o755


def test_what_a_failed_create_has_made_is_removed(box, source):
    root = box.root
    before = sorted(root.rglob("*"))
    (source / "file").touch()
    tmpfs(box, "/new/deep/place")
    bind(box, source / "file", "/new/file")
    bind(box, "/nowhere", "/x")
    box.process["cwd"] = "/work/dir"
    box.fails("true")
    assert sorted(root.rglob("*")) == before


def test_what_a_failing_hook_leaves_is_removed_too(box):
    root = box.root
    before = sorted(root.rglob("*"))
    tmpfs(box, "/new/deep/place")
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    box.fails("true")
    assert sorted(root.rglob("*")) == before


def test_what_was_there_before_stays(box):
    root = box.root
    (root / "new/deep").mkdir(parents=True)
    tmpfs(box, "/new/deep/place")
    bind(box, "/nowhere", "/x")
    box.fails("true")
    assert (root / "new/deep").is_dir()
    assert not (root / "new/deep/place").exists()


def test_what_is_made_in_a_bound_directory_of_the_host_is_removed_too(box, source):
    bind(box, source, "/data")
    tmpfs(box, "/data/inside")
    bind(box, "/nowhere", "/x")
    box.fails("true")
    assert list(source.iterdir()) == []


def test_places_stay_after_a_container_that_ran(box):
    root = box.root
    tmpfs(box, "/new/place")
    box.run("true")
    assert (root / "new/place").is_dir()


def test_a_place_that_is_missing_in_a_readonly_filesystem_is_an_error(box, source):
    bind(box, source, "/data", "ro")
    tmpfs(box, "/data/inside")
    assert "the place of the mount is missing, and the filesystem there is read-only" in box.fails("true")


def test_later_mounts_go_on_top(box, source):
    (source / "file").touch()
    bind(box, source, "/x")
    tmpfs(box, "/x")
    assert box.sh("ls /x") == ""


def test_a_mount_at_the_root_is_the_root(box):
    """Whatever is there: what comes later goes into it, and it is entered."""
    box.config["mounts"].insert(
        0, {"destination": "/", "type": "bind", "source": str(box.root), "options": ["rbind", "nodev"]}
    )
    box.config["root"]["path"] = str(box.bundle / "empty")
    (box.bundle / "empty").mkdir()
    mounts = seen(box)
    assert "nodev" in mounts["/"].options
    assert "/proc" in mounts


def test_the_root_itself_may_be_a_mount_or_lie_deep(box):
    root = box.root
    on_host(box, f"mount --bind {root} {root}; mount -t tmpfs x {root}/mnt")
    mounts = seen(box)
    assert mounts["/mnt"].fstype == "tmpfs"
