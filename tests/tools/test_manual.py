"""The manual pages and completions that `make install` writes are whole, well-formed, and work."""

import os
import shutil
import subprocess

import pytest

from ocipy.cli.table import VERBS
from tests.conftest import TREE, bundle, need
from tests.tools import shells
from tools.manual import model
from tools.manual.__main__ import files


@pytest.fixture(scope="module")
def share(tmp_path_factory):
    """A directory with all that the tool writes."""
    directory = tmp_path_factory.mktemp("share")
    for name, text in files().items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


PAGES = ["ocipy", *(f"ocipy-{verb}" for verb in VERBS)]


def test_every_verb_has_a_page(share):
    assert sorted(path.stem for path in (share / "man/man8").iterdir()) == sorted(PAGES)


@pytest.mark.parametrize("linter", ["mandoc -Tlint -Wwarning", "groff -ww -man -Tutf8 -z"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_nothing_to_complain_about(share, page, linter):
    need(shutil.which(linter.split()[0]), f"no {linter.split()[0]} here")
    command = [*linter.split(), f"{share}/man/man8/{page}.8"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_as_read_names_each_flag_that_help_names(share, verb):
    need(shutil.which("mandoc"), "no mandoc here")
    command = ["mandoc", "-Tascii", "-Owidth=200", f"{share}/man/man8/ocipy-{verb}.8"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    text = text.replace("\b", "")
    for flag in VERBS[verb][5]:
        bold = "".join(2 * c for c in f"--{flag[0]}")
        assert (bold in text) is not flag[5], flag


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("ID", ["containers"]),
        ("ID [SIGNAL]", ["containers", "signals"]),
        ("[-b DIR] ID | BUNDLE/ [ID]", ["directories", "text"]),
        ("ID COMMAND [ARG...] | -p FILE ID", ["containers", "command", "text"]),
        ("ID [PS-OPTION...]", ["containers", "text"]),
        ("[-- COMMAND [ARG...]]", []),
        ("DIR [-- COMMAND [ARG...]]", ["directories"]),
        ("[BUNDLE [ID]]", ["directories", "text"]),
    ],
)
def test_a_usage_says_what_completes_each_argument(usage, expected):
    assert model.places(usage) == expected


# What each shell offers at the end of a line: all of it, and nothing but it.
OFFERED = [
    ("ocipy del", {"delete"}),
    ("ocipy --root /tmp st", {"start", "state"}),
    ("ocipy --log-format ", {"text", "json"}),
    ("ocipy --log-format=j", {"json"}),
    ("ocipy --log json sta", {"start", "state"}),
    ("ocipy help up", {"update"}),
    ("ocipy ps --format ", {"table", "json"}),
    ("ocipy list --q", {"--quiet"}),
    ("ocipy exec --additional", {"--additional-gids"}),
    ("ocipy validate /usr/shar", {"share"}),
]


@pytest.mark.parametrize("shell", shells.SHELLS)
@pytest.mark.parametrize(("line", "expected"), OFFERED)
def test_a_shell_completes_a_line(share, tmp_path, shell, line, expected):
    need(shutil.which(shell), f"no {shell} here")
    offered = shells.SHELLS[shell](share, tmp_path, line, dict(os.environ))
    # A word with its flag or its directory before it, or a slash behind it, is the same word.
    words = {word.rpartition("=")[2].rstrip("/").rpartition("/")[2] for word in offered}
    assert words == expected


@pytest.mark.kernel
@pytest.mark.parametrize("shell", shells.SHELLS)
def test_a_shell_completes_the_containers_of_the_root_that_is_named(
    share, tmp_path, ocipy, state_root, shell
):
    need(shutil.which(shell), f"no {shell} here")
    ocipy("create", "--bundle", bundle(tmp_path / "one"), "left-alone")
    environment = dict(os.environ) | {"PATH": f"{TREE}/bin:{os.environ['PATH']}"}
    line = f"ocipy --root {state_root} start "
    assert shells.SHELLS[shell](share, tmp_path, line, environment) == {"left-alone"}
