"""The reader of the suite's TAP, and what is made of it."""

from conformance import judge, tap

NESTED = """TAP version 13
  ---
  {
    "stderr": "",
    "stdout": "TAP version 13\\nok 1 - has expected hostname\\nnot ok 2 - has CAP_CHOWN\\n1..2\\n"
  }
  ...
not ok 1 - check hostname "x"
1..1
"""


def verdicts(text):
    return [(a.verdict, a.name) for d in tap.parse(text) for a in d.assertions]


def test_assertions_are_read_with_their_directives():
    text = "TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP c\nnot ok 4 # TODO d\n1..4\n"
    assert verdicts(text) == [("pass", "a"), ("fail", "b"), ("skip", "c"), ("skip", "d")]


def test_one_output_may_hold_several_documents():
    documents = tap.parse("noise\nTAP version 13\nok 1 - a\n1..1\nTAP version 13\n1..0\n")
    assert [len(d.assertions) for d in documents] == [1, 0]
    assert not any(d.complaints for d in documents)


def test_a_plan_that_is_missing_or_wrong_is_a_complaint():
    assert tap.parse("TAP version 13\nok 1 - a\n")[0].complaints == ["no plan"]
    assert tap.parse("TAP version 13\nok 1 - a\n1..2\n")[0].complaints == ["plan says 2, there are 1"]


def test_a_note_belongs_to_the_assertion_before_it():
    document = tap.parse('TAP version 13\nnot ok 1 - a\n  ---\n  {"error": "e"}\n  ...\n# seen\n1..1\n')[0]
    assert document.assertions[0].notes == ['  {"error": "e"}', "seen"]


def test_assertions_made_inside_the_container_are_found():
    outcome = judge.judge(NESTED, "", 0)
    assert outcome.assertions == {
        'check hostname "x"': "fail",
        'check hostname "x" / has expected hostname': "pass",
        'check hostname "x" / has CAP_*': "fail",
    }


def test_a_complaint_outside_any_assertion_fails_a_test_that_can_say_no_more():
    assert judge.judge("TAP version 13\n1..0\n", "", 0).verdict == "pass"
    assert judge.judge('TAP version 13\n  ---\n  {"error": "late"}\n  ...\n1..0\n', "", 0).verdict == "fail"


def test_the_exit_status_and_silence_count():
    assert judge.judge("TAP version 13\nok 1 - a\n1..1\n", "", 1).verdict == "fail"
    assert judge.judge("", "", 0).verdict == "fail"
    assert judge.judge("", "", 0, silent=True).verdict == "pass"
    assert judge.judge("", "", 1, silent=True).verdict == "fail"


def test_of_assertions_that_fold_to_one_name_the_worst_counts():
    text = "TAP version 13\nok 1 - CAP_CHOWN set\nnot ok 2 - CAP_KILL set\nok 3 - CAP_SYS_BOOT set\n1..3\n"
    outcome = judge.judge(text, "", 0)
    assert outcome.assertions == {"CAP_* set": "fail"}
    assert (outcome.passed, outcome.total) == (2, 3)
    assert outcome.details[0] == "not ok: CAP_KILL set"


def test_a_test_that_only_skips_is_skipped():
    assert judge.judge("TAP version 13\nok 1 # SKIP windows\n1..1\n", "", 0).verdict == "skip"
