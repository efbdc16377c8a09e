"""Messages: the log's two formats, and what standard error gets."""

import json
import os
import re

import pytest

from ocipy.cli.log import line

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_an_error_goes_to_the_json_log_and_to_standard_error(refused, tmp_path):
    log = tmp_path / "log.json"
    shown = refused("--log", str(log), "--log-format", "json", "bogus")
    entry = json.loads(log.read_text())
    assert list(entry) == ["level", "msg", "time"]
    assert (entry["level"], entry["msg"]) == ("error", shown)
    assert re.fullmatch(STAMP, entry["time"])


def test_a_text_log_is_what_logrus_writes(refused, tmp_path):
    log = tmp_path / "log"
    refused("--log", str(log), "bogus")
    expected = rf'time="{STAMP}" level=error msg="no verb \\"bogus\\" \(see ocipy --help\)"\n'
    assert re.fullmatch(expected, log.read_text())


def test_a_log_is_appended_to(refused, tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    refused("--log", str(log), "bogus")
    refused("--log", str(log), "bogus")
    assert [text.split()[-1] for text in log.read_text().splitlines()] == ["before", '--help)"', '--help)"']


def test_without_a_log_file_a_json_format_is_for_standard_error(cli):
    result = cli("--log-format", "json", "bogus")
    assert json.loads(result.err)["msg"].startswith("no verb")
    assert result.status == 1


def test_a_log_that_cannot_be_written_is_an_error_and_nothing_is_done(refused, tmp_path):
    shown = refused("--log", str(tmp_path / "no" / "log"), "spec", "-b", str(tmp_path))
    assert shown == f"--log {tmp_path}/no/log: no such file or directory"
    assert not list(tmp_path.iterdir())


def test_debugging_shows_what_was_understood(cli, tmp_path):
    log = tmp_path / "log.json"
    assert cli("--debug", "spec", "-b", str(tmp_path)).err.startswith(
        "ocipy: debug: spec: arguments [], options {"
    )
    cli("--debug", "--log", str(log), "--log-format", "json", "spec", "-f", "-")
    entries = [json.loads(text) for text in log.read_text().splitlines()]
    assert [entry["level"] for entry in entries] == ["debug", "debug"]
    assert entries[-1]["msg"] == "spec: exit status 0"


def test_a_log_on_a_full_disk_does_not_hide_the_error(cli):
    result = cli("--log", "/dev/full", "bogus")
    assert (result.status, result.err) == (1, 'ocipy: no verb "bogus" (see ocipy --help)\n')


def test_the_log_is_not_inherited_by_what_we_start(tmp_path):
    from ocipy.cli.log import Log

    log = Log()
    log.open(str(tmp_path / "log"), "", False)
    assert not os.get_inheritable(log.fd)
    os.close(log.fd)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('a "b"', '"a \\"b\\""'),
        ("", '""'),
        ("/a-b_c.d@e^f+g", None),
    ],
)
def test_a_text_message_is_quoted_where_logrus_quotes_it(message, shown):
    assert line("warning", message, 0, "text") == (
        f'time="1970-01-01T00:00:00Z" level=warning msg={message if shown is None else shown}\n'
    )


def test_a_json_line_is_json_whatever_the_message_is():
    message = 'a "quoted" \\ thing\u2028é'
    assert json.loads(line("error", message, 1700000000, "json")) == {
        "level": "error",
        "msg": message,
        "time": "2023-11-14T22:13:20Z",
    }
