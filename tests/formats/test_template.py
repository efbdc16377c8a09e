"""The config.json that `ocipy spec` starts from."""

from ocipy.formats import template


def kinds(document):
    return [namespace["type"] for namespace in document["linux"]["namespaces"]]


def mount(document, destination):
    (found,) = [m for m in document["mounts"] if m["destination"] == destination]
    return found


def test_the_default_shuts_in_what_it_runs():
    document = template.config()
    assert document["process"]["args"] == ["sh"]
    assert document["process"]["noNewPrivileges"] is True
    assert document["root"] == {"path": "rootfs", "readonly": True}
    assert kinds(document) == ["pid", "network", "ipc", "uts", "mount"]
    assert document["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    sets = document["process"]["capabilities"]
    # Neither inheritable nor ambient: what they hold outlives an execve.
    assert set(sets) == {"bounding", "effective", "permitted"}
    assert all(names == ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"] for names in sets.values())


def test_nothing_is_shared_between_two_documents():
    first = template.config()
    first["mounts"][1]["options"].append("x")
    first["linux"]["maskedPaths"].clear()
    first["process"]["capabilities"]["bounding"].clear()
    assert template.config() != first
    assert template.config()["process"]["capabilities"]["effective"]


def test_every_default_mount_lies_below_one_before_it_or_the_root():
    seen = ["/"]
    for entry in template.config()["mounts"]:
        assert any(entry["destination"].startswith(above) for above in seen)
        seen.append(entry["destination"])


def test_the_host_network_is_no_namespace_of_its_own():
    document = template.config(network="host")
    assert "network" not in kinds(document)
    assert mount(document, "/sys")["type"] == "sysfs"


def test_a_user_namespace_has_its_ids():
    document = template.config(mapping=(100000, 200000, 65536))
    assert "user" in kinds(document)
    assert document["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 100000, "size": 65536}]
    assert document["linux"]["gidMappings"] == [{"containerID": 0, "hostID": 200000, "size": 65536}]
    assert "gid=5" in mount(document, "/dev/pts")["options"]


def test_a_namespace_of_one_id_has_no_tty_group():
    assert "gid=5" not in mount(template.config(mapping=(1000, 1000, 1)), "/dev/pts")["options"]


def test_sysfs_is_bound_where_a_user_namespace_has_no_network_of_its_own():
    document = template.config(mapping=(1000, 1000, 1), network="host")
    assert mount(document, "/sys") == {
        "destination": "/sys",
        "type": "none",
        "source": "/sys",
        "options": ["rbind", "nosuid", "noexec", "nodev", "ro"],
    }


def test_limits_are_resources():
    resources = template.config(memory=64 << 20, quota=150_000, pids=0)["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20}
    assert resources["cpu"] == {"quota": 150_000, "period": 100_000}
    assert resources["pids"] == {"limit": 0}


def test_without_device_rules_and_limits_there_are_no_resources():
    assert "resources" not in template.config(limited_devices=False)["linux"]


def test_a_variable_takes_the_place_of_a_default_one():
    env = template.config(env=("TERM=dumb", "A=1", "A=2"))["process"]["env"]
    assert env == [template.PATH, "TERM=dumb", "A=2"]


def test_capabilities_are_added_after_others_were_dropped():
    assert template.capability_set((), ()) == ("CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE")
    assert template.capability_set(("CAP_CHOWN",), ("ALL",)) == ("CAP_CHOWN",)
    assert template.capability_set((), ("CAP_KILL",)) == ("CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE")
    everything = template.capability_set(("ALL",), ("CAP_SYS_ADMIN",))
    assert len(everything) == len(template.CAPABILITIES) - 1
    assert "CAP_SYS_ADMIN" not in everything


def test_annotations_are_written_only_if_there_are_any():
    assert "annotations" not in template.config()
    assert template.config(annotations={"a.b": "c"})["annotations"] == {"a.b": "c"}
