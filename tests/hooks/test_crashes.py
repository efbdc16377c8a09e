"""Many at once, and whoever dies in between: nothing is given twice, and in the end nothing is left."""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.hooks.world import HOOK
from tests.kernel.box import until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

MANY = 50
KILLS = 25
DYING = (Path(__file__).parent / "dying.py").read_text()
SEED = 7  # of the moments at which something is killed


def processes(box):
    """The runtime's and the hook's processes of a container's making, by name: (pid, name)."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if box.id.encode() in words:
                    yield int(entry), "runtime"
                elif f"state={box.world.claims}".encode() in words:
                    yield int(entry), "hook"


def clean(world, boxes):
    """What is done after a crash: delete all containers; the rest is found by any hook."""
    for box in boxes:
        box.ocipy("delete", "--force")
    world.collect()


@pytest.mark.timeout(300)
def test_fifty_at_once_have_fifty_addresses_and_leave_nothing(world):
    boxes = [world.container(mode="bridge", publish=f"{8000 + n}:80") for n in range(MANY)]
    making = []
    for box in boxes:
        # Not a pipe: what waits in the container would hold it open.
        with open(box.bundle / "said", "wb") as said:
            words = ("--root", world.root, "create", "-b", box.write(), box.id)
            making.append(world.popen(world.launcher, *words, stderr=said))
    failed = [process.wait() for process in making]
    assert not any(failed), [(box.bundle / "said").read_text() for box in boxes]
    claims = [json.loads(path.read_text()) for path in world.claims.rglob("claims/*")]
    attachments = [claim["attachments"][0] for claim in claims]
    for kind in ("ipv4", "ipv6"):
        assert len({address for one in attachments for address in one[kind]}) == MANY
    # What was claimed is what is there.
    ports = json.loads(world.run("ip", "-json", "link", "show", "master", "ocipy0"))
    assert {port["ifname"] for port in ports} == {one["host"] for one in attachments}
    for box in random.Random(SEED).sample(boxes, 5):
        claim = box.claim()["attachments"][0]
        assert box.addresses() == claim["ipv4"] + claim["ipv6"]
    deleting = [
        world.popen(world.launcher, "--root", world.root, "delete", "--force", box.id) for box in boxes
    ]
    assert not any(process.wait() for process in deleting)
    assert world.left() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", ["runtime", "hook"])
def test_a_kill_at_any_moment_leaves_nothing_that_stays(world, victim):
    chance = random.Random(SEED)
    witness = world.container(mode="bridge").start()
    boxes = [world.container(mode="bridge", publish="8080:80", forward="ipv4") for _ in range(KILLS)]
    hits = 0
    for number, box in enumerate(boxes):
        box.write()
        verbs = [("create", "-b", box.bundle, box.id)]
        if number % 3 == 0:  # die at the other end of a life
            box.create()
            verbs = [("delete", "--force", box.id)]
        hits += _kill(world, box, verbs[0], victim, chance.uniform(0, 1))
        # Whatever is left is no hindrance to anybody: the port, for one, is free for the next.
        clean(world, [box])
    assert hits > KILLS / 3  # or it was all over too soon
    clean(world, boxes)
    assert [line for line in world.rules().splitlines() if "dnat" in line and "status" not in line] == []
    assert set(world.links()) == {"lo", "ocipy0", witness.claim()["attachments"][0]["host"]}
    witness.delete("--force")
    assert world.left() == []


def _kill(world, box, words, victim, when):
    """Start a verb and kill the runtime or its hook; True if it was there to be killed.

    when: 0 as soon as the victim is seen, 1 some 400 ms later: a moment of its life, by chance
    """
    process = world.popen(world.launcher, "--root", world.root, *words)
    until(lambda: process.poll() is not None or victim in (name for _, name in processes(box)))
    time.sleep(when * 0.4)
    found = [pid for pid, name in processes(box) if name == victim]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    # The hook of a runtime that was killed goes on; it is waited for, as by nobody otherwise.
    until(lambda: not list(processes(box)))
    return bool(found)


# ---------------------------------------------------------------- between any two steps


@pytest.mark.timeout(300)
def test_a_crash_between_any_two_steps_is_undone_by_the_next_hook(world, tmp_path):
    world.wire("lent")
    world.ip("addr add 10.4.0.5/24 dev lent")
    before = world.ip("-oneline -4 addr show lent").split()[1:4]
    bundle = tmp_path / "bundle"
    (bundle / "network").mkdir(parents=True)
    (bundle / "network/hosts").touch()
    settings = [
        "mode=bridge", "publish=8080:80", "files=network", "1.mode=macvlan", "1.link=lent-end",
        "2.mode=host-device", "2.link=lent", "2.name=eth2",
    ]  # fmt: skip
    report = json.loads(world.python(DYING, world.claims, bundle, *settings))
    assert report["left"] == []
    assert report["steps"]["creating"] > 30
    assert report["steps"]["stopped"] > 10
    assert world.ip("-oneline -4 addr show lent").split()[1:4] == before
    assert world.left() == []


def test_what_can_not_be_undone_is_nobody_elses_trouble(world):
    """What a dead container has outside is here, by a claim that is forged, what nobody may remove."""
    box = world.container(mode="bridge").start()
    claim = box.claim()
    box.kill()
    (path,) = world.claims.rglob("claims/*")
    claim["attachments"][0]["host"] = "lo"
    path.write_text(json.dumps(claim))
    assert world.container(mode="bridge").start().address(4) == "10.176.0.3"
    assert "remove lo" in world.run(HOOK, "--collect", f"state={world.claims}", status=1)
    assert path.exists()
    claim["attachments"][0]["host"] = ""
    path.write_text(json.dumps(claim))
    world.collect()
    assert not path.exists()
