"""The recorded table: what it keeps, and what counts as a regression."""

import json
import os

from conformance import judge, report, results, suite, table
from conformance.official import RECORDED


def outcome(verdict, **assertions):
    return judge.Outcome(verdict, assertions, 0, 0, [])


def test_a_table_survives_being_written_and_read(tmp_path):
    written = table.Table()
    written.about["runc"] = "1.1.5, Linux 6.1"
    written.put("runc", "create", outcome("fail", a="pass", b="fail"))
    written.put("crun", "create", outcome("pass", a="pass"))
    path = os.path.join(tmp_path, "t.tsv")
    table.save(written, path)
    read = table.load(path)
    assert (read.rows, read.about) == (written.rows, written.about)


def test_a_recorded_pass_that_is_gone_or_fails_is_a_regression():
    recorded = table.Table()
    recorded.put("ocipy", "create", outcome("fail", a="pass", b="pass", c="fail"))
    changes = recorded.compare("ocipy", "create", outcome("fail", b="fail", c="pass"))
    assert sorted((c.assertion, c.worse) for c in changes) == [("a", True), ("b", True), ("c", False)]


def test_recording_one_runtime_leaves_the_others():
    recorded = table.Table()
    recorded.put("runc", "create", outcome("pass", a="pass"))
    recorded.put("ocipy", "create", outcome("fail", b="fail"))
    recorded.put("ocipy", "create", outcome("pass"))
    assert recorded.verdicts("runc", "create") == {"(test)": "pass", "a": "pass"}
    assert recorded.verdicts("ocipy", "create") == {"(test)": "pass"}


def test_every_recorded_failure_has_a_reason():
    assert report.unexplained(table.load(RECORDED), suite.facts()) == []


def test_every_reason_is_complete_and_about_a_recorded_test():
    recorded = set(table.load(RECORDED).tests())
    for name, facts in suite.facts().items():
        assert name in recorded
        for reason in facts.get("reasons", ()):
            assert reason["kind"] in report.KINDS
            assert reason["text"]


def test_the_results_pages_are_those_that_the_tables_give():
    with open(results.PAGE, encoding="utf-8") as file:
        assert file.read() == results.markdown()
    with open(results.DATA, encoding="utf-8") as file:
        assert json.load(file) == results.as_json()
