"""What all tests share: needs of a machine, a state root of their own, bundles, the command.

A test that needs what a machine lacks skips with its reason.  With OCIPY_MUST_WORK=1 such a skip is a
failure, so that no test falls silent; .ci/run sets it.  What nobody can install stays a skip: see `need`.
"""

import json
import os
import subprocess
import sys
import tempfile

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MUST_WORK = os.environ.get("OCIPY_MUST_WORK") == "1"
THIS_MACHINE = "this machine: "
PYTESTS_OWN = pytest.StashKey()  # its descriptors, before the first test
EXCUSES = (THIS_MACHINE, "OCIPY_ORACLE ")  # the official schemas are not part of this repository


def need(condition, reason, kernel=False):
    """Skip the test unless the condition holds.

    kernel: only another kernel or machine could have it (a cgroup v2 controller, an LSM, a NUMA node), so
    that the skip stays one with OCIPY_MUST_WORK=1
    """
    if not condition:
        pytest.skip(THIS_MACHINE + reason if kernel else reason)


def pytest_configure(config):
    if config.pluginmanager.has_plugin("hypothesispytest"):  # tests/kernel and tests/cli do without
        from hypothesis import settings

        # How long an example takes says how busy the machine is.
        settings.register_profile("ocipy", deadline=None)
        settings.load_profile("ocipy")


def pytest_runtest_setup(item):
    if PYTESTS_OWN not in item.config.stash:
        item.config.stash[PYTESTS_OWN] = _descriptors()
    if item.get_closest_marker("kernel"):
        need(os.geteuid() == 0, "needs root")


def _must_work(report):
    if MUST_WORK and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(EXCUSES):
            report.outcome = "failed"
            report.longrepr = f"OCIPY_MUST_WORK=1 and {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    _must_work((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    _must_work((yield).get_result())


def _descriptors():
    """What the open descriptors are of: {number: (device, inode)}."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            about = os.fstat(int(name))
        except OSError:  # that of the listing itself
            continue
        found[int(name)] = about.st_dev, about.st_ino
    return found


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """A number that a test closes twice is somebody else's by then: pytest's own, at the end of it all.

    Not a fixture: those of an interrupted run end when pytest has closed its descriptors itself.
    """
    now = _descriptors()
    lost = [fd for fd, about in item.config.stash[PYTESTS_OWN].items() if now.get(fd) != about]
    assert not lost, f"the test has closed or replaced descriptors that are not its own: {lost}"


class Golden(str):
    """A golden file's text.  With OCIPY_GOLDEN=1 the file becomes what it is compared with."""

    __slots__ = ("path",)

    def __eq__(self, text):
        if os.environ.get("OCIPY_GOLDEN") == "1" and not str.__eq__(self, text):
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path, "w", encoding="utf-8") as file:
                file.write(text)
            return True
        return str.__eq__(self, text)

    __hash__ = str.__hash__


def pytest_collection_modifyitems(config, items):
    """To rewrite golden files, run only what has one."""
    if os.environ.get("OCIPY_GOLDEN") == "1":
        chosen = [item for item in items if "golden" in item.fixturenames]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture
def golden(request):
    """golden("plans/minimal.txt") == text: the file lies beside the test; `make golden` rewrites it."""

    def read(name):
        path = os.path.join(os.path.dirname(request.path), name)
        text = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                text = file.read()
        made = Golden(text)
        made.path = path
        return made

    return read


#: Those that make cgroups here; without systemd, tests/kernel/test_systemd.py says that one is left out.
MANAGERS = ("cgroupfs", "systemd") if os.path.isdir("/run/systemd/system") else ("cgroupfs",)


def pytest_generate_tests(metafunc):
    """What is marked `managers` holds whoever makes the cgroups."""
    if "manager" in metafunc.fixturenames and metafunc.definition.get_closest_marker("managers"):
        metafunc.parametrize("manager", MANAGERS, indirect=True)


@pytest.fixture
def manager(request):
    """Who makes the cgroups of containers: cgroupfs unless the test is marked `managers`."""
    return getattr(request, "param", MANAGERS[0])


@pytest.fixture(scope="session")
def launcher():
    """The command of this tree, which starts Python with the flags that the installed one has."""
    path = os.path.join(TREE, "bin", "ocipy")
    need(os.access(path, os.X_OK), "bin/ocipy is not built (make build)")
    return path


@pytest.fixture
def state_root(tmp_path, launcher):
    """A directory for `--root`; a container that a test leaves in it is deleted, and must be deletable."""
    root = tmp_path / "state"
    yield root
    for name in (n for n in os.listdir(root) if "@" not in n) if root.exists() else ():
        subprocess.run([launcher, "--root", root, "delete", "--force", name], check=True, timeout=30)


@pytest.fixture
def ocipy(launcher, state_root, manager):
    """Run the command with a state root of its own: ocipy("state", "web", status=1) -> CompletedProcess.

    status:  what it must exit with, 0 by default, None for whatever
    manager: of cgroups
    """

    def run(*words, status=0, **how):
        # Files, not pipes: a container that goes on holds its streams, and a pipe would only end with it.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            how = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "timeout": 60, **how}
            command = [launcher, "--root", state_root, "--cgroup-manager", manager, *map(str, words)]
            done = subprocess.run(command, check=False, text=True, **how)
            for file in (out, err):
                file.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        said = f"ocipy {' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}"
        assert status is None or done.returncode == status, said
        return done

    run.manager = manager
    return run


def bundle(directory, args=("true",), **changes):
    """A bundle whose root is the host's busybox; returns its directory.

    args:    of the process
    changes: properties of config.json by path, with __ between: process__cwd="/tmp", linux__sysctl={...};
             None removes the property
    """
    directory.mkdir(parents=True, exist_ok=True)
    words = ["bundle", "--base", "busybox", str(directory / "bundle"), "--args", *args]
    how = {"cwd": TREE, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-m", "ocipy", *words], check=False, **how)
    need("busybox" not in done.stderr, done.stderr.strip())
    assert done.returncode == 0, done.stderr
    made = directory / "bundle"
    config = json.loads((made / "config.json").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    (made / "config.json").write_text(json.dumps(config))
    return made
