"""`process` of config.json, seen from inside: what the kernel says of the program that runs."""

import os

import pytest

from tests.conftest import need
from tests.kernel.box import fields

pytestmark = pytest.mark.kernel

DEFAULT = (1 << 5) | (1 << 10) | (1 << 29)  # kill, net_bind_service, audit_write


def status(box, **how):
    return fields(box.run("cat", "/proc/self/status", **how))


def caps(found):
    return {kind: int(found[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


# ---------------------------------------------------------------- who it is


def test_user_group_and_more_groups_are_as_asked(box):
    box.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 2000]}
    found = status(box)
    assert found["Uid"].split() == ["1000"] * 4
    assert found["Gid"].split() == ["1001"] * 4
    assert found["Groups"].split() == ["5", "2000"]


def test_groups_of_the_runtime_are_dropped(box):
    assert status(box, extra_groups=[4242])["Groups"] == ""


def test_the_highest_id_of_all_can_be_had(box):
    box.process["user"] = {"uid": 2**32 - 2, "gid": 2**32 - 2}
    assert status(box)["Uid"].split() == [str(2**32 - 2)] * 4


def test_groups_can_be_had_in_a_user_namespace(box):
    box.user_namespace()
    box.process["user"] = {"uid": 10, "gid": 11, "additionalGids": [12]}
    found = status(box)
    assert (found["Uid"].split()[0], found["Gid"].split()[0], found["Groups"]) == ("10", "11", "12")


def test_an_id_that_the_user_namespace_does_not_map_is_refused(box):
    box.user_namespace(size=10)
    box.process["user"] = {"uid": 10, "gid": 0}
    assert box.fails("true") == "config.json: /process/user/uid: 10 is not mapped by /linux/uidMappings"


@pytest.mark.parametrize(("umask", "text"), [(None, "0022"), (0, "0000"), (0o27, "0027"), (0o777, "0777")])
def test_the_umask_is_as_asked_and_0022_by_default(box, umask, text):
    if umask is not None:
        box.process["user"]["umask"] = umask
    assert box.sh("umask", umask=0o77) == f"{text}\n"


# ---------------------------------------------------------------- what it may


def test_the_five_sets_of_capabilities_are_as_asked(box):
    kill, chown, setuid = 1 << 5, 1 << 0, 1 << 7
    box.capabilities(
        bounding=["CAP_KILL", "CAP_CHOWN", "CAP_SETUID"],
        effective=["CAP_KILL"],
        permitted=["CAP_KILL", "CAP_CHOWN"],
        inheritable=["CAP_CHOWN"],
    )
    found = caps(status(box))
    assert (found["Inh"], found["Bnd"], found["Amb"]) == (chown, kill | chown | setuid, 0)
    assert found["Prm"] == kill | chown  # with no_new_privs, execve gives root nothing more
    box.process["noNewPrivileges"] = False
    assert caps(status(box))["Prm"] == kill | chown | setuid


def test_another_user_than_root_keeps_none_but_the_ambient_ones(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    assert caps(status(box)) == {"Inh": 0, "Prm": 0, "Eff": 0, "Bnd": DEFAULT, "Amb": 0}
    box.capabilities("CAP_KILL", "CAP_CHOWN", inheritable=["CAP_KILL"], ambient=["CAP_KILL"])
    assert caps(status(box)) == {
        "Inh": 1 << 5,
        "Prm": 1 << 5,
        "Eff": 1 << 5,
        "Bnd": 1 << 5 | 1,
        "Amb": 1 << 5,
    }


def test_without_capabilities_there_are_none(box):
    del box.process["capabilities"]
    assert set(caps(status(box)).values()) == {0}


def test_a_capability_that_this_host_lacks_is_warned_of_and_left_out(box):
    held = fields(open("/proc/self/status").read())["CapPrm"]
    missing = next((n for n in (24, 21, 12) if not int(held, 16) >> n & 1), None)
    if missing is None:
        pytest.skip("this machine: has every capability")
    name = {24: "CAP_SYS_RESOURCE", 21: "CAP_SYS_ADMIN", 12: "CAP_NET_ADMIN"}[missing]
    box.capabilities("CAP_KILL", name)
    done = box.ocipy("run", "-b", box.write(), box.id)
    assert done.stderr.endswith(f"/process/capabilities: {name} can't be granted here, ignored\n")
    assert caps(status(box))["Bnd"] == 1 << 5


def test_an_unknown_capability_is_warned_of_and_left_out(box):
    box.capabilities("CAP_KILL", "CAP_FLY")
    assert "CAP_FLY is not a known capability" in box.ocipy("run", "-b", box.write(), box.id).stderr


def test_in_a_user_namespace_every_capability_can_be_had(box):
    box.user_namespace()
    box.capabilities("CAP_SYS_RESOURCE", "CAP_SYS_ADMIN")
    assert caps(status(box))["Eff"] == 1 << 24 | 1 << 21


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("sets", ["default", "ambient", "none"])
def test_capabilities_are_those_that_runc_gives(box, runc, user, sets):
    box.process["user"] = {"uid": user, "gid": user}
    if sets == "none":
        del box.process["capabilities"]
    elif sets == "ambient":
        names = ["CAP_KILL", "CAP_CHOWN"]
        box.capabilities(*names, inheritable=names, ambient=["CAP_CHOWN"])
    box.process["args"] = ["cat", "/proc/self/status"]
    theirs = fields(runc(box))
    assert caps(status(box)) == caps(theirs)


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privs_is_as_asked(box, wanted):
    box.process["noNewPrivileges"] = wanted
    assert status(box)["NoNewPrivs"] == str(int(wanted))


# ---------------------------------------------------------------- how much of what


def limits(box):
    lines = box.run("cat", "/proc/self/limits").splitlines()[1:]
    return {line[:26].strip(): tuple(line[26:68].split()) for line in lines}


def limit(kind, soft, hard):
    return {"type": f"RLIMIT_{kind}", "soft": soft, "hard": hard}


def test_limits_are_as_asked_even_for_another_user(box):
    box.process["user"] = {"uid": 1000, "gid": 1000}
    infinity = 2**64 - 1
    box.process["rlimits"] = [
        limit("NOFILE", 100, 200), limit("CORE", infinity, infinity), limit("CPU", 10, infinity),
        limit("FSIZE", 2**40, infinity), limit("NPROC", 50, 60),
    ]  # fmt: skip
    found = limits(box)
    assert found["Max open files"] == ("100", "200")
    assert found["Max core file size"] == ("unlimited", "unlimited")
    assert found["Max cpu time"] == ("10", "unlimited")
    assert found["Max file size"] == (str(2**40), "unlimited")
    assert found["Max processes"] == ("50", "60")


def test_limits_too_small_for_init_hit_the_program_alone(box):
    box.process["rlimits"] = [limit("NOFILE", 4, 4), limit("NPROC", 0, 0), limit("MEMLOCK", 0, 0)]
    found = limits(box)
    assert (found["Max open files"], found["Max processes"]) == (("4", "4"), ("0", "0"))


def test_a_hard_limit_that_can_not_be_raised_is_named(box):
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    held = int(fields(open("/proc/self/status").read())["CapEff"], 16)
    if held >> 24 & 1 or hard == resource.RLIM_INFINITY:
        pytest.skip("this machine: its limits can be raised")
    box.process["rlimits"] = [limit("NPROC", hard + 1, hard + 1)]
    message = box.fails("true")
    assert "(config.json /process/rlimits/0)" in message
    assert "RLIMIT_NPROC" in message
    assert (
        "EPERM: operation not permitted (raising a hard limit needs CAP_SYS_RESOURCE on the host)" in message
    )


def test_the_oom_score_is_adjusted_and_left_alone_when_unset(box):
    ours = open("/proc/self/oom_score_adj").read()
    assert box.run("cat", "/proc/self/oom_score_adj") == ours
    box.process["oomScoreAdj"] = 777
    assert box.run("cat", "/proc/self/oom_score_adj") == "777\n"


def test_the_oom_score_is_adjusted_in_a_user_namespace_too(box):
    box.user_namespace()
    box.process["oomScoreAdj"] = 500
    assert box.run("cat", "/proc/self/oom_score_adj") == "500\n"


def test_an_oom_score_that_can_not_be_lowered_is_named(box):
    held = int(fields(open("/proc/self/status").read())["CapEff"], 16)
    if held >> 24 & 1:
        pytest.skip("this machine: may lower it")
    box.process["oomScoreAdj"] = -1000
    message = box.fails("true")
    assert "set oom_score_adj -1000 (config.json /process/oomScoreAdj)" in message
    assert "EACCES: permission denied (lowering it needs CAP_SYS_RESOURCE on the host)" in message


# ---------------------------------------------------------------- how it is run


@pytest.mark.parametrize(
    ("scheduler", "policy", "priority"),
    [
        ({"policy": "SCHED_OTHER", "nice": 5}, "SCHED_OTHER", "0"),
        ({"policy": "SCHED_BATCH", "nice": -3}, "SCHED_BATCH", "0"),
        ({"policy": "SCHED_IDLE"}, "SCHED_IDLE", "0"),
        ({"policy": "SCHED_FIFO", "priority": 3}, "SCHED_FIFO", "3"),
        ({"policy": "SCHED_RR", "priority": 9, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, "SCHED_RR", "9"),
    ],
)
def test_the_scheduler_is_as_asked(box, scheduler, policy, priority):
    box.process["scheduler"] = scheduler
    if int(priority) and os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        box.linux["resources"] = {"cpu": {"realtimePeriod": 1000000, "realtimeRuntime": 1000}}
    done = box.create("sleep", "100", status=None)
    refused = "EPERM" in done.stderr and int(priority)
    need(not refused, "lets no cgroup have realtime", kernel=True)
    box.start()
    param = os.sched_getscheduler(box.pid)
    assert param & ~os.SCHED_RESET_ON_FORK == getattr(os, policy)
    assert bool(param & os.SCHED_RESET_ON_FORK) == ("flags" in scheduler)
    assert str(os.sched_getparam(box.pid).sched_priority) == priority
    nice = int(box.proc("stat").rpartition(")")[2].split()[16])
    assert nice == scheduler.get("nice", os.nice(0))


def test_a_deadline_is_as_asked(box):
    milliseconds = 10**6
    box.process["scheduler"] = {
        "policy": "SCHED_DEADLINE", "runtime": 2 * milliseconds, "deadline": 20 * milliseconds,
        "period": 30 * milliseconds, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
    }  # fmt: skip
    box.start("sleep", "100")
    assert os.sched_getscheduler(box.pid) & ~os.SCHED_RESET_ON_FORK == 6


@pytest.mark.parametrize(
    ("kind", "level", "text"),
    [("RT", 2, "realtime: prio 2"), ("BE", 7, "best-effort: prio 7"), ("IDLE", 0, "idle")],
)
def test_the_io_priority_is_as_asked(box, kind, level, text):
    box.process["ioPriority"] = {"class": f"IOPRIO_CLASS_{kind}", "priority": level}
    assert box.sh("ionice -p $$").strip().startswith(text)


def test_the_personality_is_as_asked(box):
    box.linux["personality"] = {"domain": "LINUX32"}
    assert box.sh("cat /proc/self/personality").strip() == "00000008"
    box.linux["personality"] = {"domain": "LINUX"}
    assert box.sh("cat /proc/self/personality").strip() == "00000000"


def test_the_memory_policy_is_as_asked(box):
    if not os.path.exists("/proc/self/numa_maps"):
        pytest.skip("this machine: has no NUMA")
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    assert " bind:0 " in box.run("cat", "/proc/self/numa_maps")
    box.linux["memoryPolicy"] = {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}
    assert " prefer=static:0 " in box.run("cat", "/proc/self/numa_maps")
    box.linux["memoryPolicy"] = {"mode": "MPOL_DEFAULT"}
    assert " default " in box.run("cat", "/proc/self/numa_maps")


def test_a_memory_policy_on_a_node_that_is_not_there_is_refused(box):
    if not os.path.exists("/proc/self/numa_maps"):
        pytest.skip("this machine: has no NUMA")
    box.linux["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "1000"}
    assert "set memory policy MPOL_BIND on nodes 1000 (config.json /linux/memoryPolicy)" in box.fails("true")
