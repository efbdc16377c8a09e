"""Errors are one line: what was to be done, what came back, where in config.json."""

from ocipy.errors import ConfigError, Problem, StepError, describe, one_line


def test_a_failed_call_ends_in_errno_and_words_that_callers_match():
    assert (
        describe(PermissionError(1, 'fsmount(5, "x")')) == 'fsmount(5, "x"): EPERM: operation not permitted'
    )


def test_an_error_of_python_names_its_path():
    try:
        open("/nonexistent/file", encoding="ascii")
    except OSError as error:
        assert describe(error) == '"/nonexistent/file": ENOENT: no such file or directory'


def test_a_step_error_names_step_pointer_call_and_hint():
    error = StepError("mount proc at /proc", PermissionError(1, "fsmount()"), "/mounts/0", "a hint")
    assert str(error) == (
        "mount proc at /proc (config.json /mounts/0): fsmount(): EPERM: operation not permitted (a hint)"
    )


def test_a_config_error_has_every_problem():
    error = ConfigError([Problem("/a", "is bad", "r1"), Problem("", "is worse", "r2")])
    assert str(error) == "config.json: /a: is bad; is worse"
    assert [p.rule for p in error.problems] == ["r1", "r2"]


def test_an_error_is_one_line_whatever_is_in_it():
    assert one_line("a\nb\x1b[31m\u2028é") == "a\\nb\\x1b[31m\\u2028é"
    assert "\n" not in str(StepError("a\nb", "c\nd"))
