"""Memory runs out: the container ends, or never begins, and it is said for whose limit."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.limits import MIB, version

pytestmark = [pytest.mark.kernel, pytest.mark.managers]

GREEDY = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")


@pytest.fixture
def limited(box):
    """A container of 16 MiB, that is yet to be made; memory.limit is `limit` of what it returns."""
    version("memory")
    memory = box.linux["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    if version("memory") == 1:
        del memory["swap"]  # of two equal limits the one with swap would be reached first
    return box


def limit_file():
    return "memory.limit_in_bytes" if version("memory") == 1 else "memory.max"


def memory_point():
    return Path("/sys/fs/cgroup/memory" if version("memory") == 1 else "/sys/fs/cgroup")


def test_a_run_that_the_oom_killer_ends_says_so(limited):
    place = limited.place()
    text = limited.run(*GREEDY, status=137)
    assert text == (
        "ocipy: warning: out of memory: 1 of the container's processes was killed; "
        f"cgroup {memory_point()}{place} is limited to {16 * MIB} bytes by {limit_file()}, "
        f"its peak was {16 * MIB}\n"
    )


def test_the_log_has_it_as_a_warning(limited):
    log = limited.bundle / "log"
    limited.process["args"] = list(GREEDY)
    words = ("--log", log, "--log-format", "json", "run", "-b", limited.write(), limited.id)
    assert limited.ocipy(*words, status=137).stderr == ""
    (line,) = map(json.loads, log.read_text().splitlines())
    assert line["level"] == "warning"
    assert "out of memory: 1 of the container's processes was killed" in line["msg"]


def test_a_shell_whose_child_was_killed_says_so_too(limited):
    assert "out of memory: 1 of" in limited.sh(" ".join(GREEDY) + "; exit $?", status=137)


def test_who_ends_well_or_is_killed_by_another_hears_nothing_of_it(limited):
    assert limited.sh(" ".join(GREEDY) + "; true") == ""
    assert limited.sh("sh -c 'kill -9 $$'; exit $?", status=137) == "Killed\n"


def test_the_limit_of_a_cgroup_above_is_named(limited):
    pod = memory_point() / Path(limited.place(limited.id.replace("-", ""))).parent.name
    limited.linux["resources"]["memory"] = {"limit": 100 * MIB}
    with limited_pod(pod, limited.manager):
        assert f"cgroup {pod} is limited to {20 * MIB} bytes" in limited.run(*GREEDY, status=137)


@contextmanager
def limited_pod(pod, manager):
    """A cgroup, or a slice, of 20 MiB."""
    if manager == "systemd":
        limits = [f"MemoryMax={20 * MIB}", "MemorySwapMax=0"]
        subprocess.run(["systemctl", "set-property", "--runtime", pod.name, *limits], check=True)
        yield
        subprocess.run(["systemctl", "stop", pod.name], check=True)
        subprocess.run(["systemctl", "revert", pod.name], check=True, capture_output=True)
        return
    pod.mkdir()
    try:
        if version("memory") == 2:
            (memory_point() / "cgroup.subtree_control").write_text("+memory")
            (pod / "memory.swap.max").write_text("0")
        (pod / limit_file()).write_text(str(20 * MIB))
        yield
    finally:
        pod.rmdir()


def test_an_exec_that_is_killed_says_so(limited):
    limited.start("sleep", "1000")
    assert "out of memory: 1 of the container's processes was killed" in limited.exec(*GREEDY, status=137)
    assert limited.state()["status"] == "running"


def test_a_create_that_is_killed_says_so_and_leaves_nothing(limited):
    limited.linux["resources"]["memory"]["limit"] = 4096
    limited.linux["resources"]["memory"].pop("swap", None)
    place = limited.place()
    message = limited.error(limited.create("true", status=1))
    assert message.startswith(f"create {limited.id}: ")
    assert "out of memory: 1 of the container's processes was killed" in message
    assert f"{place} is limited to 4096 bytes" in message
    assert not os.path.exists(f"{memory_point()}{place}")
    assert not (Path(limited.ocipy.command[1]) / limited.id).exists()


def test_half_a_mebibyte_is_enough(limited):
    limited.linux["resources"]["memory"]["limit"] = 512 * 1024
    limited.linux["resources"]["memory"].pop("swap", None)
    assert limited.run("true") == ""


def test_one_process_is_enough(box):
    version("pids")
    box.linux["resources"]["pids"] = {"limit": 1}
    assert box.run("true") == ""
    assert "can't fork" in box.sh("true & wait", status=2)


@pytest.mark.parametrize("status", [0, 137])
def test_what_was_killed_leaves_no_cgroup(limited, status):
    limited.run(*(GREEDY if status else ("true",)), status=status)
    left = [path for path, _, _ in os.walk("/sys/fs/cgroup") if limited.id in path]
    assert left == []
