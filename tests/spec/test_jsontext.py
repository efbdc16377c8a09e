"""JSON in and out, without the json module, which is the judge here."""

import json
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.errors import ConfigError
from ocipy.spec import jsonfault, jsontext

ROOT = pathlib.Path(__file__).parents[2]

#: Text, what is said of it.
BAD = [
    (b"", "line 1 column 1: is empty"),
    (b" \n ", "line 2 column 2: is empty"),
    (b"{]", 'line 1 column 2: expected a key in double quotes, found "]"'),
    (b'{"a": 1,\n "a": 2}', '/a: line 2 column 2: duplicate key "a"'),
    (b'{"x": [{"b/~": 1, "b/~": 2}]}', '/x/0/b~1~0: line 1 column 19: duplicate key "b/~"'),
    (b'{"a\\u0062": 1, "ab": 2}', '/ab: line 1 column 16: duplicate key "ab"'),
    (b'{"a": {"b": [1, 2 3]}}', '/a/b: line 1 column 19: expected "," or "]", found "3"'),
    (b'{"a": 1 "b": 2}', 'line 1 column 9: expected "," or "}", found "\\""'),
    (b"[1,]", '/0: line 1 column 4: "," before "]"'),
    (b'{"a": 1,}', '/a: line 1 column 9: "," before "}"'),
    (b"[1", 'line 1 column 3: expected "," or "]", found end of file'),
    (b'{"a"', 'line 1 column 5: expected ":" after key "a", found end of file'),
    (b'{"a" 1}', 'line 1 column 6: expected ":" after key "a", found "1"'),
    (b'{"a":}', '/a: line 1 column 6: expected a value, found "}"'),
    (b"{1: 2}", 'line 1 column 2: expected a key in double quotes, found "1"'),
    (b"{'a': 2}", 'line 1 column 2: expected a key in double quotes, found "\'"'),
    (b"{} {}", 'line 1 column 4: unexpected "{" after the end of the document'),
    (b"{}\x00", 'line 1 column 3: unexpected "\\x00" after the end of the document'),
    (b"{} // note", 'line 1 column 4: unexpected "/" after the end of the document'),
    (b"nul", 'line 1 column 1: "nul" is not JSON'),
    (b"True", 'line 1 column 1: "True" is not JSON'),
    (b"NaN", 'line 1 column 1: "NaN" is not JSON'),
    (b'{"a": [Infinity]}', '/a/0: line 1 column 8: "Infinity" is not JSON'),
    (b"[-Infinity]", '/0: line 1 column 2: "-Infinity" is not JSON'),
    (b"[1e999]", "/0: line 1 column 2: number too large: 1e999"),
    (b"[01]", 'line 1 column 3: expected "," or "]", found "1"'),
    (b"[1.]", 'line 1 column 3: expected "," or "]", found "."'),
    (b"[+1]", '/0: line 1 column 2: expected a value, found "+"'),
    (b"[" + b"9" * 401 + b"]", "/0: line 1 column 2: number of more than 400 digits"),
    (b"[-" + b"9" * 100_000 + b"]", "/0: line 1 column 2: number of more than 400 digits"),
    (b'"abc', "line 1 column 1: string without end"),
    (b'"a\x01b"', "line 1 column 3: control character U+0001 in a string"),
    (b'"a\nb"', "line 1 column 3: control character U+000A in a string"),
    (b'"\\x41"', 'line 1 column 2: invalid escape "\\\\x"'),
    (b'"\\u12G4"', 'line 1 column 2: invalid escape "\\\\u12G4"'),
    (b'"\\u+123"', 'line 1 column 2: invalid escape "\\\\u+123"'),
    (b'["\\ud800"]', "/0: line 1 column 3: lone surrogate \\\\ud800"),
    (b'["\\uDC00\\uD800"]', "/0: line 1 column 3: lone surrogate \\\\udc00"),
    (b'{"\\udcff": 1}', "line 1 column 3: lone surrogate \\\\udcff"),
    (b'["\\ud800\\u0041"]', "/0: line 1 column 3: lone surrogate \\\\ud800"),
    (b"\xef\xbb\xbf{}", "line 1 column 1: starts with a byte order mark"),
    ("{}".encode("utf-16"), "line 1 column 1: byte 0xff is not UTF-8"),
    (b'{"a":\n "\xc3\xa9\xff"}', "line 2 column 4: byte 0xff is not UTF-8"),
    (b'"\xed\xa0\x80"', "line 1 column 2: byte 0xed is not UTF-8"),
    (b"[" * 101 + b"]" * 101, "line 1 column 101: nested deeper than 100 levels"),
    (b"[" * 1_000_000, "line 1 column 101: nested deeper than 100 levels"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "line 1 column 501: nested deeper than 100 levels"),
]


def refusal(data):
    with pytest.raises(ConfigError) as caught:
        jsontext.parse(data, "config.json")
    problem = caught.value.problems[0]
    assert problem.rule == "json"
    assert "\n" not in str(caught.value)
    return str(problem)


@pytest.mark.parametrize(("data", "message"), [pytest.param(*case, id=str(n)) for n, case in enumerate(BAD)])
def test_bad_text_is_refused_with_its_place(data, message):
    said = refusal(data)
    if "nested deeper" in message:
        said = said[said.index("line") :]
    assert said == message.replace('\\"', '"').replace("\\\\", "\\")


def test_the_error_names_the_file():
    with pytest.raises(ConfigError, match=r"^x\.json: /a: line 1 column 9: duplicate key"):
        jsontext.parse(b'{"a":1, "a":1}', "x.json")


def test_brackets_in_strings_do_not_nest():
    text = json.dumps({"a": "[" * 500 + "{" * 500, "b": ["]" * 500]})
    assert jsontext.parse(text.encode(), "x") == json.loads(text)


def test_commas_in_strings_are_no_values():
    text = json.dumps(["," * (jsontext.MAX_VALUES + 5)])
    assert jsontext.parse(text.encode(), "x") == json.loads(text)


def test_nesting_up_to_the_limit_is_fine():
    text = b"[" * jsontext.MAX_DEPTH + b"]" * jsontext.MAX_DEPTH
    assert jsontext.parse(text, "x") == json.loads(text)


def test_numbers_up_to_the_limit_are_fine():
    assert jsontext.parse(b"-" + b"9" * 399, "x") == -int("9" * 399)


def test_deep_nesting_is_refused_where_the_stack_is_nearly_used_up_too():
    def deeper(levels):
        return deeper(levels - 1) if levels else refusal(b"[" * 101)

    assert "nested deeper" in deeper(800)


def test_surrogate_pairs_are_characters():
    assert jsontext.parse(b'["\\ud83d\\ude00", "\\u00e9"]', "x") == ["\U0001f600", "\u00e9"]


def test_text_larger_than_the_limit_is_not_read():
    assert refusal(b" " * (jsontext.MAX_BYTES + 1)) == "larger than 16 MiB"


def test_too_many_values_are_refused():
    text = b"[" + b"{}," * jsontext.MAX_VALUES + b"{}]"
    assert refusal(text).endswith(f"more than {jsontext.MAX_VALUES} values")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["b'{},'", "b'[],'", "b'1,'", "b'[0,'", "b'\"a\\\\\\\\u00e9\"'", "b'{\"a\":'", "b'9'", "b'\\\\n'"],
)
def test_the_most_hostile_text_of_the_largest_size_takes_bounded_memory(text):
    """The text, its copy as str, and a million empty objects: less than 250 MiB."""
    code = f"""
import resource, sys
sys.path.insert(0, {str(ROOT)!r})
from ocipy.spec import jsontext
from ocipy.errors import ConfigError
data = b"[" + {text} * ((jsontext.MAX_BYTES - 1) // len({text}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    jsontext.parse(data, "x")
except ConfigError as error:
    assert len(str(error)) < 500
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout) < 250 << 10


def test_neither_json_nor_re_is_imported_for_good_text():
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from ocipy.spec import jsontext
jsontext.dump(jsontext.parse(b'{{"a": [1, 2.5, "\\\\u00e9\\\\ud83d\\\\ude00", null]}}', "x"), 2)
print(*sorted({{"json", "json.decoder", "re", "enum", "typing", "ocipy.spec.jsonfault"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_errors_are_the_same_with_and_without_the_json_module():
    """The scanner words its errors by json.decoder if that is loaded, and raises SystemError if it isn't."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from ocipy.spec import jsontext
from ocipy.errors import ConfigError
for data in (b'{{"a": }}', b'[1 2]', b'"\\\\x"', b'', b'[nul]'):
    try:
        jsontext.parse(data, "x")
    except ConfigError as error:
        print(error)
assert "json" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    with_json = []
    for data in (b'{"a": }', b"[1 2]", b'"\\x"', b"", b"[nul]"):
        with pytest.raises(ConfigError) as caught:
            jsontext.parse(data, "x")
        with_json.append(str(caught.value))
    assert done.stdout.splitlines() == with_json


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.booleans())
def test_reads_what_json_writes(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1 if ascii_only else None)
    assert jsontext.parse(text.encode(), "x") == value


@given(VALUES)
def test_json_reads_what_it_writes(value):
    assert json.loads(jsontext.dump(value)) == value
    assert jsontext.dump(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert jsontext.dump(value, 4) == json.dumps(value, ensure_ascii=False, indent=4)


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', '"a"', '"b"', "1", "-", "0", ".5", "e9", "true", "nul", "l", " ",
     "\n", "\\", "\\u0041", "\\ud800", "\\udc00", "NaN", "\t", "\x01", "\u00e9", "\ufeff"]
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_fast_reader_and_the_slow_one_agree(text):
    fault = jsonfault.find(text)
    if fault is None:
        assert jsontext.parse(text.encode(), "x") == json.loads(text)
    else:
        with pytest.raises(ConfigError) as caught:
            jsontext.parse(text.encode(), "x")
        assert caught.value.problems[0].message == fault.message


@settings(max_examples=300)
@given(st.binary(max_size=12))
def test_any_bytes_are_read_or_refused_on_one_line(data):
    said = ""
    try:
        jsontext.parse(data, "x")
    except ConfigError as error:
        said = str(error)
    assert said == "" or said.isprintable()


def test_a_path_that_is_not_utf8_survives():
    path = b"/b\xff\xc3\xa9".decode("utf-8", "surrogateescape")
    text = jsontext.dump({"bundle": path})
    assert text == '{"bundle":"/b\\udcff\u00e9"}'
    assert jsontext.parse(text.encode(), "state.json", lone_surrogates=True) == {"bundle": path}


@pytest.mark.parametrize("value", [{1, 2}, b"x", {"a": {1}}, object(), [complex(1)]])
@pytest.mark.parametrize("indent", [0, 2])
def test_what_has_no_json_form_is_not_written(value, indent):
    with pytest.raises(TypeError):
        jsontext.dump(value, indent)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_numbers_that_json_lacks_are_not_written(value):
    with pytest.raises(ValueError, match="JSON"):
        jsontext.dump(value)
