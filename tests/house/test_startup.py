"""What each hot verb loads: a set, not a stopwatch.

`imports.txt` beside this file records it.  A newcomer is named; `make golden` records it, if it is worth it.
The modules are those beyond a bare `python3 -I -S`, of the real command, read as it exits.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import bundle

pytestmark = pytest.mark.kernel

HOT = ("create", "state", "start", "exec", "kill", "delete", "run")
#: Milliseconds that importing it costs, over 5.2 of a bare interpreter; some bring others along.
SLOW = {
    "argparse": 6, "asyncio": 30, "collections": 1, "contextlib": 1.5, "ctypes": 2, "dataclasses": 6,
    "enum": 2, "functools": 1, "importlib.metadata": 20, "inspect": 8, "jeepney": 10, "json": 5,
    "jsonschema": 40, "logging": 8, "pathlib": 7, "pyroute2": 82, "random": 4, "re": 3, "shutil": 4,
    "signal": 2, "site": 2, "socket": 3, "subprocess": 8, "tempfile": 6, "typing": 5,
}  # fmt: skip

# Runs the command's script, and tells what is loaded when it exits.
PROBE = """
import posix, sys
really = posix._exit
def report(status):
    with open(sys.orig_argv[-1], "w") as file:
        file.write(" ".join(sys.modules))
    really(status)
posix._exit = report
sys.argv[:] = sys.argv[1:-1]
with open(sys.argv[0]) as file:
    script = file.read()
exec(compile(script, sys.argv[0], "exec"))
"""


class Loaded:
    """Runs verbs and remembers which modules each had at its end."""

    def __init__(self, launcher, directory):
        self.command = [launcher, "--root", directory / "state"]
        self.directory = directory
        with open(launcher, encoding="utf-8") as script:
            self.interpreter = script.readline()[2:].split()[0]
        bare = "import sys; print(' '.join(sys.modules))"
        self.floor = set(self.run(self.interpreter, "-I", "-S", "-c", bare).split())
        self.by_verb = {}

    def run(self, *command):
        # Not a pipe: what runs in the container would hold it open.
        with open(self.directory / "out", "w+", encoding="utf-8") as out:
            how = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "timeout": 60}
            done = subprocess.run([*map(str, command)], check=False, **how)
            out.seek(0)
            text = out.read()
        assert done.returncode == 0, text
        return text

    def __call__(self, verb, *words):
        report = self.directory / f"{verb}.modules"
        self.run(self.interpreter, "-I", "-S", "-B", "-c", PROBE, *self.command, verb, *words, report)
        self.by_verb[verb] = sorted(set(report.read_text().split()) - self.floor)


@pytest.fixture(scope="module")
def loaded(launcher, tmp_path_factory):
    directory = tmp_path_factory.mktemp("startup")
    loaded = Loaded(launcher, directory)
    made = bundle(directory, ("sleep", "1000"))
    id = f"ocipy-startup-{os.getpid()}"
    try:
        loaded("create", "-b", made, id)
        loaded("state", id)
        loaded("start", id)
        loaded("exec", id, "true")
        loaded("kill", id, "KILL")
        loaded.run(*loaded.command, "delete", "--force", id)
        loaded.run(*loaded.command, "create", "-b", made, id)
        loaded("delete", id)
        loaded("run", "-b", bundle(directory / "short", ("true",)), id)
    finally:
        loaded.run(*loaded.command, "delete", "--force", id)
    return loaded.by_verb


@pytest.mark.parametrize("verb", HOT)
def test_a_hot_verb_loads_nothing_slow(loaded, verb):
    slow = {name: f"{SLOW[name]} ms" for name in loaded[verb] if name in SLOW}
    assert not slow


@pytest.mark.parametrize("verb", HOT)
def test_a_hot_verb_loads_nothing_of_another_verb(loaded, verb):
    others = {f"ocipy.cli.{other}" for other in HOT if other != verb}
    assert not others & set(loaded[verb])


def test_each_hot_verb_loads_what_is_recorded(loaded, golden):
    """A newcomer costs 0.1 to 1 ms each time a container is made: is it worth that?"""
    lines = [f"{verb} {name}" for verb in HOT for name in loaded[verb]]
    recorded = golden("imports.txt")
    newcomers = sorted(set(lines) - set(recorded.splitlines()))
    assert recorded == "".join(f"{line}\n" for line in lines), f"newcomers: {newcomers}"


def test_an_installed_command_starts_python_isolated(launcher):
    """-I: no PYTHON* variable and no directory of a stranger's.  -S: no .pth files."""
    assert "-IS" in Path(launcher).read_text(encoding="utf-8").splitlines()[0]
