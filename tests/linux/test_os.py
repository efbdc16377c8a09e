"""The hot path's own `os` does what the standard one does."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.linux import os as ours

PATHS = st.text(alphabet="/.ab ", max_size=12)


@given(PATHS)
@pytest.mark.parametrize("name", ["basename", "dirname", "normpath", "abspath"])
def test_a_path_is_cut_and_cleaned_alike(name, path):
    assert getattr(ours.path, name)(path) == getattr(os.path, name)(path)


@given(PATHS, PATHS, PATHS)
def test_paths_are_joined_alike(first, second, third):
    assert ours.path.join(first, second, third) == os.path.join(first, second, third)


@pytest.mark.parametrize("name", ["isdir", "islink", "exists", "lexists"])
def test_what_is_there_is_seen_alike(name, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in ("file", "dir", "link", "dangling", "missing", "file/below", "a\0b"):
        assert getattr(ours.path, name)(f"{tmp_path}/{path}") == getattr(os.path, name)(
            f"{tmp_path}/{path}"
        ), path


def test_open_files_are_compared_alike(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    with open(tmp_path / "a") as a, open(tmp_path / "a") as again, open(tmp_path / "b") as b:
        assert ours.path.sameopenfile(a.fileno(), again.fileno())
        assert not ours.path.sameopenfile(a.fileno(), b.fileno())


@given(st.binary(max_size=20).filter(lambda raw: b"\0" not in raw))
def test_names_of_any_bytes_go_through_unharmed(raw):
    assert ours.fsdecode(raw) == os.fsdecode(raw)
    assert ours.fsencode(ours.fsdecode(raw)) == raw


def test_the_environment_is_the_process_s():
    assert dict(ours.environ) == {key: value for key, value in os.environ.items() if key in ours.environ}
    assert "PATH" in ours.environ


def test_directories_are_made_with_those_above(tmp_path):
    ours.makedirs(f"{tmp_path}/a/b/c", 0o700)
    assert os.stat(tmp_path / "a/b/c").st_mode & 0o777 == 0o700
    ours.makedirs(f"{tmp_path}/a/b/c", exist_ok=True)
    with pytest.raises(FileExistsError):
        ours.makedirs(f"{tmp_path}/a/b/c")
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        ours.makedirs(f"{tmp_path}/file", exist_ok=True)


def test_an_error_of_a_descriptor_says_the_call():
    with pytest.raises(OSError, match=r"read\(9999\)"):
        ours.read(9999, 1)
    with pytest.raises(OSError, match=r"stat\(9999\)"):
        ours.stat(9999)
    with pytest.raises(FileNotFoundError) as caught:
        ours.stat("/nothing")
    assert (caught.value.filename, caught.value.strerror) == ("/nothing", os.strerror(2))


def test_every_name_is_that_of_the_standard_library():
    own = {"TYPE_CHECKING", "annotations", "lstat", "worded", "content"}
    names = {name for name in vars(ours) if not name.startswith("_")} - own
    assert {name for name in names if not hasattr(os, name)} == set()
