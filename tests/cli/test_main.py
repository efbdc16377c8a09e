"""Errors to one line and an exit status, whatever the caller's descriptors are."""

import os
import signal
import subprocess

import pytest


def fails_with(command, error):
    """A command line whose verb, list, is replaced by one that raises; the rest is the real program."""
    code = command[-1].replace(
        "run()",
        "import types; sys.modules['ocipy.cli.list'] = m = types.ModuleType('ocipy.cli.list')\n"
        f"def main(*_): {error}\n"
        "m.main = main\nrun()",
    )
    return [*command[:-1], code]


def outcome(words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_an_unknown_flag_does_nothing(refused):
    assert refused("--nope", "list") == "flag provided but not defined: --nope"
    assert refused("list", "--nope") == "list: flag provided but not defined: --nope"
    assert refused("exec", "--nope", "a", "b") == "exec: flag provided but not defined: --nope"


def test_global_flags_stand_before_the_verb(refused):
    assert refused("list", "--debug").startswith("list: flag provided but not defined: --debug")


@pytest.mark.parametrize("value", ["maybe", ""])
def test_a_bad_global_value_is_refused(refused, value):
    assert "not one of true, false, auto" in refused(f"--rootless={value}", "list")


def test_an_unexpected_exception_is_one_line(command):
    words = fails_with(command, "{}['x']")
    assert outcome([*words, "list"]) == (1, "", "ocipy: list: internal error: KeyError: 'x'\n")


def test_an_unexpected_exception_has_a_traceback_for_those_who_debug(command):
    words = fails_with(command, "{}['x']")
    status, out, err = outcome([*words, "--debug", "list"])
    assert (status, out) == (1, "")
    lines = err.splitlines()
    assert all(line.startswith("ocipy: debug: ") for line in lines if line != lines[1])
    assert lines[1] == "ocipy: list: internal error: KeyError: 'x'"
    assert lines[2] == "ocipy: debug: Traceback (most recent call last):"


def test_an_error_of_the_system_says_which_file_and_why(command):
    words = fails_with(command, "open('/nowhere')")
    assert outcome([*words, "list"]) == (
        1,
        "",
        'ocipy: list: "/nowhere": ENOENT: no such file or directory\n',
    )


def test_an_interrupt_is_silent(command):
    words = fails_with(command, "raise KeyboardInterrupt")
    assert outcome([*words, "list"]) == (128 + signal.SIGINT, "", "")


def test_an_error_is_one_line_whatever_is_in_it(refused):
    assert refused("bogus\nline\x1b[31m") == 'no verb "bogus\\nline\\x1b[31m" (see ocipy --help)'


def test_words_that_are_not_utf8_are_shown(command):
    done = subprocess.run([*command, b"caf\xe9"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b'ocipy: no verb "caf\\udce9" (see ocipy --help)\n')


def test_a_reader_that_went_away_is_no_error_of_ours(command):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*command, "--help"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("closed", ["0<&-", "1<&-", "2<&-", "0<&- 1<&-", "0<&- 1<&- 2<&-"])
def test_closed_descriptors_are_not_given_to_files_that_we_open(command, tmp_path, closed):
    """What is opened first gets the lowest free number: it must not be taken for standard output."""
    script = f'exec {closed}; exec "$@"'
    words = ["sh", "-c", script, "sh", *command, "spec", "--bundle", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "config.json").read_text().startswith('{\n    "ociVersion"')


def test_output_that_cannot_be_written_is_an_error(command):
    done = subprocess.run(
        ["sh", "-c", 'exec >&-; exec "$@"', "sh", *command, "--version"],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "ocipy: write to standard output: EBADF\n")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "ocipy: write to standard output: ENOSPC\n")


def test_a_slow_reader_behind_a_non_blocking_pipe_gets_all(command, cli):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filler = b"x" * 65536
    os.write(writer, filler)  # the pipe is full: the first write of the program cannot but wait
    with subprocess.Popen([*command, "--help"], stdout=writer) as process:
        os.close(writer)
        data = b""
        while part := os.read(reader, 4096):
            data += part
        os.close(reader)
    assert process.returncode == 0
    assert data == filler + cli("--help").out.encode()
