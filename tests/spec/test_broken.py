"""Broken configs: each one says where and why, and nothing else.

A case changes a good example: {pointer: new value, or GONE}; "-" at the end of a pointer appends.
Expected are all problems as (pointer, rule, a part of the message).
"""

import copy
import pathlib

import pytest

from ocipy import spec
from ocipy.spec import jsontext

EXAMPLES = pathlib.Path(__file__).parents[2] / "spec" / "examples"
GONE = object()
NUL = "a\0b"
BIG = 2**32 - 1


def load(name):
    return jsontext.parse((EXAMPLES / f"{name}.json").read_bytes(), name)


def change(document, edits):
    """A copy of ``document`` with ``edits`` made."""
    document = copy.deepcopy(document)
    for pointer, value in edits.items():
        *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
        target = document
        for step in steps:
            target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
        if last == "-":
            target.append(value)
        elif value is GONE:
            del target[int(last) if isinstance(target, list) else last]
        else:
            target[int(last) if isinstance(target, list) else last] = value
    return document


def rule(action, **more):
    return {"names": ["mkdir"], "action": action, **more}


def mapping(inside=0, outside=0, size=1):
    return {"containerID": inside, "hostID": outside, "size": size}


#: The schema's.
SCHEMA = [
    ({"/ociVersion": GONE}, "/ociVersion", "is required"),
    ({"/ociVersion": 1}, "/ociVersion", "1 is not a string"),
    ({"/root": None}, "/root", "null is not an object"),
    ({"/root/path": GONE}, "/root/path", "is required"),
    ({"/root/readonly": "yes"}, "/root/readonly", '"yes" is not true or false'),
    ({"/process/cwd": GONE}, "/process/cwd", "is required"),
    ({"/process/args": "sh"}, "/process/args", '"sh" is not an array'),
    ({"/process/args/0": 7}, "/process/args/0", "7 is not a string"),
    ({"/process/user/uid": -1}, "/process/user/uid", "-1 is below 0"),
    ({"/process/user/uid": 2**32}, "/process/user/uid", "4294967296 is above 4294967295"),
    ({"/process/user/uid": 1.0}, "/process/user/uid", "1.0 is not an integer"),
    ({"/process/user/uid": True}, "/process/user/uid", "true is not an integer"),
    ({"/process/rlimits/0/type": "NOFILE"}, "/process/rlimits/0/type", '"NOFILE" does not match ^RLIMIT_'),
    ({"/process/rlimits/0/hard": GONE}, "/process/rlimits/0/hard", "is required"),
    ({"/process/ioPriority": {"priority": 1}}, "/process/ioPriority/class", "is required"),
    (
        {"/process/scheduler": {"policy": "SCHED_FAIR"}},
        "/process/scheduler/policy",
        "is not one of SCHED_OTHER",
    ),
    ({"/mounts/0/destination": GONE}, "/mounts/0/destination", "is required"),
    ({"/mounts/1/options": "nosuid"}, "/mounts/1/options", '"nosuid" is not an array'),
    ({"/hooks/prestart": {}}, "/hooks/prestart", "an object is not an array"),
    ({"/hooks/poststop": [{"args": []}]}, "/hooks/poststop/0/path", "is required"),
    ({"/hooks/prestart": [{"path": "/x", "timeout": 0}]}, "/hooks/prestart/0/timeout", "0 is below 1"),
    (
        {"/linux/namespaces/3/type": "pidd"},
        "/linux/namespaces/3/type",
        '"pidd" is not one of cgroup, ipc, mount, network, pid, time, user, uts',
    ),
    ({"/linux/rootfsPropagation": "rslave"}, "/linux/rootfsPropagation", "is not one of shared, slave"),
    (
        {"/linux/devices": [{"type": "x", "path": "/x"}]},
        "/linux/devices/0/type",
        '"x" is not one of c, b, u, p',
    ),
    ({"/linux/seccomp": {}}, "/linux/seccomp/defaultAction", "is required"),
    (
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_LOG", "syscalls": [rule("SCMP_ACT_LOG", names=[])]}},
        "/linux/seccomp/syscalls/0/names",
        "must not be empty",
    ),
    ({"/linux/sysctl": {"a/b": 1}}, "/linux/sysctl/a~1b", "1 is not a string"),
    ({"/linux/resources/pids": {}}, "/linux/resources/pids/limit", "is required"),
    ({"/linux/intelRdt": {"memBwSchema": "0=1"}}, "/linux/intelRdt/memBwSchema", "does not match ^MB:"),
    ({"/vm": {}}, "/vm/kernel", "is required"),
    ({"/annotations": {"a": None}}, "/annotations/a", "null is not a string"),
]

#: What comes after it: edits of the default example, pointer, rule, message.
RULES = [
    ({"/ociVersion": "0.9.0"}, "/ociVersion", "oci-version", "version 0.9.0 is not supported, any 1.x is"),
    ({"/ociVersion": "2.0.0-rc1"}, "/ociVersion", "oci-version", "is not supported"),
    (
        {"/ociVersion": "1.0"},
        "/ociVersion",
        "oci-version",
        '"1.0" is not a version of the form 1.2.3 (SemVer)',
    ),
    ({"/ociVersion": "v1.0.0"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.00.0"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.0.0-"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.0.0-a..b"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.0.0-01"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.0.0+"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": "1.0.\u0661"}, "/ociVersion", "oci-version", "is not a version"),
    ({"/ociVersion": ""}, "/ociVersion", "oci-version", '"" is not a version'),
    ({"/root": GONE}, "/root", "root-missing", "is required"),
    ({"/process/args": []}, "/process/args", "args-empty", "must name the program"),
    ({"/process/args": GONE}, "/process/args", "args-empty", "is required"),
    ({"/process/cwd": "srv"}, "/process/cwd", "cwd-relative", '"srv" is not an absolute path'),
    ({"/process/cwd": ""}, "/process/cwd", "cwd-relative", "is not an absolute path"),
    ({"/process/env/-": "FOO"}, "/process/env/2", "env-form", '"FOO" is not NAME=value'),
    ({"/process/env/-": "=x"}, "/process/env/2", "env-form", "is not NAME=value"),
    ({"/process/env/0": ""}, "/process/env/0", "env-form", "is not NAME=value"),
    ({"/process/user/uid": BIG}, "/process/user/uid", "user-id", "4294967295 is no id"),
    ({"/process/user/gid": BIG}, "/process/user/gid", "user-id", "is no id"),
    ({"/process/user/additionalGids": [1, BIG]}, "/process/user/additionalGids/1", "user-id", "is no id"),
    (
        {"/process/oomScoreAdj": 1001},
        "/process/oomScoreAdj",
        "oom-score-adj",
        "is not between -1000 and 1000",
    ),
    ({"/process/oomScoreAdj": -1001}, "/process/oomScoreAdj", "oom-score-adj", "is not between"),
    (
        {"/process/consoleSize": {"height": 65536, "width": 80}},
        "/process/consoleSize/height",
        "console-size",
        "65536 is above 65535",
    ),
    (
        {"/process/rlimits/0/type": "RLIMIT_NICENESS"},
        "/process/rlimits/0/type",
        "rlimit-unknown",
        '"RLIMIT_NICENESS" is not one of RLIMIT_CPU',
    ),
    (
        {"/process/rlimits/-": {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}},
        "/process/rlimits/1/type",
        "rlimit-duplicate",
        "RLIMIT_NOFILE is set twice",
    ),
    (
        {"/process/rlimits/0/soft": 1025},
        "/process/rlimits/0/soft",
        "rlimit-order",
        "1025 is above hard, 1024",
    ),
    (
        {"/process/capabilities/effective/-": "CAP_SYS_ADMIN"},
        "/process/capabilities/effective/3",
        "capability-effective",
        "CAP_SYS_ADMIN can't be effective",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_OTHER", "nice": -21}},
        "/process/scheduler/nice",
        "scheduler-nice",
        "-21 is not between -20 and 19",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_FIFO"}},
        "/process/scheduler/priority",
        "scheduler-priority",
        "needs a priority between 1 and 99, not 0",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_BATCH", "priority": 1}},
        "/process/scheduler/priority",
        "scheduler-priority",
        "SCHED_BATCH has no priority",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_RR", "priority": 1, "period": 5}},
        "/process/scheduler/period",
        "scheduler-deadline",
        "only SCHED_DEADLINE has",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_DEADLINE", "deadline": 5}},
        "/process/scheduler/runtime",
        "scheduler-deadline",
        "needs runtime and deadline",
    ),
    (
        {"/process/scheduler": {"policy": "SCHED_DEADLINE", "runtime": 9, "deadline": 5, "period": 7}},
        "/process/scheduler",
        "scheduler-deadline",
        "runtime <= deadline <= period",
    ),
    (
        {"/process/ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8}},
        "/process/ioPriority/priority",
        "io-priority",
        "8 is not between 0 and 7",
    ),
    ({"/hostname": "x" * 65}, "/hostname", "hostname-length", "is longer than 64 bytes"),
    ({"/domainname": "\u00e9" * 33}, "/domainname", "domainname-length", "is longer than 64 bytes"),
    ({"/linux/namespaces/3": GONE}, "/hostname", "hostname-without-uts", "needs a uts namespace"),
    (
        {"/linux/namespaces/3": GONE, "/hostname": GONE, "/domainname": "x"},
        "/domainname",
        "domainname-without-uts",
        "needs a uts namespace",
    ),
    ({"/mounts/0/destination": ""}, "/mounts/0/destination", "mount-destination", "is empty"),
    (
        {"/mounts/1/uidMappings": [mapping()]},
        "/mounts/1/uidMappings",
        "mount-mappings-incomplete",
        "needs gidMappings beside it",
    ),
    (
        {"/mounts/1/gidMappings": [mapping()]},
        "/mounts/1/gidMappings",
        "mount-mappings-incomplete",
        "needs uidMappings beside it",
    ),
    (
        {"/mounts/1/options": ["bind", "idmap"]},
        "/mounts/1/options",
        "idmap-without-mappings",
        "an idmapped mount needs uidMappings and gidMappings",
    ),
    (
        {"/mounts/1/uidMappings": [mapping(size=0)], "/mounts/1/gidMappings": [mapping()]},
        "/mounts/1/uidMappings/0/size",
        "mapping-size",
        "is 0",
    ),
    (
        {"/hooks/createContainer": [{"path": "/a"}, {"path": "bin/b"}]},
        "/hooks/createContainer/1/path",
        "hook-path-relative",
        '"bin/b" is not an absolute path',
    ),
    (
        {"/linux/namespaces/-": {"type": "pid"}},
        "/linux/namespaces/6",
        "namespace-duplicate",
        "pid is listed twice",
    ),
    (
        {"/linux/namespaces/0/path": "proc/1/ns/pid"},
        "/linux/namespaces/0/path",
        "namespace-path-relative",
        "is not an absolute path",
    ),
    (
        {"/linux/uidMappings": [mapping()]},
        "/linux/uidMappings",
        "mappings-without-user-namespace",
        "needs a user namespace",
    ),
    (
        {"/linux/timeOffsets": {"boottime": {"secs": 1}}},
        "/linux/timeOffsets",
        "time-offsets-without-namespace",
        "needs a time namespace",
    ),
    (
        {
            "/linux/namespaces/-": {"type": "time", "path": "/proc/7/ns/time"},
            "/linux/timeOffsets": {"boottime": {"secs": 1}},
        },
        "/linux/timeOffsets",
        "time-offsets-of-joined",
        "needs a new time namespace",
    ),
    (
        {"/linux/namespaces/-": {"type": "time"}, "/linux/timeOffsets": {"monotonic": {"nanosecs": 10**9}}},
        "/linux/timeOffsets/monotonic/nanosecs",
        "time-offset-nanosecs",
        "1000000000 is a second or more",
    ),
    (
        {"/linux/sysctl": {"kernel.panic": "1"}},
        "/linux/sysctl/kernel.panic",
        "sysctl-of-host",
        "belongs to no",
    ),
    (
        {"/linux/sysctl": {"kernel/panic": "1"}},
        "/linux/sysctl/kernel~1panic",
        "sysctl-of-host",
        "belongs to no",
    ),
    (
        {"/linux/sysctl": {"vm.swappiness": "1"}},
        "/linux/sysctl/vm.swappiness",
        "sysctl-of-host",
        "belongs to no",
    ),
    (
        {"/linux/sysctl": {"kernel.hostname": "x"}},
        "/linux/sysctl/kernel.hostname",
        "sysctl-hostname",
        "/hostname",
    ),
    ({"/linux/sysctl": {"": "x"}}, "/linux/sysctl/", "sysctl-name", '"" is not the name of a sysctl'),
    (
        {"/linux/sysctl": {"net.../kernel.panic": "1"}},
        "/linux/sysctl/net...~1kernel.panic",
        "sysctl-name",
        "is not the name of a sysctl",
    ),
    (
        {"/linux/sysctl": {"net/../kernel/panic": "1"}},
        "/linux/sysctl/net~1..~1kernel~1panic",
        "sysctl-name",
        "is not the name of a sysctl",
    ),
    (
        {"/linux/namespaces/1": GONE, "/linux/sysctl": {"net/ipv4/ip_forward": "1"}},
        "/linux/sysctl/net~1ipv4~1ip_forward",
        "sysctl-of-host",
        "needs a network namespace",
    ),
    (
        {"/linux/namespaces/2": GONE, "/linux/sysctl": {"fs.mqueue.msg_max": "1"}},
        "/linux/sysctl/fs.mqueue.msg_max",
        "sysctl-of-host",
        "needs an ipc namespace",
    ),
    (
        {"/linux/namespaces/3": GONE, "/hostname": GONE, "/linux/sysctl": {"kernel.domainname": "x"}},
        "/linux/sysctl/kernel.domainname",
        "sysctl-of-host",
        "needs a uts namespace",
    ),
    (
        {"/linux/devices": [{"type": "c", "path": "/dev/x", "major": 1}]},
        "/linux/devices/0/minor",
        "device-number",
        "is required for a device of type c",
    ),
    (
        {"/linux/devices": [{"type": "b", "path": "/dev/x", "major": 4096, "minor": 0}]},
        "/linux/devices/0/major",
        "device-number",
        "4096 is not between 0 and 4095",
    ),
    (
        {"/linux/devices": [{"type": "u", "path": "/dev/x", "major": 1, "minor": -1}]},
        "/linux/devices/0/minor",
        "device-number",
        "-1 is not between 0 and 1048575",
    ),
    (
        {
            "/linux/devices": [
                {"type": "c", "path": "/dev/x", "major": 1, "minor": 3},
                {"type": "c", "path": "/dev/x", "major": 1, "minor": 5},
            ]
        },
        "/linux/devices/1/path",
        "device-path-duplicate",
        "/dev/x is already another device",
    ),
    (
        {"/linux/namespaces/1": GONE, "/linux/netDevices": {"eth0": {}}},
        "/linux/netDevices",
        "net-devices-without-network",
        "needs a network namespace",
    ),
    (
        {"/linux/netDevices": {"eth0": {"name": "a-name-of-16-oct"}}},
        "/linux/netDevices/eth0/name",
        "net-device-name",
        "can't be the name of a network device",
    ),
    ({"/linux/netDevices": {"a/b": {}}}, "/linux/netDevices/a~1b", "net-device-name", "can't be the name"),
    (
        {"/linux/netDevices": {"": {"name": "e"}}},
        "/linux/netDevices/",
        "net-device-name",
        "can't be the name",
    ),
    ({"/linux/netDevices": {"..": {}}}, "/linux/netDevices/..", "net-device-name", "can't be the name"),
    ({"/linux/netDevices": {"a b": {}}}, "/linux/netDevices/a b", "net-device-name", "can't be the name"),
    (
        {"/linux/netDevices": {"eth0": {"name": "in"}, "eth1": {"name": "in"}}},
        "/linux/netDevices/eth1",
        "net-device-duplicate",
        "in is already the name of eth0",
    ),
    ({"/linux/personality": {"flags": []}}, "/linux/personality/domain", "personality-domain", "is required"),
    (
        {"/linux/memoryPolicy": {"nodes": "0"}},
        "/linux/memoryPolicy/mode",
        "memory-policy-mode",
        "is required",
    ),
    (
        {"/linux/memoryPolicy": {"mode": "MPOL_BIND"}},
        "/linux/memoryPolicy/nodes",
        "memory-policy-nodes",
        "MPOL_BIND needs nodes",
    ),
    (
        {"/linux/memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0"}},
        "/linux/memoryPolicy/nodes",
        "memory-policy-nodes",
        "MPOL_LOCAL takes no nodes",
    ),
    (
        {"/linux/memoryPolicy": {"mode": "MPOL_BIND", "nodes": "3-1"}},
        "/linux/memoryPolicy/nodes",
        "memory-policy-nodes",
        '"3-1" is not a list such as 0-3,7',
    ),
    (
        {
            "/linux/memoryPolicy": {
                "mode": "MPOL_BIND",
                "nodes": "0",
                "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"],
            }
        },
        "/linux/memoryPolicy/flags",
        "memory-policy-flags",
        "exclude each other",
    ),
    (
        {
            "/linux/memoryPolicy": {
                "mode": "MPOL_INTERLEAVE",
                "nodes": "0",
                "flags": ["MPOL_F_NUMA_BALANCING"],
            }
        },
        "/linux/memoryPolicy/flags",
        "memory-policy-flags",
        "not with MPOL_INTERLEAVE",
    ),
    (
        {"/linux/intelRdt": {"closID": "../x"}},
        "/linux/intelRdt/closID",
        "intel-rdt-closid",
        '"../x" is not the',
    ),
    ({"/linux/intelRdt": {"closID": ".."}}, "/linux/intelRdt/closID", "intel-rdt-closid", '".." is not the'),
    (
        {"/linux/intelRdt": {"schemata": ["L3:0=f", "L3:0=f\nMB:0=1"]}},
        "/linux/intelRdt/schemata/1",
        "intel-rdt-schemata",
        "is more than one line",
    ),
    (
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}},
        "/linux/seccomp/defaultErrnoRet",
        "seccomp-errno",
        "SCMP_ACT_ALLOW has none",
    ),
    (
        {
            "/linux/seccomp": {
                "defaultAction": "SCMP_ACT_LOG",
                "syscalls": [rule("SCMP_ACT_LOG"), rule("SCMP_ACT_TRAP", errnoRet=0)],
            }
        },
        "/linux/seccomp/syscalls/1/errnoRet",
        "seccomp-errno",
        "SCMP_ACT_TRAP has none",
    ),
    (
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}},
        "/linux/seccomp/defaultErrnoRet",
        "seccomp-errno",
        "4096 is above 4095",
    ),
    (
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/s"}},
        "/linux/seccomp/defaultAction",
        "seccomp-notify-default",
        "can't be the default",
    ),
    (
        {
            "/linux/seccomp": {
                "defaultAction": "SCMP_ACT_LOG",
                "listenerPath": "/s",
                "syscalls": [rule("SCMP_ACT_NOTIFY", names=["read", "write"])],
            }
        },
        "/linux/seccomp/syscalls/0/names",
        "seccomp-notify-write",
        "is not for write",
    ),
    (
        {"/linux/seccomp": {"defaultAction": "SCMP_ACT_LOG", "syscalls": [rule("SCMP_ACT_NOTIFY")]}},
        "/linux/seccomp/listenerPath",
        "seccomp-listener",
        "SCMP_ACT_NOTIFY needs it",
    ),
    (
        {
            "/linux/seccomp": {
                "defaultAction": "SCMP_ACT_LOG",
                "syscalls": [rule("SCMP_ACT_KILL", args=[{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}])],
            }
        },
        "/linux/seccomp/syscalls/0/args/0/index",
        "seccomp-arg-index",
        "6 is above 5",
    ),
    ({"/process/args/0": NUL}, "/process/args/0", "nul-byte", "contains a NUL byte"),
    ({"/process/cwd": f"/{NUL}"}, "/process/cwd", "nul-byte", "contains a NUL byte"),
    ({"/process/env/0": f"A={NUL}"}, "/process/env/0", "nul-byte", "contains a NUL byte"),
    ({"/hostname": NUL}, "/hostname", "nul-byte", "contains a NUL byte"),
    ({"/mounts/0/destination": f"/{NUL}"}, "/mounts/0/destination", "nul-byte", "contains a NUL byte"),
    ({"/mounts/1/options/0": NUL}, "/mounts/1/options/0", "nul-byte", "contains a NUL byte"),
    ({"/linux/maskedPaths/2": f"/{NUL}"}, "/linux/maskedPaths/2", "nul-byte", "contains a NUL byte"),
    ({"/linux/cgroupsPath": NUL}, "/linux/cgroupsPath", "nul-byte", "contains a NUL byte"),
    (
        {"/linux/sysctl": {f"net.{NUL}": "1"}},
        f"/linux/sysctl/net.{NUL}",
        "nul-byte",
        "its name contains a NUL byte",
    ),
]

#: Edits of the userns example.
USERNS = [
    (
        {"/linux/uidMappings": GONE},
        "/linux/uidMappings",
        "user-namespace-without-mappings",
        "is required: a new user namespace without it has no ids",
    ),
    ({"/linux/gidMappings": []}, "/linux/gidMappings", "user-namespace-without-mappings", "is required"),
    (
        {"/linux/uidMappings": [mapping(0, 5, 10), mapping(10, 14, 10)]},
        "/linux/uidMappings/1/hostID",
        "mapping-overlap",
        "overlaps with an earlier range",
    ),
    (
        {"/linux/gidMappings": [mapping(0, 5, 10), mapping(9, 50, 10)]},
        "/linux/gidMappings/1/containerID",
        "mapping-overlap",
        "overlaps with an earlier range",
    ),
    (
        {"/linux/uidMappings": [mapping(0, BIG - 1, 2)]},
        "/linux/uidMappings/0",
        "mapping-range",
        "go beyond the last id, 4294967294",
    ),
    (
        {"/linux/uidMappings": [mapping(i, i, 1) for i in range(341)]},
        "/linux/uidMappings",
        "mapping-count",
        "has 341 ranges, the kernel takes 340",
    ),
    (
        {"/linux/uidMappings": [mapping(0, 0, 1), mapping(7, 7, 0)]},
        "/linux/uidMappings/1/size",
        "mapping-size",
        "is 0",
    ),
    (
        {"/process/user/additionalGids": [0, 65535, 65536]},
        "/process/user/additionalGids/2",
        "id-not-mapped",
        "65536 is not mapped by /linux/gidMappings",
    ),
    (
        {"/process/user/uid": 70000},
        "/process/user/uid",
        "id-not-mapped",
        "70000 is not mapped by /linux/uidMappings",
    ),
]


def found(document):
    problems, _ = spec.validate(document)
    return [(problem.pointer, problem.rule, problem.message) for problem in problems]


def only(pointer, rule, message):
    """Equal to one problem with this pointer and rule whose message has ``message`` in it."""

    class Expected:
        def __eq__(self, other):
            return other[:2] == (pointer, rule) and message in other[2]

        __hash__ = None

        def __repr__(self):
            return f"({pointer!r}, {rule!r}, ...{message!r}...)"

    return [Expected()]


def by_place(cases):
    return [pytest.param(*case, id=f"{number}-{case[1]}") for number, case in enumerate(cases)]


@pytest.mark.parametrize(("edits", "pointer", "message"), by_place(SCHEMA))
def test_what_the_schema_forbids_is_named(edits, pointer, message):
    assert found(change(load("default"), edits)) == only(pointer, "schema", message)


@pytest.mark.parametrize(("edits", "pointer", "rule", "message"), by_place(RULES))
def test_what_no_schema_can_say_is_named(edits, pointer, rule, message):
    assert found(change(load("default"), edits)) == only(pointer, rule, message)


@pytest.mark.parametrize(("edits", "pointer", "rule", "message"), by_place(USERNS))
def test_what_a_user_namespace_needs_is_named(edits, pointer, rule, message):
    assert found(change(load("userns"), edits)) == only(pointer, rule, message)


def test_root_of_a_user_namespace_must_be_mapped():
    edits = {"/linux/uidMappings": [mapping(1, 0, 10)], "/process/user/uid": 1}
    assert found(change(load("userns"), edits)) == only("/linux/uidMappings", "mapping-without-root", "id 0")


def test_a_restriction_without_a_mount_namespace_would_change_the_host():
    document = change(load("default"), {"/linux/namespaces/4": GONE, "/linux/rootfsPropagation": "slave"})
    wanted = [
        "/mounts",
        "/root/readonly",
        "/linux/maskedPaths",
        "/linux/readonlyPaths",
        "/linux/rootfsPropagation",
    ]
    assert [(p, r) for p, r, _ in found(document)] == [(pointer, "no-mount-namespace") for pointer in wanted]


def test_all_problems_come_at_once():
    edits = {
        "/process/cwd": "x",
        "/hostname": "y" * 65,
        "/linux/sysctl": {"kernel.panic": "0"},
        "/root": GONE,
    }
    rules = [rule for _, rule, _ in found(change(load("default"), edits))]
    assert rules == ["root-missing", "cwd-relative", "hostname-length", "sysctl-of-host"]


def test_all_violations_of_the_schema_come_at_once_in_the_order_of_their_places():
    edits = {"/process/cwd": 1, "/process/env/1": 2, "/hostname": 3, "/linux/namespaces/0/type": 4}
    pointers = [pointer for pointer, _, _ in found(change(load("default"), edits))]
    assert pointers == ["/hostname", "/linux/namespaces/0/type", "/process/cwd", "/process/env/1"]


def test_a_million_wrong_items_are_not_a_million_problems():
    problems = found(change(load("default"), {"/process/args": [0] * 100_000}))
    assert len(problems) == 51
    assert problems[-1] == ("", "schema", "only the first 50 problems are shown")


def test_the_error_is_one_line_with_every_problem():
    document = change(load("default"), {"/process/cwd": "a\nb", "/linux/namespaces/0/path": "x"})
    with pytest.raises(spec.ConfigError) as caught:
        spec.require(document)
    assert str(caught.value) == (
        'config.json: /process/cwd: "a\\nb" is not an absolute path; '
        '/linux/namespaces/0/path: "x" is not an absolute path'
    )


def test_there_are_more_than_sixty_broken_configs():
    assert len(SCHEMA) + len(RULES) + len(USERNS) > 60


def test_every_rule_has_a_case():
    import re

    sources = (pathlib.Path(spec.__file__).parent / f"{name}.py" for name in CHECKS)
    text = "".join(source.read_text() for source in sources)
    rules = set(re.findall(r'found\.problem\(\s*f?"([^"]+)"', text))
    rules = {
        made for rule in rules for made in (rule.replace("{kind}", k) for k in ("hostname", "domainname"))
    }
    tested = {case[2] for case in RULES + USERNS} | {"no-mount-namespace", "mapping-without-root"}
    assert rules == tested


CHECKS = ("check", "check_linux", "check_process", "check_seccomp")
