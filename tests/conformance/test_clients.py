"""The lists of the engines: well formed, all recorded, and what a case calls a failure."""

import pytest

from conformance import table
from conformance.clients import page
from conformance.clients.case import Case, Said, load
from conformance.clients.engines import ENGINES

RECORDED = table.load(page.RECORDED)


@pytest.mark.parametrize("name", ENGINES)
def test_every_case_is_recorded_for_both_runtimes_and_nothing_else_is(name):
    names = [case.name for case in ENGINES[name].cases()]
    for runtime in page.RUNTIMES:
        assert set(RECORDED.verdicts(runtime, name)) - {table.WHOLE} == set(names)


def test_whatever_runc_passes_passes_and_whatever_fails_has_a_reason():
    assert page.unexplained(RECORDED) == []


@pytest.mark.parametrize(
    ("expected", "said", "complaint"),
    [
        ({"output": "a\n"}, Said(0, "a\n", "", 0), None),
        ({"output": "a\n"}, Said(0, "b\n", "", 0), "printed 'b\\n', not 'a\\n'"),
        ({}, Said(0, "a\n", "", 0), "printed 'a\\n', not ''"),
        ({"matches": "a.*b"}, Said(0, "a\nb", "", 0), None),
        ({"matches": "a.*b"}, Said(0, "a\nb\n", "", 0), "printed 'a\\nb\\n', which does not match 'a.*b'"),
        ({"status": 125}, Said(125, "", "", 0), None),
        ({"status": 125}, Said(1, "", "", 0), "status 1, not 125"),
        ({}, Said(None, "", "", 0), "did not end"),
        ({"errors": "no such"}, Said(0, "", "Error: no such image", 0), None),
        ({"errors": "no such"}, Said(0, "", "Error", 0), "no 'no such' on standard error"),
    ],
)
def test_a_case_complains_of_what_it_did_not_expect(expected, said, complaint):
    complaints = Case("one", "true", **expected).complaints(said)
    assert complaints[:1] == ([complaint] if complaint else [])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[[case]]\nname = "a"\nscript = "b"\nprints = "c"', "knows no .'prints'"),
        ('[[case]]\nname = "a"', "needs name and script"),
        ('[[case]]\nname = "a"\nscript = "b"\n[[case]]\nname = "a"\nscript = "c"', "two cases are named a"),
    ],
)
def test_a_list_that_is_not_well_formed_is_refused(tmp_path, text, wrong):
    path = tmp_path / "list.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=wrong):
        load(path)
