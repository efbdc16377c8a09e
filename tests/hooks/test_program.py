"""The hook as a program: its command line, its errors, its time."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import TREE, need
from tests.hooks.world import HOOK, PATHS
from tests.kernel.box import until

STATE = {"ociVersion": "1.2.0", "id": "web", "status": "stopped", "pid": 0, "bundle": "/nowhere"}


def test_it_says_what_it_is_for():
    done = subprocess.run([HOOK, "--help"], capture_output=True, text=True, check=True)
    assert "ocipy-hook-network [KEY=VALUE...]" in done.stdout


@pytest.mark.parametrize(
    ("words", "state", "message"),
    [
        ((), "", "needs the state of a container on stdin; see --help"),
        ((), "[]", "what is on stdin is not the state of a container"),
        ((), "{", "state: line 1 column 2: expected a key"),
        ((), {**STATE, "id": 1}, "what is on stdin is not the state of a container"),
        ((), {**STATE, "pid": "self"}, "what is on stdin is not the state of a container"),
        ((), {**STATE, "annotations": {"a": 1}}, "what is on stdin is not the state of a container"),
        (("bridge",), STATE, '"bridge" is not KEY=VALUE'),
        (("mode=nat",), {**STATE, "status": "creating"}, 'argument 0.mode: "nat" is not one of bridge'),
        ((), {**STATE, "status": "creating", "annotations": {"io.ocipy.network.mtu": "1"}},
         'io.ocipy.network.0.mtu: "1" is not a number of bytes from 68 to 65535'),
        ((), {**STATE, "status": "running"}, "a container that is running can't be given networks"),
        (("mode=bridge",), {**STATE, "status": "creating", "pid": 2**22 + 1},
         "the container's process 4194305 is gone"),
        (("mode=bridge",), {**STATE, "status": "creating", "pid": os.getpid()},
         "the container has no network namespace of its own"),
    ],
)  # fmt: skip
@pytest.mark.kernel
def test_an_error_is_one_line_and_leaves_nothing(world, tmp_path, words, state, message):
    text = state if isinstance(state, str) else json.dumps(state)
    if isinstance(state, dict) and state["pid"] == os.getpid():
        state["pid"] = world.process.pid
        text = json.dumps(state)
    said = world.run(HOOK, f"state={world.claims}", *words, input=text, status=1)
    assert said.startswith("ocipy-hook-network: ")
    assert said.count("\n") == 1
    assert message in said
    assert world.left() == []


@pytest.mark.kernel
def test_what_an_argument_says_no_annotation_changes(world):
    box = world.container(mode="bridge", link="br7", mtu="1400")
    box.config["hooks"]["createRuntime"][0]["args"] += ["0.link=ocipy0", "ipv4=10.176.0.7/20"]
    box.start()
    assert (box.address(4), "br7" in world.links()) == ("10.176.0.7", False)
    assert "mtu 1400" in box.inside("ip", "link", "show", "eth0")


@pytest.fixture
def creating(world):
    """The state of a container that is being made: a process in a network namespace of its own."""
    holder = world.popen_apart()
    yield {**STATE, "status": "creating", "pid": holder.pid}
    holder.kill()
    holder.wait()


@pytest.mark.kernel
def test_annotations_may_be_left_out_of_account(world, creating):
    annotations = {"io.ocipy.network.1.mode": "host-device", "io.ocipy.network.1.link": "nope"}
    state = {**creating, "annotations": annotations}
    assert "no network device nope" in world.hook(state, "mode=none", "mode=bridge", status=1)
    world.hook(state, "mode=bridge", "annotations=false")
    world.hook({**state, "status": "stopped"})
    assert '"no" is not one of true, false' in world.hook(state, "annotations=no", status=1)
    assert world.left() == []


def bare(world, state, *words, status=0):
    """Call the hook with a Python that has no packages."""
    script = f"import sys; sys.path[:0] = {PATHS!r}; from ocipy_network.__main__ import run; run()"
    python = os.path.realpath(sys.executable)
    words = (python, "-ISB", "-c", script, f"state={world.claims}", *words)
    return world.run(*words, input=json.dumps(state), status=status)


@pytest.mark.kernel
def test_without_pyroute2_it_says_what_is_missing(world, creating):
    """`none` needs nothing of it."""
    missing = "ocipy-hook-network: needs pyroute2, which is not installed: pip install 'ocipy[network]'\n"
    assert bare(world, creating, "mode=bridge", status=1) == missing
    bare(world, creating, "mode=none")
    bare(world, {**creating, "status": "stopped"})
    assert world.left() == []


@pytest.mark.kernel
def test_who_leaves_others_on_the_bridge_goes_without_the_import(world, creating):
    """The kernel has removed the veth pair by then: it went with the container's namespace."""
    other = world.container(mode="bridge").start()
    ours = set(world.links())
    world.hook(creating, "mode=bridge", "publish=80:80")
    os.kill(creating["pid"], signal.SIGKILL)
    until(lambda: set(world.links()) == ours)
    bare(world, {**creating, "status": "stopped"})
    assert "dport 80" not in world.rules()
    other.delete("--force")
    assert world.left() == []


@pytest.mark.kernel
@pytest.mark.parametrize("mode", ["bridge", "none", "join:other"])
def test_a_container_in_the_hosts_network_is_given_none(world, mode):
    box = world.container(mode=mode)
    namespaces = box.config["linux"]["namespaces"]
    namespaces.remove(next(one for one in namespaces if one["type"] == "network"))
    box.config["mounts"] = [one for one in box.config["mounts"] if one["type"] != "sysfs"]
    assert "the container has no network namespace of its own" in box.create(status=1)
    assert world.left() == []


@pytest.mark.kernel
def test_a_container_that_asks_for_nothing_may_have_the_hosts_network(world, creating):
    world.hook({**creating, "pid": world.process.pid})
    world.hook({**creating, "status": "stopped"})
    assert world.left() == []


@pytest.mark.kernel
@pytest.mark.parametrize("id", [".", "..", "a/b", "/etc/a"])
def test_an_id_that_is_the_name_of_no_file_makes_none(world, creating, id):
    world.hook({**creating, "id": id}, "mode=bridge")
    assert os.listdir(world.claims) != []
    assert not list(world.claims.glob("join/*"))
    world.hook({**creating, "id": id, "status": "stopped"})
    assert world.left() == []


@pytest.mark.kernel
def test_what_is_refused_when_half_of_it_is_decided_leaves_nothing(world, creating):
    said = world.hook(creating, "mode=bridge", "1.mode=macvlan", "1.link=nope", status=1)
    assert said == "ocipy-hook-network: there is no network device nope\n"
    assert world.left() == []


@pytest.mark.kernel
def test_a_kernel_without_nftables_is_named(world, creating, tmp_path):
    """Its socket(2) says EPROTONOSUPPORT, and so does strace."""
    need(shutil.which("strace"), "needs strace")
    trace = ["strace", "-qq", "-f", "-o", tmp_path / "trace", "-e"]
    ask = [HOOK, f"state={world.claims}", "mode=bridge"]
    world.run(*trace, "trace=socket", *ask, input=json.dumps(creating))
    sockets = [line for line in (tmp_path / "trace").read_text().splitlines() if "socket(" in line]
    place = next(n for n, line in enumerate(sockets, 1) if "NETLINK_NETFILTER" in line)
    world.hook({**creating, "status": "stopped"})
    inject = f"inject=socket:error=EPROTONOSUPPORT:when={place}+"
    said = world.run(*trace, inject, *ask, input=json.dumps(creating), status=1)
    assert said == "ocipy-hook-network: this kernel has no nftables; firewall=false does without\n"
    assert world.left() == []
    world.run(*ask, "firewall=false", input=json.dumps(creating))
    world.hook({**creating, "status": "stopped"})
    assert world.left() == []


@pytest.mark.kernel
@pytest.mark.slow
def test_most_of_its_time_is_the_import_and_all_of_it_is_short(world, creating):
    """In processor time, and as a ratio to what starting Python takes (5 ms): 250 ms are 50 times that."""
    python = os.path.realpath(sys.executable)
    site = [path for path in sys.path if "site-packages" in path]
    load = f"import sys; sys.path += {site}; from pyroute2 import IPRoute"
    bare, imports, whole = [], [], []
    for _ in range(5):
        bare.append(cost(world, python, "-ISB", "-c", "pass"))
        imports.append(cost(world, python, "-ISB", "-c", load))
        whole.append(cost(world, HOOK, f"state={world.claims}", "mode=bridge", state=creating))
        world.hook({**creating, "status": "stopped"})
    start, load, all = (min(times) for times in (bare, imports, whole))
    print(f"\nbare {start * 1000:.1f} ms, pyroute2 {(load - start) * 1000:.1f}, all {all * 1000:.1f}")
    assert all < 50 * start
    assert load - start > all / 2


def cost(world, *words, state=None):
    """Seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    world.run(*words, input=json.dumps(state) if state else "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.kernel
def test_any_runtime_that_runs_hooks_can_have_it(world):
    need(shutil.which("runc"), "needs runc")
    box = world.container("sh", "-c", "exit 0", mode="bridge")
    box.config["mounts"] = [
        mount for mount in box.config["mounts"] if mount["destination"] != "/sys/fs/cgroup"
    ]
    for mount in box.config["mounts"]:
        mount["options"] = [{"rro": "ro"}.get(option, option) for option in mount.get("options", ())]
    box.config["process"]["args"] = ["/usr/bin/python3", "-c", "print(open('/proc/net/fib_trie').read())"]
    printed = world.run("runc", "--root", world.root / "runc", "run", "-b", box.write(), box.id)
    assert "10.176.0.2" in printed
    assert world.left() == []


def test_the_program_of_the_tree_is_what_is_tested():
    assert HOOK.startswith(TREE)
