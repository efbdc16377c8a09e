"""libcontainer's configuration since 2015: what runc has in its state, key by key; files that are wrong."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy import formats, spec
from ocipy.errors import ConfigError
from ocipy.formats import libcontainer
from ocipy.formats.libcontainer import names
from ocipy.spec import Spec
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED
from tests.formats import strategies
from tests.formats.trips import spoil

#: As little as a configuration can have.
BARE = {"rootfs": "/srv/root", "namespaces": [{"type": "NEWNS", "path": ""}], "version": "1.0.2-dev"}
MINIMAL = {"args": ["true"]}
DENY = {"type": 97, "major": -1, "minor": -1, "permissions": "rwm", "allow": False}
DEFAULT_RULES = [
    {"type": ord(kind), "major": major, "minor": minor, "permissions": access, "allow": True}
    for kind, major, minor, access in names.DEFAULT_RULES
]


@pytest.fixture
def load(tmp_path):
    """What is read of a configuration with some keys changed, in runc's state."""

    def read(process=MINIMAL, **changes):
        (tmp_path / "state.json").write_text(json.dumps({"id": "x", "config": {**BARE, **changes}}, indent=1))
        if process:
            (tmp_path / "process.json").write_text(json.dumps(process))
        return formats.load(str(tmp_path))

    return read


def said(loaded, fate):
    return {note.key: note.reason for note in loaded.notes if note.fate == fate}


# ---------------------------------------------------------------- where it is


def test_a_configuration_is_found_alone_and_in_a_state(tmp_path):
    assert not libcontainer.detect(str(tmp_path))
    (tmp_path / "state.json").write_text('{"id": "x"}')
    assert not libcontainer.detect(str(tmp_path))
    (tmp_path / "state.json").write_text("[]")
    assert not libcontainer.detect(str(tmp_path))
    (tmp_path / "state.json").write_text(json.dumps({"id": "x", "config": {**BARE, "hostname": "state"}}))
    assert formats.detect(str(tmp_path)) == "libcontainer"
    (tmp_path / "container.json").write_text(json.dumps({**BARE, "hostname": "alone"}))
    assert formats.load(str(tmp_path)).data["hostname"] == "alone"
    (tmp_path / "config.json").write_text("{}")
    assert formats.detect(str(tmp_path)) == "oci"


def test_a_property_comes_from_a_line_of_the_state(load):
    loaded = load(hostname="x")
    assert loaded.source == "state.json"
    assert loaded.place("/root/path") == "state.json:4: /config/rootfs"
    assert loaded.place("/process/args") == "process.json: /args"


# ---------------------------------------------------------------- the process


def test_the_process_is_beside_it(load):
    process = {
        "args": ["a", "b"],
        "env": ["A=1"],
        "cwd": "/x",
        "terminal": True,
        "user": {"uid": 5, "gid": 6},
    }
    assert load(process=process).data["process"] == process


def test_the_process_is_that_of_the_bundle_if_it_is_still_there(load, tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    asked = {
        "args": ["sleep", "9"],
        "cwd": "/",
        "env": ["A=1"],
        "user": {"uid": 1, "gid": 2, "umask": 7},
        "noNewPrivileges": True,
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
    }
    (bundle / "config.json").write_text(json.dumps({"process": asked}))
    loaded = load(process=None, labels=[f"bundle={bundle}", "org.x=y=z"], umask=18)
    # What the configuration holds counts: it is what runc did, whatever the bundle says by now.
    assert loaded.data["process"] == {
        "args": ["sleep", "9"],
        "cwd": "/",
        "env": ["A=1"],
        "user": {"uid": 1, "gid": 2, "umask": 18},
        "rlimits": asked["rlimits"],
    }
    assert said(loaded, CHANGED) == {"/process": f"is not in this file: taken from {bundle}/config.json"}
    assert loaded.data["annotations"] == {"org.x": "y=z"}


def test_without_a_command_a_shell_stands_in_and_it_is_said(load):
    loaded = load(process=None, labels=["bundle=/nowhere"])
    assert loaded.data["process"] == {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["sh"]}
    assert list(said(loaded, LOSSY)) == ["/process/args"]


# ---------------------------------------------------------------- key by key


@pytest.mark.parametrize(
    ("changes", "pointer", "value"),
    [
        ({"hostname": "h"}, "/hostname", "h"),
        ({"readonlyfs": True}, "/root/readonly", True),
        ({"readonlyfs": False}, "/root/readonly", None),
        ({"rootPropagation": 1 << 19 | 1 << 14}, "/linux/rootfsPropagation", "rslave"),
        ({"umask": 0}, "/process/user/umask", 0),
        ({"umask": None}, "/process/user/umask", None),
        ({"oom_score_adj": 0}, "/process/oomScoreAdj", 0),
        ({"capabilities": {"Bounding": None, "Ambient": []}}, "/process/capabilities", {"ambient": []}),
        ({"capabilities": None}, "/process/capabilities", None),
        (
            {"rlimits": [{"type": 7, "hard": 2, "soft": 1}]},
            "/process/rlimits",
            [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
        ),
        (
            {"uid_mappings": [{"container_id": 0, "host_id": 7, "size": 9}]},
            "/linux/uidMappings",
            [{"containerID": 0, "hostID": 7, "size": 9}],
        ),
        ({"personality": {"domain": 8}}, "/linux/personality/domain", "LINUX32"),
        (
            {"exec_cpu_affinity": {"Initial": [5], "Final": None}},
            "/process/execCPUAffinity",
            {"initial": "0,2"},
        ),
        (
            {"memory_policy": {"mode": 2, "flags": 1 << 15, "nodes": [3]}},
            "/linux/memoryPolicy",
            {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
        ),
        ({"cgroups": {"name": "x", "path": ""}}, "/linux/cgroupsPath", None),
        ({"cgroups": {"name": "", "path": "/a/b"}}, "/linux/cgroupsPath", "/a/b"),
        ({"cgroups": {"name": "n", "parent": "p"}}, "/linux/cgroupsPath", "/p/n"),
        ({"cgroups": {"name": "n", "scope_prefix": "runc", "Systemd": True}}, "/linux/cgroupsPath", None),
        (
            {"cgroups": {"name": "n", "parent": "a.slice", "scope_prefix": "d", "Systemd": True}},
            "/linux/cgroupsPath",
            "a.slice:d:n",
        ),
        ({"cgroups": {"memory": 0, "pids_limit": 0, "cpu_shares": 0}}, "/linux/resources", None),
        (
            {"cgroups": {"memory": 5, "pids_limit": -1, "cpu_idle": 0}},
            "/linux/resources",
            {"memory": {"limit": 5}, "pids": {"limit": -1}, "cpu": {"idle": 0}},
        ),
        ({"cgroups": {"devices": DEFAULT_RULES}}, "/linux/resources", None),
        ({"cgroups": {"devices": DEFAULT_RULES[:-1]}}, "/linux/resources", None),
        (
            {"cgroups": {"devices": [DENY, *DEFAULT_RULES]}},
            "/linux/resources/devices",
            [{"allow": False, "access": "rwm"}],
        ),
        (
            {"cgroups": {"allow_all_devices": True}},
            "/linux/resources/devices",
            [{"allow": True, "access": "rwm"}],
        ),
        (
            {"Hooks": {"prestart": [{"path": "/h", "args": None, "timeout": 1}], "poststop": None}},
            "/hooks",
            {"prestart": [{"path": "/h", "timeout": 1}]},
        ),
        ({"system_properties": {"net.x": "1"}}, "/linux/sysctl", {"net.x": "1"}),
        ({"version": ""}, "/ociVersion", "1.0.0"),
        (
            {"networks": [{"type": "loopback", "mtu": 0}], "no_new_keyring": False, "rootless_euid": True},
            "/annotations",
            None,
        ),
    ],
)
def test_a_key_is_a_property(load, changes, pointer, value):
    found = load(**changes).data
    for step in pointer[1:].split("/"):
        found = (found or {}).get(step)
    assert found == value


@pytest.mark.parametrize(
    ("mount", "options"),
    [
        ({"device": "proc", "flags": 14}, ["nosuid", "nodev", "noexec"]),
        ({"device": "bind", "flags": 1 << 12 | 1 << 14 | 1}, ["rbind", "ro"]),
        (
            {"device": "bind", "flags": 1 << 12, "propagation_flags": [1 << 18 | 1 << 14]},
            ["bind", "rprivate"],
        ),
        (
            {"device": "tmpfs", "cleared_flags": 3, "data": "mode=755,size=64k"},
            ["rw", "suid", "mode=755", "size=64k"],
        ),
        ({"device": "tmpfs", "extensions": 1}, ["tmpcopyup"]),
        ({"device": "bind", "flags": 1 << 12, "rec_attr": {"Attr_set": 1, "Attr_clr": 0}}, ["bind", "rro"]),
        (
            {"device": "bind", "flags": 1 << 12, "rec_attr": {"Attr_set": 0x10, "Attr_clr": 0x74}},
            ["bind", "rnoatime", "rdev"],
        ),
        (
            {"device": "bind", "flags": 1 << 12, "rec_attr": {"Attr_set": 0, "Attr_clr": 0x70}},
            ["bind", "rrelatime"],
        ),
        ({"device": "bind", "flags": 1 << 12, "id_mapping": {"recursive": True}}, ["bind", "ridmap"]),
        ({"device": "proc"}, None),
    ],
)
def test_flags_are_options(load, mount, options):
    loaded = load(mounts=[{"source": "/s", "destination": "/d", **mount}])
    assert loaded.data["mounts"][0].get("options") == options


def test_devices_are_those_that_not_every_container_has(load):
    null = {"type": 99, "path": "/dev/null", "major": 1, "minor": 3, "file_mode": 0o666, "uid": 0, "gid": 0}
    others = [{**null, "file_mode": 0o600}, {**null, "path": "/dev/nothing", "uid": 7}]
    fifo = {"type": 112, "path": "/dev/fifo", "major": 0, "minor": 0, "file_mode": 0o4000000666}
    assert load(devices=[null, *others, fifo]).data["linux"]["devices"] == [
        {"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o600},
        {"type": "c", "path": "/dev/nothing", "major": 1, "minor": 3, "uid": 7},
        {"type": "p", "path": "/dev/fifo"},
    ]


def test_nodes_belong_to_the_root_of_a_user_namespace(load):
    """runc writes the ids that this one has outside, for all nodes that it makes."""
    null = {
        "type": 99,
        "path": "/dev/null",
        "major": 1,
        "minor": 3,
        "file_mode": 0o666,
        "uid": 1000,
        "gid": 2000,
    }
    mapped = {
        "uid_mappings": [{"container_id": 0, "host_id": 1000, "size": 9}],
        "gid_mappings": [{"container_id": 0, "host_id": 2000, "size": 9}],
    }
    others = [{**null, "path": "/dev/a"}, {**null, "path": "/dev/b", "uid": 1001}]
    assert load(devices=[null, *others], **mapped).data["linux"]["devices"] == [
        {"type": "c", "path": "/dev/a", "major": 1, "minor": 3},
        {"type": "c", "path": "/dev/b", "major": 1, "minor": 3, "uid": 1001},
    ]


def test_a_seccomp_profile_has_its_names_again(load):
    rule = {"action": 4, "errnoRet": None, "args": []}
    masked = {"index": 1, "value": 3, "value_two": 2, "op": 7}
    profile = {
        "default_action": 2,
        "default_errno_ret": 1,
        "architectures": ["amd64", "x32"],
        "flags": None,
        "syscalls": [
            {"name": "read", **rule},
            {"name": "write", **rule},
            {"name": "clone", **rule, "args": [masked]},
            {"name": "open", "action": 2, "errnoRet": 38, "args": []},
        ],
    }
    assert load(seccomp=profile).data["linux"]["seccomp"] == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
            {
                "names": ["clone"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 1, "value": 3, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
            },
            {"names": ["open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    }


def test_a_list_of_capabilities_is_of_those_that_are_kept(load):
    loaded = load(capabilities=["CHOWN", "CAP_KILL"], mounts=[{"destination": "/proc", "device": "proc"}])
    sets = loaded.data["process"]["capabilities"]
    assert set(map(tuple, sets.values())) == {("CAP_CHOWN", "CAP_KILL")}
    assert "CVE-2022-24769" in said(loaded, CHANGED)["/config/capabilities"]


def test_before_the_list_had_the_systems_mounts_they_are_added(load):
    loaded = load(capabilities=["CHOWN"], mounts=[{"destination": "/dev", "device": "tmpfs"}])
    destinations = [mount["destination"] for mount in loaded.data["mounts"]]
    assert destinations == ["/proc", "/sys", "/dev/shm", "/dev/pts", "/dev"]
    assert "/config/mounts" in said(loaded, CHANGED)


@pytest.mark.parametrize(
    ("changes", "fate", "key"),
    [
        ({"no_pivot_root": True}, LOSSY, "/config/no_pivot_root"),
        ({"no_new_keyring": True}, LOSSY, "/config/no_new_keyring"),
        ({"parent_death_signal": 9}, LOSSY, "/config/parent_death_signal"),
        ({"routes": [{"destination": "0.0.0.0/0"}]}, LOSSY, "/config/routes/0"),
        ({"networks": [{"type": "strange"}]}, LOSSY, "/config/networks/0/type"),
        ({"namespaces": [{"type": "NEWMOON"}]}, LOSSY, "/config/namespaces/0/type"),
        ({"mounts": [{"destination": "/x", "flags": 1 << 30}]}, LOSSY, "/config/mounts/0/flags"),
        ({"mounts": [{"destination": "/x", "relabel": "z"}]}, LOSSY, "/config/mounts/0/relabel"),
        ({"Hooks": {"prestart": [{"path": "/h", "dir": "/d"}]}}, LOSSY, "/config/Hooks/prestart/0/dir"),
        (
            {"Hooks": {"prestart": [{"path": "/h", "timeout": 1}]}},
            CHANGED,
            "/config/Hooks/prestart/0/timeout",
        ),
        ({"rlimits": [{"type": 99, "hard": 1}]}, LOSSY, "/config/rlimits/0/type"),
        ({"cgroups": {"blkio_weight_device": "8:0 10"}}, LOSSY, "/config/cgroups/blkio_weight_device"),
        ({"cgroups": {"kernel_memory": 5}}, LOSSY, "/config/cgroups/kernel_memory"),
        ({"seccomp": {"default_action": 99}}, REFUSED, "/config/seccomp/default_action"),
        ({"seccomp": {"syscalls": [{"value": 1}]}}, REFUSED, "/config/seccomp"),
    ],
)
def test_what_does_not_arrive_is_said(load, changes, fate, key):
    assert key in said(load(**changes), fate)


# ---------------------------------------------------------------- writing


def test_what_no_key_says_is_named():
    data = {
        "ociVersion": "1.2.0",
        "root": {"path": "/r"},
        "linux": {
            "resources": {"memory": {"limit": 0, "kernel": 5}},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_M68K"]},
        },
        "annotations": {"a=b": "c"},
        "windows": {"layerFolders": ["x"]},
    }
    _, notes = libcontainer.dump(Spec(data))
    assert {note.key for note in notes if note.fate == LOSSY} == {
        "/linux/resources/memory/limit",
        "/linux/resources/memory/kernel",
        "/linux/seccomp/architectures/0",
        "/annotations/a=b",
        "/windows",
    }


def test_devices_and_rules_are_complete():
    """Whoever reads it shall not have to know what every runtime adds unasked."""
    config = json.loads(libcontainer.dump(Spec({"root": {"path": "/r"}}))[0]["container.json"])
    assert config["cgroups"]["devices"] == DEFAULT_RULES
    assert len(config["devices"]) == len(names.DEFAULT_NODES)


def test_a_set_of_cpus_has_an_end():
    """One that reaches to the far end of the numbers is not counted through."""
    process = {"execCPUAffinity": {"initial": "0-1023", "final": "0-99999999999"}}
    files, notes = libcontainer.dump(Spec({"root": {"path": "/r"}, "process": process}))
    affinity = json.loads(files["container.json"])["exec_cpu_affinity"]
    assert affinity == {"Initial": [2**64 - 1] * 16, "Final": None}
    assert "/process/execCPUAffinity/final" in {note.key for note in notes if note.fate == LOSSY}


# ---------------------------------------------------------------- what is wrong


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=strategies.documents(), data=st.data())
def test_whatever_is_there_the_answer_is_a_container_or_one_clear_line(tmp_path, document, data):
    config = json.loads(libcontainer.dump(Spec(document))[0]["container.json"])
    spoil(config, data)
    (tmp_path / "container.json").write_text(json.dumps(config))
    try:
        loaded = formats.load(str(tmp_path))
    except ConfigError as error:
        assert str(error).startswith("container.json:")
    else:
        spec.validate(loaded.data)
