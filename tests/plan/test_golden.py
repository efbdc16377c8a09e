"""The plans of all examples as text: `make golden` rewrites them, and a review reads what changed."""

import pytest

from ocipy.errors import ConfigError
from ocipy.plan.compile import compile
from tests.plan.hosts import EXAMPLES, HOSTS, OPTIONS


def text(config, facts, options=OPTIONS):
    """A plan as `ocipy plan` prints it, with the warnings; or why there is none."""
    try:
        plan = compile(config, options, facts)
    except ConfigError as error:
        return "".join(f"refused: {problem}\n" for problem in error.problems)
    return "".join(f"warning: {warning}\n" for warning in plan.warnings) + f"{plan}\n"


def hosts(name):
    """podman's user is root of a user namespace when it comes to us."""
    return ("v1", "v2", *{"rootless": ("rootless",), "podman-rootless": ("nested",)}.get(name, ()))


@pytest.mark.parametrize(("name", "host"), [(name, host) for name in EXAMPLES for host in hosts(name)])
def test_the_plan_of_an_example_is_what_was_reviewed(golden, name, host):
    assert golden(f"golden/{name}-{host}.txt") == text(EXAMPLES[name], HOSTS[host])


@pytest.mark.parametrize("host", ["v1", "v2", "rootless"])
@pytest.mark.parametrize("name", ["resources", "unified"])
def test_the_plan_of_a_scope_is_what_was_reviewed(golden, name, host):
    linux = {**EXAMPLES[name]["linux"], "cgroupsPath": "machine.slice:libpod:web"}
    config = {**EXAMPLES[name], "linux": linux}
    made = text(config, HOSTS[host], OPTIONS.replace(systemd=True))
    assert golden(f"golden/systemd-{name}-{host}.txt") == made
