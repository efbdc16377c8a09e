"""The small file functions on an ordinary directory: what they return, and how an error is worded."""

import errno
import os
import time

import pytest

from ocipy.cgroups import files


def test_a_missing_file_is_an_error_worded_as_the_call(tmp_path):
    path = f"{tmp_path}/cpu.max"
    with pytest.raises(FileNotFoundError) as caught:
        files.read(path)
    assert caught.value.strerror == f'open("{path}")'
    with pytest.raises(FileNotFoundError):
        files.write(path, "1")
    assert not os.path.exists(path)


def test_a_long_file_is_read_to_its_end(tmp_path):
    (tmp_path / "mountinfo").write_text("x" * 200_000)
    assert len(files.read(f"{tmp_path}/mountinfo")) == 200_000


def test_make_says_what_it_made_topmost_first(tmp_path):
    assert files.make(f"{tmp_path}/a/b/c") == [f"{tmp_path}/a", f"{tmp_path}/a/b", f"{tmp_path}/a/b/c"]
    assert files.make(f"{tmp_path}/a/b/c") == []
    assert files.make(f"{tmp_path}/a/d") == [f"{tmp_path}/a/d"]


def test_a_failed_make_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="mkdir") as caught:
        files.make(f"{tmp_path}/a/b/{'x' * 300}")
    assert caught.value.errno == errno.ENAMETOOLONG
    assert os.listdir(tmp_path) == []


def test_missing_is_what_make_would_make(tmp_path):
    deep, beside = f"{tmp_path}/a/b", f"{tmp_path}/a/c"
    assert sorted(files.missing([deep, beside])) == [f"{tmp_path}/a", deep, beside]
    files.make(deep)
    assert files.missing([deep, beside]) == [beside]


def test_unmake_removes_the_deepest_first_and_leaves_what_is_used(tmp_path):
    made = files.make(f"{tmp_path}/a/b/c") + files.make(f"{tmp_path}/a/d")
    (tmp_path / "a" / "file").write_text("")
    files.unmake([*made, f"{tmp_path}/gone"])
    assert sorted(os.listdir(tmp_path / "a")) == ["file"]


def test_remove_takes_the_tree_and_waits_for_what_is_busy_until_the_deadline(tmp_path):
    files.make(f"{tmp_path}/a/b/c")
    files.make(f"{tmp_path}/a/d")
    files.remove(f"{tmp_path}/a", time.monotonic() + 5)
    assert os.listdir(tmp_path) == []
    files.remove(f"{tmp_path}/a", time.monotonic())
    files.make(f"{tmp_path}/busy")
    (tmp_path / "busy" / "file").write_text("")
    began = time.monotonic()
    with pytest.raises(OSError, match="rmdir") as caught:
        files.remove(f"{tmp_path}/busy", began + 0.05)
    assert caught.value.errno == errno.EBUSY
    assert time.monotonic() - began < 2


def test_looks_looks_at_least_once():
    assert len(list(files.looks(time.monotonic() - 1))) == 1
    assert len(list(files.looks(time.monotonic() + 0.02))) > 2


def test_processes_of_a_cgroup_and_those_below_it_without_those_of_other_pid_namespaces(tmp_path):
    files.make(f"{tmp_path}/a/b")
    for directory, pids in (("", "7\n0\n"), ("a", ""), ("a/b", "9\n8\n")):
        (tmp_path / directory / "cgroup.procs").write_text(pids)
    assert sorted(files.processes(str(tmp_path))) == [7, 8, 9]
    assert files.processes(f"{tmp_path}/gone") == []


def test_cgroups_are_found_and_removed_however_deep_they_are(tmp_path):
    name, depth = "n" * 50, 1200  # a path has 4096 bytes, Python's stack 1000 frames
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=here)
            inner = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        with open(os.open("cgroup.procs", os.O_WRONLY | os.O_CREAT, dir_fd=here), "w") as file:
            file.write("7\n")
        assert files.processes(str(tmp_path)) == [7]
        os.unlink("cgroup.procs", dir_fd=here)
    finally:
        os.close(here)
    assert len(list(files.below(str(tmp_path)))) == depth
    files.remove(f"{tmp_path}/{name}", time.monotonic() + 60)
    assert os.listdir(tmp_path) == []


def test_below_names_what_is_within_first(tmp_path):
    for name in ("a/b/c", "a/d", "e"):
        files.make(f"{tmp_path}/{name}")
    names = [name for _, name in files.below(str(tmp_path))]
    assert sorted(names) == ["a", "b", "c", "d", "e"]
    assert names.index("c") < names.index("b") < names.index("a") > names.index("d")
    assert list(files.below(f"{tmp_path}/gone")) == []
