"""The way to systemd, where somebody else is at its end: it is given up, in words."""

import socket
import threading

import jeepney
import jeepney.low_level
import pytest

from ocipy.cgroups import systemd_bus

ACCEPTED = b"OK 0123456789abcdef0123456789abcdef\r\n"
HANG_UP = b""


@pytest.fixture
def listener(tmp_path, monkeypatch):
    """A socket where the bus is looked for."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(f"{tmp_path}/bus")
    made.listen()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    monkeypatch.setattr(systemd_bus, "LOGIN_DEADLINE", 0.2)
    yield made
    made.close()


@pytest.fixture
def bus(listener):
    """bus(line, ...): be a bus that answers so, once for whatever it hears; what is said of it."""
    ends = []

    def serve(lines):
        connection, _ = listener.accept()
        ends.append(connection)
        for line in lines:
            connection.recv(4096)
            if line == HANG_UP:
                connection.close()
                return
            connection.sendall(line)

    def answer(*lines):
        threading.Thread(target=serve, args=(lines,), daemon=True).start()
        with pytest.raises(systemd_bus.BusError) as caught:
            systemd_bus.Bus(user=False)
        return str(caught.value)

    yield answer
    for end in ends:
        end.close()


@pytest.fixture
def systemd(listener):
    """systemd(answer, ...): be a bus with a systemd; answers are an error's name, or values."""

    def serve(answers):
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(ACCEPTED)
            parser, todo = jeepney.low_level.Parser(), iter([("s", (":1.7",)), *answers])
            connection.recv(len(b"BEGIN\r\n"), socket.MSG_WAITALL)
            for number, answer in enumerate(todo, 1):
                while (message := parser.get_next_message()) is None:
                    data = connection.recv(4096)
                    if not data:
                        return  # hung up on before all answers were asked for
                    parser.add_data(data)
                if isinstance(answer, str):
                    reply = jeepney.new_error(message, f"org.freedesktop.DBus.Error.{answer}", "s", ("so",))
                else:
                    reply = jeepney.new_method_return(message, *answer)
                connection.sendall(reply.serialise(serial=number))

    def start(*answers):
        threading.Thread(target=serve, args=(answers,), daemon=True).start()
        return systemd_bus.Bus(user=False)

    return start


def test_one_that_says_nothing_is_given_up(bus, tmp_path):
    assert bus() == f"no way to systemd: D-Bus at unix:path={tmp_path}/bus: timed out"


def test_one_that_does_not_want_us_is_named(bus):
    assert "does not accept uid" in bus(b"REJECTED EXTERNAL\r\n")


def test_one_that_lets_us_in_and_then_says_nothing_is_given_up(bus):
    assert bus(ACCEPTED).endswith("/bus: no answer within 0 s")


def test_one_that_hangs_up_is_given_up(bus):
    assert bus(HANG_UP).endswith("/bus: ECONNRESET: connection reset by peer")


def test_systemd_is_asked_again_while_it_executes_itself_anew(systemd):
    with systemd("NoReply", "ServiceUnknown", ("v", (("s", "257.1-1"),))) as bus:
        assert bus.version() == 257


def test_but_not_for_ever_and_not_for_any_error(systemd, monkeypatch):
    monkeypatch.setattr(systemd_bus, "RESTART_DEADLINE", 0)
    with systemd("AccessDenied", "NoReply", "NoReply") as bus:
        for name in ("AccessDenied", "NoReply"):
            with pytest.raises(systemd_bus.BusError, match=f"systemd: Get: so .*{name}"):
                bus.version()


def test_a_scope_that_it_had_started_before_is_ours(systemd, monkeypatch):
    with systemd(("", ()), "NoReply", "UnitExists") as bus:
        monkeypatch.setattr(systemd_bus.files, "read", {"/proc/42/cgroup": "0::/my.slice/web.scope\n"}.get)
        bus.start("web.scope", (), 42, "my.slice")


@pytest.mark.parametrize("address", ["tcp:host=localhost", "unix:tmpdir=/tmp", ""])
def test_an_address_that_is_no_socket_of_this_host_is_refused(address):
    with pytest.raises(systemd_bus.BusError, match="is no address of a D-Bus on a Unix socket"):
        systemd_bus.connect(address)
