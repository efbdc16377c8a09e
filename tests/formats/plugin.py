"""A package that brings a format along, as pip would have installed it; and ocipy with such a package."""

import json
import os
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

#: One word of configuration a line: "hostname web" and so on, so that a place is a line of "toy".
TOY = """
import os
from ocipy.spec import Spec
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED, Note

NAME = "toy"

def detect(directory):
    return os.path.exists(f"{directory}/toy")

def load(directory):
    data, notes, places = {BASE}, [], {}
    with open(f"{directory}/toy") as file:
        for number, line in enumerate(file, 1):
            key, value = line.split(maxsplit=1)
            if key in ("changed", "lossy", "refused"):
                notes.append(Note(key, f"toy:{number}", key, value.strip()))
            else:
                *parents, last = key.split(".")
                place = data
                for parent in parents:
                    place = place.setdefault(parent, {})
                place[last] = eval(value)
                places["/" + key.replace(".", "/")] = f"toy:{number}: {key}"
    return Spec(data, "toy", places=places), notes

VERSIONS = ("1", "2")

def dump(spec, version="2"):
    asked = spec.data.get("annotations", {})
    names = asked.get("files", "toy,more").split(",")
    notes = [Note("/annotations/" + fate, "", fate, asked[fate]) for fate in asked if fate != "files"]
    return {name: f"{name} {version}\\n".encode() for name in names}, notes
"""


def install(directory, name, source):
    """Install a module as the backend `name`, in a directory that is to be on sys.path.  Returns it."""
    information = directory / f"{name}_format-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-format\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[ocipy.formats]\n{name} = {name}_format\n")
    (directory / f"{name}_format.py").write_text(source)
    return directory


def install_toy(directory, base):
    """The toy, whose containers are the config.json `base` but for what their lines change."""
    return install(directory, "toy", TOY.replace("{BASE}", f"__import__('json').loads({json.dumps(base)!r})"))


def ocipy(directory, *words, root, **how):
    """Run a command line, with what is installed in the directory.  Returns the CompletedProcess."""
    start = (
        f"import sys; sys.path[:0] = [{TREE!r}, {str(directory)!r}]; from ocipy.__main__ import run; run()"
    )
    command = [os.path.realpath(sys.executable), "-I", "-S", "-c", start, "--root", str(root)]
    how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **how}
    return subprocess.run([*command, *map(str, words)], check=False, **how)
