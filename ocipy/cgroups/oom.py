"""The OOM killer in a container: when it strikes, and afterwards whose limit that was.

Imported when somebody watches, or something ended as if it had been killed.
"""

from __future__ import annotations

import os

from ocipy.cgroups import files
from ocipy.cgroups.figures import UNLIMITED, number, table
from ocipy.errors import ContainerError, OcipyError, describe
from ocipy.plan.cgroup_layout import UNIFIED
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cgroups.manager import Manager

POLLIN, POLLPRI = 1, 2
#: In the words of an error, what may be the OOM killer's work, or the limit's.
SIGNS = ("ended unexpectedly", "killed by signal 9", "cannot allocate memory")
GUESS = " (out of memory?)"  # at the end of such words, where a verdict takes its place
# (limit, peak) of v1 for memory alone and with swap
V1_LIMITS = (
    ("memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"),
    ("memory.memsw.limit_in_bytes", "memory.memsw.max_usage_in_bytes", "memory.memsw.failcnt"),
)


class Limit(Record):
    """A limit that was reached.

    peak: bytes, 0 where the kernel does not tell
    """

    directory: str
    file: str
    bytes: int
    peak: int

    def __str__(self) -> str:
        peak = f", its peak was {self.peak}" if self.peak else ""
        return f"cgroup {self.directory} is limited to {self.bytes} bytes by {self.file}{peak}"


def explain(error: Exception, manager: Manager, new: bool = False) -> Exception:
    """An error with the verdict on memory added to its words: the same one, or another if it is not ours.

    new: the container is, so whoever was killed in its cgroup has to do with the error; else its words must
         sound like it
    """
    text = verdict(manager) if new or any(sign in str(error) for sign in SIGNS) else ""
    if not text:
        return error
    if isinstance(error, OcipyError):
        error.args = (f"{error.args[0].removesuffix(GUESS)} ({text})", *error.args[1:])
        return error
    return ContainerError(f"{describe(error)} ({text})")


def verdict(manager: Manager) -> str:
    """How many processes of a container the OOM killer has killed, and for whose limit; "" if none.

    A limit need not be the container's own: the first one on the way up that was reached counts.
    """
    directory = manager.paths.get("memory") or manager.paths.get(UNIFIED, "")
    try:
        count = kills(directory) if directory else 0
    except (OSError, ValueError):
        return manager.verdict  # it is no more, or is none
    if not count:
        return manager.verdict
    limit = reached(_victims(directory))
    if not _is_there(directory):
        return manager.verdict  # it has gone meanwhile, and what was found is of those above it
    if not limit and table(_read(directory, "memory.events")).get("oom"):
        # Counted where the limit is and above, never for the host.
        return f"{killed(count)}; the limit was that of a cgroup below {directory}, which is gone"
    return sentence(count, limit)


def sentence(count: int, limit: Limit | None) -> str:
    """A verdict in words."""
    why = str(limit) if limit else "none of its limits was reached, so the host itself had no memory left"
    return f"{killed(count)}; {why}"


def killed(count: int) -> str:
    """How a verdict begins."""
    return f"out of memory: {count} of the container's processes {'was' if count == 1 else 'were'} killed"


def kills(directory: str) -> int:
    """How many processes of a cgroup, and of those below it, the OOM killer has killed.

    v2 counts for the cgroups above as well, v1 (since Linux 4.13) only where the process was.
    """
    if os.path.exists(f"{directory}/memory.events"):
        return table(files.read(f"{directory}/memory.events")).get("oom_kill", 0)
    here = table(files.read(f"{directory}/memory.oom_control")).get("oom_kill", 0)
    return here + sum(_kills_here(name, above) for above, name in files.below(directory))


def _kills_here(directory: str, above: int | None = None) -> int:
    """How many it has killed in one cgroup alone."""
    text = _read(directory, "memory.events.local", above) or _read(directory, "memory.oom_control", above)
    return table(text).get("oom_kill", 0)


def _victims(directory: str) -> str:
    """The cgroup, a container's own or one that the container has made below it, of who was killed."""
    if not _kills_here(directory):
        for above, name in files.below(directory):
            if _kills_here(name, above):
                return f"{os.readlink(f'/proc/self/fd/{above}')}/{name}"
    return directory


def reached(directory: str) -> Limit | None:
    """The nearest limit, of a cgroup or of one above it, that allocations have run into."""
    while _is_there(directory):
        found = _reached(directory)
        if found:
            return found
        directory = os.path.dirname(directory)
    return None


def _is_there(directory: str) -> bool:
    return os.path.exists(f"{directory}/cgroup.procs")


def _reached(directory: str) -> Limit | None:
    events = _read(directory, "memory.events.local")
    if events:
        # An allocation that fails at this very cgroup's limit.
        if not table(events).get("oom"):
            return None
        names = [("memory.max", "memory.peak", "")]
    else:
        names = [entry for entry in V1_LIMITS if number(_read(directory, entry[2]))]
    for file, peak, _ in names:
        limit = number(_read(directory, file))
        if limit < UNLIMITED:
            return Limit(directory, file, limit, number(_read(directory, peak)))
    return None


def _read(directory: str, file: str, above: int | None = None) -> str:
    try:
        return files.read(f"{directory}/{file}", above)
    except OSError:
        return ""


# ---------------------------------------------------------------- as it happens


class Watch:
    """Tells when the OOM killer is at work in a container.

    fd, events: to poll; fd is -1 where there is no memory cgroup to watch
    """

    def __init__(self, manager: Manager):
        self.fd, self.events = -1, POLLIN
        self._fds: list[int] = []
        self._seen = 0
        self._v1 = manager.paths.get("memory", "")
        self._v2 = "" if self._v1 else manager.paths.get(UNIFIED, "")
        try:
            if self._v1:
                self._watch_v1()
            elif self._v2 and os.path.exists(f"{self._v2}/memory.events"):
                self._watch_v2()
        except BaseException:
            self.close()
            raise

    def _watch_v1(self) -> None:
        """An eventfd is told by the kernel: Documentation/admin-guide/cgroup-v1/memory.rst, 10."""
        flags = os.O_RDONLY | os.O_CLOEXEC
        self._fds = [os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)]
        self._fds.append(os.open(f"{self._v1}/memory.oom_control", flags))
        files.write(f"{self._v1}/cgroup.event_control", f"{self._fds[0]} {self._fds[1]}")
        self.fd = self._fds[0]

    def _watch_v2(self) -> None:
        """The file itself becomes urgent when it changes: cgroup-v2.rst, memory.events."""
        self._fds = [os.open(f"{self._v2}/memory.events", os.O_RDONLY | os.O_CLOEXEC)]
        self.fd, self.events = self._fds[0], POLLPRI
        self._seen = self._count()

    def take(self) -> int:
        """How often it has struck since the last time."""
        if self._v1:
            try:
                struck = os.eventfd_read(self.fd)
            except BlockingIOError:
                return 0
            # The end of the cgroup is told in the same way.
            return struck if os.path.exists(f"{self._v1}/cgroup.procs") else 0
        before, self._seen = self._seen, self._count()
        return max(0, self._seen - before)

    def _count(self) -> int:
        if self.fd < 0:
            return 0
        try:
            return table(os.pread(self.fd, 4096, 0).decode()).get("oom_kill", 0)
        except OSError:
            return self._seen  # it is no more

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds, self.fd = [], -1
