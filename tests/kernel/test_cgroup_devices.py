"""Device rules for real: the same requests, refused and granted, under v1's files and v2's program."""

import os
import subprocess

import pytest

from ocipy.cgroups import bpf, open_manager
from ocipy.cgroups.layout import detect
from ocipy.plan.bpf import device_program
from ocipy.plan.devices import allowed, rules
from ocipy.plan.resources import cgroup_steps

pytestmark = pytest.mark.kernel
PREFIX = f"ocipytest-dev-{os.getpid()}"

DENY_ALL = {"allow": False, "access": "rwm"}
LOOP_READ = {"allow": True, "type": "b", "major": 7, "minor": 77, "access": "r"}

# Each line a request.  A loop device 7:77 need not exist: then a request that gets through ends in ENXIO.
# The nodes are on a tmpfs of a private mount namespace: /tmp may be mounted nodev.
SCRIPT = """
set -e
mount -t tmpfs -o size=64k none {nodes}
cd {nodes}
mknod mem c 1 1
mknod loop b 7 77
set +e
echo 0 > {directory}/cgroup.procs
try() { "$@" 2>why >/dev/null </dev/null && echo yes && return
        grep -q 'not permitted' why && echo no || echo yes; }
echo null $(try head -c1 /dev/null)
echo zero $(try head -c1 /dev/zero)
echo mem $(try head -c1 mem)
echo loop-r $(try head -c1 loop)
echo loop-w $(try sh -c 'echo >>loop')
echo mknod $(try mknod made b 7 78)
"""

REQUESTS = {
    "null": ("c", 1, 3, "r"),
    "zero": ("c", 1, 5, "r"),
    "mem": ("c", 1, 1, "r"),
    "loop-r": ("b", 7, 77, "r"),
    "loop-w": ("b", 7, 77, "w"),
    "mknod": ("b", 7, 78, "m"),
}
CONFIGS = {
    "nothing": [],
    "what runc spec has": [DENY_ALL],
    "everything": [{"allow": True}],
    "one device for reading": [DENY_ALL, LOOP_READ],
    "everything but a device": [{"allow": True}, {"allow": False, "type": "b", "major": 7, "minor": 77}],
    "everything but writing to blocks": [{"allow": True}, {"allow": False, "type": "b", "access": "w"}],
}


def answers(directory, nodes):
    """What a process in a cgroup gets to each request."""
    script = SCRIPT.replace("{nodes}", str(nodes)).replace("{directory}", directory)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=True
    )
    return {name: verdict == "yes" for name, verdict in (line.split() for line in done.stdout.splitlines())}


def expected(config):
    listed = rules(config)
    return {name: allowed(listed, *request) for name, request in REQUESTS.items()}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_managers_steps_decide_as_the_rules_do(tmp_path, name):
    layout = detect()
    manager = open_manager(layout, f"/{PREFIX}", "web")
    manager.make()
    try:
        for step in cgroup_steps({"devices": CONFIGS[name]}, layout):
            manager.apply(step)
        directory = manager.paths.get("devices") or manager.paths[""]
        assert answers(directory, tmp_path) == expected(CONFIGS[name])
    finally:
        manager.kill()
        manager.remove()


@pytest.fixture
def v2_cgroup():
    """A cgroup of our own below cgroup2, which a hybrid host has too."""
    layout = detect()
    if layout.mode not in ("v2", "hybrid"):
        pytest.skip("this machine: no cgroup v2")
    point, _ = layout.mount("")
    directory = f"{point}/{PREFIX}"
    os.mkdir(directory)
    yield directory
    os.rmdir(directory)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_program_decides_as_the_rules_do(v2_cgroup, tmp_path, name):
    bpf.attach(v2_cgroup, device_program(rules(CONFIGS[name])))
    assert answers(v2_cgroup, tmp_path) == expected(CONFIGS[name])


def test_v2_can_make_an_exception_to_an_exception(v2_cgroup, tmp_path):
    config = [{"allow": True}, {"allow": False, "type": "b", "major": 7}, LOOP_READ]
    bpf.attach(v2_cgroup, device_program(rules(config)))
    found = answers(v2_cgroup, tmp_path)
    assert (found["loop-r"], found["loop-w"]) == (True, False)


def test_an_update_replaces_the_program_in_one_step(v2_cgroup, tmp_path):
    fd = os.open(v2_cgroup, os.O_RDONLY | os.O_CLOEXEC)
    try:
        bpf.attach(v2_cgroup, device_program(rules([DENY_ALL])))
        (first,) = bpf.query(fd)
        bpf.attach(v2_cgroup, device_program(rules([DENY_ALL, LOOP_READ])))
        (second,) = bpf.query(fd)
        assert first != second
        assert answers(v2_cgroup, tmp_path)["loop-r"]
    finally:
        os.close(fd)


def test_an_update_leaves_the_programs_of_others_alone(v2_cgroup, tmp_path, monkeypatch):
    """systemd has one of its own on a scope with DeviceAllow=."""
    fd = os.open(v2_cgroup, os.O_RDONLY | os.O_CLOEXEC)
    try:
        monkeypatch.setattr(bpf, "NAME", b"sd_devices")
        bpf.attach(v2_cgroup, device_program(rules([DENY_ALL])))
        (theirs,) = bpf.query(fd)
        monkeypatch.undo()
        for _ in range(2):
            bpf.attach(v2_cgroup, device_program(rules([DENY_ALL, LOOP_READ])))
            assert len(bpf.query(fd)) == 2
        assert theirs in bpf.query(fd)
        assert not answers(v2_cgroup, tmp_path)["loop-r"]
    finally:
        os.close(fd)


def test_a_program_of_several_hundred_rules_is_loaded(v2_cgroup):
    many = [
        {"allow": i % 3 > 0, "type": "bc"[i % 2], "major": i, "minor": i, "access": "rw"} for i in range(800)
    ]
    bpf.attach(v2_cgroup, device_program(rules(many)))


def test_no_memory_has_to_be_locked_for_a_program(v2_cgroup):
    """Without CAP_SYS_RESOURCE RLIMIT_MEMLOCK can't be raised; since Linux 5.11 it need not be."""
    code = f"""
import resource
from ocipy.cgroups import bpf
from ocipy.plan.bpf import device_program
from ocipy.plan.devices import rules
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
bpf.attach({v2_cgroup!r}, device_program(rules([])))
"""
    tree = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "python3", "-c", code]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": tree})


def test_a_program_that_the_verifier_refuses_is_an_error_with_its_words():
    if detect().mode not in ("v2", "hybrid"):
        pytest.skip("this machine: no cgroup v2")
    with pytest.raises(PermissionError, match=r'bpf\("BPF_PROG_LOAD", ".*R0'):
        bpf.load(b"\x95" + bytes(7))
