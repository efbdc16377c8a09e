"""What `make install` gives: a command that reads its modules from one archive."""

import os
import re
import subprocess

import pytest

from tests.conftest import TREE, bundle

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "install", f"PREFIX={prefix}"], cwd=TREE, check=True, timeout=120)
    return prefix / "bin" / "ocipy"


def imported(command, *words):
    """(what it prints, the modules of ocipy that the interpreter had to look for)."""
    with open(command, encoding="utf-8") as script:
        interpreter, flags = script.readline()[2:].split()
    done = subprocess.run(
        [interpreter, flags + "v", command, *map(str, words)],
        check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout, set(re.findall(r"^import '(ocipy[^']*)'", done.stderr, re.MULTILINE))


class TestInstalled:
    def test_what_a_hot_verb_loads_is_there_at_once(self, installed, tmp_path):
        made = bundle(tmp_path, ("echo", "here"))
        id = f"ocipy-installed-{os.getpid()}"
        out, looked_for = imported(installed, "--root", tmp_path / "state", "run", "-b", made, id)
        assert out == "here\n"
        assert looked_for == {"ocipy.linux._syscall"}  # a library, which only the loader can load

    def test_a_verb_that_is_not_hot_finds_its_modules_one_by_one(self, installed, tmp_path):
        _, looked_for = imported(installed, "--root", tmp_path / "state", "list")
        assert {"ocipy.__main__", "ocipy.cli.list"} <= looked_for

    def test_a_word_that_names_a_verb_by_chance_does_no_harm(self, installed, tmp_path):
        out, _ = imported(installed, "--root", tmp_path / "run", "list", "--quiet")
        assert out == ""

    def test_a_traceback_would_show_the_installed_file(self, installed):
        with open(installed, encoding="utf-8") as script:
            before = script.read().split("from ocipy")[0]
        code = before + "import ocipy.cli.run; print(ocipy.cli.run.main.__code__.co_filename)"
        interpreter = before[2:].split()[0]
        shown = subprocess.run([interpreter, "-ISB", "-c", code], check=True, capture_output=True, text=True)
        assert shown.stdout.strip() == f"{installed.parent.parent}/lib/ocipy/ocipy/cli/run.py"
        assert os.path.exists(shown.stdout.strip())
