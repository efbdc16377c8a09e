"""The plans of all examples as text: `make golden` rewrites them, and a review reads what changed."""

import pytest

from ocipy.errors import ConfigError
from ocipy.plan.compile import compile
from tests.plan.hosts import EXAMPLES, HOSTS, OPTIONS


def text(config, facts):
    """A plan as `ocipy plan` prints it, with the warnings; or why there is none."""
    try:
        plan = compile(config, OPTIONS, facts)
    except ConfigError as error:
        return "".join(f"refused: {problem}\n" for problem in error.problems)
    return "".join(f"warning: {warning}\n" for warning in plan.warnings) + f"{plan}\n"


def hosts(name):
    """podman's user is root of a user namespace when it comes to us."""
    return ("v1", "v2", *{"rootless": ("rootless",), "podman-rootless": ("nested",)}.get(name, ()))


@pytest.mark.parametrize(("name", "host"), [(name, host) for name in EXAMPLES for host in hosts(name)])
def test_the_plan_of_an_example_is_what_was_reviewed(golden, name, host):
    assert golden(f"golden/{name}-{host}.txt") == text(EXAMPLES[name], HOSTS[host])
