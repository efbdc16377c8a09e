"""What is said and ignored, because other runtimes run it; and what is not even said."""

import copy

import pytest

from ocipy import spec
from ocipy.spec import jsontext


@pytest.fixture
def default(examples):
    return copy.deepcopy(examples["default"])


def warnings(document):
    problems, found = spec.validate(document)
    assert problems == []
    return [(warning.pointer, warning.rule) for warning in found]


@pytest.mark.parametrize(
    "version",
    ["1.0.0", "1.3.0", "1.99.0", "1.0.0-rc5", "1.2.0+dev", "1.0.2-dev", "1.0.0-rc.1+a-b.01", "1.0.0--"],
)
def test_any_version_1_is_accepted(default, version):
    default["ociVersion"] = version
    assert warnings(default) == []


def test_a_relative_destination_is_deprecated(default):
    default["mounts"][0]["destination"] = "proc"
    assert warnings(default) == [("/mounts/0/destination", "mount-destination-relative")]


def test_relative_paths_of_masks_and_devices_are_taken_from_the_root(default):
    default["linux"]["maskedPaths"] = ["/proc/acpi", "proc/asound"]
    default["linux"]["readonlyPaths"] = [""]
    default["linux"]["devices"] = [{"type": "p", "path": "dev/fifo"}]
    assert warnings(default) == [
        ("/linux/maskedPaths/1", "path-relative"),
        ("/linux/readonlyPaths/0", "path-relative"),
        ("/linux/devices/0/path", "path-relative"),
    ]


def test_an_unknown_capability_may_be_that_of_a_newer_kernel(default):
    default["process"]["capabilities"]["bounding"].append("CAP_NEW")
    default["process"]["capabilities"]["effective"].append("CAP_NEW")
    assert warnings(default) == [("/process/capabilities/bounding/3", "capability-unknown")]


def test_an_ambient_capability_needs_the_other_sets(default):
    default["process"]["capabilities"]["inheritable"] = ["CAP_KILL"]
    default["process"]["capabilities"]["ambient"] = ["CAP_KILL", "CAP_AUDIT_WRITE", "CAP_CHOWN"]
    assert warnings(default) == [
        ("/process/capabilities/ambient/1", "capability-ambient"),
        ("/process/capabilities/ambient/2", "capability-ambient"),
    ]


def test_the_ambient_set_of_runc_spec_is_not_worth_a_word(default):
    default["process"]["capabilities"]["ambient"] = default["process"]["capabilities"]["permitted"]
    assert warnings(default) == []


def test_of_mount_options_that_undo_each_other_the_last_one_counts(default):
    default["mounts"][1]["options"] = ["ro", "nosuid", "suid", "rw", "rro", "nodev"]
    assert warnings(default) == [("/mounts/1/options", "mount-option-conflict")] * 2


def test_the_type_bind_makes_no_bind(default):
    default["mounts"].append({"destination": "/x", "type": "bind", "source": "/x", "options": ["ro"]})
    default["mounts"].append({"destination": "/y", "type": "bind", "source": "/x", "options": ["rbind"]})
    assert warnings(default) == [("/mounts/7/type", "mount-type-bind")]


def test_a_container_without_process_can_be_created(default):
    del default["process"]
    assert warnings(default) == [("/process", "process-missing")]


def test_small_things_are_said(default):
    default["annotations"] = {"": "x"}
    default["root"]["path"] = ""
    default["process"]["user"]["umask"] = 0o1022
    default["hooks"] = {"poststop": [{"path": "/bin/true", "env": ["A=b", "C"]}]}
    default["linux"]["cgroupsPath"] = "../x"
    default["linux"]["personality"] = {"domain": "LINUX", "flags": ["X"]}
    twins = [{"type": "c", "path": f"/dev/{name}", "major": 1, "minor": 3} for name in "ab"]
    default["linux"]["devices"] = twins
    default["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}
    assert sorted(rule for _, rule in warnings(default)) == [
        "annotation-key",
        "cgroups-path",
        "device-duplicate",
        "hook-env-form",
        "personality-flags",
        "root-empty",
        "seccomp-listener-unused",
        "umask",
    ]


def test_a_listener_without_notify_is_not_used(default):
    default["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x"}
    assert warnings(default) == [("/linux/seccomp/listenerPath", "seccomp-listener-unused")]


def test_unknown_properties_are_ignored_unless_asked_for(default):
    default["Hostname"] = "x"
    default["linux"]["namespaces"][1]["a/b"] = 1
    default["process"]["user"]["shell"] = "/bin/sh"
    default["annotations"] = {"anything": "goes"}
    assert warnings(default) == []
    problems, _ = spec.validate(default, strict=True)
    assert [str(problem) for problem in problems] == [
        "/process/user/shell: is not a property of the standard",
        "/linux/namespaces/1/a~1b: is not a property of the standard",
        '/Hostname: is not a property of the standard: "hostname" is',
    ]
    assert {problem.rule for problem in problems} == {"unknown-property"}


@pytest.mark.parametrize(
    ("where", "slip", "meant"),
    [("", "hostnam", "hostname"), ("process", "arg", "args"), ("linux", "MaskedPath", "maskedPaths")],
)
def test_what_a_slip_was_meant_to_be_is_said(default, where, slip, meant):
    place = default[where] if where else default
    place[slip] = None
    (problem,) = spec.unknown_properties(default)
    assert problem.message == f'is not a property of the standard: "{meant}" is'


def test_the_size_of_a_console_that_there_is_not_is_ignored(default):
    default["process"]["terminal"] = False
    default["process"]["consoleSize"] = {"height": 2**60, "width": 0}
    assert warnings(default) == []


def test_a_joined_user_namespace_brings_its_own_mappings(default):
    default["linux"]["namespaces"].append({"type": "user", "path": "/proc/1/ns/user"})
    default["process"]["user"] = {"uid": 5, "gid": 5}
    assert warnings(default) == []


def test_subclasses_of_dict_and_list_are_fine(default):
    class Mapping(dict):
        pass

    class Sequence(list):
        pass

    document = Mapping(default)
    document["mounts"] = Sequence(document["mounts"])
    assert warnings(document) == []


@pytest.mark.parametrize("value", [None, [], "x", 1, 1.5, True])
def test_what_is_no_object_is_no_config(value):
    problems, _ = spec.validate(value)
    assert [(p.pointer, p.rule) for p in problems] == [("", "schema")]


def test_a_process_alone_is_checked_too():
    process = jsontext.parse(
        b'{"cwd": "x", "args": [], "env": ["A"], "user": {"uid": 4294967295}}', "process"
    )
    problems, _ = spec.validate_process(process)
    assert [(p.pointer, p.rule) for p in problems] == [
        ("/cwd", "cwd-relative"),
        ("/args", "args-empty"),
        ("/env/0", "env-form"),
        ("/user/uid", "user-id"),
    ]
    with pytest.raises(spec.ConfigError, match=r"^process\.json: /cwd: is required$"):
        spec.require_process({}, "process.json")


def test_states_and_features_have_schemas_too():
    assert spec.check_state({"ociVersion": "1.0.0", "id": "a", "status": "running", "bundle": "/b"}) == []
    assert [str(p) for p in spec.check_state({"status": "gone"})] == [
        "/bundle: is required",
        "/id: is required",
        "/ociVersion: is required",
        '/status: "gone" is not one of creating, created, running, stopped',
    ]
    assert [str(p) for p in spec.check_features({"ociVersionMin": "1.0.0", "hooks": [1]})] == [
        "/hooks/0: 1 is not a string",
        "/ociVersionMax: is required",
    ]
