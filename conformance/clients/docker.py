"""dockerd, by its own client: Debian's with its containerd, and the current one with the current one."""

import json
import os

from conformance.clients import containerd, image
from conformance.clients.engine import Engine
from conformance.gomodule import GoModule

CURRENT = GoModule("github.com/moby/moby/v2", "v2.0.0-beta.24", "cmd/dockerd", "cmd/docker-proxy")

_TIDY = """
ids=$(docker ps -aq)
test -z "$ids" || docker rm -fv $ids >/dev/null
docker network prune -f >/dev/null
docker volume prune -f >/dev/null
"""


class Docker(Engine):
    name = "docker"
    lists = ("docker", "docker-limits", "docker-networks")
    programs = ("dockerd", "docker", "docker-compose", "containerd", "iptables", "docker-init")
    keeps = (
        # Parents; runc leaves those that were made for it, ocipy does not.
        r"cgroup left behind: .*/(docker|docker/buildkit|someone|someone/else)",
        r"mount left behind: .*/netns/default .*",
        r"process left behind: \d+ (\S*/)?(dockerd|containerd) --config.*",  # one case starts them again
    )
    tidy = _TIDY
    features = {}

    def start(self, place):
        # Debian's own commands, whatever else of these names is installed.
        place.environment["PATH"] = os.pathsep.join(("/usr/sbin:/usr/bin", place.environment["PATH"]))
        self.daemon(place, "docker", {"features": self.features})
        image.archive(
            place.path("image.tar"), place.busybox(), "box:latest", {"Cmd": ["sh"], "Env": ["PATH=/bin"]}
        )
        place.must("docker load -qi $PLACE/image.tar >/dev/null")

    def daemon(self, place, name, settings, wrap=()):
        """Start a dockerd on directories and a socket of that name, which $DOCKER_HOST then names.

        wrap: a command that starts it
        """
        settings = {
            "data-root": place.made(name, "data"),
            "exec-root": place.made(name, "exec"),
            "pidfile": place.path(name, "pid"),
            "hosts": [f"unix://{place.path(name, 'socket')}"],
            "runtimes": {"under-test": {"path": place.runtime.path}},
            "default-runtime": "under-test",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "live-restore": True,
            **settings,
        }
        place.environment["DOCKER_HOST"] = settings["hosts"][0]
        place.environment["DOCKER_CONFIG"] = place.made(name, "client")
        # BuildKit runs its steps by runc unless told so, whatever the default runtime is.
        place.environment["DOCKER_BUILDKIT_RUNC_COMMAND"] = place.runtime.path
        file = place.write(f"{name}.json", json.dumps(settings))
        place.daemon([*wrap, "dockerd", "--config-file", file], "docker version", seconds=60)


class CurrentDocker(Docker):
    """The control knows no time namespaces, which this one asks for: what both do is seen without."""

    name = "docker-current"
    lists = (*Docker.lists, "docker-current")
    programs = ("docker", "docker-compose", "iptables", "docker-init")
    features = {"time-namespaces": False}

    def install(self):
        containerd.CURRENT.install()
        CURRENT.install()

    def version(self):
        return f"moby {CURRENT.version.removeprefix('v')}"

    def start(self, place):
        # Debian's client is older than what a daemon of today listens to by default.
        place.environment["DOCKER_MIN_API_VERSION"] = "1.24"
        super().start(place)
        # One more, which may ask for them, away from the bridges and packet filters of the first.
        first = place.environment["DOCKER_HOST"]
        self.daemon(place, "timed", {"bridge": "none", "iptables": False}, ("unshare", "--net"))
        place.must("docker load -qi $PLACE/image.tar >/dev/null")
        place.environment["TIMED"] = place.environment["DOCKER_HOST"]
        place.environment["DOCKER_HOST"] = first

    def daemon(self, place, name, settings, wrap=()):
        path = (CURRENT.directory, containerd.CURRENT.directory, place.environment["PATH"])
        place.environment["PATH"] = os.pathsep.join(path)
        super().daemon(place, name, settings, wrap)
