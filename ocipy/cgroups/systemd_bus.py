"""What we ask of systemd, over D-Bus: the few methods of its manager, and waiting for a job's end.

Imported only when there is something to ask: jeepney costs 10 ms and need not be there otherwise.

Source: org.freedesktop.systemd1(5); https://dbus.freedesktop.org/doc/dbus-specification.html.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import deque

from ocipy.cgroups import files
from ocipy.errors import ContainerError, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ocipy.plan.systemd_properties import Property

NAME, PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
DEADLINE = 30.0  # seconds that a call, and a job, may take; as runc
LOGIN_DEADLINE = 5.0
#: How long systemd may take to execute itself anew (an upgrade has it do so), and how often to ask meanwhile.
RESTART_DEADLINE = 5.0
RESTART_NAP = 0.05

#: What systemd says of a unit that it does not have, or not any more; and of one that it has already.
NO_SUCH_UNIT = ("NoSuchUnit", "UnitNotLoaded")
UNIT_EXISTS = "UnitExists"
#: What the bus says in its place while it is away.
RESTARTING = ("NoReply", "Disconnected", "ServiceUnknown", "NameHasNoOwner")
JOB_FAILED = "JobFailed"  # ours, for a job that has not ended well


class BusError(ContainerError):
    """systemd, or the way to it, refuses.

    name: the last part of the D-Bus error's, or of another cause; "" for none
    """

    def __init__(self, text: str, name: str = ""):
        super().__init__(text)
        self.name = name


class Bus:
    """A connection to the system's systemd, or a user's; a context manager."""

    def __init__(self, user: bool):
        try:
            import jeepney
            from jeepney.io.blocking import DBusConnection
        except ImportError:
            raise ContainerError(
                "the systemd cgroup manager needs the Python package jeepney, which is not installed"
            ) from None
        self._jeepney = jeepney
        self._signals: deque[Any] = deque()
        self._systemd = jeepney.DBusAddress(PATH, NAME, f"{NAME}.Manager")
        address = user_address() if user else os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS
        connection = connect(address)

        class Limited(DBusConnection):
            """Says hello when it is made, and would wait for the answer for ever."""

            def receive(self, *, timeout: float | None = None) -> Any:
                return super().receive(timeout=LOGIN_DEADLINE if timeout is None else timeout)

        try:
            self._connection = Limited(connection)
        except OSError as error:
            connection.close()
            raise no_way(address, error) from None
        except BaseException:
            connection.close()
            raise

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    # ------------------------------------------------------------ methods

    def start(self, unit: str, properties: Iterable[Property], pid: int, slice_: str) -> None:
        """Start a scope with one process in it, and wait until that is there.

        A scope of the name that has failed makes room; any other one is a reason to refuse.
        """
        given = [("Slice", ("s", slice_)), ("PIDs", ("au", [pid])), *self._values(properties)]
        asked: tuple[str, tuple[Any, ...]] = ("ssa(sv)a(sa(sv))", (unit, "replace", given, []))
        try:
            self._job("StartTransientUnit", *asked)
        except BusError as error:
            if error.name != UNIT_EXISTS:
                raise
            if f"/{unit}\n" in files.read(f"/proc/{pid}/cgroup"):
                return  # systemd had started it before it went away, and was asked once more
            self._reset(unit)
            self._job("StartTransientUnit", *asked)

    def stop(self, unit: str) -> None:
        """Stop a unit and wait for its end; one that is gone is fine."""
        try:
            self._job("StopUnit", "ss", (unit, "replace"))
        except BusError as error:
            if error.name not in NO_SUCH_UNIT:
                raise
        self._reset(unit)

    def set(self, unit: str, properties: Iterable[Property]) -> None:
        """Change properties until the unit's end."""
        self._call("SetUnitProperties", "sba(sv)", (unit, True, self._values(properties)))

    def scope_properties(self, unit: str) -> dict[str, tuple[str, Any]]:
        """{name: (signature, value)} of what a scope has beyond what every unit has."""
        (path,) = self._call("GetUnit", "s", (unit,))
        address = self._jeepney.DBusAddress(path, NAME, "org.freedesktop.DBus.Properties")
        (found,) = self._call("GetAll", "s", (f"{NAME}.Scope",), address)
        return dict(found)

    def attach(self, unit: str, below: str, pid: int) -> None:
        """Move a process into a unit, or a cgroup below its own."""
        self._call("AttachProcessesToUnit", "ssau", (unit, below, [pid]))

    def control_group(self) -> str:
        """The cgroup of the manager itself, above all of its units; "" for the root."""
        return str(self._property("ControlGroup")).rstrip("/")

    def version(self) -> int:
        """Of systemd, such as 257."""
        digits = str(self._property("Version")).lstrip("v")
        end = next((i for i, char in enumerate(digits) if not char.isdecimal()), len(digits))
        return int(digits[:end] or 0)

    # ------------------------------------------------------------ how

    def _values(self, properties: Iterable[Property]) -> list[tuple[str, tuple[str, Any]]]:
        """Properties as D-Bus has them, without those that this systemd is too old for."""
        properties = tuple(properties)
        version = self.version() if any(prop.since for prop in properties) else 0
        return [(prop.name, (prop.signature, prop.value)) for prop in properties if prop.since <= version]

    def _property(self, name: str) -> Any:
        address = self._systemd.with_interface("org.freedesktop.DBus.Properties")
        ((_, value),) = self._call("Get", "ss", (f"{NAME}.Manager", name), address)
        return value

    def _reset(self, unit: str) -> None:
        try:
            self._call("ResetFailedUnit", "s", (unit,))
        except BusError as error:
            if error.name not in NO_SUCH_UNIT:
                raise

    def _job(self, method: str, signature: str, arguments: tuple[Any, ...]) -> None:
        """Call a method that begins a job, and wait for the job's end."""
        rule = self._jeepney.MatchRule(
            type="signal", interface=f"{NAME}.Manager", member="JobRemoved", path=PATH
        )
        deadline = time.monotonic() + DEADLINE
        daemon = self._jeepney.DBusAddress(
            "/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus"
        )
        # Before the call: a job may end at once.
        self._call("AddMatch", "s", (rule.serialise(),), daemon)
        ended: dict[str, str] = {}
        with self._connection.filter(rule, queue=self._signals) as queue:
            (job,) = self._call(method, signature, arguments)
            while job not in ended:
                try:
                    message = self._connection.recv_until_filtered(queue, timeout=deadline - time.monotonic())
                except (OSError, ValueError) as error:
                    raise _lost(method, error) from error
                _, path, _, result = message.body
                ended[path] = result
        if ended[job] != "done":
            raise BusError(f"systemd: {method} {arguments[0]}: the job ended as {ended[job]}", JOB_FAILED)

    def _call(self, method: str, signature: str, arguments: tuple[Any, ...], address: Any = None) -> Any:
        deadline = time.monotonic() + RESTART_DEADLINE
        while True:
            try:
                return self._ask(method, signature, arguments, address)
            except BusError as error:
                if error.name not in RESTARTING or time.monotonic() > deadline:
                    raise
            time.sleep(RESTART_NAP)  # noqa: TID251

    def _ask(self, method: str, signature: str, arguments: tuple[Any, ...], address: Any) -> Any:
        message = self._jeepney.new_method_call(address or self._systemd, method, signature, arguments)
        try:
            reply = self._connection.send_and_get_reply(message, timeout=DEADLINE)
        except OSError as error:
            raise _lost(method, error) from error
        if reply.header.message_type is not self._jeepney.MessageType.error:
            return reply.body
        name = str(reply.header.fields.get(self._jeepney.HeaderFields.error_name, ""))
        text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else name
        raise BusError(f"systemd: {method}: {text.rstrip('.')} ({name})", name.rpartition(".")[2])


def _lost(method: str, error: Exception) -> BusError:
    text = f"no answer within {DEADLINE:.0f} s" if isinstance(error, TimeoutError) else describe(error)
    return BusError(f"systemd: {method}: {text}")


# ---------------------------------------------------------------- the way to the bus


def user_address() -> str:
    """Where a user's bus is: said by its session, or where systemd has it."""
    said = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if said:
        return said
    directory = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{outer_uid()}"
    return f"unix:path={directory}/bus"


def outer_uid() -> int:
    """Our user id as the first user namespace knows it, or at least the one around ours: it is the one that
    the bus sees (SO_PEERCRED)."""
    uid = os.geteuid()
    for line in files.read("/proc/self/uid_map").splitlines():
        inside, outside, size = map(int, line.split())
        if inside <= uid < inside + size:
            return outside + uid - inside
    return uid


def connect(address: str) -> socket.socket:
    """A socket on which the bus has accepted us.  Raises BusError when there is none.

    jeepney would log in as who we are in our user namespace, whom the bus doesn't know.
    """
    target = _target(address)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(LOGIN_DEADLINE)
        connection.connect(target)
        connection.sendall(b"\0AUTH EXTERNAL %s\r\n" % str(outer_uid()).encode().hex().encode())
        answer = b""
        while not answer.endswith(b"\r\n"):
            more = connection.recv(1024)
            if not more:
                raise ConnectionResetError(errno.ECONNRESET, "")
            answer += more
        if not answer.startswith(b"OK "):
            raise BusError(f"D-Bus at {address} does not accept uid {outer_uid()}")
        connection.sendall(b"BEGIN\r\n")
        connection.settimeout(None)
    except OSError as error:
        connection.close()
        raise no_way(address, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def no_way(address: str, error: OSError) -> BusError:
    """The error of a bus that can't be reached, or does not say hello."""
    text = describe(error).lstrip(": ") or f"no answer within {LOGIN_DEADLINE:.0f} s"
    return BusError(f"no way to systemd: D-Bus at {address}: {text}")


def _target(address: str) -> str:
    """The path, or the abstract name, of the first address of a list that is a Unix socket."""
    for one in address.split(";"):
        kind, _, rest = one.partition(":")
        pairs = dict(pair.partition("=")[::2] for pair in rest.split(","))
        if kind == "unix" and pairs.get("path"):
            return _unescaped(pairs["path"])
        if kind == "unix" and pairs.get("abstract"):
            return "\0" + _unescaped(pairs["abstract"])
    raise BusError(f'"{address}" is no address of a D-Bus on a Unix socket')


def _unescaped(text: str) -> str:
    head, *others = text.split("%")
    raw = head.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in others)
    return os.fsdecode(raw)
