"""container.json of 2014, of each generation that there was.

The samples are written by hand, in the form that the Go structures of each release give them.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy import formats, spec
from ocipy.errors import ConfigError
from ocipy.formats.libcontainer import old
from ocipy.formats.tree import Node, Source
from ocipy.spec.names import CAPABILITIES
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED
from tests.formats.trips import spoil

COMMON = {
    "hostname": "koye",
    "user": "1000:100",
    "working_dir": "/srv",
    "environment": ["HOME=/", "PATH=/bin"],
    "tty": True,
}
NULL = {"type": 99, "path": "/dev/null", "major_number": 1, "minor_number": 3, "cgroup_permissions": "rwm"}
FUSE = {"type": 99, "path": "/dev/fuse", "major_number": 10, "minor_number": 229, "cgroup_permissions": "rw"}
NODES = [{**NULL, "file_mode": 0o666}, {**FUSE, "file_mode": 0o660, "gid": 5}]
VOLUMES = [
    {"type": "bind", "source": "/h", "destination": "/c", "writable": True, "private": True},
    {"type": "bind", "source": "/r", "destination": "/d"},
    {"type": "tmpfs", "destination": "/scratch"},
]
CGROUP = {
    "name": "docker-koye", "parent": "docker", "memory": 1 << 26, "memory_swap": -1, "cpu_shares": 512,
    "cpuset_cpus": "0", "freezer": "THAWED",
    "allowed_devices": [
        NULL,
        {"type": 98, "major_number": -1, "minor_number": -1, "cgroup_permissions": "m"},
    ],
}  # fmt: skip
NETWORKS = [
    {"type": "loopback", "address": "127.0.0.1/0", "gateway": "localhost", "mtu": 1500},
    {"type": "veth", "bridge": "docker0", "veth_prefix": "veth", "address": "172.17.0.101/16",
     "gateway": "172.17.42.1", "mtu": 1500},
]  # fmt: skip
ALL = {"NEWIPC": True, "NEWNET": True, "NEWNS": True, "NEWPID": True, "NEWUTS": True}

#: Docker 0.9: what it drops, called as what later is kept.
DROPPED = {**COMMON, "namespaces": sorted(ALL), "capabilities": ["SYS_MODULE", "SYS_ADMIN"]}
#: Docker 0.10: the same, called a mask.
DROPPED_MASK = {**COMMON, "namespaces": sorted(ALL), "capabilities_mask": ["SYS_MODULE", "SYS_ADMIN"]}
#: Docker 0.11: the mask says of each whether it is kept.
MASKED = {
    **COMMON,
    "namespaces": ALL,
    "capabilities_mask": {"SYS_MODULE": False, "SYS_ADMIN": False, "CHOWN": True},
    "mounts": [{"type": "devtmpfs"}],
}
#: Docker 1.0 and 1.1.
KEPT = {
    **COMMON,
    "namespaces": ALL,
    "capabilities": ["CHOWN", "KILL"],
    "readonly_fs": True,
    "mounts": VOLUMES,
    "device_nodes": NODES,
    "context": {
        "apparmor_profile": "docker-default",
        "mount_label": "m",
        "process_label": "p",
        "restrictions": "true",
    },
    "cgroups": CGROUP,
    "networks": NETWORKS,
}
#: Docker 1.2 to 1.5.
CONFIGURED = {
    **COMMON,
    "namespaces": {**ALL, "NEWIPC": False},
    "capabilities": ["CHOWN", "KILL"],
    "mount_config": {"mounts": VOLUMES, "device_nodes": NODES, "readonly_fs": True, "mount_label": "m"},
    "apparmor_profile": "docker-default",
    "process_label": "p",
    "restrict_sys": True,
    "root_fs": "/var/lib/docker/root",
    "rlimits": [{"type": 7, "hard": 2048, "soft": 1024}],
    "cgroups": CGROUP,
    "networks": NETWORKS,
    "ipc": "/proc/7/ns/ipc",
}


@pytest.fixture
def load(tmp_path):
    def read(document):
        (tmp_path / "container.json").write_text(json.dumps(document, indent=1))
        return formats.load(str(tmp_path))

    return read


def said(loaded, fate):
    return {note.key for note in loaded.notes if note.fate == fate}


def kept(loaded):
    sets = loaded.data["process"]["capabilities"]
    assert sorted(sets) == ["bounding", "effective", "permitted"]
    assert sets["bounding"] == sets["effective"] == sets["permitted"]
    return sets["bounding"]


@pytest.mark.parametrize(
    ("document", "generation"),
    [
        (DROPPED, old.DROP),
        (DROPPED_MASK, old.DROP),
        ({**DROPPED_MASK, "namespaces": []}, old.DROP),
        (MASKED, old.MASK),
        (KEPT, old.KEEP),
        (CONFIGURED, old.KEEP),
        ({"namespaces": [{"type": "NEWNS"}], "capabilities": ["CHOWN"], "rootfs": "/x"}, ""),
        ({}, ""),
    ],
)
def test_generations_are_told_apart_by_their_keys(document, generation):
    assert old.generation(Node(document, "", Source("container.json"))) == generation


@pytest.mark.parametrize("document", [DROPPED, DROPPED_MASK, MASKED, KEPT, CONFIGURED])
def test_every_generation_gives_a_valid_container(load, document):
    loaded = load(document)
    assert spec.validate(loaded.data, strict=True)[0] == []
    assert said(loaded, REFUSED) == set()
    assert said(loaded, LOSSY) == {"/process/args"}
    assert loaded.data["hostname"] == "koye"
    process = loaded.data["process"]
    assert (process["cwd"], process["env"], process["terminal"]) == ("/srv", ["HOME=/", "PATH=/bin"], True)
    assert process["user"] == {"uid": 1000, "gid": 100}
    assert [mount["destination"] for mount in loaded.data["mounts"][:5]] == [
        "/proc", "/sys", "/dev", "/dev/shm", "/dev/pts"
    ]  # fmt: skip


@pytest.mark.parametrize("document", [DROPPED, DROPPED_MASK, MASKED])
def test_the_oldest_lists_are_of_capabilities_to_drop(load, document):
    """Read as a list of those to keep, it would grant a container just what it must not have."""
    capabilities = kept(load(document))
    assert not {"CAP_SYS_MODULE", "CAP_SYS_ADMIN"} & set(capabilities)
    assert {"CAP_CHOWN", "CAP_NET_RAW"} <= set(capabilities)


@pytest.mark.parametrize("document", [KEPT, CONFIGURED])
def test_later_lists_are_of_capabilities_to_keep(load, document):
    assert kept(load(document)) == ["CAP_CHOWN", "CAP_KILL"]


def test_what_was_part_of_a_dropped_capability_is_dropped_with_it(load):
    """CAP_SYS_ADMIN was split after that time: without it there was no bpf(2) either."""
    assert not {"CAP_BPF", "CAP_PERFMON", "CAP_CHECKPOINT_RESTORE"} & set(kept(load(DROPPED)))
    only_module = {**DROPPED, "capabilities": ["SYS_MODULE"]}
    assert set(CAPABILITIES) - set(kept(load(only_module))) == {"CAP_SYS_MODULE"}


@pytest.mark.parametrize("change", [{}, {"namespaces": []}, {"namespaces": None}])
def test_a_list_whose_meaning_cannot_be_told_is_refused(load, change):
    """Without namespaces nothing else tells the generations apart."""
    loaded = load({**COMMON, **change, "capabilities": ["SYS_ADMIN"]})
    assert "/capabilities" in said(loaded, REFUSED)
    assert "capabilities" not in loaded.data["process"]


def test_the_later_ones_hold_all_else_too(load):
    for document in (KEPT, CONFIGURED):
        data = load(document).data
        linux, resources = data["linux"], data["linux"]["resources"]
        assert data["root"]["readonly"] is True
        assert (data["process"]["apparmorProfile"], data["process"]["selinuxLabel"]) == (
            "docker-default",
            "p",
        )
        assert linux["mountLabel"] == "m"
        assert linux["cgroupsPath"] == "/docker/docker-koye"
        assert resources["memory"] == {"limit": 1 << 26, "swap": -1}
        assert resources["cpu"] == {"shares": 512, "cpus": "0"}
        assert resources["devices"] == [
            {"allow": False, "access": "rwm"},
            {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
            {"allow": True, "type": "b", "access": "m"},
        ]
        assert linux["devices"] == [
            {"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229, "fileMode": 0o660, "gid": 5}
        ]
        assert data["mounts"][1]["options"][-1] == "ro"
        assert data["mounts"][5:] == [
            {"destination": "/c", "type": "bind", "source": "/h", "options": ["rbind", "rprivate"]},
            {"destination": "/d", "type": "bind", "source": "/r", "options": ["rbind", "ro"]},
            {
                "destination": "/scratch",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "nodev", "noexec"],
            },
        ]
        assert linux["maskedPaths"] == ["/proc/kcore"]
        assert "/proc/sys" in linux["readonlyPaths"]
        assert data["annotations"]["io.ocipy.network.0.ipv4"] == "172.17.0.101/16"


def test_the_last_one_has_namespaces_of_others_limits_and_a_root(load):
    data = load(CONFIGURED).data
    assert data["root"]["path"] == "/var/lib/docker/root"
    assert data["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2048}]
    assert {"type": "ipc"} not in data["linux"]["namespaces"]
    joined = {**CONFIGURED, "namespaces": ALL}
    joined["networks"] = [{"type": "netns", "ns_path": "/proc/7/ns/net"}]
    namespaces = load(joined).data["linux"]["namespaces"]
    assert {"type": "ipc", "path": "/proc/7/ns/ipc"} in namespaces
    assert {"type": "network", "path": "/proc/7/ns/net"} in namespaces


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"allow_all_devices": True}, [{"allow": True, "access": "rwm"}]),
        ({"device_access": True}, [{"allow": True, "access": "rwm"}]),
        ({}, [{"allow": False, "access": "rwm"}]),
    ],
)
def test_device_access_is_all_or_what_is_listed(load, change, rules):
    assert (
        load({**DROPPED, "cgroups": {"name": "x", **change}}).data["linux"]["resources"]["devices"] == rules
    )


@pytest.mark.parametrize(
    ("user", "ids"), [("", (0, 0)), ("root", (0, 0)), ("7", (7, 0)), ("7:8", (7, 8)), ("root:root", (0, 0))]
)
def test_a_user_is_numbers(load, user, ids):
    loaded = load({**KEPT, "user": user})
    found = loaded.data["process"]["user"]
    assert (found["uid"], found["gid"]) == ids
    assert said(loaded, REFUSED) == set()


@pytest.mark.parametrize("user", ["nobody", "1:staff", "-1", "\u0661", "9" * 5000])
def test_a_user_by_name_is_refused_rather_than_made_root(load, user):
    assert "/user" in said(load({**KEPT, "user": user}), REFUSED)


def test_what_comes_from_where_is_known(load):
    loaded = load(KEPT)
    assert loaded.place("/hostname") == "container.json:2: /hostname"
    assert loaded.place("/linux/resources/memory/limit").endswith(": /cgroups/memory")
    assert loaded.place("/mounts/5").endswith(": /mounts/0")


def test_what_nobody_knows_is_said(load):
    loaded = load({**KEPT, "bogus": 1, "cgroups": {**CGROUP, "strange": {"a": 1}}, "nothing": None})
    assert said(loaded, LOSSY) == {"/process/args", "/bogus", "/cgroups/strange"}
    assert {note.key for note in loaded.notes if note.fate == CHANGED} >= {"/capabilities", "/root_fs"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"hostname": 1}, "container.json:2: /hostname: must be a string, not a number"),
        ({"namespaces": True}, "/namespaces: must be an array, not a boolean"),
        ({"namespaces": {"NEWPID": 1}}, "/namespaces/NEWPID: must be true or false, not a number"),
        ({"cgroups": []}, "/cgroups: must be an object, not an array"),
        ({"mounts": [1]}, "/mounts/0: must be an object, not a number"),
        ({"environment": ["A=1", 2]}, "/environment/1: must be a string, not a number"),
        ({"readonly_fs": "yes"}, "/readonly_fs: must be true or false, not a string"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(load, change, where):
    with pytest.raises(ConfigError) as caught:
        load({**KEPT, **change})
    assert where in str(caught.value)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=st.sampled_from((DROPPED, DROPPED_MASK, MASKED, KEPT, CONFIGURED)), data=st.data())
def test_whatever_is_there_the_answer_is_a_container_or_one_clear_line(load, document, data):
    spoiled = json.loads(json.dumps(document))
    spoil(spoiled, data)
    try:
        loaded = load(spoiled)
    except ConfigError as error:
        assert str(error).startswith("container.json:")
    else:
        spec.validate(loaded.data)
