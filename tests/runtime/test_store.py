"""Where containers are remembered: atomic, locked, and honest about who still waits."""

import os
import subprocess
import sys
import threading

import pytest

from ocipy.errors import ContainerError, UsageError
from ocipy.runtime import store
from ocipy.runtime.store import Store
from tests.conftest import TREE
from tests.runtime.states import state


@pytest.fixture
def root(tmp_path):
    return Store(str(tmp_path / "state"))


def test_a_directory_is_private(root):
    entry = root.create("c1")
    assert os.stat(entry.path).st_mode & 0o777 == 0o700


def test_of_many_creates_of_one_id_one_wins(root):
    results = []

    def create():
        try:
            results.append(root.create("same"))
        except ContainerError as error:
            results.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    losers = [result for result in results if isinstance(result, str)]
    assert losers == ["container with given ID already exists"] * 7


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "a b", "ä", "a\n", "x" * 1025])
def test_what_is_no_id_is_refused(root, id):
    with pytest.raises(UsageError, match="invalid container id"):
        root.entry(id)


@pytest.mark.parametrize("id", ["a", "A-b_c+d.e", "...", "0", "x" * 255])
def test_what_is_an_id_is_taken(root, id):
    assert root.create(id).exists()


def test_the_root_directory_is_refused_as_state_root():
    with pytest.raises(UsageError, match="--root"):
        Store("//")


def test_state_is_read_back(root):
    entry = root.create("c1")
    # The path of a bundle need not be UTF-8.
    saved = state(bundle="/\udcff/b", annotations={"text": 'ü"\n'})
    entry.save(saved)
    assert entry.load() == saved


def test_a_reader_never_sees_half_a_state(root):
    entry = root.create("c1")
    entry.save(state())
    stop = threading.Event()

    def write():
        n = 0
        while not stop.is_set():
            n += 1
            entry.save(state(annotations={"n": str(n), "padding": "x" * 5000}), durable=False)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            assert root.entry("c1").load()["id"] == "c1"
    finally:
        stop.set()
        writer.join()


def test_a_missing_container_is_said_in_the_words_that_callers_match(root):
    with pytest.raises(ContainerError, match="^container does not exist$"):
        root.entry("nobody").load()
    with pytest.raises(ContainerError, match="^container does not exist$"):
        root.entry("nobody").lock()


def test_a_second_verb_waits_for_the_lock(root, monkeypatch):
    monkeypatch.setattr(store, "LOCK_DEADLINE", 0.05)
    entry = root.create("c1")
    with pytest.raises(ContainerError, match="still at work"):
        root.entry("c1").lock()
    entry.unlock()
    root.entry("c1").lock()


def test_a_lock_taken_on_what_was_deleted_meanwhile_is_no_lock(root):
    first = root.create("c1")
    outcome = []

    def second():
        try:
            root.entry("c1").lock()
        except ContainerError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    first.remove()
    thread.join()
    assert outcome == ["container does not exist"]


def test_waiting_is_what_the_kernel_says(root):
    entry = root.create("c1")
    assert not entry.is_waiting()
    fd = entry.hold_waiting()
    assert entry.is_waiting()
    os.close(fd)
    assert not entry.is_waiting()


def test_remove_leaves_nothing(root):
    entry = root.create("c1")
    entry.save({})
    os.mkdir(f"{entry.path}/notify")
    open(f"{entry.path}/notify/x", "w").close()
    entry.remove()
    assert os.listdir(root.root) == []


def test_ids_lists_what_is_there(root):
    assert root.ids() == []
    for id in ("b", "a"):
        root.create(id)
    assert root.ids() == ["a", "b"]


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("prefix", "environment", "root"),
    [
        ("", {"XDG_RUNTIME_DIR": "/x"}, "/run/ocipy"),
        ("setpriv --reuid 1234", {"XDG_RUNTIME_DIR": "/x"}, "/x/ocipy"),
        ("setpriv --reuid 1234", {"XDG_RUNTIME_DIR": "/x", "USER": "root"}, "/x/ocipy"),
        ("setpriv --reuid 1234", {}, "/run/ocipy"),
        ("unshare --user --map-root-user", {"XDG_RUNTIME_DIR": "/x"}, "/x/ocipy"),
        ("unshare --user --map-root-user", {"XDG_RUNTIME_DIR": "/x", "USER": "alice"}, "/x/ocipy"),
        ("unshare --user --map-root-user", {"XDG_RUNTIME_DIR": "/x", "USER": "root"}, "/run/ocipy"),
        ("unshare --user --map-root-user", {}, "/run/ocipy"),
    ],
)
def test_the_state_root_of_a_user_is_where_runc_would_have_it(prefix, environment, root):
    script = "from ocipy.runtime.store import default_root; print(default_root())"
    command = [*prefix.split(), sys.executable, "-B", "-c", script]
    said = subprocess.run(
        command,
        cwd=TREE,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == f"{root}\n"


@pytest.mark.kernel
def test_a_state_root_below_a_users_runtime_directory_is_sticky_lest_it_be_cleaned_away(tmp_path):
    script = "from ocipy.runtime.store import Store; Store(None).create('c1')"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-B", "-c", script]
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    subprocess.run(command, cwd=TREE, env=environment, check=True)
    assert os.stat(tmp_path / "ocipy").st_mode & 0o7777 == 0o1700
