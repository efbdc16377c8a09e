"""The way to systemd, where somebody else is at its end: it is given up, in words."""

import socket
import threading

import pytest

from ocipy.cgroups import systemd_bus

ACCEPTED = b"OK 0123456789abcdef0123456789abcdef\r\n"
HANG_UP = b""


@pytest.fixture
def bus(tmp_path, monkeypatch):
    """bus(line, ...): be a bus that answers so, once for whatever it hears; what is said of it."""
    path, ends = str(tmp_path / "bus"), []

    def serve(listener, lines):
        connection, _ = listener.accept()
        ends.append(connection)
        for line in lines:
            connection.recv(4096)
            if line == HANG_UP:
                connection.close()
                return
            connection.sendall(line)

    def answer(*lines):
        listener = socket.socket(socket.AF_UNIX)
        ends.append(listener)
        listener.bind(path)
        listener.listen()
        threading.Thread(target=serve, args=(listener, lines), daemon=True).start()
        with pytest.raises(systemd_bus.BusError) as caught:
            systemd_bus.Bus(user=False)
        return str(caught.value)

    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    monkeypatch.setattr(systemd_bus, "LOGIN_DEADLINE", 0.2)
    yield answer
    for end in ends:
        end.close()


def test_one_that_says_nothing_is_given_up(bus, tmp_path):
    assert bus() == f"no way to systemd: D-Bus at unix:path={tmp_path}/bus: timed out"


def test_one_that_does_not_want_us_is_named(bus):
    assert "does not accept uid" in bus(b"REJECTED EXTERNAL\r\n")


def test_one_that_lets_us_in_and_then_says_nothing_is_given_up(bus):
    assert bus(ACCEPTED).endswith("/bus: no answer within 0 s")


def test_one_that_hangs_up_is_given_up(bus):
    assert bus(HANG_UP).endswith("/bus: ECONNRESET: connection reset by peer")


@pytest.mark.parametrize("address", ["tcp:host=localhost", "unix:tmpdir=/tmp", ""])
def test_an_address_that_is_no_socket_of_this_host_is_refused(address):
    with pytest.raises(systemd_bus.BusError, match="is no address of a D-Bus on a Unix socket"):
        systemd_bus.connect(address)
