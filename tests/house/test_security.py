"""docs/security.md speaks of tests that exist, and of every attack."""

import re

from tests.house.test_tree import functions
from tests.house.tree import TESTS, TREE

TEXT = (TREE / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`", TEXT))
ATTACKS = {
    function.name
    for name, source in TESTS.items()
    if ".security.attacks_" in name
    for function in functions(source)
    if function.decorator_list
}


def test_the_tests_that_are_named_exist():
    written = {function.name for source in TESTS.values() for function in functions(source)}
    assert len(NAMED) > 40
    assert not NAMED - written


def test_every_attack_is_named():
    assert not ATTACKS - NAMED


def test_every_published_flaw_of_an_attack_is_named():
    cited = set()
    for name, source in TESTS.items():
        if ".security.attacks_" in name:
            cited |= set(re.findall(r"CVE-\d{4}-\d+", source.text))
    assert not cited - set(re.findall(r"CVE-\d{4}-\d+", TEXT))


def test_it_is_a_page():
    assert len(TEXT.splitlines()) < 80
