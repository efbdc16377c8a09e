"""The system calls that init makes, from its start to a program's execve, are those of init/syscalls.txt."""

import os
import re
import shutil
import subprocess

import pytest

from tests.conftest import TREE, need
from tests.kernel.hooked import CONTAINER_KINDS, Hooks
from tests.seccomp.agent import CONTINUE, Agent
from tests.seccomp.profiles import all_but, rule

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.slow,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the calls are those of x86_64"),
]

#: "PID<COMM> call(": strace --decode-pids=comm.
_CALL = re.compile(r"^(\d+)<(.*?)> +(\w+)\(", re.MULTILINE)
_STARTED = re.compile(r'^(\d+)<.*?> +execve\("/proc/self/fd/\d+", \["ocipy:\[INIT\]".*$', re.MULTILINE)
MKDIR = 83
#: Listed, and not taken by the containers below: without pivot_root, with a filter that forbids sendmsg, with
#: NUMA, with exec --cpu-affinity.
ELSEWHERE = {"chroot", "sendmmsg", "set_mempolicy", "sched_setaffinity"}


def calls_of_init(trace):
    """Names of the calls that init made, in every process that it was."""
    begins = {found[1]: found.end() for found in _STARTED.finditer(trace)}
    assert begins, "no init was started"
    names = set()
    for _, comm, name in (found.groups() for found in _CALL.finditer(trace)):
        if comm == "ocipy:[INIT]":
            names.add(name)
    for pid, begin in begins.items():
        for found in _CALL.finditer(trace, begin):
            if found[1] == pid and found[2] == "ocipy:[INIT]":
                break  # it has its name
            if found[1] == pid:
                names.add(found[3])
    return names


def listed():
    """The calls of the list; behind each name is what it is for."""
    with open(os.path.join(TREE, "init", "syscalls.txt"), encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#")]
    rows = [line.split(None, 1) for line in lines]
    assert all(len(row) == 2 for row in rows), "each with its reason"
    return {row[0] for row in rows}


@pytest.fixture
def traced(box, tmp_path):
    """traced(words...): run a verb under strace, and return the calls of init."""
    need(shutil.which("strace"), "needs strace")
    launcher, root = box.ocipy.command

    def run(*words):
        trace = tmp_path / "trace"
        command = ["strace", "-f", "--decode-pids=comm", "-s", "32", "-o", trace, launcher, "--root", root]
        master, slave = os.openpty()
        try:
            done = subprocess.run(
                [*command, *map(str, words)], stdin=slave, stdout=slave, stderr=subprocess.PIPE, check=False
            )
        finally:
            os.close(slave)
            os.close(master)
        assert done.returncode == 0, done.stderr
        return calls_of_init(trace.read_text(errors="replace"))

    return run


def test_init_takes_no_call_that_is_not_listed_and_lists_none_that_it_does_not_take(box, traced, tmp_path):
    ordinary = traced("run", "-b", box.write(), box.id)
    agent = rich(box, tmp_path / "agent.sock")
    with agent:
        confined = traced("run", "-b", box.write(), box.id)
    assert (ordinary | confined) - listed() == set()
    assert listed() - (ordinary | confined) == ELSEWHERE


def rich(box, path):
    """Have a container with all that gives init work; the agent of its filter."""
    hooks = Hooks(box)
    for kind in CONTAINER_KINDS:
        hooks.add(kind, "true")
    box.user_namespace()
    for kind in ("time", "cgroup"):
        box.namespace(kind)
    box.linux["timeOffsets"] = {"boottime": {"secs": 100}}
    box.config |= {"hostname": "web", "domainname": "example"}
    box.process |= {
        "terminal": True,
        "user": {"uid": 1000, "gid": 1000, "umask": 18, "additionalGids": [5]},
        "oomScoreAdj": 100,
        "noNewPrivileges": True,
        "scheduler": {"policy": "SCHED_BATCH"},
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
    }
    box.linux |= {
        "personality": {"domain": "LINUX"},
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "seccomp": {**all_but(rule("mkdir", action="NOTIFY")), "listenerPath": str(path)},
    }
    box.config["annotations"] = {"io.ocipy.landlock": '{"rules": [{"paths": ["/"], "access": ["all"]}]}'}
    return Agent(path, {MKDIR: lambda _: CONTINUE})
