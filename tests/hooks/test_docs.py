"""What docs/hooks.md shows is run as it stands there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from ocipy.runtime.hooks import STATUS
from ocipy.spec.network import KEYS, SHARED
from tests.conftest import TREE

pytestmark = pytest.mark.kernel

HOOKS = Path(TREE, "docs", "hooks.md").read_text()
NETWORK = Path(TREE, "docs", "network.md").read_text()


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", HOOKS, re.MULTILINE | re.DOTALL)


def program(directory, name, text):
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def box(world):
    """A container without the network hook."""
    made = world.container()
    made.config["hooks"], made.config["annotations"] = {}, {}
    return made


def test_the_journal_of_the_example_is_kept(box, tmp_path):
    (text,) = examples("python")
    assert text.count("\n") <= 21
    snippet, _ = map(json.loads, examples("json"))
    (hook,) = snippet["hooks"]["createRuntime"]
    (tmp_path / "bin").mkdir()
    hook["path"] = program(tmp_path / "bin", "journal", text)
    hook["args"][1] = str(tmp_path)
    box.config["hooks"] = {"createRuntime": [hook], "poststop": [hook]}
    box.config["process"]["args"] = ["sleep", "0.2"]
    box.run()
    made, gone = map(json.loads, (tmp_path / "journal").read_text().splitlines())
    assert (made["id"], made["status"]) == (box.id, "creating")
    assert (gone["id"], gone["status"]) == (box.id, "stopped")
    assert gone["seconds"] >= 0.2
    assert not list(tmp_path.glob("*.began"))


def test_the_property_of_the_example_is_set_and_a_failure_is_told(box, tmp_path):
    (text,) = examples("sh")
    assert text.count("\n") <= 21
    hook = {"path": program(tmp_path, "coredump-filter", text), "args": ["coredump-filter", "0x11"]}
    box.config["hooks"] = {"createRuntime": [hook]}
    box.config["process"]["args"] = ["cat", "/proc/self/coredump_filter"]
    assert box.run() == "00000011\n"
    hook["args"][1] = "nonsense"
    said = box.run(status=1)
    assert (
        f"createRuntime hook {hook['path']} (config.json /hooks/createRuntime/0): exit status 1 after" in said
    )
    assert "coredump-filter: can't set nonsense for process" in said


@pytest.fixture
def driver(tmp_path):
    """A directory with a library that no cache knows."""
    made = tmp_path / "driver"
    made.mkdir()
    words = ["cc", "-shared", "-nostdlib", "-Wl,-soname,libocipytest.so.1", "-x", "c", "/dev/null"]
    subprocess.run([*words, "-o", made / "libocipytest.so.1.2"], check=True)
    return made


def test_libraries_from_elsewhere_are_known_to_the_dynamic_linker(world, box, driver):
    world.own_root(box)
    _, snippet = map(json.loads, examples("json"))
    mounts = snippet["mounts"]
    mounts[0]["source"], mounts[1]["source"] = str(driver), f"{TREE}/hooks"
    (driver / "libocipytest.so.1").symlink_to("libocipytest.so.1.2")  # what the package of a driver has
    box.config["mounts"] += mounts
    box.config["hooks"] = snippet["hooks"]
    box.config["process"]["args"] = ["sh", "-c", "PATH=/usr/sbin:$PATH ldconfig -p"]
    assert "libocipytest.so.1 (libc6" in box.run()
    box.config["hooks"]["startContainer"][0]["args"].append("/nope")
    assert "ocipy-hook-ldconfig: the container has no directory /nope" in box.run(status=1)


def test_an_etc_that_can_not_be_written_is_told(box, driver):
    _, snippet = map(json.loads, examples("json"))
    mounts = snippet["mounts"]
    mounts[0]["source"], mounts[1]["source"] = str(driver), f"{TREE}/hooks"
    box.config["mounts"] += mounts
    box.config["hooks"] = snippet["hooks"]
    assert "Read-only file system" in box.run(status=1)


def test_every_kind_of_hook_is_in_the_table_with_its_status():
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)`, [^|]*\|[^|]*\|$", HOOKS, re.MULTILINE)
    assert dict(rows) == STATUS
    assert [kind for kind, _ in rows] == list(STATUS)


def test_every_setting_is_in_the_table():
    rows = re.findall(r"^\| (`[^|]+`) \|", NETWORK, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == {*KEYS, *SHARED}
