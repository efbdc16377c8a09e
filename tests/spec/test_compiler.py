"""Schemas to Python."""

import pathlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.spec import _generated, schema_compiler

SPEC = pathlib.Path(__file__).parents[2] / "spec"


def compiled(schema, **library):
    """The function for ``schema``; ``library`` are schemas that it may refer to."""
    schemas = {"made.schema.json": schema, **{f"{name}.schema.json": s for name, s in library.items()}}
    compiler = schema_compiler.Compiler(schemas)
    compiler.document("made")
    names = {}
    exec(compiler.source(), names)
    return names["made"]


def test_the_built_module_is_that_of_the_schemas():
    built = pathlib.Path(_generated.__file__).read_text()
    assert built == schema_compiler.compile_directory(str(SPEC)), "run: make build"


def test_the_built_module_imports_nothing():
    top_level = re.findall(
        r"^(?:import|from) .*", pathlib.Path(_generated.__file__).read_text(), re.MULTILINE
    )
    assert top_level == []


PATTERNS = [
    "^RLIMIT_[A-Z]+$",
    "^[0-9, -]*$",
    "^[1-9][0-9]*[KMG]B$",
    "^MB:[^\\n]*$",
    "^CAP_[A-Z_]+$",
    "^[cbup]$",
    "^a$",
    "^a\\.b+c[x]d$",
    "^[^a]b*$",
    "^x*$",
    "^$",
]


@settings(max_examples=300)
@given(st.data())
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_re_means(pattern, data):
    near = st.from_regex(pattern.replace("$", r"\Z")).flatmap(
        lambda text: st.sampled_from([text, text + "\n", text[:-1], text + text, text.lower(), f" {text}"])
    )
    text = data.draw(near | st.text(max_size=8) | st.text("RLIMIT_ABCKMG:0129, -\n", max_size=12))
    expected = re.search(pattern.replace("$", r"\Z"), text) is not None
    assert compiled({"type": "string", "pattern": pattern})(text) is expected


@pytest.mark.parametrize("pattern", ["a$", "^a", "^a*b*$", "^(a|b)$", "^a?$", "^.$", "^[^ab]*$"])
def test_a_pattern_that_is_not_simple_does_not_build(pattern):
    with pytest.raises(schema_compiler.Unsupported, match="pattern"):
        compiled({"type": "string", "pattern": pattern})


def test_a_keyword_that_is_not_known_does_not_build():
    with pytest.raises(schema_compiler.Unsupported, match="oneOf"):
        compiled({"type": "object", "properties": {"a": {"type": "string", "oneOf": []}}})


def test_properties_beside_a_rule_for_others_do_not_build():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "additionalProperties": {"type": "string"},
    }
    with pytest.raises(schema_compiler.Unsupported, match="both properties and additionalProperties"):
        compiled(schema)


WRONG = [None, True, 0, 1.5, "x", [], {}, [None], {"a": 1}]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    ("kind", "right"),
    [("object", dict), ("array", list), ("string", str), ("boolean", bool), ("integer", int)],
)
def test_types_are_those_of_json(kind, right, value):
    schema = {"type": kind, "items": {"type": "boolean"}}
    expected = type(value) is right and value != [None]
    assert compiled(schema)(value) is expected


def test_null_is_not_absent():
    valid = compiled({"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": ["x"]}}})
    assert valid({})
    assert not valid({"a": None})
    assert not valid({"b": None})
    assert not valid({"b": ["x"]})


def test_a_required_property_has_no_default():
    valid = compiled(
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 0}}}
    )
    assert valid({"a": 0})
    assert not valid({})


def test_limits_of_numbers_hold_without_their_twin():
    assert compiled({"type": "integer", "minimum": 1})(10**40)
    assert not compiled({"type": "integer", "minimum": 1})(0)
    assert compiled({"type": "integer", "maximum": 1})(-(10**40))
    assert not compiled({"type": "integer", "maximum": 1})(2)


def test_a_reference_leads_to_another_file_and_from_there_on():
    valid = compiled(
        {"type": "array", "items": {"$ref": "other.schema.json#/definitions/a"}},
        other={"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"enum": ["x", "y"]}}},
    )
    assert valid(["x", "y", "x"])
    assert not valid(["x", "z"])


def test_the_same_object_twice_is_one_function():
    thing = {"type": "object", "properties": {"n": {"type": "integer"}}}
    compiler = schema_compiler.Compiler(
        {"made.schema.json": {"type": "object", "properties": {"a": thing, "b": thing}}}
    )
    compiler.document("made")
    assert list(compiler.bodies) == ["made_a", "made"]
