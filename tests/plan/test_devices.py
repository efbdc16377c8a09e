"""Device rules: the last rule about an access decides, and v1's writes decide as the rules do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.errors import ConfigError
from ocipy.plan.devices import ANY, DEFAULT, Rule, allowed, rules, v1

DENY_ALL = {"allow": False, "access": "rwm"}
AT = "/linux/resources/devices"


def text(steps):
    return [f"{'+' if step.file == 'devices.allow' else '-'} {step.value}" for step in steps]


# ---------------------------------------------------------------- a model of security/device_cgroup.c


class KernelV1:
    """What the kernel does with writes to devices.allow and devices.deny, and asks of its exceptions."""

    def __init__(self, writes):
        self.allow = True  # a new cgroup has what the root has
        self.exceptions = {}
        for step in writes:
            self.write(step.file == "devices.allow", step.value)

    def write(self, allow, value):
        if value == "a":
            self.allow, self.exceptions = allow, {}
            return
        kind, numbers, access = value.split(" ")
        key = (kind, *(ANY if n == "*" else int(n) for n in numbers.split(":")))
        if allow == self.allow:  # dev_exception_rm: only the very same numbers
            left = self.exceptions.get(key, set()) - set(access)
            self.exceptions.pop(key, None)
            if left:
                self.exceptions[key] = left
        else:
            self.exceptions.setdefault(key, set()).update(access)

    def lets(self, kind, major, minor, access):
        matching = [
            letters
            for (k, a, b), letters in self.exceptions.items()
            if k == kind and a in (ANY, major) and b in (ANY, minor)
        ]
        if self.allow:  # match_exception_partial
            return not any(letters & set(access) for letters in matching)
        return any(set(access) <= letters for letters in matching)  # match_exception


numbers = st.sampled_from([None, 1, 3, 5, 10, 136, 200])
entries = st.lists(
    st.fixed_dictionaries(
        {"allow": st.booleans()},
        optional={
            "type": st.sampled_from(["a", "b", "c"]),
            "major": numbers,
            "minor": numbers,
            "access": st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"]),
        },
    ),
    max_size=6,
)
accesses = st.sampled_from(["r", "w", "m", "rw"])
requests = st.tuples(
    st.sampled_from("bc"),
    st.sampled_from([1, 3, 5, 10, 136, 7]),
    st.sampled_from([0, 1, 3, 5, 200]),
    accesses,
)


@given(entries, st.lists(requests, min_size=5, max_size=20))
def test_v1_decides_as_the_rules_do_or_refuses_them(config, asked):
    try:
        kernel = KernelV1(v1(config, AT))
    except ConfigError:  # which rules those are has a test of its own
        return
    listed = rules(config)
    for request in asked:
        assert kernel.lets(*request) == allowed(listed, *request), request


# ---------------------------------------------------------------- examples


def test_a_container_that_says_nothing_gets_the_default_devices_and_no_others():
    listed = rules([])
    assert listed == (Rule(False), *DEFAULT)
    assert allowed(listed, "c", 1, 3, "rw")
    assert allowed(listed, "c", 136, 7, "rw")
    assert allowed(listed, "b", 8, 0, "m")
    assert not allowed(listed, "b", 8, 0, "r")
    assert not allowed(listed, "c", 1, 1, "r")


def test_v1_writes_of_what_runc_spec_has():
    assert text(v1([DENY_ALL], AT)) == [
        "- a",
        "+ c *:* m",
        "+ b *:* m",
        "+ c 1:3 rwm",
        "+ c 1:5 rwm",
        "+ c 1:7 rwm",
        "+ c 1:8 rwm",
        "+ c 1:9 rwm",
        "+ c 5:0 rwm",
        "+ c 5:2 rwm",
        "+ c 136:* rwm",
        "+ c 10:200 rwm",
    ]


def test_steps_point_at_the_rule_that_caused_them_and_default_ones_at_none():
    steps = v1([DENY_ALL, {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "r"}], AT)
    assert [step.pointer for step in steps[:3]] == [f"{AT}/0", f"{AT}/1", ""]


def test_a_privileged_container_may_do_everything():
    assert text(v1([{"allow": True}], AT)) == ["+ a"]
    assert allowed(rules([{"allow": True}]), "b", 259, 3, "rwm"[:2])


def test_what_comes_before_a_rule_for_everything_is_moot():
    some = {"allow": True, "type": "b", "major": 8, "minor": 0}
    assert rules([some, DENY_ALL]) == (Rule(False, pointer="/1"), *DEFAULT)


def test_a_later_rule_takes_back_what_an_earlier_one_gave():
    config = [
        DENY_ALL,
        {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "rw"},
        {"allow": True, "type": "b", "major": 8, "minor": 1, "access": "rw"},
        {"allow": False, "type": "b", "major": 8, "access": "w"},
    ]
    assert [line for line in text(v1(config, AT)) if " b 8:" in line] == ["+ b 8:0 r", "+ b 8:1 r"]


def test_v1_refuses_an_exception_to_an_exception_and_says_which():
    config = [
        DENY_ALL,
        {"allow": True, "type": "b", "major": 8},
        {"allow": False, "type": "b", "major": 8, "minor": 1},
    ]
    with pytest.raises(ConfigError, match="cgroup v1 can't make b 8:1 rwm an exception") as caught:
        v1(config, AT)
    assert [problem.pointer for problem in caught.value.problems] == [f"{AT}/2"]


def test_v1_refuses_to_forbid_a_part_of_what_every_container_needs():
    config = [{"allow": True}, {"allow": False, "type": "c", "major": 5}]
    with pytest.raises(ConfigError, match="forbids c 5:") as caught:
        v1(config, AT)
    assert [problem.pointer for problem in caught.value.problems] == [f"{AT}/1"]


def test_accesses_of_two_rules_for_one_device_add_up():
    # The kernel wants one exception that has them all.
    config = [
        DENY_ALL,
        {"allow": True, "type": "b", "major": 8, "access": "r"},
        {"allow": True, "type": "b", "minor": 1, "access": "w"},
    ]
    assert "+ b 8:1 rw" in text(v1(config, AT))
    assert allowed(rules(config), "b", 8, 1, "rw")
    assert not allowed(rules(config), "b", 8, 2, "rw")


def test_negative_numbers_are_wildcards_and_types_of_no_device_are_skipped():
    config = [
        DENY_ALL,
        {"allow": True, "type": "b", "major": -1, "minor": -1, "access": "r"},
        {"allow": True, "type": "p", "access": "rwm"},
        {"allow": True, "type": "u", "major": 42, "minor": 1, "access": "r"},
    ]
    assert [str(rule) for rule in rules(config)[1:3]] == ["b *:* r", "c 42:1 r"]


def test_a_rule_for_a_part_of_both_types_is_one_for_each():
    # In v1's files "a" means everything, whatever numbers follow.
    config = [DENY_ALL, {"allow": True, "type": "a", "major": 8, "access": "r"}]
    assert [str(rule) for rule in rules(config)[1:3]] == ["b 8:* r", "c 8:* r"]


def test_an_empty_access_is_none_and_an_absent_one_all():
    assert len(rules([DENY_ALL, {"allow": True, "type": "b", "access": ""}])) == 1 + len(DEFAULT)
    assert rules([DENY_ALL, {"allow": True, "type": "b"}])[1].access == "rwm"


def test_rules_that_later_ones_decide_are_left_out():
    # What dockerd sends: the default rules once more, and a device of its own.
    same = [
        {name: getattr(rule, name) for name in ("allow", "type", "major", "minor", "access")}
        for rule in DEFAULT
    ]
    fuse = {"allow": True, "type": "c", "major": 10, "minor": 229}
    assert rules([DENY_ALL, *same, fuse])[1:] == (Rule(True, "c", 10, 229, pointer="/12"), *DEFAULT)
