"""docs/engines.md: every configuration in it is well formed and means the same runtime."""

import json
import tomllib

import pytest

from conformance.clients.documents import DOCUMENT, blocks

with open(DOCUMENT, encoding="utf-8") as file:
    BLOCKS = {name: (path, text) for name, path, text in blocks(file.read())}
PATH = "/usr/local/bin/ocipy"


def leaves(value):
    """Every string in nested tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)


@pytest.mark.parametrize("name", [name for name, (path, _) in BLOCKS.items() if path])
def test_a_file_is_well_formed_and_names_the_installed_command(name):
    path, text = BLOCKS[name]
    if path.endswith(".json"):
        assert PATH in leaves(json.loads(text))
    else:
        assert PATH in leaves(tomllib.loads(text))


def test_every_engine_has_its_section():
    assert {name.rpartition("-")[0] for name in BLOCKS} == {
        "podman", "buildah", "containerd", "nerdctl", "docker", "cri-o", "kubernetes"
    }  # fmt: skip


def test_the_handler_of_the_class_is_what_nodes_call_it():
    assert "\nhandler: ocipy\n" in BLOCKS["kubernetes-1"][1]
    for name, number in (("containerd", 2), ("containerd", 3)):
        (plugin,) = tomllib.loads(BLOCKS[f"{name}-{number}"][1])["plugins"].values()
        assert list(plugin["containerd"]["runtimes"]) == ["ocipy"]
