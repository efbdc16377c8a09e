"""The generated Specs themselves: valid, and of every property that a format may have to carry."""

import pytest
from hypothesis import HealthCheck, given, settings

from ocipy import spec
from ocipy.spec import report
from tests.formats import strategies
from tests.spec.pointers import properties, used

#: What no Linux runtime does anything with, or only with another process's help.
NOT_GENERATED = {
    "/process/commandLine", "/process/consoleSize", "/process/consoleSize/height",
    "/process/consoleSize/width", "/process/user/username", "/linux/personality/flags",
    "/linux/resources/memory/kernel", "/linux/resources/memory/kernelTCP",
    "/linux/resources/memory/useHierarchy", "/linux/seccomp/listenerPath", "/linux/seccomp/listenerMetadata",
}  # fmt: skip


@pytest.mark.timeout(180)
def test_what_is_generated_is_valid_and_has_every_property():
    schema, seen = report.schema("config"), set()

    @settings(max_examples=110, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategies.documents())
    def look(document):
        assert spec.validate(document, strict=True)[0] == []
        seen.update(used(schema, document))

    look()
    platforms = ("/freebsd", "/solaris", "/vm", "/windows", "/zos")
    wanted = {pointer for pointer in properties(schema) if not pointer.startswith(platforms)}
    assert wanted - seen == NOT_GENERATED
