"""Who holds a claim: the container's first process, and whether it still lives."""

from __future__ import annotations

import os

from ocipy.errors import OcipyError


def pid_namespace():
    return os.stat("/proc/self/ns/pid").st_ino


def started(pid):
    """When a process started, in clock ticks since the machine did; None if it has ended.

    Source: proc(5), /proc/pid/stat: state is field 3, starttime field 22; the name may hold blanks and ")".
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def lives(claim):
    """Is the holder of a claim alive, for all that can be seen from here?"""
    if claim.pids != pid_namespace():
        return True
    return started(claim.pid) == claim.started


def open_namespace(claim):
    """A descriptor of the network namespace of a claim's holder, which is not our own.

    Its pid may be another process's by now, if the runtime was killed: what is to be done to the container
    must not be done to the host.
    """
    try:
        fd = os.open(f"/proc/{claim.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        fd = -1
    if not lives(claim):
        if fd >= 0:
            os.close(fd)
        raise OcipyError(f"the container's process {claim.pid} is gone")
    if os.path.samestat(os.fstat(fd), os.stat("/proc/self/ns/net")):
        os.close(fd)
        raise OcipyError("the container has no network namespace of its own")
    return fd


def same_namespace(pid, other):
    """Are two processes in one network namespace?"""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), os.stat(f"/proc/{other}/ns/net"))
    except OSError:
        return False
