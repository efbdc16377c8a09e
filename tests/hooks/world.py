"""A world of its own for tests of networks: a network namespace that stands for the host's."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ocipy.cli import network
from ocipy_network.store import table_of
from tests.conftest import TREE
from tests.kernel.box import until

HOOK = os.path.join(TREE, "hooks", "ocipy-hook-network")
PATHS = [os.path.join(TREE, "hooks"), TREE]
PREFIX = "io.ocipy.network."
PYTHON = "/usr/bin/python3"
_number = itertools.count(1)

#: Print what a URL answers, or why it does not.
FETCH = (
    "import sys, urllib.request\n"
    "try: print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read().decode(), end='')\n"
    "except OSError as error: sys.exit(str(error))"
)


class World:
    """A host: its network and mount namespaces, a state root, a directory of claims.

    claims: the hook's state=DIR
    status: of the last command
    """

    def __init__(self, directory, launcher, template):
        self.directory, self.launcher, self.template = directory, launcher, template
        self.root, self.claims = directory / "state", directory / "claims"
        # Mounts stay private, and sysfs shows the devices of the namespace it was mounted in.
        words = ["unshare", "--net", "--mount", "--propagation", "private", "sleep", "1000"]
        self.process = subprocess.Popen(words)
        until(lambda: Path(f"/proc/{self.process.pid}/comm").read_text() == "sleep\n")
        self.enter = ["nsenter", "--net", "--mount", f"--target={self.process.pid}", "--"]
        self.run("ip", "link", "set", "lo", "up")
        self.own = ["lo"]

    def close(self):
        self.process.kill()
        self.process.wait()

    # ------------------------------------------------------------ commands

    def run(self, *words, status=0, **how):
        """Run a command on this host; what it printed."""
        # Files, not pipes: a container that goes on holds its streams.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            how = {"stdin": subprocess.DEVNULL, "timeout": 60, **how}
            if "input" in how:
                del how["stdin"]
            done = subprocess.run(
                [*self.enter, *map(str, words)], check=False, text=True, stdout=out, stderr=err, **how
            )
            out.seek(0)
            err.seek(0)
            printed, said = out.read(), err.read()
        self.status = done.returncode
        assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{printed}{said}"
        return printed if status == 0 else printed + said

    def popen(self, *words, **how):
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}
        return subprocess.Popen([*self.enter, *map(str, words)], **how)

    def ip(self, words):
        return self.run("ip", *words.split())

    def wire(self, name, *settings):
        """A device of the host's own."""
        self.own += [name, f"{name}-end"]
        self.run("ip", "link", "add", name, *settings, "type", "veth", "peer", "name", f"{name}-end")
        for end in (name, f"{name}-end"):
            self.run("ip", "link", "set", end, "up")

    def links(self):
        """Names of devices."""
        return [link["ifname"] for link in json.loads(self.ip("-json link"))]

    def nft(self, command):
        """{} in it is the table of this host's claims."""
        return self.run("nft", command.format(table_of(str(self.claims))))

    def rules(self):
        return self.run("nft", "--numeric-priority", "list", "ruleset")

    def ocipy(self, *words, **how):
        return self.run(self.launcher, "--root", self.root, *words, **how)

    def hook(self, state, *arguments, **how):
        """Call the hook by itself."""
        return self.run(HOOK, f"state={self.claims}", *arguments, input=json.dumps(state), **how)

    def collect(self):
        return self.run(HOOK, "--collect", f"state={self.claims}")

    def python(self, script, *words, **how):
        """Run a script with the hook's modules."""
        return self.run(
            sys.executable, "-c", f"import sys; sys.path[:0] = {PATHS!r}\n{script}", *words, **how
        )

    def popen_apart(self):
        """A process in a network namespace of its own."""
        ours = os.readlink(f"/proc/{self.process.pid}/ns/net")
        process = self.popen("unshare", "--net", "sleep", "1000")
        until(
            lambda: os.readlink(f"/proc/{process.pid}/ns/net") not in (ours, os.readlink("/proc/self/ns/net"))
        )
        return process

    def fetch(self, url, seconds=5, status=0):
        return self.run(PYTHON, "-c", FETCH, url, seconds, status=status)

    def own_root(self, box):
        """The root of a container, as a copy that may be changed."""
        root = box.bundle / "rootfs"
        shutil.copytree(self.template / "rootfs", root, symlinks=True)
        box.config["root"] = {"path": str(root), "readonly": False}
        return root

    def names(self, box):
        """Have hosts and resolv.conf be files of a container's bundle, as `ocipy bundle` does."""
        (box.bundle / "network").mkdir()
        for name in ("hosts", "resolv.conf"):
            (box.bundle / "network" / name).touch()
            box.config["mounts"].append(network.bind(f"network/{name}", f"/etc/{name}"))

    def container(self, *args, **settings):
        return Container(self, args or ("sleep", "1000"), settings)

    # ------------------------------------------------------------ what is left

    def left(self):
        """What the hook has made and not taken away: devices, rules, files."""
        found = [f"device {name}" for name in self.links() if name not in self.own]
        found += [f"rule {line}" for line in self.rules().splitlines()]
        found += [f"file {path}" for path in self.claims.rglob("*")]
        return found


class Container:
    """A bundle with the network hook, and a container of it.

    settings: annotations without their prefix, with _ for a dot and __ for a minus
    """

    def __init__(self, world, args, settings):
        self.world = world
        self.bundle = world.directory / f"box-{next(_number)}"
        self.bundle.mkdir()
        self.id = f"ocipynet-{os.getpid()}-{self.bundle.name}"
        self.config = json.loads((world.template / "config.json").read_text())
        self.config["root"] = {"path": str(world.template / "rootfs"), "readonly": True}
        self.config["process"].update(args=list(args), terminal=False)
        self.config["annotations"] = {PREFIX + key.replace("_", "."): text for key, text in settings.items()}
        hook = {"path": HOOK, "args": ["ocipy-hook-network", f"state={world.claims}"]}
        self.config["hooks"] = {"createRuntime": [hook], "poststop": [hook]}

    def write(self):
        (self.bundle / "config.json").write_text(json.dumps(self.config))
        return self.bundle

    def ocipy(self, verb, *words, **how):
        return self.world.ocipy(verb, *words, self.id, **how)

    def joins(self, other):
        """Have the network namespace of another, which has to be there."""
        path = f"{self.world.claims}/join/{other.id}"
        for namespace in self.config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = path

    def kill(self):
        """End its first process, without a word to the runtime."""
        os.kill(self.state()["pid"], signal.SIGKILL)
        until(lambda: self.state()["status"] == "stopped")

    def create(self, **how):
        return self.ocipy("create", "-b", self.write(), **how)

    def start(self):
        self.create()
        self.ocipy("start")
        return self

    def run(self, **how):
        """Run its program to the end; what it printed."""
        return self.ocipy("run", "-b", self.write(), **how)

    def exec(self, *args, **how):
        return self.world.ocipy("exec", self.id, *args, **how)

    def fetch(self, url, seconds=5, status=0):
        return self.exec(PYTHON, "-c", FETCH, url, seconds, status=status)

    def serve(self, text, port=80):
        """A web server in it, which answers with the text."""
        command = f"cd /tmp && echo {text} > index.html && exec {PYTHON} -m http.server --bind :: {port}"
        self.exec_detached("sh", "-c", command)
        until(
            lambda: self.exec(PYTHON, "-c", FETCH, f"http://127.0.0.1:{port}", 5, status=None) == f"{text}\n"
        )

    def exec_detached(self, *args):
        self.world.ocipy("exec", "-d", self.id, *args)

    def delete(self, *flags):
        return self.ocipy("delete", *flags)

    def state(self):
        return json.loads(self.ocipy("state"))

    def addresses(self, name="eth0"):
        """[ADDRESS/LENGTH] of a device inside, those of the link left out."""
        (link,) = json.loads(self.inside("ip", "-json", "addr", "show", name))
        return [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"]

    def address(self, version, name="eth0"):
        (found,) = (a for a in self.addresses(name) if (":" in a) == (version == 6))
        return found.partition("/")[0]

    def inside(self, *words, **how):
        """A command of the host in the container's network namespace."""
        return self.world.run("nsenter", f"--net=/proc/{self.state()['pid']}/ns/net", *words, **how)

    def claim(self):
        (path,) = (
            p for p in self.world.claims.rglob("claims/*") if json.loads(p.read_text())["id"] == self.id
        )
        return json.loads(path.read_text())
