"""An eye on a scope: what the OOM killer does to it, which is gone before it could be asked afterwards.

Whoever looks at the cgroup in time has the figures; else the kernel has logged them.  A report is several
records of /dev/kmsg, the last of which names the victim's cgroup and the one whose limit it was.  The kernel
leaves reports out when there are more than ten in five seconds.

Source: mm/oom_kill.c, dump_header; mm/memcontrol.c, mem_cgroup_print_oom_context; Documentation/ABI/testing/
dev-kmsg.
"""

from __future__ import annotations

import os

from ocipy.cgroups.layout import detect
from ocipy.cgroups.oom import Limit, Watch, sentence, verdict
from ocipy.plan.cgroup_layout import UNIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocipy.cgroups.manager import Manager


KMSG = "/dev/kmsg"
LONGEST = 8192  # bytes of a record as the kernel hands it out
USAGE, KILL = "memory: usage ", "oom-kill:"  # how the records begin that tell


class Eye:
    """Watches a manager's cgroup; what is seen of it becomes the manager's `verdict`.

    fd, events: to poll, for when to look; fd is -1 when there is no cgroup yet
    """

    def __init__(self, manager: Manager):
        self._manager = manager
        self._log = Log()
        self._watch = Watch(manager)
        self.fd, self.events = self._watch.fd, self._watch.events

    def look(self) -> str:
        """Something has happened: the verdict, as `oom.verdict`, of which this is the time to be sure."""
        self._watch.take()
        self._manager.verdict = verdict(self._manager) or self._log.verdict(self._manager)
        return self._manager.verdict

    def close(self) -> None:
        self._watch.close()
        self._log.close()


class Log:
    """The kernel's log from now on; it has nothing to say to whom it may not be read by."""

    def __init__(self) -> None:
        self._reports: list[str] = []
        try:
            self._fd = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self._fd = -1

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def verdict(self, manager: Manager) -> str:
        """As `oom.verdict`, of a manager whose cgroups were there when the log was opened, or made later."""
        controller = "memory" if "memory" in manager.named else UNIFIED
        if self._fd < 0 or controller not in manager.named:
            return ""
        point, root = detect().mount(controller)
        own = root.rstrip("/") + manager.named[controller].removeprefix(point)
        self._reports += (text for text in self._texts() if text.startswith((USAGE, KILL)))
        return told(self._reports, own, f"{point}{{}}", controller != UNIFIED)

    def _texts(self) -> Iterator[str]:
        while True:
            try:
                record = os.read(self._fd, LONGEST)
            except BrokenPipeError:
                continue  # what was next has been overwritten: the one after it is
            except OSError:
                return
            yield record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0]


def told(texts: Iterable[str], cgroup: str, path: str, v1: bool = False) -> str:
    """The verdict on a cgroup, from the texts of records; "" if they do not speak of it.

    cgroup: as the kernel has it
    path:   of a cgroup, with {} for what the kernel has

    >>> told(["memory: usage 4kB, limit 8kB, failcnt 5", "oom-kill:constraint=CONSTRAINT_MEMCG,"
    ...          "oom_memcg=/pod,task_memcg=/pod/web,task=dd,pid=5,uid=0"], "/pod/web", "/cg{}")
    "out of memory: 1 of the container's processes was killed; cgroup /cg/pod is limited to 8192 bytes by \
memory.max, its peak was 4096"
    """
    count, limit = 0, None
    usage = most = 0
    for text in texts:
        if text.startswith(USAGE):
            usage, most = (
                int(word.partition("kB")[0]) for word in text.removeprefix(USAGE).split(", limit ")[:2]
            )
        words = dict(word.partition("=")[::2] for word in text.split(","))
        if not text.startswith(KILL) or not f"{words.get('task_memcg', '')}/".startswith(f"{cgroup}/"):
            continue
        count += 1
        if "oom_memcg" in words:
            file = "memory.limit_in_bytes" if v1 else "memory.max"
            limit = Limit(path.format(words["oom_memcg"]), file, most * 1024, usage * 1024)
    return sentence(count, limit) if count else ""
