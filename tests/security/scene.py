"""Where an attack takes place: a runtime, whole or weakened, a bundle, a piece of the host to be harmed."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.conftest import TREE
from tests.kernel.box import Box, until

#: Seconds that a race goes on against what holds.  Against what is weakened it ends with the first success.
RACE = float(os.environ.get("OCIPY_RACE_SECONDS", "1"))
PATIENCE = 40
PRECIOUS = "precious"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "fd", "stdin", "stdout")


class Scene:
    """outside: a directory of the host, full of what must not change or be read."""

    def __init__(self, launcher, directory, template, racer, verb, weakened=False):
        self.launcher, self.directory, self.template, self.racer = launcher, directory, template, racer
        self.verb, self.weakened = verb, weakened
        self.root = directory / "state"
        self.outside = directory / "outside"
        self._make_outside()
        self._boxes = []
        self._running = contextlib.ExitStack()
        self._before = self.picture()

    def _make_outside(self):
        for name in ("sub", "dev"):
            (self.outside / name).mkdir(parents=True)
        for name in ("null", "sub/file", "dev/ptmx"):
            (self.outside / name).write_text(PRECIOUS)
            (self.outside / name).chmod(0o600)
        self.outside.chmod(0o750)

    def close(self):
        self._running.close()
        for name in os.listdir(self.root) if self.root.exists() else ():
            if "@" not in name:
                command = [f"{TREE}/bin/ocipy", "--root", self.root, "delete", "--force", name]
                subprocess.run(command, check=True, timeout=30)

    # ------------------------------------------------------------ containers

    manager = "cgroupfs"

    def __call__(self, *words, status=0, **how):
        """Run the command; output goes to files, since a container that goes on holds its streams."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            how = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "timeout": 50, **how}
            command = [self.launcher, "--root", self.root, *map(str, words)]
            done = subprocess.run(command, check=False, text=True, **how)
            for file in (out, err):
                file.seek(0)
            done.stdout, done.stderr = out.read(), err.read()
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    def box(self):
        """A container with a root of its own to be hostile in."""
        box = Box(self, self.directory, self.template)
        box.own_root()
        # Paths that are looked up in it must not be hidden from the container's own users.
        box.linux["maskedPaths"], box.linux["readonlyPaths"] = [], []
        self._boxes.append(box)
        return box

    def process(self, box, script, flags=(), asked=None, **how):
        """Run a script in the container, as its program or by exec; the completed command, failed or not.

        flags: of the verb
        asked: properties of the process object
        """
        args = ["sh", "-c", script]
        if self.verb == "create":
            box.process.update({"args": args, **(asked or {})})
            words = ["run", "-b", box.write(), *flags, box.id]
        else:
            self.begin(box)
            words = ["exec", *flags, box.id, *args]
            if asked is not None:
                document = {"cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "args": args}
                path = box.bundle / "process.json"
                path.write_text(json.dumps({**document, **asked}))
                words = ["exec", *flags, "--process", path, box.id]
        done = self(*words, status=None, **how)
        # What fails says so in one line.  Of a weakened build that is not asked.
        assert self.weakened or "internal error" not in done.stderr, done.stderr
        return done

    def begin(self, box, script="exec sleep 1000"):
        """Have the container run, for exec."""
        if not (self.root / box.id).exists():
            box.start("sh", "-c", script)

    # ------------------------------------------------------------ the attacker

    def rounds(self):
        """Again and again until the time is up."""
        deadline = time.monotonic() + (PATIENCE if self.weakened else RACE)
        while True:
            yield
            if time.monotonic() > deadline:
                return

    @contextlib.contextmanager
    def racing(self, *words):
        """Something changes all the time, by a process of its own."""
        racer = subprocess.Popen([self.racer, *map(str, words)], stdin=subprocess.DEVNULL)
        try:
            yield
            assert racer.poll() is None, "the racer has given up"
        finally:
            racer.kill()
            racer.wait()

    def start_spy(self, box):
        """Start a container whose program looks into what comes; the file of what it says."""
        box.bind(self.racer, "/mnt/racer")
        said = open(box.bundle / "said", "w+", encoding="utf-8")
        self._running.callback(said.close)
        box.process["args"] = ["/mnt/racer", "spy"]
        self("run", "-d", "-b", box.write(), box.id, stdout=said)
        path = Path(said.name)
        until(lambda: "ready" in path.read_text())
        return path

    # ------------------------------------------------------------ what became of the host

    def picture(self):
        """The host, by hash and listing: what is outside, devices, and the programs of the runtime."""
        seen = {}
        for path in sorted([self.outside, *self.outside.rglob("*")]):
            # The time tells of what was made and is gone again.
            seen[str(path)] = self._entry(path), path.lstat().st_ctime_ns
        for name in _DEVICES:
            path = Path("/dev", name)
            if path.is_symlink() or path.exists():
                info = path.lstat()
                seen[str(path)] = info.st_mode, info.st_uid, info.st_gid, info.st_rdev, info.st_ino
        tree = Path(self.launcher).parent.parent
        interpreter = Path(self.launcher).read_text().split("\n")[0][2:].split(" ")[0]
        for path in (tree / "ocipy/_bin/ocipy-init", Path(interpreter)):
            seen[str(path)] = self._entry(path)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split(" ")
            if str(self.directory) in line:
                seen[f"mount {fields[4]}"] = fields[3]
        return seen

    @staticmethod
    def _entry(path):
        info = path.lstat()
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        return info.st_mode, info.st_uid, info.st_gid, info.st_ino, info.st_nlink, content

    def damage(self):
        """What has changed on the host, and what was mounted outside of a root, one line each."""
        now = self.picture()
        changed = sorted(key for key in {*self._before, *now} if self._before.get(key) != now.get(key))
        return [f"changed: {key}" for key in changed] + self._strays()

    def watch_mounts(self, box):
        """See, in its mount namespace and before it is entered, what is mounted outside of the root."""
        seen = box.bundle / "mounts"
        script = f"cat /proc/self/mountinfo > {seen}"
        box.config["hooks"] = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}

    def _strays(self):
        found = []
        for box in self._boxes:
            seen = box.bundle / "mounts"
            for line in seen.read_text().splitlines() if seen.exists() else ():
                point = line.split(" ")[4]
                if point.startswith(f"{self.directory}/") and not f"{point}/".startswith(f"{box.root}/"):
                    found.append(f"mounted outside: {point}")
        return found

    def put(self, box, name, target=None):
        """Replace a name of the root by a symlink, or by an empty directory; its path."""
        path = box.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
        if target is None:
            path.mkdir()
        else:
            path.symlink_to(target)
        return path
