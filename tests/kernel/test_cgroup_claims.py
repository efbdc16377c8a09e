"""Whose a cgroup is: it is made one container's own, and no other's as long as that is known."""

import os

import pytest

from ocipy.cgroups import from_paths, open_manager
from ocipy.cgroups.layout import detect
from ocipy.errors import ContainerError

pytestmark = pytest.mark.kernel
PREFIX = f"ocipytest-claims-{os.getpid()}"


@pytest.fixture
def owned(tmp_path):
    """owned(name): a manager of the same cgroup as every other one, for the container of this name."""

    def make(name):
        manager = open_manager(detect(), f"/{PREFIX}", name)
        manager.owner = str(tmp_path / name)
        os.mkdir(manager.owner)
        return manager

    yield make
    for _, point, _ in detect().mounts:
        assert not os.path.exists(f"{point}/{PREFIX}")


def test_one_without_processes_is_refused_as_long_as_it_is_another_containers(owned):
    """Who made it may have none in it yet, or not any more; its end would kill all that are there."""
    first, second = owned("web"), owned("db")
    first.make()
    with pytest.raises(
        ContainerError, match="container's cgroup is another container's: .* is that of .*/web"
    ):
        second.make()
    assert (second.paths, second.made) == ({}, ())
    assert first.exists()
    os.rmdir(first.owner)  # nobody will come to remove it
    third = owned("cache")
    third.make()
    first.remove()
    third.remove()


def test_one_that_somebody_else_made_serves_one_container_after_another(owned):
    directories = list(dict.fromkeys(owned("nobody")._paths.values()))
    for path in directories:
        os.mkdir(path)
    try:
        for name in ("web", "db"):
            manager = owned(name)
            manager.make()
            manager.remove()
    finally:
        for path in directories:
            os.rmdir(path)


def test_what_one_container_keeps_is_no_other_ones_to_remove(owned):
    first, second = owned("web"), owned("db")
    first.make()
    with pytest.raises(ContainerError):
        second.make()
    kept = second.kept()
    later = from_paths(kept["paths"], kept["made"])
    later.kill()
    later.remove()
    assert first.exists()
    first.remove()
