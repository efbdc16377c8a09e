"""The table of verbs and flags."""

import subprocess

import pytest

from ocipy.cli.help import NOTES
from ocipy.cli.table import ABSENT, GLOBAL, HELP, VERBS

KINDS = {"bool", "text", "list", "count", "integer", "choice", "rest"}
ALL = [("global", GLOBAL), *((verb, entry[5]) for verb, entry in VERBS.items())]
EACH = [(where, flag) for where, flags in ALL for flag in flags]


@pytest.mark.parametrize(("where", "flag"), EACH, ids=[f"{where} --{flag[0]}" for where, flag in EACH])
def test_every_flag_is_well_formed(where, flag):
    name, short, kind, default, metavar, hidden, text = flag
    assert name == name.strip("-").lower()
    assert len(short) <= 1
    assert kind in KINDS
    assert (metavar == "") == (kind == "bool")
    assert default in metavar.split("|") or default == "" or kind != "choice"
    assert isinstance(hidden, bool)
    assert text


@pytest.mark.parametrize(("where", "flags"), ALL, ids=[where for where, _ in ALL])
def test_no_spelling_means_two_flags(where, flags):
    flags = flags if where == "global" else (*flags, HELP)
    spellings = [s for flag in flags for s in flag[:2] if s]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_module_with_a_main(verb):
    assert callable(__import__(f"ocipy.cli.{verb}", fromlist=["main"]).main)


def test_no_verb_is_both_there_and_absent():
    assert not set(VERBS) & set(ABSENT)


def test_every_note_is_of_a_verb():
    assert set(NOTES) <= set(VERBS)


MAKING = "bundle console-socket pidfd-socket pid-file no-pivot no-new-keyring preserve-fds detach".split()
EXEC = """console-socket pidfd-socket cwd env tty user additional-gids process detach pid-file process-label
    apparmor no-new-privs cap preserve-fds cgroup ignore-paused"""
UPDATE = """resources memory memory-swap memory-reservation cpu-share cpu-quota cpu-period cpu-burst cpu-idle
    cpu-rt-period cpu-rt-runtime cpuset-cpus cpuset-mems blkio-weight pids-limit l3-cache-schema mem-bw-schema
    kernel-memory kernel-memory-tcp"""


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("create", MAKING),
        ("run", [*MAKING, "keep", "no-subreaper"]),
        ("exec", EXEC.split()),
        ("kill", ["all"]),
        ("delete", ["force"]),
        ("pause", []),
        ("resume", []),
        ("ps", ["format"]),
        ("update", UPDATE.split()),
        ("events", ["interval", "stats"]),
        ("list", ["format", "quiet"]),
        ("spec", ["bundle", "rootless"]),
    ],
)
def test_every_flag_that_callers_of_runc_use_is_there(verb, flags):
    assert set(flags) <= {flag[0] for flag in VERBS[verb][5]}


SHORT = """create b bundle, run b bundle, run d detach, exec e env, exec t tty, exec u user,
    exec g additional-gids,
    exec p process, exec d detach, exec c cap, kill a all, ps f format,
    update r resources, delete f force, list f format, list q quiet,
    spec b bundle"""


def test_the_short_flags_are_those_of_runc():
    short = {(verb, flag[1], flag[0]) for verb, entry in VERBS.items() for flag in entry[5]}
    assert {tuple(words.split()) for words in SHORT.split(",")} <= short


def test_reading_a_command_line_loads_nothing_slow(command):
    """What ``exec`` loads before its own module: a set, not a stopwatch."""
    code = (
        "import sys; before = set(sys.modules); from ocipy.__main__ import main;"
        "from ocipy.cli.parse import arguments; arguments('exec', ['-t', 'web', 'ls']);"
        "print(*sorted(set(sys.modules) - before))"
    )
    start = [*command[:-1], command[-1].partition(" from ")[0] + " " + code]
    loaded = subprocess.run(start, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("ocipy")}
    assert ours == {
        "ocipy",
        "ocipy.__main__",
        "ocipy.errors",
        "ocipy.linux",
        "ocipy.linux.os",
        "ocipy.cli",
    } | {f"ocipy.cli.{name}" for name in ("log", "output", "parse", "table")}
    # All built in or frozen.
    basic = {"_stat", "stat", "genericpath", "posixpath", "os.path", "os", "_collections_abc", "abc", "_abc"}
    assert set(loaded) - ours <= basic | {"__future__", "time", "errno", "_json"}
