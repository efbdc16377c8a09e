"""A container that a kernel test makes, looks into, and need not clean up."""

import itertools
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_number = itertools.count(1)


def until(condition, seconds=20):
    """Wait for a condition, which is looked at again and again; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)
    return value


def fields(text):
    """Lines "Name:  value" as a dict: /proc/PID/status and its kind."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


class Box:
    """One bundle and one container of it.

    config:  edit it, then call a verb
    process, linux: sections of it
    root:    its root filesystem, shared between tests until `own_root`
    """

    def __init__(self, ocipy, directory, template):
        self.ocipy = ocipy
        self.bundle = directory / f"box-{next(_number)}"
        self.bundle.mkdir()
        self.template = template
        self.manager = ocipy.manager
        # Default cgroups are named by it, and tests may run beside each other.
        self.id = f"ocipytest-{os.getpid()}-{self.bundle.name}"
        self.config = json.loads((template / "config.json").read_text())
        self.root = template / "rootfs"
        self.config["root"] = {"path": str(self.root), "readonly": False}
        self.process, self.linux = self.config["process"], self.config["linux"]
        self.process["args"] = ["true"]
        # What is masked can't be looked at, and this one tells of keyrings.
        self.linux["maskedPaths"].remove("/proc/keys")

    # ------------------------------------------------------------ the bundle

    def own_root(self):
        """A root filesystem that this test may write to."""
        self.root = self.bundle / "rootfs"
        shutil.copytree(self.template / "rootfs", self.root, symlinks=True)
        self.config["root"]["path"] = str(self.root)
        return self.root

    def script(self, name, text, mode=0o755):
        """A file of the container's root; its path inside."""
        if self.root == self.template / "rootfs":
            self.own_root()
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return f"/{name.lstrip('/')}"

    def bind(self, source, destination, *options):
        self.config["mounts"].append(
            {
                "destination": destination,
                "type": "bind",
                "source": str(source),
                "options": ["rbind", *options],
            }
        )

    def namespace(self, kind, path=None):
        """Have a new namespace of this kind, or one by path."""
        self.without(kind)
        self.linux["namespaces"].append({"type": kind} | ({"path": str(path)} if path else {}))

    def without(self, *kinds):
        """Have the runtime's own namespaces of these kinds."""
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] not in kinds]

    def user_namespace(self, host=100000, size=65536):
        self.namespace("user")
        for kind in ("uidMappings", "gidMappings"):
            self.linux[kind] = [{"containerID": 0, "hostID": host, "size": size}]
        # The new namespace's root must be able to search its way to the root filesystem.
        for parent in (self.bundle, *self.bundle.parents):
            with suppress(PermissionError):
                parent.chmod(parent.stat().st_mode | 0o011)

    def place(self, parent=""):
        """Say where its cgroup is to be; the path of that below the hierarchy's root.

        parent: a cgroup, or a slice, above it
        """
        if self.manager == "systemd":
            parent = f"{parent or 'system'}.slice"
            self.linux["cgroupsPath"] = f"{parent}::{self.id}"
            return f"/{parent}/{self.id}.scope"
        self.linux["cgroupsPath"] = f"/{parent}/{self.id}" if parent else f"/{self.id}"
        return self.linux["cgroupsPath"]

    def capabilities(self, *names, **sets):
        """These in the bounding, effective and permitted sets; others by keyword."""
        self.process["capabilities"] = {
            kind: list(sets.get(kind, names if kind in ("bounding", "effective", "permitted") else ()))
            for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")
        }

    def write(self):
        (self.bundle / "config.json").write_text(json.dumps(self.config))
        return self.bundle

    # ------------------------------------------------------------ the verbs

    def run(self, *args, status=0, flags=(), **how):
        """Run the bundle's process, or another command, to its end; what it printed."""
        if args:
            self.process["args"] = list(args)
        done = self.ocipy("run", "-b", self.write(), *flags, self.id, status=status, **how)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def sh(self, script, **how):
        return self.run("sh", "-c", script, **how)

    def fails(self, *args, status=1, **how):
        """The one line of an error of run."""
        return self._line(self.run(*args, status=status, **how))

    def create(self, *args, flags=(), **how):
        if args:
            self.process["args"] = list(args)
        return self.ocipy("create", "-b", self.write(), *flags, self.id, **how)

    def start(self, *args, **how):
        """Start the container, created or yet to be."""
        if args:
            self.create(*args)
        return self.ocipy("start", self.id, **how)

    def exec(self, *args, status=0, flags=(), **how):
        done = self.ocipy("exec", *flags, self.id, *args, status=status, **how)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def exec_process(self, status=0, flags=(), how=None, **process):
        """exec of a process object, whose cwd, env and user need not be said."""
        document = {"cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, **process}
        path = self.bundle / f"process-{next(_number)}.json"
        path.write_text(json.dumps(document))
        return self.exec(status=status, flags=("--process", path, *flags), **(how or {}))

    def delete(self, *flags):
        return self.ocipy("delete", *flags, self.id)

    def state(self):
        return json.loads(self.ocipy("state", self.id).stdout)

    @property
    def pid(self):
        return self.state()["pid"]

    def proc(self, name, pid=None):
        """A file of /proc/PID of the first process."""
        return Path(f"/proc/{pid or self.pid}/{name}").read_text()

    def link(self, name, pid=None):
        return os.readlink(f"/proc/{pid or self.pid}/{name}")

    def stopped(self):
        until(lambda: self.state()["status"] == "stopped")

    @staticmethod
    def _line(text):
        assert text.startswith("ocipy: "), text
        assert text.count("\n") == 1, text
        return text[len("ocipy: ") : -1]

    def error(self, done):
        """The one line of a failed verb."""
        return self._line(done if isinstance(done, str) else done.stdout + done.stderr)


def popen(box, *words, **how):
    """A verb that goes on while the test does."""
    launcher, root = box.ocipy.command
    command = [launcher, "--root", root, "--cgroup-manager", box.manager]
    return subprocess.Popen([*command, *map(str, words)], **how)
