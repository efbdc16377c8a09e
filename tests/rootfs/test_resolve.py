"""Paths under the root's descriptor; needs no root, but a kernel."""

import os

import pytest

from ocipy.rootfs.build import Session

O_DIRECTORY = os.O_PATH | os.O_DIRECTORY


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "root/dir/sub").mkdir(parents=True)
    (tmp_path / "root/file").touch()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


@pytest.fixture
def session(tree):
    session = Session()
    session.hold_root(os.open(tree, O_DIRECTORY))
    yield session
    session.close()


@pytest.fixture
def root(session):
    return session.root


def where(fd):
    """The path of a descriptor, which is closed."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return path


def test_what_exists_is_opened_and_not_made(root, session, tree):
    assert where(root.directory("/dir/sub")) == f"{tree}/dir/sub"
    assert where(root.file("/file")) == f"{tree}/file"
    assert session.created == []


@pytest.mark.parametrize(
    ("link", "path", "place"),
    [
        ("/outside", "/l", "outside"),
        ("../../outside", "/l", "outside"),
        ("missing/deep", "/l/x", "missing/deep/x"),
        ("/dir", "/l/new", "dir/new"),
        ("dir/sub", "/l/../new", "dir/new"),
        (None, "/missing/../new", "new"),
        (None, "/file/../new", "new"),
        (None, "/missing/../../../new", "new"),
        (None, "/dir/missing/../../new", "new"),
        (None, "../../new", "new"),
    ],
)
def test_a_directory_is_made_inside_whatever_the_path(root, tree, link, path, place):
    if link:
        (tree / "l").symlink_to(link)
    assert where(root.directory(path)) == f"{tree}/{place}"
    assert (tree / place).is_dir()
    assert list((tree.parent / "outside").iterdir()) == []


@pytest.mark.parametrize(("link", "place"), [("/a/b", "a/b"), ("b", "b"), ("../../b", "b")])
def test_a_file_is_made_where_a_dangling_symlink_leads(root, tree, link, place):
    (tree / "l").symlink_to(link)
    assert where(root.file("/l")) == f"{tree}/{place}"
    assert (tree / place).is_file()


def test_what_is_made_is_remembered_and_undone_newest_first(root, session, tree):
    os.close(root.directory("/a/b/c"))
    os.close(root.file("/a/file"))
    assert [name for _, name, _ in session.created] == ["a", "b", "c", "file"]
    session.undo()
    assert not (tree / "a").exists()
    assert session.created == []


def test_what_others_have_put_there_stays_when_it_is_undone(root, session, tree):
    os.close(root.directory("/a/b"))
    (tree / "a/of-others").touch()
    session.undo()
    assert [path.name for path in (tree / "a").iterdir()] == ["of-others"]


def test_a_magic_link_is_no_way(root, tree):
    (tree / "l").symlink_to("/proc/self/root")
    with pytest.raises(OSError, match=r"openat2|mkdirat"):
        root.open("/l/file")


def test_a_circle_ends(root, tree):
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(OSError, match="openat2") as caught:
        root.directory("/a")
    assert caught.value.errno == 40


def test_a_chain_of_dangling_symlinks_is_followed_to_its_end(root, tree):
    for i in range(10):
        (tree / f"l{i}").symlink_to(f"/l{i + 1}")
    assert where(root.directory("/l0")) == f"{tree}/l10"


def test_a_file_is_no_directory_and_the_other_way_round(root):
    with pytest.raises(NotADirectoryError):
        root.directory("/file")
    with pytest.raises(NotADirectoryError):
        root.directory("/file/below")
    with pytest.raises(IsADirectoryError):
        root.file("/dir")


@pytest.mark.parametrize("path", ["/", "", "/..", "."])
def test_the_root_has_no_name(root, path):
    with pytest.raises(OSError, match="openat2"):
        root.parent(path)


def test_an_error_names_the_call_and_the_place(root):
    with pytest.raises(
        OSError, match=r'openat2\(\d+<".*/root">, "/dir/a{300}", flags=0x210000 resolve=0x12\)'
    ):
        root.directory("/dir/" + "a" * 300)
