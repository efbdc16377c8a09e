"""events: what a container uses, once or again and again, and when the OOM killer strikes.

Documents are runc's: {"type": "stats" or "oom", "id": ..., "data": ...}.
"""

from __future__ import annotations

import os
import select
import time

from ocipy.cgroups import oom, stats
from ocipy.errors import ContainerError
from ocipy.runtime import process

# /proc/net/dev's columns, as runc calls them
COLUMNS = {"Bytes": 0, "Packets": 1, "Errors": 2, "Dropped": 3}
TRANSMIT = 8


def read(container):
    """What the container uses, by section."""
    cgroup = container.cgroup
    if not cgroup.exists():
        raise ContainerError("the container has no cgroup: nothing counts what it uses")
    return {**stats.collect(cgroup), "network_interfaces": interfaces(container)}


def interfaces(container):
    """Traffic of each interface of a network namespace that is not the runtime's own; None elsewhere."""
    pid = container._document["pid"]
    try:
        theirs, ours = (os.stat(f"/proc/{who}/ns/net") for who in (pid, "self"))
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
            return None
        with open(f"/proc/{pid}/net/dev", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    pidfd = container._hold()
    if pidfd is None:
        return None  # it ended meanwhile, and the pid may be another's
    os.close(pidfd)
    return parse_interfaces(text)


def parse_interfaces(text):
    """The lines of /proc/net/dev, but for the loopback's, which leads nowhere."""
    found = []
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split() if word.isdecimal()]
        if name.strip() != "lo" and len(numbers) > TRANSMIT + max(COLUMNS.values()):
            entry = {"Name": name.strip()}
            entry |= {f"Rx{column}": numbers[i] for column, i in COLUMNS.items()}
            entry |= {f"Tx{column}": numbers[i + TRANSMIT] for column, i in COLUMNS.items()}
            found.append(entry)
    return found


def events(container, interval):
    """Yield what a container uses every `interval` seconds, and each OOM kill, until it ends."""
    pidfd = container._hold()
    if pidfd is None:
        raise ContainerError("container not running")
    try:
        watch, eye = oom.Watch(container.cgroup), container.watch()
        try:
            yield from _events(container, interval, pidfd, watch, eye)
        finally:
            watch.close()
            if eye:
                eye.close()
    finally:
        os.close(pidfd)


def _events(container, interval, pidfd, watch, eye):
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if watch.fd >= 0:
        poll.register(watch.fd, watch.events)
    due, told = time.monotonic() + interval, False
    while True:
        ready = dict(poll.poll(process.left(due)))
        for _ in range(watch.take()):
            told = True
            yield event(container, "oom")
        if pidfd in ready:
            # A scope is gone with its last process, and its count with it: the kernel's log still knows.
            if eye and not told and not container.cgroup.exists() and eye.look():
                yield event(container, "oom")
            return
        if time.monotonic() >= due:
            due += interval
            yield event(container, "stats", read(container))


def event(container, kind, data=None):
    """One document."""
    document = {"type": kind, "id": container.id}
    if data is not None:
        document["data"] = data
    return document
