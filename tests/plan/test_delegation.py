"""Whose a container's cgroup is: its process's user's, where that is of any use and does no harm.

Source: runtime-spec config-linux.md#cgroup-ownership.
"""

import pytest

from ocipy.plan import steps
from ocipy.plan.compile import compile
from tests.plan.hosts import EXAMPLES, HOST_HYBRID, HOST_V1, HOST_V2, NESTED, OPTIONS, ROOTLESS

MAPPING = [{"containerID": 0, "hostID": 100000, "size": 65536}]
OWN = ({"type": "mount"}, {"type": "user"}, {"type": "cgroup"})


def owners(host=HOST_V2, options=OPTIONS, uid=0, mount=("rw", "nosuid"), namespaces=OWN, kind="cgroup"):
    """The users that a cgroup is given to."""
    config = EXAMPLES["minimal"]
    cgroup = {"destination": "/sys/fs/cgroup", "type": kind, "source": "cgroup", "options": list(mount)}
    linux = {"namespaces": list(namespaces)}
    if {"type": "user"} in namespaces:
        linux |= {"uidMappings": MAPPING, "gidMappings": MAPPING}
    config = {
        **config,
        "process": {**config["process"], "user": {"uid": uid, "gid": 0}},
        "mounts": [*(config.get("mounts") or []), cgroup],
        "linux": {**(config.get("linux") or {}), **linux},
    }
    return [
        step.uid for step in compile(config, options, host).create if isinstance(step, steps.DelegateCgroup)
    ]


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_it_is_the_users_that_the_process_begins_as(kind):
    assert owners(kind=kind) == [100000]
    assert owners(kind=kind, uid=1000) == [101000]


def test_without_a_user_namespace_it_is_a_user_of_the_host():
    assert owners(uid=1000, namespaces=({"type": "mount"}, {"type": "cgroup"})) == [1000]
    assert owners(uid=0, namespaces=({"type": "mount"}, {"type": "cgroup"})) == []  # whose it is anyway


@pytest.mark.parametrize(
    "why",
    [
        {"mount": ("ro",)},
        {"kind": "tmpfs"},
        {"namespaces": ({"type": "mount"}, {"type": "user"})},
        {
            "namespaces": (
                {"type": "mount"},
                {"type": "user"},
                {"type": "cgroup", "path": "/proc/1/ns/cgroup"},
            )
        },
        {"host": HOST_V1},
        {"host": HOST_HYBRID},
        {"host": ROOTLESS},
        {"options": OPTIONS.replace(cgroups=False)},
    ],
)
def test_otherwise_it_stays_whose_it_is(why):
    assert owners(**why) == []


def test_root_of_a_user_namespace_gives_it_away_as_well():
    assert owners(host=NESTED) == [100000]
