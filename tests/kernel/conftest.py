"""Containers for the tests of what kernels do."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import TREE, bundle, need
from tests.kernel.box import Box


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A bundle of the host's busybox; who would write to its root takes a copy."""
    return bundle(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """A static program for questions that only a system call answers: probe.c."""
    need(shutil.which("cc"), "needs a C compiler")
    path = tmp_path_factory.mktemp("probe") / "probe"
    source = os.path.join(os.path.dirname(__file__), "probe.c")
    subprocess.run(["cc", "-O1", "-Wall", "-static", "-o", path, source], check=True)
    path.parent.chmod(0o755)
    return path


@pytest.fixture
def boxes(ocipy, launcher, state_root, tmp_path, template):
    """Make a `Box`: boxes()."""
    ocipy.command = launcher, state_root
    return lambda: Box(ocipy, tmp_path, template)


@pytest.fixture
def box(boxes):
    """One container that is yet to be made."""
    return boxes()


@pytest.fixture
def runc(tmp_path):
    """Run a box's bundle with runc: what it printed."""
    need(shutil.which("runc"), "needs runc")
    root = tmp_path / "runc"

    def run(box, *words, status=0, **how):
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **how}
        words = words or ("run", "-b", str(box.write()), box.id)
        done = subprocess.run(["runc", "--root", str(root), *words], check=False, **how)
        assert status is None or done.returncode == status, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """The program that makes system calls and nothing else."""
    need(shutil.which("gcc"), "gcc")
    path = tmp_path_factory.mktemp("call") / "call"
    flags = ["-Os", "-static", "-nostdlib", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"]
    source = os.path.join(TREE, "tests", "seccomp", "call.c")
    subprocess.run(["gcc", *flags, "-o", path, source], check=True)
    path.chmod(0o755)
    return path
