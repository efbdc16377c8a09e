"""Somebody becomes more than he should: a user, a group, a capability, a cgroup."""

import os
from pathlib import Path

from tests.kernel.box import fields
from tests.security.corpus import attack
from tests.security.weakenings import (
    CGROUPS_ANYWHERE,
    CGROUPS_THAT_CLIMB,
    GROUPS_OF_THE_CALLER,
    IDS_CUT_SHORT,
    INHERITABLE,
    INHERITABLE_BY_EXEC,
    USERS_THAT_ARE_NO_NUMBERS,
)

NO_ID = 2**32 - 1


def _inheritable(done):
    inherited = fields(done.stdout)["CapInh"]
    return [f"CapInh {inherited}"] if int(inherited, 16) else []


@attack(
    "CVE-2022-29162",
    "CVE-2022-27650",
    "CVE-2025-27612",
    "GHSA-xr7r",
    without={"create": INHERITABLE, "exec": INHERITABLE},
)
def capabilities_that_are_inherited(scene):
    """What is inheritable outlives the change to another user, by a file that has capabilities of its own."""
    box = scene.box()
    sets = {kind: ["CAP_KILL", "CAP_CHOWN"] for kind in ("bounding", "effective", "permitted")}
    box.process["capabilities"] = sets
    got = _inheritable(scene.process(box, "exec cat /proc/self/status"))
    return got + _inheritable(scene.process(box, "exec cat /proc/self/status", asked={"capabilities": sets}))


@attack("CVE-2022-29162", "CVE-2022-27650", without={"exec": INHERITABLE_BY_EXEC})
def capabilities_that_exec_adds(scene):
    """exec --cap, as it is meant for one process alone."""
    box = scene.box()
    return _inheritable(scene.process(box, "exec cat /proc/self/status", ("--cap", "CAP_NET_RAW")))


@attack("CVE-2026-30892", without={"exec": USERS_THAT_ARE_NO_NUMBERS})
def a_user_that_is_no_number(scene):
    """exec --user with what only begins as a number, or is none, must never come to mean root."""
    box, got = scene.box(), []
    users = [
        "x",
        "1:",
        ":",
        ":1",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1_0",
        "0x10",
        "1e3",
        "\N{ARABIC-INDIC DIGIT THREE}",
    ]
    for user in [*users, str(NO_ID), str(NO_ID + 1), f"{NO_ID + 1}:{NO_ID + 1}", "9" * 30, "1:x", "root"]:
        done = scene.process(box, "id -u", ("--user", user))
        got += [f"{user!r} is {done.stdout.strip()}"] if done.stdout in ("0\n", "1\n") else []
    done = scene.process(box, "id -u; id -g", ("--user", "1"))
    return got + ([] if done.stdout == "1\n0\n" else [f"1 is {done.stdout}"])


@attack("CVE-2026-46680", without={"create": IDS_CUT_SHORT, "exec": IDS_CUT_SHORT})
def an_id_that_has_no_32_bits(scene):
    """Cut to what the kernel takes, or taken for "leave it as it is", these are root."""
    got = []
    for uid in (NO_ID, NO_ID + 1, -1, 2**64):
        done = scene.process(scene.box(), "id -u", asked={"user": {"uid": uid, "gid": 5}})
        got += [f"{uid} is root"] if done.stdout == "0\n" else []
    return got


@attack("groups of the caller", without={"create": GROUPS_OF_THE_CALLER, "exec": GROUPS_OF_THE_CALLER})
def groups_of_the_caller(scene):
    """Supplementary groups open files of the host to who has left it."""
    done = scene.process(scene.box(), "id -G", preexec_fn=lambda: os.setgroups([0, 54321]))
    assert done.stdout, done.stderr
    return [f"groups {done.stdout.strip()}"] if "54321" in done.stdout else []


@attack("exec --cgroup of crun before 1.29", without={"exec": CGROUPS_THAT_CLIMB})
def an_exec_in_a_cgroup_above(scene):
    """The process would be free of the container's limits."""
    box, got = scene.box(), []
    scene.begin(box)
    for path in ("..", "../..", "/..", "x/../..", "./..", "memory:..", "memory:/../..", "../" * 40):
        pid_file = box.bundle / "exec.pid"
        flags = ("--cgroup", path, "--detach", "--pid-file", pid_file)
        if scene.process(box, "exec sleep 1000", flags).returncode == 0:
            cgroups = Path(f"/proc/{pid_file.read_text()}/cgroup").read_text().split()
            got += [
                f"{path}: {line}"
                for line in cgroups
                if box.id not in line and ":/" in line and "cpuset" not in line
            ]
    return got


@attack("delegated cgroup of crun before 1.28", without={"create": CGROUPS_ANYWHERE})
def a_cgroup_outside_of_the_hierarchy(scene):
    """The cgroup would be a directory of the host's, made by the runtime, and its files written to."""
    box = scene.box()
    box.linux["cgroupsPath"] = "/../../../../../.." + str(scene.outside / "cgroup")
    scene.process(box, "true")
    return []
