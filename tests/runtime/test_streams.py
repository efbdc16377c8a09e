"""Descriptors that are passed on and handed over."""

import os
import socket
import subprocess
import sys

import pytest

from ocipy.errors import OcipyError, UsageError
from ocipy.runtime import streams
from tests.conftest import TREE

CODE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ocipy.errors import UsageError
from ocipy.runtime import streams
kinds, preserve, environ = eval(sys.argv[2])
environ = {name: value.replace("PID", str(os.getpid())) for name, value in environ.items()}
os.closerange(3, 20)
for number, kind in enumerate(kinds, 3):
    if kind != "closed":
        os.dup2(0, number, inheritable=kind == "open")
try:
    found = streams.inherited(preserve, environ)
    print(found.count, *(entry.replace(str(os.getpid()), "PID") for entry in found.env))
except UsageError as error:
    print(error)
"""


def inherited(preserve, environ=None, fds=()):
    """What a process sees whose descriptors from 3 up are these: open, closed, ours."""
    words = [sys.executable, "-c", CODE, TREE, repr((fds, preserve, environ or {}))]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_nothing_is_passed_on_by_default():
    assert inherited(0) == "0"


def test_preserved_descriptors_are_counted_from_3():
    assert inherited(2, fds=("open", "open")) == "2"


@pytest.mark.parametrize("kind", ["closed", "ours"])
def test_one_that_is_not_open_or_that_we_opened_ourselves_is_refused(kind):
    refusal = "file descriptor 4 is to be passed on, but is not open"
    assert inherited(2, fds=("open", kind)) == refusal


def test_those_of_an_activation_come_first_with_their_variables():
    environ = {"LISTEN_PID": "PID", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    found = inherited(1, environ, ("open", "open", "open"))
    assert found == "3 LISTEN_FDS=2 LISTEN_PID=1 LISTEN_FDNAMES=a:b"


@pytest.mark.parametrize(
    "environ",
    [
        {"LISTEN_FDS": "2"},
        {"LISTEN_FDS": "2", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "", "LISTEN_PID": "PID"},
        {"LISTEN_FDS": "-1", "LISTEN_PID": "PID"},
        {"LISTEN_FDS": "\u0662", "LISTEN_PID": "PID"},
        {"LISTEN_PID": "PID"},
    ],
)
def test_an_activation_that_is_not_ours_is_none(environ):
    assert inherited(0, environ) == "0"


def test_a_descriptor_is_sent_with_its_name_in_one_message(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        reader, writer = os.pipe()
        streams.send_descriptor(path, writer, b"/dev/ptmx")
        os.close(writer)
        connection, _ = listener.accept()
        with connection:
            message, (received,), _, _ = socket.recv_fds(connection, 100, 4)
        assert message == b"/dev/ptmx"
        os.write(received, b"through")
        os.close(received)
        assert os.read(reader, 10) == b"through"
        os.close(reader)


def test_a_socket_that_nobody_listens_at_is_named(tmp_path):
    with pytest.raises(OcipyError, match=f"^socket {tmp_path}/nobody: no such file or directory$"):
        streams.send_descriptor(f"{tmp_path}/nobody", 0, b"x")


def test_a_path_may_be_longer_than_an_address_takes(tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir(parents=True)
    directory = os.open(deep, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{directory}/socket")
        listener.listen(1)
        streams.send_descriptor(f"{deep}/socket", 0, b"x")
        connection, _ = listener.accept()
        assert connection.recv(10) == b"x"
        connection.close()
    os.close(directory)


@pytest.mark.parametrize("path", ["x" * 200, "a\0b", "/nowhere/socket", "", "d" * 10000])
def test_a_path_that_can_not_be_a_sockets_is_refused(path):
    with pytest.raises(OcipyError, match="^socket "):
        streams.send_descriptor(path, 0, b"x")


@pytest.mark.parametrize(
    ("terminal", "socket_path", "detach", "words"),
    [
        (True, None, True, "cannot allocate tty if runc will detach without setting console socket"),
        (True, "/s", False, "cannot use console socket if runc will not detach or allocate tty"),
        (False, "/s", True, "cannot use console socket if runc will not detach or allocate tty"),
        (False, "/s", False, "cannot use console socket if runc will not detach or allocate tty"),
    ],
)
def test_what_makes_no_sense_of_terminals_is_refused_in_the_words_of_runc(
    terminal, socket_path, detach, words
):
    with pytest.raises(UsageError, match=f"^{words}$"):
        streams.check_console(terminal, socket_path, detach)


def test_what_makes_sense_of_terminals_is_not():
    streams.check_console(False, None, True)
    streams.check_console(False, None, False)
    streams.check_console(True, "/s", True)
