"""Runs command lines of ocipy in forks of itself, each waiting to be told, so that a tracer can come first.

What a tracer then sees, and makes fail, is ocipy's own work: Python has started and everything is imported.

    server.py TREE LIVES WARM-UP...   command lines of the warm-up, JSON arrays, are run once at the start;
                                      so many of the processes that they leave live on

Reads a line each time, and answers with one:

    {"argv": [...], "stderr": PATH}  ->  {"pid": PID}, of the fork that waits
    {"go": [N, M]}                   ->  {"status": wait status, "children": [what outlived it]}; once there
                                         are no more than N of them if it failed, M if it did not
    {"reap": []}                     ->  {"children": [...]}, once those that were killed have been waited for
"""

import json
import os
import select
import sys
import time

sys.path.insert(0, sys.argv[1])

from ocipy.__main__ import main
from ocipy.linux import const
from ocipy.linux.syscalls import mount_setattr, prctl, unshare
from ocipy.runtime import channel

DEADLINE = 10.0  # seconds


def children():
    """Pids of children that live, our own and those that were left to us."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid == 0:
            break
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def settled(expected):
    """The children, once there are no more than expected, or it has taken too long."""
    deadline = time.monotonic() + DEADLINE
    while len(found := children()) > expected and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def fork(request):
    """(pid of a fork that has come to where it waits, the descriptor that ends its waiting)."""
    reading, writing = os.pipe()
    ready, arrived = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reading)
        os.close(arrived)
        os.read(ready, 1)
        os.close(ready)
        return pid, writing
    os.close(writing)
    os.close(ready)
    null = os.open("/dev/null", os.O_RDWR)
    errors = os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, target in ((null, 0), (errors, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(errors)
    channel._sealed = None
    os.close(arrived)
    select.select([reading], [], [])  # a call that ocipy does not make: the tracer counts this one, too
    os._exit(main(request["argv"]))


def answer(document):
    print(json.dumps(document), flush=True)


def serve(lives):
    """Until standard input ends; so many children live on throughout."""
    pid = writing = None
    for line in sys.stdin:
        request = json.loads(line)
        if "go" in request:
            os.write(writing, b".")
            os.close(writing)
            _, status = os.waitpid(pid, 0)
            answer({"status": status, "children": settled(lives + request["go"][status == 0])})
        elif "reap" in request:
            answer({"children": settled(lives)})
        else:
            pid, writing = fork(request)
            answer({"pid": pid})


# What is mounted by mistake is seen here, and what others mount meanwhile is not.
unshare(const.CLONE_NEWNS)
mount_setattr(const.AT_FDCWD, "/", const.AT_RECURSIVE, propagation=const.MS_PRIVATE)
prctl(const.PR_SET_CHILD_SUBREAPER, 1)
for words in sys.argv[3:]:
    if status := main(json.loads(words)):
        sys.exit(status)
settled(int(sys.argv[2]))
answer("ready")
serve(int(sys.argv[2]))
