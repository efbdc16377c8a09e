"""Which manager a host and an option lead to, and what it costs to have one."""

import os
import subprocess
import sys

import pytest

from ocipy.cgroups import from_kept, from_paths, open_manager
from ocipy.cgroups.layout import detect
from ocipy.errors import UsageError
from ocipy.plan.cgroup_layout import Layout
from tests.conftest import need

V1 = Layout("v1", (("memory", "/absent/memory", "/"),), (("memory", "/"),))
HYBRID = V1.replace(mode="hybrid", mounts=(*V1.mounts, ("", "/absent/unified", "/")))
V2 = Layout("v2", (("", "/absent", "/"),), (("", "/"),))


@pytest.mark.parametrize(("layout", "name"), [(V1, "V1"), (HYBRID, "V1"), (V2, "V2"), (Layout(), "Disabled")])
def test_the_layout_chooses_the_manager_and_so_does_what_state_keeps(layout, name):
    manager = open_manager(layout, "/pod", "web")
    assert type(manager).__name__ == name
    assert type(from_paths(manager.paths, manager.made)).__name__ == name


def test_disabled_by_name():
    assert type(open_manager(V2, "/pod", "web", manager="disabled")).__name__ == "Disabled"


def test_other_managers_are_refused_by_name():
    with pytest.raises(UsageError, match="nonsense"):
        open_manager(V2, "/pod", "web", manager="nonsense")


def test_without_systemd_there_is_no_scope():
    need(not os.path.isdir("/run/systemd/system"), "systemd runs here", kernel=True)
    with pytest.raises(UsageError, match="needs systemd, which does not run here"):
        open_manager(V2, "", "web", manager="systemd")


@pytest.mark.parametrize(("layout", "name"), [(V1, "ScopeV1"), (HYBRID, "ScopeV1"), (V2, "ScopeV2")])
def test_a_scope_is_found_again_by_what_state_keeps(layout, name):
    unit = {"name": "web.scope", "user": False, "inode": 5}
    kept = {
        "paths": {entry[0]: entry[1] for entry in layout.mounts},
        "made": [],
        "rootless": False,
        "inodes": {},
        "unit": unit,
    }
    manager = from_kept(kept)
    assert type(manager).__name__ == name
    assert manager.kept() == {**kept, "inodes": dict.fromkeys(kept["paths"].values(), 5)}
    assert not manager.exists()


def test_the_cgroup_of_another_scope_that_has_the_name_now_is_left_alone(tmp_path):
    place = tmp_path / "web.scope"
    place.mkdir()
    unit = {"name": "web.scope", "user": False, "inode": place.stat().st_ino}
    kept = {"paths": {"": str(place)}, "made": [str(place)], "rootless": False, "unit": unit}
    assert from_kept(kept).exists()
    other = from_kept({**kept, "unit": {**unit, "inode": unit["inode"] + 1}})
    assert (other.paths, other.made, other.procs(), other.exists()) == ({}, (), [], False)
    other.remove()
    assert place.exists()


def test_state_of_before_make_names_what_would_be_made():
    manager = open_manager(V1, "/pod/web", "web")
    assert manager.paths == {"memory": "/absent/memory/pod/web"}
    assert manager.made[:2] == ("/absent/memory/pod/web", "/absent/memory/pod")


def test_a_failed_make_leaves_nothing_that_a_clean_up_could_touch(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    manager = open_manager(V2.replace(mounts=(("", str(file), "/"),)), "/web", "web")
    with pytest.raises(NotADirectoryError):
        manager.make()
    assert (manager.paths, manager.made) == ({}, ())


def test_detect_finds_this_machines_hierarchies():
    layout = detect()
    assert layout.mode in ("v1", "hybrid", "v2", "none")
    assert all(os.path.isdir(point) for _, point, _ in layout.mounts)


def test_delete_and_kill_load_no_resources():
    code = """
import errno, os, sys, time
sys.path.insert(0, TREE)
before = set(sys.modules)
import ocipy.cgroups.layout
from ocipy.cgroups import from_paths
manager = from_paths({"memory": "/absent/a", "": "/absent/b"}, ["/absent/a"])
manager.kill(), manager.remove(), manager.frozen()
print(*set(sys.modules) - before)
"""
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-I", "-S", "-c", code.replace("TREE", repr(tree))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "__future__",
        "ocipy",
        "ocipy.linux.os",
        "ocipy.cgroups",
        "ocipy.cgroups.files",
        "ocipy.cgroups.layout",
        "ocipy.cgroups.manager",
        "ocipy.cgroups.v1",
        "ocipy.cgroups.v2",
        "ocipy.errors",
        "ocipy.linux",
        "ocipy.linux._syscall",
        "ocipy.linux.const",
        "ocipy.linux.syscalls",
        "ocipy.plan",
        "ocipy.plan.cgroup_layout",
        "ocipy.record",
    }
