"""``--systemd-cgroup`` of an ordinary user: the scopes are those of the user's own systemd."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.conftest import need
from tests.kernel.box import until
from tests.kernel.limits import MIB

pytestmark = pytest.mark.kernel

ASUSER = "asuser"  # runs a command in a login session of its own


class User:
    """A user with a session, and one container."""

    def __init__(self, directory, launcher):
        self.directory = directory
        self.launcher = launcher
        self.id = f"ocipytest-{os.getpid()}-{directory.name}"
        self.unit = f"ocipy-{self.id}.scope"
        self.bundle = directory / "bundle"

    def call(self, *words, status=0):
        done = subprocess.run(
            [ASUSER, *map(str, words)], capture_output=True, text=True, check=False, timeout=60,
            stdin=subprocess.DEVNULL, cwd=self.directory,
        )  # fmt: skip
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    def ocipy(self, *words, prefix=(), **how):
        root = ("--root", self.directory / "state", "--systemd-cgroup")
        return self.call(*prefix, self.launcher, *root, *words, **how)

    def start(self, *command, prefix=(), status=0, **resources):
        config = json.loads((self.bundle / "config.json").read_text())
        config["process"]["args"] = list(command)
        config["linux"].setdefault("resources", {}).update(resources)
        (self.bundle / "config.json").write_text(json.dumps(config))
        words = ("run", "-d", "-b", self.bundle, self.id)
        # To a file: a container that goes on holds the streams.
        script = '"$@" >out 2>&1 </dev/null; status=$?; cat out; exit $status'
        return self.ocipy(*words, prefix=("sh", "-c", script, "sh", *prefix), status=status)

    def exec(self, *command, **how):
        return self.ocipy("exec", self.id, *command, **how)

    def shown(self, *names):
        words = ["systemctl", "--user", "show", self.unit, *(f"--property={name}" for name in names)]
        return dict(line.partition("=")[::2] for line in self.call(*words).stdout.splitlines())

    def cgroup(self):
        state = json.loads(self.ocipy("state", self.id).stdout)
        return Path(f"/proc/{state['pid']}/cgroup").read_text().strip().partition("::")[2]


@pytest.fixture
def user(launcher):
    need(shutil.which(ASUSER) and os.path.isdir("/run/systemd/system"), "no user's systemd", kernel=True)
    directory = Path(tempfile.mkdtemp(prefix="ocipytest-"))
    made = User(directory, launcher)
    try:
        shutil.chown(directory, *2 * [int(subprocess.check_output([ASUSER, "id", "-u"]))])
        made.ocipy("bundle", "--rootless", "--base", "busybox", made.bundle)
        yield made
        made.ocipy("delete", "--force", made.id)
        until(lambda: made.shown("LoadState") == {"LoadState": "not-found"})
        assert [path for path, _, _ in os.walk("/sys/fs/cgroup") if made.unit in path] == []
    finally:
        shutil.rmtree(directory)


def greedy(size):
    return ("dd", "if=/dev/zero", "of=/dev/null", f"bs={size}", "count=1")


def test_a_users_scope_is_in_the_users_slice_with_its_limits(user):
    user.start("sleep", "1000", memory={"limit": 16 * MIB, "swap": 16 * MIB}, pids={"limit": 20})
    assert user.shown("MemoryMax", "TasksMax", "Slice") == {
        "MemoryMax": str(16 * MIB),
        "TasksMax": "20",
        "Slice": "user.slice",
    }
    assert user.cgroup().endswith(f"/user.slice/{user.unit}")
    assert "/user@" in user.cgroup()


def test_its_limits_are_felt(user):
    resources = {"memory": {"limit": 16 * MIB, "swap": 16 * MIB}, "pids": {"limit": 5}}
    user.start("sleep", "1000", cpu={"quota": 20000, "period": 50000}, **resources)
    user.exec(*greedy("48M"), status=137)
    user.exec(*greedy("8M"))
    user.exec("sh", "-c", "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done")
    forks = "for i in 1 2 3 4 5 6 7 8; do sleep 100 >/dev/null 2>&1 & done; echo enough"
    assert "enough" not in user.exec("sh", "-c", forks, status=None).stdout
    statistics = Path(f"/sys/fs/cgroup{user.cgroup()}/cpu.stat").read_text()
    assert "nr_throttled 0\n" not in statistics


def test_a_process_joins_it_from_a_login_session(user):
    """To move it there takes the power of the user's systemd, and of the system's."""
    user.start("sleep", "1000")
    assert user.call("cat", "/proc/self/cgroup").stdout.endswith(".scope\n")
    user.exec("sh", "-c", "sleep 1000 >/dev/null 2>&1 </dev/null &")
    pids = json.loads(user.ocipy("ps", "--format", "json", user.id).stdout)
    assert len(pids) == 2


def test_its_limits_can_be_updated(user):
    user.start("sleep", "1000")
    user.ocipy("update", "--memory", "16m", "--memory-swap", "16m", user.id)
    assert user.shown("MemoryMax") == {"MemoryMax": str(16 * MIB)}
    user.exec(*greedy("48M"), status=137)


def test_what_was_not_delegated_is_refused_and_leaves_nothing(user):
    done = user.start(
        "true", status=1, blockIO={"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 5}]}
    )
    assert "the io controller is not available to this cgroup" in done.stdout


def test_a_container_whose_root_is_another_user_needs_the_users_own_cgroup(user):
    config = json.loads((user.bundle / "config.json").read_text())
    for kind in ("uidMappings", "gidMappings"):
        first = int(Path("/etc/subuid").read_text().split(":")[1])
        config["linux"][kind] = [{"containerID": 0, "hostID": first, "size": 1000}]
    (user.bundle / "config.json").write_text(json.dumps(config))
    user.directory.chmod(0o755)
    done = user.start("sleep", "1000", status=1)
    assert "start it by systemd-run --user --scope" in done.stdout
    user.start("sleep", "1000", prefix=("systemd-run", "--user", "--scope", "-q"))
    assert user.cgroup().endswith(user.unit)
