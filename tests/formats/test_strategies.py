"""The generated Specs themselves: valid, and of every property that a format may have to carry."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy import spec
from ocipy.spec import report
from tests.formats import strategies, strategies_resources
from tests.spec.pointers import properties, used

#: What no Linux runtime does anything with, or only with another process's help.
NOT_GENERATED = {
    "/process/commandLine", "/process/consoleSize", "/process/consoleSize/height",
    "/process/consoleSize/width", "/process/user/username", "/linux/personality/flags",
    "/linux/resources/memory/kernel", "/linux/resources/memory/kernelTCP",
    "/linux/resources/memory/useHierarchy", "/linux/seccomp/listenerPath", "/linux/seccomp/listenerMetadata",
}  # fmt: skip
#: Parts that have much in them, by themselves: in a whole document each thing is rare.
PARTS = {
    "process": strategies.processes(),
    "hooks": strategies.hooks(),
    "mounts": st.lists(strategies.mounts(), max_size=3),
    "linux/resources": strategies_resources.resources(),
    "linux/seccomp": strategies_resources.seccomp(),
    "linux/devices": strategies_resources.devices(),
}
EXAMPLES = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def collect(strategy, seen, place=""):
    """Which properties come up in what is generated for a place of a document."""
    schema = report.schema("config")

    @settings(EXAMPLES, max_examples=150)
    @given(strategy)
    def look(value):
        for step in reversed(place.split("/") if place else ()):
            value = {step: value}
        if not place:
            assert spec.validate(value, strict=True)[0] == []
        seen.update(used(schema, value))

    look()


@pytest.mark.timeout(180)
def test_what_is_generated_is_valid_and_has_every_property():
    seen = set()
    collect(strategies.documents(), seen)
    for place, strategy in PARTS.items():
        collect(strategy, seen, place)
    platforms = ("/freebsd", "/solaris", "/vm", "/windows", "/zos")
    every = properties(report.schema("config"))
    wanted = {pointer for pointer in every if not pointer.startswith(platforms)}
    assert wanted - seen == NOT_GENERATED
