"""The program as its callers start it: a process, with the flags that the installed command has."""

import os
import subprocess
import sys

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START = f"import sys; sys.path.insert(0, {TREE!r}); from ocipy.__main__ import run; run()"
PYTHON = os.path.realpath(sys.executable)


class Result:
    """What became of a command line."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


@pytest.fixture(scope="session")
def command():
    """The words that start the program."""
    return [PYTHON, "-I", "-S", "-c", START]


@pytest.fixture
def cli(command):
    """Run a command line to its end; standard input is empty unless given."""

    def run(*words, **how):
        how = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60, **how}
        if "input" in how:
            del how["stdin"]
        return Result(subprocess.run([*command, *words], check=False, **how))

    return run


@pytest.fixture
def refused(cli):
    """Run a command line that is to fail: one line on standard error, nothing else, status 1."""

    def run(*words, status=1, **how):
        result = cli(*words, **how)
        assert result.status == status, result
        assert result.out == "", result
        assert result.err.startswith("ocipy: "), result
        assert result.err.count("\n") == 1, result
        return result.err[len("ocipy: ") : -1]

    return run
