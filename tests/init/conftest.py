"""Builds of ocipy-init, and what a container needs to be one."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import TREE, need
from tests.init.driver import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, MS_PRIVATE, Init


def build(target):
    """Make a target of init/Makefile; the path of what it made."""
    done = subprocess.run(
        ["make", "-s", "-C", os.path.join(TREE, "init"), target], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return os.path.join(TREE, "init", target)


@pytest.fixture(scope="session")
def static():
    return build("ocipy-init")


@pytest.fixture(scope="session")
def sanitized():
    return build("build/sanitized/ocipy-init")


@pytest.fixture(params=["static", "sanitized"])
def binary(request):
    """Each test runs with the binary that is shipped and with one under the sanitizers' eyes."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def start(binary):
    """start(**how) -> Init; those a test starts are killed at its end."""
    started = []

    def init(**how):
        started.append(Init(binary, **how))
        return started[-1]

    yield init
    for each in started:
        each.__exit__()


@pytest.fixture
def init(start):
    return start()


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """A root filesystem of a static busybox."""
    busybox = shutil.which("busybox")
    need(busybox, "needs busybox")
    root = tmp_path_factory.mktemp("image")
    for name in ("bin", "dev", "etc", "proc", "tmp", "old"):
        (root / name).mkdir()
    root.chmod(0o755)
    shutil.copy(busybox, root / "bin")
    for name in ("sh", "cat", "ls", "id", "env", "true", "readlink", "stat", "pwd", "tty"):
        (root / "bin" / name).symlink_to("busybox")
    return root


@pytest.fixture
def root(image, tmp_path):
    """A copy of the image that a test may change."""
    return shutil.copytree(image, tmp_path / "root", symlinks=True)


@pytest.fixture
def container(start, root):
    """An init in mount, uts, ipc and network namespaces of its own, where `root` is a mount with a proc and a
    dev, before its pivot.  `stdout` reads what its program will write."""
    reading, writing = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    init = start(streams=(null, writing, writing))
    os.close(null)
    os.close(writing)
    init.run(
        ("UNSHARE", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET), ("PROPAGATION", MS_PRIVATE, 1)
    )
    init.inside("mount", "--bind", root, root)
    init.inside("mount", "-t", "proc", "proc", root / "proc")
    init.inside("mount", "-t", "tmpfs", "-o", "mode=755", "dev", root / "dev")
    init.inside("mknod", "-m", "666", root / "dev/null", "c", "1", "3")
    init.root, init.stdout = root, reading
    yield init
    os.close(reading)
