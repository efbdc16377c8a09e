"""Compiled filters that are kept: only what we wrote ourselves, whole, and with this libseccomp, is used."""

import os
import threading

import pytest

from ocipy.runtime.filtercache import DIRECTORY, MAX_BYTES, MAX_FILES, Cache
from ocipy.runtime.store import ID_ALPHABET

PROGRAM = b"\x06\0\0\0\0\0\xff\x7f" * 5
KEY = "a" * 48
OTHER = "b" * 48


@pytest.fixture
def library(tmp_path):
    """A file that stands for libseccomp's."""
    path = tmp_path / "libseccomp.so.2"
    path.write_bytes(b"ELF")
    return str(path)


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path))


@pytest.fixture
def kept(cache, library):
    """The file of a program that was kept."""
    cache.put(KEY, PROGRAM, library)
    assert cache.get(KEY) == PROGRAM
    return os.path.join(cache.path, KEY)


def test_what_was_kept_is_given_back(cache, library):
    assert cache.get(KEY) is None
    cache.put(KEY, PROGRAM, library)
    assert cache.get(KEY) == PROGRAM
    assert cache.get(OTHER) is None
    assert os.listdir(cache.path) == [KEY]


def test_only_the_owner_can_read_and_write_it(cache, kept):
    assert os.stat(cache.path).st_mode & 0o7777 == 0o700
    assert os.stat(kept).st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("place", range(0, 32 + len(PROGRAM), 7))
def test_a_byte_that_changed_makes_it_worthless(cache, kept, place):
    with open(kept, "r+b") as file:
        content = bytearray(file.read())
        content[-1 - place] ^= 1
        file.seek(0)
        file.write(content)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("size", [0, 31, 32, 33, 60])
def test_a_file_that_was_cut_short_is_worthless(cache, kept, size):
    os.truncate(kept, size)
    assert cache.get(KEY) is None


def test_a_program_of_another_profile_does_not_count_under_this_name(cache, kept, library):
    cache.put(OTHER, PROGRAM[8:], library)
    os.rename(os.path.join(cache.path, OTHER), kept)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_trusted(cache, kept, mode):
    os.chmod(kept, mode)
    assert cache.get(KEY) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_may_write_is_not_trusted(cache, kept, library, mode):
    os.chmod(cache.path, mode)
    assert cache.get(KEY) is None
    cache.put(OTHER, PROGRAM, library)
    assert os.listdir(cache.path) == [KEY], "nor is anything put there"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("what", ["", KEY])
def test_what_belongs_to_another_user_is_not_trusted(cache, kept, what):
    os.chown(os.path.join(cache.path, what), 65534, 65534)
    assert cache.get(KEY) is None


def test_a_link_is_not_followed(cache, kept, tmp_path):
    os.rename(kept, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", kept)
    assert cache.get(KEY) is None


def test_a_directory_that_is_a_link_is_not_followed(cache, kept, tmp_path, library):
    os.rename(cache.path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", cache.path)
    assert cache.get(KEY) is None
    cache.put(OTHER, PROGRAM, library)
    assert os.listdir(tmp_path / "elsewhere") == [KEY]


def test_a_pipe_does_not_keep_anyone_waiting(cache, kept):
    os.unlink(kept)
    os.mkfifo(kept, 0o600)
    assert cache.get(KEY) is None


def test_a_file_of_any_size_is_not_read(cache, kept):
    os.truncate(kept, MAX_BYTES + 1)
    assert cache.get(KEY) is None


def test_a_poisoned_file_is_replaced(cache, kept, library):
    os.truncate(kept, 40)
    cache.put(KEY, PROGRAM, library)
    assert cache.get(KEY) == PROGRAM


@pytest.mark.parametrize("change", ["content", "time", "gone"])
def test_another_libseccomp_compiles_again(cache, kept, library, change):
    if change == "content":
        with open(library, "ab") as file:
            file.write(b"!")
    elif change == "time":
        os.utime(library, ns=(0, 0))
    else:
        os.unlink(library)
    assert cache.get(KEY) is None


def test_what_no_library_is_known_of_is_not_kept(cache, tmp_path):
    cache.put(KEY, PROGRAM, str(tmp_path / "none"))
    assert not os.path.exists(cache.path)


def test_a_place_that_can_not_be_written_is_no_error(library, tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(str(tmp_path / "file"))
    cache.put(KEY, PROGRAM, library)
    assert cache.get(KEY) is None


def test_there_are_only_so_many(cache, library):
    for i in range(MAX_FILES + 5):
        cache.put(f"{i:048x}", PROGRAM, library)
        os.utime(os.path.join(cache.path, f"{i:048x}"), (i, i))
    assert len(os.listdir(cache.path)) == MAX_FILES
    assert cache.get(f"{MAX_FILES + 4:048x}") == PROGRAM
    assert cache.get(f"{0:048x}") is None, "the oldest go"


def test_what_a_writer_left_unfinished_is_removed_in_time(cache, kept, library):
    old, new = (os.path.join(cache.path, f".{OTHER}.{n}") for n in (1, 2))
    for path in (old, new):
        with open(path, "wb"):
            pass
    os.utime(old, (0, 0))
    cache.put(KEY, PROGRAM, library)
    assert sorted(os.listdir(cache.path)) == sorted([os.path.basename(new), KEY])


def test_an_unfinished_file_of_our_own_number_is_in_no_ones_way(cache, kept, library):
    """Left by one that was killed, whose number we have now."""
    with open(os.path.join(cache.path, f".{OTHER}.{os.getpid()}"), "wb"):
        pass
    cache.put(OTHER, PROGRAM, library)
    cache.put(OTHER, PROGRAM, library)
    assert cache.get(OTHER) == PROGRAM


def test_readers_see_nothing_or_a_whole_program(cache, library):
    """Writers and readers at once, in processes of their own: a thread's file has its process's name."""
    stop, seen = threading.Event(), set()

    def read():
        while not stop.is_set():
            seen.add(cache.get(KEY))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(100):
                cache.put(KEY, PROGRAM, library)
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= {None, PROGRAM}
    assert cache.get(KEY) == PROGRAM
    assert os.listdir(cache.path) == [KEY]


def test_its_name_can_be_no_containers():
    assert not set(DIRECTORY) <= ID_ALPHABET
