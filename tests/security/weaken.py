"""Builds of ocipy that lack one thing that holds, so that a test can show that it would see the difference.

A weakening is an edit of the source, done in a copy of the tree: what is shipped has no switch for it, and
one that no longer finds its text fails, instead of weakening nothing.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.conftest import TREE


class Edit(NamedTuple):
    """In this file of the tree, one text, which is there once, becomes another."""

    file: str
    old: str
    new: str


class Weakening(NamedTuple):
    """What is taken away, in words, and how."""

    name: str
    edits: tuple

    def __str__(self):
        return self.name


def weakening(name, *edits):
    """From triples of file, old text and new text."""
    return Weakening(name, tuple(Edit(*edit) for edit in edits))


def build(weakened, directory):
    """The command of a copy of the tree with a weakening in it."""
    tree = Path(TREE)
    shutil.copytree(tree / "ocipy", directory / "ocipy")
    (directory / "bin").mkdir()
    text = (tree / "bin/ocipy").read_text()
    ours = f"sys.path.insert(0, {TREE!r})"
    assert ours in text, "the command of a source tree says where that is"
    launcher = directory / "bin/ocipy"
    launcher.write_text(text.replace(ours, f"sys.path.insert(0, {str(directory)!r})"))
    launcher.chmod(0o755)
    if any(edit.file.startswith("init/") for edit in weakened.edits):
        (directory / "init").mkdir()
        for path in [*(tree / "init").glob("*.[ch]"), tree / "init/Makefile"]:
            shutil.copy(path, directory / "init")
    for edit in weakened.edits:
        apply(edit, directory)
    if (directory / "init").exists():
        make = ["make", "-s", "-C", directory / "init", "ocipy-init"]
        subprocess.run(make, check=True, env=os.environ | {"MAKEFLAGS": ""}, timeout=50)
        shutil.copy(directory / "init/ocipy-init", directory / "ocipy/_bin/ocipy-init")
    return launcher


def apply(edit, directory):
    path = directory / edit.file
    text = path.read_text()
    assert text.count(edit.old) == 1, f"{edit.file} has {text.count(edit.old)} times {edit.old!r}"
    path.write_text(text.replace(edit.old, edit.new))
