"""Hosts and containers for the tests of hooks."""

import importlib.util
import json
import shutil
import subprocess

import pytest

from tests.conftest import need
from tests.hooks.world import World


@pytest.fixture(scope="session")
def template(tmp_path_factory, launcher):
    """A bundle whose root has the host's /usr: with Python, and a C library that is dynamic."""
    made = tmp_path_factory.mktemp("hooks") / "bundle"
    subprocess.run([launcher, "bundle", "--base", "host", made], check=True, stdin=subprocess.DEVNULL)
    return made


@pytest.fixture
def worlds(tmp_path, launcher, template):
    """Make a `World`: worlds()."""
    need(shutil.which("ip"), "needs iproute2")
    need(shutil.which("nft"), "needs nftables")
    need(importlib.util.find_spec("pyroute2"), "needs pyroute2")
    made = []

    def make():
        directory = tmp_path / f"world-{len(made)}"
        directory.mkdir()
        made.append(World(directory, launcher, template))
        return made[-1]

    yield make
    for world in made:
        if world.root.exists():
            for id in json.loads(world.ocipy("list", "-f", "json")) or ():
                world.ocipy("delete", "--force", id["id"])
        world.close()


@pytest.fixture
def world(worlds):
    """A host of its own; its containers are deleted, and must be deletable."""
    return worlds()
