"""As docs/network.md begins: two command lines, and nothing said of where claims are kept."""

import json

import pytest

from tests.hooks.world import PYTHON
from tests.kernel.box import until

pytestmark = pytest.mark.kernel


@pytest.fixture
def host(world):
    """A host whose /run is its own: what the hook uses by default."""
    world.run("mount", "-t", "tmpfs", "run", "/run")
    return world


def bundle(world, name, *words):
    directory = world.directory / name
    world.ocipy("bundle", directory, "--base", "host", "--no-terminal", *words, "--", "sleep", "1000")
    return directory


def start(world, name, *words):
    world.ocipy("create", "-b", bundle(world, name, *words), name)
    world.ocipy("start", name)


def test_a_bundle_with_a_network_serves_a_published_port(host):
    start(host, "ocipynet-web", "--network", "bridge", "-p", "8080:80", "--hostname", "web")
    script = f"cd /tmp && echo hello > index.html && exec {PYTHON} -m http.server 80"
    host.ocipy("exec", "-d", "ocipynet-web", "sh", "-c", script)
    until(lambda: host.fetch("http://127.0.0.1:8080/", status=None) == "hello\n")
    # A second one knows itself by name, and reaches the first.
    start(host, "ocipynet-client", "--network", "bridge", "--hostname", "client")
    hosts = host.ocipy("exec", "ocipynet-client", "cat", "/etc/hosts")
    assert "10.176.0.3\tclient\n" in hosts
    for id in ("ocipynet-web", "ocipynet-client"):
        host.ocipy("delete", "--force", id)
    assert host.left() == []
    assert host.run("find", "/run", "-mindepth", "2") == ""


def test_a_bundle_joins_a_container_by_its_id(host):
    start(host, "ocipynet-first", "--network", "bridge")
    start(host, "ocipynet-second", "--network", "join:ocipynet-first")
    pids = [json.loads(host.ocipy("state", f"ocipynet-{name}"))["pid"] for name in ("first", "second")]
    first, second = (host.run("readlink", f"/proc/{pid}/ns/net") for pid in pids)
    assert first == second
    # When the first is another, the old path leads to it, and when it is not there it leads nowhere.
    for name in ("second", "first"):
        host.ocipy("delete", "--force", f"ocipynet-{name}")
    again = host.ocipy("create", "-b", host.directory / "ocipynet-second", "ocipynet-second", status=1)
    assert "/run/ocipy/@network/join/ocipynet-first" in again
    assert "ENOENT" in again
    assert host.run("find", "/run", "-mindepth", "2") == ""
