"""Where claims lie: one directory for each network namespace of a host.

    /run/ocipy/@network/            not kept over a reboot, as nothing is that a claim names
        join/ID                     a link to the network namespace of that container: for `join:ID`
        netns-COOKIE/lock           flock(2): held by whoever makes or undoes anything
                     claims/KEY     JSON; KEY is made of the container's id and bundle
                     bridges/NAME   JSON
                     pins/KEY       a network namespace that has a device of ours, kept by a mount

Files appear by rename.  With the last claim all of it goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket

from ocipy.errors import OcipyError
from ocipy_network import claims

DIRECTORY = "/run/ocipy/@network"
KINDS = {"claims": claims.Claim, "bridges": claims.Bridge}
SO_NETNS_COOKIE = 71  # since Linux 5.14 (e8b9eab99232 "net: retrieve netns cookie via getsocketopt")


def namespace_name():
    """What no other network namespace is called while the machine is up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        try:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
            return f"netns-{int.from_bytes(cookie, 'little')}"
        except OSError:
            return f"netns-inode-{os.stat('/proc/self/ns/net').st_ino}"


def table_of(directory):
    """The name of the table of rules that follow from what lies in a directory: one of its own for each."""
    path = os.path.realpath(directory)
    if path == os.path.realpath(DIRECTORY):
        return "ocipy"
    return f"ocipy-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


class Store:
    """The directory of this network namespace, locked: a context manager."""

    def __init__(self, directory=DIRECTORY):
        self.top, self.table = directory, table_of(directory)
        self.path = f"{directory}/{namespace_name()}"
        self._lock = -1

    def __enter__(self):
        while True:
            try:
                os.makedirs(self.path, 0o700, exist_ok=True)
                self._lock = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # the last one to leave has just removed all of it
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.fstat(self._lock).st_nlink:
                break
            os.close(self._lock)
        for name in (*KINDS, "pins"):
            os.makedirs(f"{self.path}/{name}", 0o700, exist_ok=True)
        return self

    def __exit__(self, *_):
        try:
            if not self.names("claims") and not self.names("bridges"):
                self._clear()
        finally:
            os.close(self._lock)

    def _clear(self):
        for directory in (*KINDS, "pins"):
            for name in os.listdir(f"{self.path}/{directory}"):
                os.unlink(f"{self.path}/{directory}/{name}")
            os.rmdir(f"{self.path}/{directory}")
        _unlink(f"{self.path}/.join")
        os.unlink(f"{self.path}/lock")
        for directory in (self.path, f"{self.top}/join", self.top):
            try:
                os.rmdir(directory)
            except OSError:  # another network namespace has containers
                return

    # ------------------------------------------------------------ records

    def names(self, directory):
        return sorted(name for name in os.listdir(f"{self.path}/{directory}") if name[0] != ".")

    def read(self, directory):
        """{name: record}"""
        found = {}
        for name in self.names(directory):
            path = f"{self.path}/{directory}/{name}"
            with open(path, "rb") as file:
                try:
                    found[name] = claims.load(KINDS[directory], file.read(), path)
                except (OcipyError, TypeError) as error:
                    raise OcipyError(f"{path} is not what was written there: {error}") from None
        return found

    def write(self, directory, name, record):
        """Replace a record at once.  Not for a crash of the machine: nothing that it names outlives one."""
        temporary = f"{self.path}/{directory}/.{name}"
        with open(temporary, "wb") as file:
            file.write(claims.dump(record))
        os.rename(temporary, f"{self.path}/{directory}/{name}")

    def pin(self, name):
        """The path that keeps a network namespace."""
        return f"{self.path}/pins/{name}"

    def remove(self, directory, name):
        _unlink(f"{self.path}/{directory}/{name}")

    # ------------------------------------------------------------ links for those who join

    def offer(self, id, pid):
        """Let others find the network namespace of a container by its id."""
        if not _is_name(id):
            return
        temporary = f"{self.path}/.join"
        _unlink(temporary)
        os.symlink(f"/proc/{pid}/ns/net", temporary)
        while True:
            os.makedirs(f"{self.top}/join", 0o700, exist_ok=True)
            try:
                os.rename(temporary, f"{self.top}/join/{id}")
                break
            except FileNotFoundError:
                continue  # whoever is the last of another network namespace has removed the directory

    def withdraw(self, id, pid):
        if _is_name(id) and _readlink(f"{self.top}/join/{id}") == f"/proc/{pid}/ns/net":
            _unlink(f"{self.top}/join/{id}")


def _is_name(id):
    return "/" not in id and id not in ("", ".", "..")


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _readlink(path):
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""
