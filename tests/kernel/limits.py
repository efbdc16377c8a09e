"""What limits feel like inside a container, on cgroup v1 and v2 alike."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from ocipy.cgroups.layout import detect
from tests.conftest import need
from tests.kernel.box import until

MIB = 1024 * 1024
V2_NAMES = {"blkio": "io", "cpuacct": "cpu"}


def version(controller):
    """The cgroup version under which this machine has a controller, by its v1 name; skips without."""
    layout = detect()
    found = layout.version(controller)
    if layout.mode == "v2" or not found:
        found = layout.version(V2_NAMES.get(controller, controller))
    need(found, f"no {controller} cgroup controller", kernel=True)
    return found


def directory(box, controller):
    """Where the files of a container's controller are."""
    _, root = box.ocipy.command
    state = json.loads((Path(root) / box.id / "state.json").read_text())
    paths = state["ocipy"]["cgroup"]["paths"]
    return Path(paths.get(controller) or paths[""])


def control(box, controller, v1, v2):
    """What a control file says, or skips: the kernel may lack it."""
    path = directory(box, controller) / (v1 if version(controller) == 1 else v2)
    need(path.exists(), f"the kernel has no {path.name}", kernel=True)
    return path.read_text().strip()


def counters(text):
    return {name: int(number) for name, number in (line.split() for line in text.splitlines())}


# ---------------------------------------------------------------- what is felt


def allocates(box, size):
    """Whether a process of the container can use so many bytes; if not, the kernel kills it."""
    command = ("dd", "if=/dev/zero", "of=/dev/null", f"bs={size}", "count=1")
    done = box.ocipy("exec", box.id, *command, status=None)
    assert done.returncode in (0, 137), done.stdout + done.stderr
    return done.returncode == 0


def fills(box, size):
    """As `allocates`, with bytes that are not zero: those of nothing but zeros take no room in swap."""
    script = f"yes | head -c {size} | tail -c {size} >/dev/null"
    done = box.ocipy("exec", box.id, "sh", "-c", script, status=None)
    assert done.returncode in (0, 137), done.stdout + done.stderr
    return done.returncode == 0


def kill_others(box):
    """Kill all processes of the container but the first."""
    first = box.pid
    for pid in json.loads(box.ocipy("ps", "--format", "json", box.id).stdout):
        if pid != first:
            os.kill(pid, signal.SIGKILL)


def forks(box, count):
    """Whether a process of the container can have so many children at once."""
    script = f"for i in $(seq {count}); do sleep 100 & done; kill $(jobs -p); echo enough"
    done = box.ocipy("exec", box.id, "sh", "-c", script, status=None)
    kill_others(box)  # a shell that can't fork leaves those that it could
    return done.stdout == "enough\n"


MAP_HUGE = """
import mmap
input()
try:
    mmap.mmap(-1, {count} << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
    print("enough")
except OSError as error:
    print(error.strerror)
"""


@contextmanager
def huge_pages(count):
    """Let the machine have some, of 2 MiB; skips without."""
    pool = Path("/proc/sys/vm/nr_hugepages")
    need(pool.exists(), "no huge pages", kernel=True)
    before = pool.read_text()
    pool.write_text(f"{int(before) + count}\n")
    try:
        need(int(pool.read_text()) >= int(before) + count, "no room for huge pages", kernel=True)
        yield
    finally:
        pool.write_text(before)


def maps_huge(box, count):
    """Whether a process in the container's cgroup can have so many of them."""
    code = [sys.executable, "-I", "-c", MAP_HUGE.format(count=count)]
    process = subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    (directory(box, "hugetlb") / "cgroup.procs").write_text(str(process.pid))
    said, _ = process.communicate("\n", timeout=60)
    assert said in ("enough\n", "Cannot allocate memory\n")
    return said == "enough\n"


def is_throttled(box):
    """Whether a busy process of the container is made to wait for its next period."""

    def periods():
        return counters(control(box, "cpu", "cpu.stat", "cpu.stat"))["nr_throttled"]

    before = periods()
    box.exec("sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done")
    return periods() > before


def processor_time(box):
    """Microseconds that the container has had."""
    if version("cpuacct") == 1:
        return int(control(box, "cpuacct", "cpuacct.usage", "")) // 1000
    return counters(control(box, "cpu", "", "cpu.stat"))["usage_usec"]


def share(first, second):
    """How much more processor time one of two containers gets than the other, while both want all of one."""
    for box in (first, second):
        box.exec("sh", "-c", "while :; do :; done", flags=["-d"])
        pids = json.loads(box.ocipy("ps", "--format", "json", box.id).stdout)
        for pid in pids:
            os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})
    began = [processor_time(box) for box in (first, second)]

    def used():
        return [processor_time(box) - start for box, start in zip((first, second), began)]

    until(lambda: max(used()) > 300_000, 60)
    one, other = used()
    for box in (first, second):  # beside the first one the second would take long to die
        kill_others(box)
    return one / max(other, 1)


def disk(path):
    """(major, minor) of the disk that a file lies on; skips without."""
    number = os.stat(path).st_dev
    entry = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    need(entry.exists(), f"{path} lies on no disk", kernel=True)
    if (entry / "partition").exists():
        entry = entry.resolve().parent
    major, minor = map(int, (entry / "dev").read_text().split(":"))
    return {"major": major, "minor": minor}


def seconds_to_read(box, path, size):
    """How long a process of the container takes to read from a file, past the page cache."""
    began = time.monotonic()
    box.exec("dd", f"if={path}", "of=/dev/null", "bs=64k", f"count={size // 65536}", "iflag=direct")
    return time.monotonic() - began


def opens(box, kind, major, minor):
    """Whether a process of the container may open a device for reading; there need be none."""
    name = f"/dev/{kind}-{major}-{minor}"
    outside = f"/proc/{box.pid}/root{name}"
    if not os.path.exists(outside):
        subprocess.run(["mknod", outside, kind, str(major), str(minor)], check=True)
    done = box.ocipy("exec", box.id, "head", "-c1", name, status=None)
    return "not permitted" not in done.stderr


def may_be_realtime(box):
    """Whether the container's first process can be given a realtime priority."""
    need(shutil.which("chrt"), "needs chrt")
    pid = str(box.pid)
    done = subprocess.run(["chrt", "-f", "-p", "1", pid], capture_output=True, check=False)
    subprocess.run(["chrt", "-o", "-p", "0", pid], capture_output=True, check=False)
    return done.returncode == 0
