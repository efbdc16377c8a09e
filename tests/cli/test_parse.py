"""The grammar of the command line, which is Go's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ocipy.cli.parse import arguments, integer, parse
from ocipy.cli.table import VERBS
from ocipy.errors import UsageError

FLAGS = (
    ("debug", "", "bool", False, "", False, ""),
    ("file", "f", "text", "", "FILE", False, ""),
    ("env", "e", "list", (), "NAME=VALUE", False, ""),
    ("count", "", "count", 0, "N", False, ""),
    ("limit", "", "integer", None, "N", False, ""),
    ("format", "", "choice", "text", "text|json", False, ""),
    ("args", "", "rest", (), "ARG...", False, ""),
    ("help", "h", "bool", False, "", False, ""),
)


def options(*words):
    return parse(words, FLAGS)[0]


def error(*words, opaque=-1):
    with pytest.raises(UsageError) as caught:
        parse(words, FLAGS, opaque)
    return str(caught.value)


@pytest.mark.parametrize(
    "words",
    [("--file", "x"), ("--file=x",), ("-file", "x"), ("-file=x",), ("-f", "x"), ("-f=x",), ("--f", "x")],
)
def test_a_value_is_given_in_every_way_that_go_knows(words):
    assert options(*words)["file"] == "x"


def test_a_value_may_look_like_a_flag():
    assert options("--file", "-")["file"] == "-"
    assert options("--file", "--debug")["file"] == "--debug"
    assert options("--limit", "-1")["limit"] == -1


def test_a_value_may_be_empty_or_hold_an_equals_sign():
    assert options("--file=")["file"] == ""
    assert options("--env=A=B=C")["env"] == ["A=B=C"]


def test_without_flags_there_are_the_defaults():
    defaults = {"debug": False, "file": "", "env": [], "count": 0, "limit": None, "format": "text"}
    assert options() == {**defaults, "args": (), "help": False}


def test_the_last_text_counts_and_every_list_entry():
    got = options("-f", "a", "-f", "b", "-e", "A=1", "--env", "B=2")
    assert (got["file"], got["env"]) == ("b", ["A=1", "B=2"])


def test_a_default_list_is_not_shared_between_two_command_lines():
    options("-e", "A=1")
    assert options()["env"] == []


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_a_bool_may_be_said_to_be_true(text):
    assert options(f"--debug={text}")["debug"] is True


@pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "False"])
def test_a_bool_may_be_said_to_be_false(text):
    assert options("--debug", f"--debug={text}")["debug"] is False


def test_a_bool_takes_no_second_word():
    assert parse(["--debug", "false"], FLAGS)[:2] == (options("--debug"), ["false"])


def test_flags_may_stand_among_the_arguments():
    got, args, rest = parse(["a", "--debug", "b", "-f", "x", "c"], FLAGS)
    assert (got["debug"], got["file"], args, rest) == (True, "x", ["a", "b", "c"], [])


def test_two_dashes_end_the_flags():
    got, args, rest = parse(["a", "--", "--debug"], FLAGS)
    assert (got["debug"], args, rest) == (False, ["a"], ["--", "--debug"])


def test_after_the_opaque_arguments_no_word_is_read():
    got, args, rest = parse(["-f", "x", "a", "--debug", "--nope"], FLAGS, 1)
    assert (got["file"], got["debug"], args, rest) == ("x", False, ["a"], ["--debug", "--nope"])


def test_with_nothing_opaque_the_first_argument_is_left():
    assert parse(["--debug", "a", "--nope"], FLAGS, 0)[1:] == ([], ["a", "--nope"])


def test_a_single_dash_is_an_argument():
    assert parse(["-", "a"], FLAGS)[1] == ["-", "a"]


def test_the_rest_takes_every_word():
    assert options("--debug", "--args", "sh", "-c", "--", "--nope")["args"] == ["sh", "-c", "--", "--nope"]
    assert options("--args=sh", "-c")["args"] == ["sh", "-c"]


def test_help_ends_the_reading():
    assert options("--help", "--nope")["help"] is True
    assert options("--help=false")["help"] is False


@pytest.mark.parametrize(
    "word", ["--nope", "-nope", "-x", "--nope=1", "---debug", "-fx", "--=x", "-=", "--debu g"]
)
def test_an_unknown_flag_is_refused(word):
    assert error(word).startswith(f"flag provided but not defined: {word.partition('=')[0]}")


def test_a_near_miss_is_shown_what_it_missed():
    assert error("--debgu").endswith("(is it --debug?)")


@pytest.mark.parametrize("word", ["--file", "-f", "-file", "--args", "--count"])
def test_a_missing_value_is_refused(word):
    assert error("a", word) == f"flag needs an argument: {word}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--debug=yes",), 'invalid value "yes" for --debug: not true or false'),
        (("--count", "x"), 'invalid value "x" for --count: not a number'),
        (("--count=",), 'invalid value "" for --count: not a number'),
        (("--count", "-1"), 'invalid value "-1" for --count: not a number'),
        (("--count", "1_0"), 'invalid value "1_0" for --count: not a number'),
        (("--count", "+1"), 'invalid value "+1" for --count: not a number'),
        (("--count", " 1"), 'invalid value " 1" for --count: not a number'),
        (("--count", "\u0661"), 'invalid value "\u0661" for --count: not a number'),
        (("--count", str(2**63)), f'invalid value "{2**63}" for --count: not a number'),
        (("-limit", "1.5"), 'invalid value "1.5" for -limit: not an integer'),
        (("--format", "xml"), 'invalid value "xml" for --format: not one of text, json'),
    ],
)
def test_a_bad_value_is_refused(words, message):
    assert error(*words) == message


def test_a_huge_number_is_refused_without_being_converted():
    with pytest.raises(UsageError):
        integer("9" * 10_000_000, "--count")


def test_exec_leaves_the_command_alone():
    options, args = arguments("exec", ["-t", "web", "ls", "-t", "--nope", "--", "x"])
    assert (options["tty"], args) == (True, ["web", "ls", "-t", "--nope", "--", "x"])


def test_the_command_of_spec_follows_two_dashes_or_the_flag():
    assert arguments("spec", ["--", "ls", "-l"])[0]["args"] == ["ls", "-l"]
    assert arguments("spec", ["--args", "ls", "-l"])[0]["args"] == ["ls", "-l"]
    assert arguments("bundle", ["box", "--", "ls"]) == arguments("bundle", ["box", "--args", "ls"])


@pytest.mark.parametrize("verb", ["start", "state", "delete", "kill", "create", "run", "exec", "bundle"])
def test_a_missing_argument_is_refused_with_the_usage(verb):
    with pytest.raises(UsageError, match=rf"^needs more arguments \(usage: ocipy {verb} .*\)$"):
        arguments(verb, [])


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("start", ["a", "b"]),
        ("state", ["a", "b"]),
        ("delete", ["a", "b"]),
        ("kill", ["a", "9", "b"]),
        ("list", ["b"]),
        ("spec", ["b"]),
        ("features", ["b"]),
        ("run", ["a/", "a", "b"]),
        ("start", ["a", "--", "b"]),
    ],
)
def test_an_extra_argument_is_refused_by_name(verb, words):
    with pytest.raises(UsageError, match=r'^takes no argument "b"'):
        arguments(verb, words)


SPELLINGS = sorted(
    {f"--{name}" for entry in VERBS.values() for flag in entry[5] for name in flag[:2] if name}
)
WORDS = (
    some.sampled_from(SPELLINGS)
    | some.text(max_size=8)
    | some.sampled_from(["--", "-", "-=", "a/", "1", "-1"])
)


@settings(max_examples=2000)
@given(some.sampled_from(sorted(VERBS)), some.lists(WORDS, max_size=6))
def test_any_words_are_understood_or_refused(verb, words):
    try:
        options, args = arguments(verb, list(words))
    except UsageError:
        return
    assert set(options) == {"help", *(flag[0] for flag in VERBS[verb][5])}
    assert set(args) <= set(words)
