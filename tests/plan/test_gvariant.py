"""GVariant text: what annotations set properties of a systemd unit to."""

import pytest

from ocipy.plan.gvariant import parse

GOOD = [
    ("true", ("b", True)),
    (" false ", ("b", False)),
    ("5", ("i", 5)),
    ("-5", ("i", -5)),
    ("+0x10", ("i", 16)),
    ("017", ("i", 15)),
    ("1.5", ("d", 1.5)),
    ("double 3", ("d", 3.0)),
    ("byte 255", ("y", 255)),
    ("uint64 18446744073709551615", ("t", 2**64 - 1)),
    ("int16 -32768", ("n", -(2**15))),
    ("'a b'", ("s", "a b")),
    ('"it\'s"', ("s", "it's")),
    (r"'a\'b\n\u00e9'", ("s", "a'b\né")),
    ("objectpath '/a'", ("o", "/a")),
    ("['a', 'b']", ("as", ["a", "b"])),
    ("['a', 'b',]", ("as", ["a", "b"])),
    ("[uint32 1, uint32 2]", ("au", [1, 2])),
    ("[byte 1, byte 2]", ("ay", b"\x01\x02")),
    ("@au [1, 2]", ("au", [1, 2])),
    ("@as []", ("as", [])),
    ("('a', uint32 5)", ("(su)", ("a", 5))),
    ("@(sx) ('a', 5)", ("(sx)", ("a", 5))),
    ("[('/dev/null', 'rw')]", ("a(ss)", [("/dev/null", "rw")])),
    ("@a(st) [('/dev/sda', 10)]", ("a(st)", [("/dev/sda", 10)])),
    ("<'x'>", ("v", ("s", "x"))),
]
WRONG = [
    ("", '"" is no value: text needs quotes'),
    ("text", '"text" is no value: text needs quotes'),
    ("'open", "a string does not end"),
    ("5 6", '"6" comes after the value'),
    ("byte 256", "256 is not of type y"),
    ("uint32 -1", "-1 is not of type u"),
    ("uint32 'a'", "a string is not of type u"),
    ("@as 5", "5 is not of type as"),
    ("[]", "an empty array needs a type before it, such as @as"),
    ("['a', 5]", "the items of an array are of several types"),
    ("['a' 'b']", '"," or "]" is missing'),
    ("['a'", '"," or "]" is missing'),
    ("()", "an empty tuple means nothing"),
    ("@(ss) ('a', 'b', 'c')", "a tuple is not of type (ss)"),
    ("{'a': 1}", "is no value"),
    ("@a{ss} {}", '"@a{ss}" is not a type that is understood'),
    ("@ss ['a']", '"@ss" is not one type'),
    ("@( 5", '"@(" is not one type'),
    ("'\0'", "a string has a NUL in it"),
    (r"'\uzzzz'", r'"\uzzzz" is no character'),
    ("<5", "a variant is not expected here, or does not end"),
    ("[" * 40, "it is too deep"),
]


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_text_means_a_value_with_its_type(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_what_is_no_value_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert why in str(caught.value)
