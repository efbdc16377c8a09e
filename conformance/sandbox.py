"""Run a command where it can harm nothing: all namespaces but the user's, and cgroups of its own.

A runtime under test mounts, makes cgroups and leaves processes; one test of the official suite makes a
container without any namespace, which mounts over its caller's /proc.  Hence:

    this process          makes NAME's cgroups, waits, enforces the timeout, removes the cgroups
      `- keeper           joins the cgroups, unshares, waits for init; its death takes init along
           `- init        PID 1: private mounts, its own /proc, /run, /sys/fs/cgroup; reaps
                `- the command; when it ends init ends, and with it every process that was left

The cgroup namespace makes the command see its own cgroup as the root, so the suite's fixed names (such as
/cgrouptest) do not collide between two tests or with the machine's own.  Which hierarchies are mounted is a
choice, so that every runtime of a comparison gets the same: crun 1.8 refuses a host that mounts both
versions and works once the cgroup2 mount is not there.

    python3 -m conformance.sandbox [--cgroups v1|hybrid|v2] [--timeout SECONDS] -- COMMAND...

Exits as the command does, 128+N when signal N ended it, 124 after the timeout, 125 when the sandbox failed.
"""

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys

if __name__ == "__main__":  # as a file: the package is beside it
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from conformance import cgroupfs

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC, MNT_DETACH = 2, 4, 8, 2
MS_BIND = 4096
PR_SET_PDEATHSIG = 1

TIMED_OUT, FAILED = 124, 125
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, call):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(flags):
    """unshare(2); Python has it from 3.12 on."""
    _check(_libc.unshare(flags), "unshare")


def mount(source, target, fstype, flags=0, data=""):
    """mount(2)."""
    arguments = [os.fsencode(a) if a is not None else None for a in (source, target, fstype)]
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), data.encode())
    _check(result, f"mount {fstype or 'flags'} at {target}")


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def choose(hierarchies, cgroups):
    """The hierarchies that the sandbox gets: auto is v1 wherever v1 is mounted."""
    v1 = [h for h in hierarchies if not h.unified]
    v2 = [h for h in hierarchies if h.unified]
    if cgroups == "auto":
        cgroups = "v1" if v1 else "v2"
    chosen = {"v1": v1, "v2": v2, "hybrid": v1 + v2}[cgroups]
    if not chosen:
        raise OSError(f"this host mounts no cgroup hierarchy of {cgroups}")
    return chosen


def foreign(mountinfo):
    """Mountpoints to get rid of: roots of other containers, and every cgroup hierarchy.

    A container that runs without a mount namespace leaves its mounts on the host, and a program that looks
    for cgroups takes the first it finds.  The host's own show a root of "/.." inside a cgroup namespace.
    """
    points, found = [], []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        points.append(before.split()[4])
        if after.split()[0] in ("cgroup", "cgroup2"):
            found.append(points[-1])
    for point in points:
        root, name = os.path.split(point)
        if name in ("proc", "sys", "dev") and root != "/":
            found.append(root if root in points else point)
    return list(dict.fromkeys([*reversed(found), "/sys/fs/cgroup"]))


def detach_foreign():
    with open("/proc/self/mountinfo") as mountinfo:
        for point in foreign(mountinfo.read()):
            _libc.umount2(os.fsencode(point), MNT_DETACH)  # one may be gone with another


def mount_cgroups(hierarchies):
    if [h.unified for h in hierarchies] == [True]:
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        return
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755")
    for hierarchy in hierarchies:
        target = "/sys/fs/cgroup/" + hierarchy.name
        os.mkdir(target)
        fstype = "cgroup2" if hierarchy.unified else "cgroup"
        mount(fstype, target, fstype, MS_NOSUID | MS_NODEV | MS_NOEXEC, hierarchy.options)
        for alias in hierarchy.name.split(",") if "," in hierarchy.name else ():
            os.symlink(hierarchy.name, "/sys/fs/cgroup/" + alias)


def init(hierarchies, command):
    """PID 1 of the sandbox.  Returns the exit status."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    detach_foreign()
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount_cgroups(hierarchies)
    child = subprocess.Popen(command, start_new_session=True)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child.pid:
            code = os.waitstatus_to_exitcode(status)
            child.returncode = code  # it is reaped: Popen must not wait for it again
            return 128 - code if code < 0 else code


def keeper(paths, hierarchies, command):
    """Joins the cgroups and makes the namespaces.  Returns the exit status."""
    die_with_parent()
    for path in paths:
        cgroupfs.write(os.path.join(path, "cgroup.procs"), "0")
    unshare(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET)
    return in_child(lambda: (die_with_parent(), init(hierarchies, command))[1], None)


def ends_within(pid, seconds):
    """Whether a child ends in that time; it is not reaped.  (`Popen.wait` with a timeout sleeps by turns.)"""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(pidfd)


def in_child(body, seconds):
    """Run a function in a fork; its return value is the exit status.  TIMED_OUT after so many seconds."""
    pid = os.fork()
    if pid == 0:
        status = FAILED
        try:
            status = body()
        except OSError as error:
            print(f"sandbox: {error}", file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(status)
    late = seconds is not None and not ends_within(pid, seconds)
    if late:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if late:
        return TIMED_OUT
    return 128 - code if code < 0 else code


def run(command, cgroups="auto", timeout=None):
    """Run a command in a sandbox and return its exit status, as the head of this file says."""
    hierarchies = choose(cgroupfs.hierarchies(), cgroups)
    name = f"ocipy-sandbox-{os.getpid()}"
    paths = []
    try:
        paths.extend(cgroupfs.make(hierarchy, name) for hierarchy in hierarchies)
        return in_child(lambda: keeper(paths, hierarchies, command), timeout)
    finally:
        for path in paths:
            for left in cgroupfs.remove(path):
                print(f"sandbox: cgroup {left} is still busy", file=sys.stderr)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="sandbox", description="Run a command where it can harm nothing.")
    parser.add_argument("--cgroups", choices=("auto", "v1", "hybrid", "v2"), default="auto")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    try:
        return run(options.command, options.cgroups, options.timeout)
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
