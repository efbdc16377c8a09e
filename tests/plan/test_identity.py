"""`process` of config.json as steps of init: what is asked of the kernel, and in which order."""

import pytest

from ocipy.errors import ConfigError
from ocipy.linux.const import EPERM
from ocipy.plan import hints, identity, scheduling, steps
from ocipy.plan.context import Context
from ocipy.plan.execprocess import compile_exec, entry_steps, with_defaults
from ocipy.plan.facts import Facts, Options

OPTIONS = Options("web", "/bundle")
PROCESS = {"cwd": "/", "args": ["sh"], "user": {"uid": 0, "gid": 0}}


def context(process=None, linux=None, options=OPTIONS, **facts):
    config = {"root": {"path": "rootfs"}, "linux": linux or {}, "process": {**PROCESS, **(process or {})}}
    return Context(config, options, Facts(**facts))


def made(process=None, linux=None, options=OPTIONS, **facts):
    """op -> arguments, and the order of the ops, of a process."""
    about = context(process, linux, options, **facts)
    ops = []
    for step in identity.identity_steps(about.process, about)[0]:
        ops += step.ops(lambda name: name)
    return dict(ops), [op for op, _ in ops]


# ---------------------------------------------------------------- capabilities

EVERYTHING = (1 << 41) - 1


def masks(possible=EVERYTHING, **sets):
    return identity.capability_masks(sets, possible, "/process/capabilities")


def test_every_capability_has_the_number_of_the_kernel():
    number = identity.CAPABILITY_NUMBER
    assert len(identity.CAPABILITIES) == 41
    assert (number["CAP_CHOWN"], number["CAP_SYS_ADMIN"], number["CAP_CHECKPOINT_RESTORE"]) == (0, 21, 40)


def test_without_capabilities_every_set_is_empty():
    assert identity.capability_masks(None, EVERYTHING, "") == (
        dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), 0), (),
    )  # fmt: skip


def test_ambient_is_what_is_permitted_and_inheritable_too():
    names = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"]
    found, warnings = masks(permitted=names, inheritable=names[:2], ambient=names[1:])
    assert found["ambient"] == 1 << 5
    assert warnings == ()


def test_what_can_not_be_had_is_left_out_with_one_warning():
    names = ["CAP_KILL", "CAP_SYS_ADMIN", "CAP_BPF"]
    found, warnings = masks(1 << 5, bounding=names, permitted=names, effective=names[:2])
    assert (found["bounding"], found["permitted"], found["effective"]) == (1 << 5,) * 3
    assert warnings == ("/process/capabilities: CAP_SYS_ADMIN, CAP_BPF can't be granted here, ignored",)


def test_a_capability_that_the_kernel_does_not_know_yet_can_not_be_had():
    about = context({"capabilities": {"bounding": ["CAP_CHECKPOINT_RESTORE"]}}, last_capability=39)
    assert len(identity.identity_steps(about.process, about)[1]) == 1


def test_in_a_user_namespace_what_the_runtime_lacks_can_be_had():
    process = {"capabilities": {"bounding": ["CAP_SYS_ADMIN"]}}
    linux = {"namespaces": [{"type": "user"}]}
    assert made(process, linux, capabilities=0)[0]["BOUNDING"] == (1 << 21,)
    assert made(process, {}, capabilities=0)[0]["BOUNDING"] == (0,)
    joined = {"namespaces": [{"type": "user", "path": "/proc/1/ns/user"}]}
    assert made(process, joined, capabilities=0)[0]["BOUNDING"] == (1 << 21,)


# ---------------------------------------------------------------- order


def before(order, first, second):
    return order.index(first) < order.index(second)


def test_each_step_of_the_credentials_needs_what_the_next_one_drops():
    process = {"capabilities": {"bounding": ["CAP_KILL"]}, "noNewPrivileges": True}
    _, order = made(process)
    ops = [op for op in order if op in ("BOUNDING", "SETGROUPS", "SETGID", "SETUID", "CAPSET", "AMBIENT")]
    assert ops == ["BOUNDING", "SETGROUPS", "SETGID", "SETUID", "CAPSET", "AMBIENT"]
    assert before(order, "CHDIR", "SETUID")
    assert before(order, "SESSION_KEYRING", "SETUID")
    assert order[-2:] == ["PROCESS", "LOOKUP"]


PROFILE = {"defaultAction": "SCMP_ACT_ALLOW"}


def last(process, linux=None):
    about = context(process, linux)
    return [type(step).__name__ for step in identity.last_steps(about.process, about)]


def test_a_filter_is_loaded_last_where_no_new_privs_lets_it():
    limits = [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]
    with_nnp = {"noNewPrivileges": True, "rlimits": limits}
    assert last(with_nnp, {"seccomp": PROFILE}) == ["SetRlimit", "LoadSeccomp"]
    assert last(with_nnp) == ["SetRlimit"]
    assert last({"rlimits": limits}) == ["SetRlimit"]


def test_else_it_is_loaded_before_the_capability_to_do_so_goes_and_limits_before_it():
    about = context({"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]}, {"seccomp": PROFILE})
    names = [getattr(s, "op", type(s).__name__) for s in identity.identity_steps(about.process, about)[0]]
    assert names.index("SetRlimit") < names.index("LoadSeccomp") < names.index("SETUID")
    assert identity.last_steps(about.process, about) == []


# ---------------------------------------------------------------- what is asked


def test_the_user_is_as_asked_and_root_by_default():
    ops, _ = made({"user": {"uid": 7, "gid": 8, "additionalGids": [9, 2**32 - 2]}})
    assert (ops["SETUID"], ops["SETGID"]) == ((7,), (8,))
    assert ops["SETGROUPS"] == (bytes([9, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]),)
    assert ops["CHOWN_STDIO"] == (7, -1)
    assert made({"user": {}})[0]["SETUID"] == (0,)


def test_the_umask_is_0022_where_none_is_asked_for():
    assert made()[0]["UMASK"] == (0o22,)
    assert made({"user": {"uid": 0, "gid": 0, "umask": 0}})[0]["UMASK"] == (0,)


def test_groups_are_left_alone_where_they_are_denied():
    about = context()
    about.setgroups_denied = True
    assert "SETGROUPS" not in [getattr(s, "op", "") for s in identity.identity_steps(about.process, about)[0]]
    about.process["user"] = {"uid": 0, "gid": 0, "additionalGids": [5]}
    with pytest.raises(ConfigError) as caught:
        identity.identity_steps(about.process, about)
    (problem,) = caught.value.problems
    assert (problem.pointer, problem.rule) == ("/process/user/additionalGids", "setgroups-denied")


@pytest.mark.parametrize(
    ("env", "seen", "home"),
    [
        (["A=1", "A=2", "B="], ("A=2", "B="), 5),
        (["HOME=/h", "A=1"], ("HOME=/h", "A=1"), -1),
        (["HOME="], (), 5),
        (["A=b=c"], ("A=b=c",), 5),
    ],
)
def test_the_environment_has_each_variable_once_and_a_home(env, seen, home):
    ops, _ = made({"env": env, "user": {"uid": 5, "gid": 5}})
    assert ops["PROCESS"] == (("sh",), seen, home)


def test_what_the_runtime_adds_to_the_environment_counts_more():
    options = OPTIONS.replace(env=("LISTEN_FDS=1",))
    assert made({"env": ["LISTEN_FDS=9", "A=1"]}, options=options)[0]["PROCESS"][1] == ("LISTEN_FDS=1", "A=1")


def test_a_session_keyring_is_joined_unless_asked_not_to():
    assert made()[0]["SESSION_KEYRING"] == ("_ses.web",)
    assert "SESSION_KEYRING" not in made(options=OPTIONS.replace(no_new_keyring=True))[0]


@pytest.mark.parametrize(
    ("key", "fact", "op"),
    [
        ("apparmorProfile", "apparmor", ("proc", "self/attr/apparmor/exec", "exec box")),
        ("selinuxLabel", "selinux", ("proc", "self/attr/exec", "box")),
    ],
)
def test_a_label_is_written_where_there_is_such_a_module_and_else_refused(key, fact, op):
    assert made({key: "box"}, **{fact: True})[0]["WRITE"] == op
    with pytest.raises(ConfigError, match="is not enabled on this host") as caught:
        made({key: "box"})
    assert caught.value.problems[0].pointer == f"/process/{key}"


# ---------------------------------------------------------------- with the host's privileges


def first(process, **facts):
    about = context(process, **facts)
    return identity.first_steps(about.process, about)


def test_hard_limits_are_raised_and_the_score_adjusted_while_init_is_the_hosts():
    limit = {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 2**64 - 1}
    assert first({"oomScoreAdj": -5, "rlimits": [limit]}) == [
        steps.SetOomScoreAdj(-5, pointer="/process/oomScoreAdj"),
        steps.RaiseRlimit("RLIMIT_NOFILE", 7, 2**64 - 1, pointer="/process/rlimits/0"),
    ]
    assert first({}) == []


@pytest.mark.parametrize("facts", [{"euid": 1000}, {"user_namespace": True}])
def test_without_power_over_the_host_a_score_that_would_be_lower_is_left_alone(facts):
    assert first({"oomScoreAdj": -1}, **facts) == []
    assert first({"oomScoreAdj": 99}, oom_score_adj=100, **facts) == []
    assert len(first({"oomScoreAdj": 100}, oom_score_adj=100, **facts)) == 1


@pytest.mark.parametrize("number", range(16))
def test_every_limit_has_the_number_of_the_kernel(number):
    import resource

    name = identity.RLIMITS[number]
    if hasattr(resource, name):
        assert getattr(resource, name) == number


# ---------------------------------------------------------------- scheduling


def test_a_scheduler_is_the_kernels_structure():
    asked = {
        "policy": "SCHED_DEADLINE", "nice": -20, "priority": 3,
        "runtime": 1, "deadline": 2, "period": 2**64 - 1,
        "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MAX"],
    }  # fmt: skip
    import struct

    fields = struct.unpack("<IIQiIQQQII", scheduling.scheduler_bytes(asked))
    assert fields == (56, 6, 0x41, -20, 3, 1, 2, 2**64 - 1, 0, 0)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0", [0]),
        ("0-3,7", [0, 1, 2, 3, 7]),
        (" 1 , 3-4 ", [1, 3, 4]),
        ("5,5", [5, 5]),
        ("", []),
        ("1,", [1]),
    ],
)
def test_a_list_of_numbers_is_read_as_the_kernel_reads_it(text, numbers):
    assert scheduling.number_list(text) == numbers


@pytest.mark.parametrize(
    "text", ["a", "-1", "1-", "3-1", "1--2", "1_0", "+1", "65536", "\u0661", "1 2", "0x1"]
)
def test_what_is_no_list_of_numbers_is_refused(text):
    with pytest.raises(ValueError, match="bad range"):
        scheduling.number_list(text)


@pytest.mark.parametrize(
    ("numbers", "mask"),
    [
        ([0], b"\x01" + bytes(7)),
        ([63], bytes(7) + b"\x80" + bytes(8)),
        ([64], bytes(8) + b"\x01" + bytes(7)),
        ([], bytes(8)),
    ],
)
def test_a_mask_is_whole_words(numbers, mask):
    assert scheduling.bit_bytes(numbers) == mask


def test_priorities_are_as_asked():
    linux = {
        "personality": {"domain": "LINUX32"},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0,2", "flags": ["MPOL_F_STATIC_NODES"]},
    }
    ops, _ = made({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4}}, linux)
    assert ops["IOPRIO"] == (2 << 13 | 4,)
    assert ops["PERSONALITY"] == (8,)
    assert ops["MEMPOLICY"] == (2 | 1 << 15, b"\x05" + bytes(7))


def test_nodes_that_are_no_list_are_refused_with_their_place():
    with pytest.raises(ConfigError) as caught:
        made(linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "all"}})
    assert caught.value.problems[0].pointer == "/linux/memoryPolicy/nodes"


def test_processors_are_those_of_an_exec_alone():
    asked = {"execCPUAffinity": {"initial": "0", "final": "1"}}
    assert "AFFINITY" not in made(asked)[0]
    plan = exec_plan({**PROCESS, **asked})
    ops = [(step.op, step.arguments) for step in plan.create if getattr(step, "op", "") == "AFFINITY"]
    assert ops == [("AFFINITY", (b"\x01" + bytes(7),)), ("AFFINITY", (b"\x02" + bytes(7),))]
    names = [getattr(step, "op", type(step).__name__) for step in plan.create]
    assert names.index("AFFINITY") < names.index("JoinProcess") < names.index("JoinCgroup")


# ---------------------------------------------------------------- one more process

CONTAINER = {
    "root": {"path": "rootfs"},
    "process": {
        **PROCESS,
        "capabilities": {"bounding": ["CAP_KILL"]},
        "noNewPrivileges": True,
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "user": {"uid": 5, "gid": 5, "umask": 0o77},
        "env": ["SECRET=1"],
        "terminal": True,
    },
    "linux": {},
}


def exec_plan(process, **facts):
    return compile_exec(CONTAINER, process, OPTIONS, Facts(**facts), entry_steps(("pid", "mount")))


def test_what_holds_the_first_process_holds_others_unless_they_say_otherwise():
    inherited = with_defaults(PROCESS, CONTAINER["process"])
    assert inherited["noNewPrivileges"] is True
    assert inherited["capabilities"] == {"bounding": ["CAP_KILL"]}
    assert inherited["user"] == {"uid": 0, "gid": 0, "umask": 0o77}
    assert "env" not in inherited
    assert "terminal" not in inherited
    own = with_defaults(
        {**PROCESS, "noNewPrivileges": False, "capabilities": {}, "rlimits": []}, CONTAINER["process"]
    )
    assert own["noNewPrivileges"] is False
    assert own["capabilities"] == {}
    assert len(own["rlimits"]) == 1  # an empty list says nothing, as engines mean it


def test_pointers_of_an_exec_are_those_of_its_process_object():
    """An error must not send anybody to config.json for what is not there."""
    pointers = {
        step.pointer for step in (*exec_plan(PROCESS).create, *exec_plan(PROCESS).start) if step.pointer
    }
    assert not [pointer for pointer in pointers if pointer.startswith("/process")]
    assert {f"process /{name}" for name in ("cwd", "args", "args/0", "user/uid")} <= pointers


def test_init_is_undumpable_before_the_containers_processes_can_see_it():
    for entry in (
        entry_steps(()),
        entry_steps(("user", "pid")),
        entry_steps(("mount",), chroot=True, directory="/x"),
    ):
        clone = entry.index(steps.Clone(()))
        assert (entry[clone - 1].op, entry[clone - 1].arguments) == ("DUMPABLE", (0,))


def test_the_way_in_drops_the_hosts_groups_before_a_user_namespace_that_may_deny_it():
    names = [getattr(step, "op", type(step).__name__) for step in entry_steps(("user", "mount"))]
    assert names == ["SETGROUPS", "JoinProcess", "BecomeRoot", "DUMPABLE", "Clone", "JoinCgroup"]
    assert "SETGROUPS" not in [getattr(s, "op", "") for s in entry_steps(("user",), privileged=False)]


def test_a_cgroup_namespace_is_joined_by_who_is_in_its_cgroup_already():
    """Where cgroup2 is mounted with nsdelegate, a clone into a cgroup from inside one is refused."""
    entry = entry_steps(("pid", "cgroup"))
    assert entry[0] == steps.JoinProcess(("pid",))
    assert entry[-3:] == (steps.Clone(()), steps.JoinCgroup(), steps.JoinProcess(("cgroup",)))
    assert entry_steps(("user", "cgroup"))[1] == steps.JoinProcess(("user", "cgroup"))


def test_a_directory_is_entered_as_the_hosts_root_but_in_the_containers_mounts():
    entry = entry_steps(("user", "mount", "pid"), directory="/root")
    assert entry[1:4] == (
        steps.JoinProcess(("mount",)),
        steps.Op("CHDIR", ("/root",), "enter directory /root"),
        steps.JoinProcess(("user", "pid")),
    )


def test_a_hint_is_given_where_an_errno_does_not_tell():
    assert "CAP_SYS_RESOURCE" in hints.hint(steps.RaiseRlimit("RLIMIT_NOFILE", 7, 1), EPERM)
    assert "setgroups" in hints.hint(steps.Op("SETGROUPS", (b"",), "set groups"), EPERM)
    assert hints.hint(steps.Op("CHDIR", ("/",), "enter"), EPERM) == ""
