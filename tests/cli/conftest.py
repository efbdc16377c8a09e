"""The program as its callers start it: a process, with the flags that the installed command has."""

import json
import os
import subprocess
import sys
import tempfile
import time

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START = f"import sys; sys.path.insert(0, {TREE!r}); from ocipy.__main__ import run; run()"
PYTHON = os.path.realpath(sys.executable)


class Result:
    """What became of a command line."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


@pytest.fixture(scope="session")
def command():
    """The words that start the program."""
    return [PYTHON, "-I", "-S", "-c", START]


@pytest.fixture
def cli(command):
    """Run a command line to its end; standard input is empty unless given."""

    def run(*words, **how):
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **how}
        if "input" in how:
            del how["stdin"]
        return Result(subprocess.run([*command, *words], check=False, **how))

    return run


@pytest.fixture
def refused(cli):
    """Run a command line that is to fail: one line on standard error, nothing else, status 1."""

    def run(*words, status=1, **how):
        result = cli(*words, **how)
        assert result.status == status, result
        assert result.out == "", result
        assert result.err.startswith("ocipy: "), result
        assert result.err.count("\n") == 1, result
        return result.err[len("ocipy: ") : -1]

    return run


# ---------------------------------------------------------------- containers


def _must_skip(reason):
    """Skip, or fail where this machine was said to have all that tests need."""
    if os.environ.get("OCIPY_MUST_WORK") == "1":
        pytest.fail(f"{reason}, and OCIPY_MUST_WORK=1")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def rootfs(command, tmp_path_factory):
    """A root filesystem of a busybox, shared by all: who writes to it must not disturb others."""
    if os.geteuid() != 0:
        _must_skip("containers need root")
    directory = tmp_path_factory.mktemp("shared") / "bundle"
    done = subprocess.run(
        [*command, "bundle", str(directory), "--base", "busybox"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        _must_skip(done.stderr.strip())
    return directory


class Host:
    """One state root, the containers below it, and bundles to make them of."""

    def __init__(self, command, template, directory):
        self.root = directory / "state"
        self.directory = directory
        self.command = [*command, "--root", str(self.root)]
        self.template = template
        self.count = 0

    def __call__(self, *words, **how):
        """Run a command line to its end.

        Its output goes to files: a container that it leaves running would hold the writing end of a pipe.
        """
        how = {"stdin": subprocess.DEVNULL, "timeout": 60, **how}
        if "input" in how:
            del how["stdin"]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [*self.command, *words], check=False, stdout=out, stderr=err, text=True, **how
            )
            out.seek(0)
            err.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        return Result(done)

    def ok(self, *words, **how):
        """What a command line that is to succeed prints."""
        result = self(*words, **how)
        assert result.status == 0, result
        assert result.err == "", result
        return result.out

    def fails(self, *words, status=1, **how):
        """The message of a command line that is to fail."""
        result = self(*words, **how)
        assert (result.status, result.out) == (status, ""), result
        assert result.err.startswith("ocipy: "), result
        assert result.err.count("\n") == 1, result
        return result.err[len("ocipy: ") : -1]

    def id(self):
        """A new id: default cgroups are named by it, and tests may run beside each other."""
        self.count += 1
        return f"ocipy-test-{os.getpid()}-{self.directory.name[-12:]}-{self.count}"

    def bundle(self, *args, change=None, name=None):
        """A bundle whose process runs a command; `change` edits config.json's document."""
        config = json.loads((self.template / "config.json").read_text())
        config["root"]["path"] = str(self.template / "rootfs")
        config["process"]["args"] = list(args)
        if change:
            change(config)
        directory = self.directory / (name or self.id())
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(config))
        return str(directory)

    def created(self, *args, change=None):
        """The id of a new container that waits for start."""
        id = self.id()
        self.ok("create", "-b", self.bundle(*args, change=change), id)
        return id

    def running(self, *args, change=None):
        """The id of a new container that runs."""
        id = self.created(*(args or ("sleep", "1000")), change=change)
        self.ok("start", id)
        return id

    def state(self, id):
        return json.loads(self.ok("state", id))

    def stopped(self, id):
        """Wait until a container has stopped."""
        self.until(lambda: self.state(id)["status"] == "stopped")
        return id

    def ids(self):
        return self.ok("list", "-q").split()

    @staticmethod
    def until(condition, seconds=20):
        """Wait for a condition, which is looked at again and again; its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)
        return value


@pytest.fixture
def host(command, rootfs, tmp_path):
    """A state root of its own; what a test leaves there is removed, and must be removable."""
    host = Host(command, rootfs, tmp_path)
    yield host
    if host.root.exists():
        for id in os.listdir(host.root):
            host.ok("delete", "--force", id)
        assert not os.listdir(host.root)
