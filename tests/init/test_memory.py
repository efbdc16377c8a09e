"""init lives in a cgroup of 512 KiB, from its clone to its program."""

import os

import pytest

from tests.conftest import need
from tests.init.driver import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MS_PRIVATE,
    Init,
)

pytestmark = pytest.mark.kernel

LIMIT = 512 * 1024
CONTROLLER = "/sys/fs/cgroup/memory"


@pytest.fixture
def cgroup():
    need(
        os.path.exists(CONTROLLER + "/memory.limit_in_bytes"),
        "needs the cgroup v1 memory controller",
        kernel=True,
    )
    path = f"{CONTROLLER}/ocipy-init-test-{os.getpid()}"
    os.mkdir(path)
    with open(path + "/memory.limit_in_bytes", "w", encoding="ascii") as file:
        file.write(str(LIMIT))
    yield path
    os.rmdir(path)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def test_a_container_of_512_kib_starts(static, root, cgroup):
    reading, writing = os.pipe()
    with Init(static, streams=(0, writing, writing)) as init:
        os.close(writing)
        init.stdout, init.root = reading, root
        init.clone(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS)
        tasks = os.open(cgroup + "/tasks", os.O_WRONLY)
        init.run(("JOIN_CGROUP", 0), ("PROPAGATION", MS_PRIVATE, 1), fds=(tasks,))
        os.close(tasks)
        made = init.run(
            ("FSMOUNT", "tmpfs", "", ("size=1m",), 0),
            ("FSMOUNT", "proc", "", (), 0),
            ("SETHOSTNAME", "small"),
        )
        for fd in made.values():
            os.close(fd)
        init.inside("mount", "--bind", root, root)
        init.enter()
        init.run("SETSID", "LOOPBACK_UP", ("CHDIR", "/"))
        assert init.execute("true", env=("PATH=/bin", *(f"VARIABLE_{i}=value" for i in range(50)))) == ""
    os.close(reading)
    assert "oom_kill 0\n" in read(cgroup + "/memory.oom_control")
    assert int(read(cgroup + "/memory.max_usage_in_bytes")) <= LIMIT
