"""The example configs, which other tests build plans of."""

import pytest

from ocipy import spec
from ocipy.spec import jsontext, report
from tests.spec.pointers import properties, used


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
