"""``--help`` of the program and of each verb, and what is refused by name."""

import pytest

from ocipy.cli.table import ABSENT, GLOBAL, VERBS


def flags_shown(text):
    return {word.strip(",") for word in text.split() if word.startswith("--") and len(word) > 3}


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("h",), ()])
def test_help_lists_every_verb_and_every_global_flag(cli, words):
    result = cli(*words)
    assert (result.status, result.err) == (0, ""), result
    lines = result.out.splitlines()
    for verb in VERBS:
        assert any(line.startswith(f"   {verb} ") for line in lines), verb
    assert {f"--{flag[0]}" for flag in GLOBAL if not flag[5]} <= flags_shown(result.out)


def test_help_lists_no_verb_that_is_refused(cli):
    words = cli("--help").out.split()
    assert not set(ABSENT) & set(words)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_shows_its_flags_but_not_hidden_ones(cli, verb):
    result = cli(verb, "--help")
    assert (result.status, result.err) == (0, ""), result
    assert result.out.startswith(f"NAME:\n   ocipy {verb} - ")
    options = result.out.partition("OPTIONS:")[2]
    assert flags_shown(options) == {"--help", *(f"--{flag[0]}" for flag in VERBS[verb][5] if not flag[5])}
    assert cli("help", verb).out == result.out


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_the_line(cli, verb):
    assert max(map(len, cli(verb, "--help").out.splitlines())) <= 116


def test_help_of_exec_is_not_taken_from_the_command(refused):
    assert "does not exist" in refused("exec", "nope", "ls", "--help", status=255)


@pytest.mark.parametrize("verb", ABSENT)
def test_a_verb_that_is_not_there_is_refused_by_name(refused, verb):
    expected = f"{verb}: not supported by this version of ocipy"
    assert refused(verb, "web") == expected
    # podman takes this for a probe: status 0 would say that checkpoints work.
    assert refused(verb, "--help") == expected
    assert refused("help", verb) == expected


def test_an_unknown_verb_is_refused_by_name(refused):
    assert refused("bogus", "--nope") == 'no verb "bogus" (see ocipy --help)'
    assert refused("help", "bogus") == 'no verb "bogus" (see ocipy --help)'


@pytest.mark.parametrize("word", ["--version", "-v", "-version"])
def test_the_version_reads_as_callers_parse_it(cli, word):
    result = cli(word)
    assert (result.status, result.err) == (0, ""), result
    first, commit, spec, python = result.out.splitlines()
    name, version, number = first.split()
    assert (name, version) == ("ocipy", "version")
    assert number[0].isdigit()
    assert commit.startswith("commit: ")
    assert spec == "spec: 1.3.0"
    assert python.startswith("python: 3.")
