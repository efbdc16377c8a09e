"""The example configs, which other tests build plans of."""

import pytest

from ocipy import spec
from ocipy.spec import jsontext, report


def properties(schema, pointer=""):
    """Pointers of every property that a schema has, "*" for an item."""
    for key, inner in schema.get("properties", {}).items():
        yield f"{pointer}/{key}"
        yield from properties(inner, f"{pointer}/{key}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from properties(schema[keyword], f"{pointer}/*")


def used(schema, value, pointer=""):
    """Those of them that a document has."""
    if isinstance(value, list):
        for item in value:
            yield from used(schema["items"], item, f"{pointer}/*")
    elif isinstance(value, dict):
        for key, item in value.items():
            step = key if "properties" in schema else "*"
            inner = schema.get("properties", {}).get(key) or schema["additionalProperties"]
            yield f"{pointer}/{step}"
            yield from used(inner, item, f"{pointer}/{step}")


def test_every_example_is_good_and_has_no_property_of_its_own(examples):
    assert len(examples) >= 20
    for name, document in examples.items():
        assert (name, spec.validate(document, strict=True)[0]) == (name, [])


def test_only_the_example_of_relative_paths_gives_warnings(examples):
    assert {name for name, document in examples.items() if spec.validate(document)[1]} == {"relative"}


def test_everything_has_every_property_of_linux(examples):
    schema = report.schema("config")
    foreign = ("freebsd", "solaris", "vm", "windows", "zos")
    wanted = {pointer for pointer in properties(schema) if pointer.split("/")[1] not in foreign}
    assert wanted - set(used(schema, examples["everything"])) == set()


@pytest.mark.parametrize("indent", [0, 1, 4])
def test_writing_and_reading_gives_the_same(examples, indent):
    for document in examples.values():
        assert jsontext.parse(jsontext.dump(document, indent).encode(), "copy") == document
