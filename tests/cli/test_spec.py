"""``ocipy spec``."""

import json
import os

import pytest

from ocipy.formats import template


@pytest.fixture
def made(cli):
    """The config.json that a command line of spec makes."""

    def make(*words):
        result = cli("spec", "--file", "-", *words)
        assert (result.status, result.err) == (0, ""), result
        return json.loads(result.out)

    return make


def namespaces(document):
    return {namespace["type"] for namespace in document["linux"]["namespaces"]}


def test_a_new_config_is_written_where_we_are(cli, tmp_path):
    result = cli("spec", cwd=tmp_path)
    assert (result.status, result.out, result.err) == (0, "", "")
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    written = json.loads((tmp_path / "config.json").read_text())
    assert written == template.config(cgroup_namespace=unified)
    assert (tmp_path / "config.json").read_text().endswith("}\n")


def test_a_new_config_is_written_into_the_bundle(cli, tmp_path):
    assert cli("spec", "-b", str(tmp_path)).status == 0
    assert cli("spec", "-b", str(tmp_path), "-f", "other.json").status == 0
    assert sorted(os.listdir(tmp_path)) == ["config.json", "other.json"]


def test_a_config_that_exists_is_not_overwritten(refused, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    message = "spec: File config.json exists. Remove it first"
    assert refused("spec", "-b", str(tmp_path)) == message
    assert refused("spec", cwd=tmp_path) == message
    assert (tmp_path / "config.json").read_text() == "mine"


def test_a_link_to_nowhere_is_not_followed(refused, tmp_path):
    (tmp_path / "config.json").symlink_to(tmp_path / "elsewhere")
    refused("spec", "-b", str(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_a_bundle_that_is_not_there_is_an_error(refused, tmp_path):
    missing = f'"{tmp_path}/no/config.json": ENOENT: no such file or directory'
    assert refused("spec", "-b", f"{tmp_path}/no") == f"spec: {missing}"


def test_a_full_disk_leaves_no_half_config(command, tmp_path):
    import subprocess

    script = 'ulimit -f 0; trap "" XFSZ; exec "$@"'
    words = ["sh", "-c", script, "sh", *command, "spec", "-b", str(tmp_path)]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "ocipy: spec: write(3): EFBIG: file too large\n")
    assert not os.listdir(tmp_path)


def test_the_command_is_what_follows(made):
    assert made("--", "ls", "-l")["process"]["args"] == ["ls", "-l"]
    assert made("--args", "sh", "-c", "echo --hi")["process"]["args"] == ["sh", "-c", "echo --hi"]


def test_the_process_is_as_asked(made):
    words = "-e A=b=c --env TERM=dumb --cwd /srv -u 5:6 --no-terminal --no-new-privs=false"
    process = made(*words.split())["process"]
    assert process["env"] == [template.PATH, "TERM=dumb", "A=b=c"]
    assert (process["cwd"], process["user"]) == ("/srv", {"uid": 5, "gid": 6})
    assert (process["terminal"], process["noNewPrivileges"]) == (False, False)


def test_a_user_without_a_group_is_in_group_0(made):
    assert made("-u", "1")["process"]["user"] == {"uid": 1, "gid": 0}


@pytest.mark.parametrize(
    ("words", "terminal", "readonly"),
    [
        ((), True, True),
        (("--terminal", "--read-only"), True, True),
        (("--terminal=false", "--read-only=false"), False, False),
        (("--no-terminal", "--no-read-only"), False, False),
    ],
)
def test_terminal_and_read_only_can_be_said_both_ways(made, words, terminal, readonly):
    document = made(*words)
    assert (document["process"]["terminal"], document["root"]["readonly"]) == (terminal, readonly)


def test_host_and_root_are_as_asked(made):
    document = made("--hostname", "box", "--rootfs", "/srv/root", "--annotation", "a.b=c=d")
    assert document["hostname"] == "box"
    assert document["root"]["path"] == "/srv/root"
    assert document["annotations"] == {"a.b": "c=d"}


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("type=bind,src=/srv,dst=/mnt,ro", ("/mnt", "bind", "/srv", ["rbind", "ro"])),
        ("src=/srv,dst=/mnt,readonly", ("/mnt", "bind", "/srv", ["rbind", "ro"])),
        ("source=/srv,target=/mnt,bind,rw", ("/mnt", "bind", "/srv", ["bind", "rw"])),
        ("type=none,source=/srv,destination=/mnt,rbind", ("/mnt", "none", "/srv", ["rbind"])),
        (
            "type=bind,src=data,dst=/mnt,bind-propagation=rslave",
            ("/mnt", "bind", "data", ["rbind", "rslave"]),
        ),
        ("type=tmpfs,dst=/tmp,size=64m,mode=1777", ("/tmp", "tmpfs", "tmpfs", ["size=64m", "mode=1777"])),
        ("type=proc,dst=/p", ("/p", "proc", "proc", None)),
        ("src=data,dst=/mnt,bind", ("/mnt", "none", "data", ["bind"])),
        (
            "type=overlay,src=o,dst=/o,lowerdir=/l,upperdir=/u,workdir=/w",
            ("/o", "overlay", "o", ["lowerdir=/l", "upperdir=/u", "workdir=/w"]),
        ),
    ],
)
def test_a_mount_is_added_after_the_others(made, text, mount):
    expected = dict(zip(("destination", "type", "source", "options"), mount, strict=True))
    if expected["options"] is None:
        del expected["options"]
    assert made("--mount", text)["mounts"][-1] == expected


def test_mounts_keep_their_order(made):
    mounts = made("--mount", "type=tmpfs,dst=/a", "--mount", "type=tmpfs,dst=/a/b")["mounts"]
    assert [entry["destination"] for entry in mounts[-2:]] == ["/a", "/a/b"]


def test_capabilities_have_short_names(made):
    sets = made("--cap-drop", "ALL", "--cap-add", "chown", "--cap-add", "CAP_KILL")["process"]["capabilities"]
    assert sets == {kind: ["CAP_CHOWN", "CAP_KILL"] for kind in ("bounding", "effective", "permitted")}


def test_all_capabilities_can_be_added(made):
    sets = made("--cap-add", "all", "--cap-drop", "SYS_ADMIN")["process"]["capabilities"]
    assert set(sets["effective"]) == set(template.CAPABILITIES) - {"CAP_SYS_ADMIN"}


def test_limits_are_as_asked(made):
    resources = made("--memory", "64m", "--cpus", "1.5", "--pids-limit", "-1")["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20}
    assert resources["cpu"] == {"quota": 150_000, "period": 100_000}
    assert resources["pids"] == {"limit": -1}


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("1k", 1024), ("1K", 1024), ("2G", 2 << 30), ("1t", 1 << 40)]
)
def test_a_size_may_have_a_unit(made, text, size):
    assert made("--memory", text)["linux"]["resources"]["memory"]["limit"] == size


def test_the_host_network_can_be_asked_for(made):
    assert "network" in namespaces(made())
    assert "network" not in namespaces(made("--network", "host"))


def test_a_user_namespace_can_be_asked_for(made):
    document = made("--userns", "100000:1000")
    assert "user" in namespaces(document)
    mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    assert document["linux"]["uidMappings"] == document["linux"]["gidMappings"] == mapping
    assert made("--userns", "100000")["linux"]["uidMappings"][0]["size"] == 65536


def test_a_rootless_config_needs_no_privilege(made):
    document = made("--rootless")
    assert "user" in namespaces(document)
    assert "network" not in namespaces(document)
    assert "resources" not in document["linux"]
    assert document["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert not any(o.startswith(("gid=", "uid=")) for m in document["mounts"] for o in m.get("options", ()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--user x", 'invalid value "x" for --user: not a number'),
        ("--user 1:", 'invalid value "" for --user: not a number'),
        ("--user :1", 'invalid value "" for --user: not a number'),
        ("--user 4294967295", 'invalid value "4294967295" for --user: not a number'),
        ("--env A", 'invalid value "A" for --env: not NAME=VALUE'),
        ("--env =A", 'invalid value "=A" for --env: not NAME=VALUE'),
        ("--annotation A", 'invalid value "A" for --annotation: not NAME=VALUE'),
        ("--hostname a\tb", 'invalid value "a\\tb" for --hostname: not a name'),
        ("--memory 64x", 'invalid value "64x" for --memory: not a size such as 64m'),
        ("--memory m", 'invalid value "m" for --memory: not a size such as 64m'),
        ("--memory 8388608t", 'invalid value "8388608t" for --memory: not a size such as 64m'),
        ("--cpus 0", 'invalid value "0" for --cpus: less than 0.01'),
        ("--cpus 0.001", 'invalid value "0.001" for --cpus: less than 0.01'),
        ("--cpus -1", 'invalid value "-1" for --cpus: not a number of processors'),
        ("--cpus 1e3", 'invalid value "1e3" for --cpus: not a number of processors'),
        ("--cpus nan", 'invalid value "nan" for --cpus: not a number of processors'),
        ("--pids-limit -2", 'invalid value "-2" for --pids-limit: below -1'),
        ("--userns x", 'invalid value "x" for --userns: not a number'),
        ("--userns 1:0", 'invalid value "1:0" for --userns: no ids'),
        ("--userns 4294967294:2", 'invalid value "2" for --userns: not a number'),
        ("--userns 1 --rootless", "both --rootless and --userns"),
        ("--cap-add BOGUS", 'invalid value "BOGUS" for --cap-add: no such capability'),
        ("--terminal --no-terminal", "both --terminal and --no-terminal"),
        ("--mount src=/a", 'invalid value "src=/a" for --mount: needs dst=, an absolute path'),
        ("--mount src=/a,dst=b", 'invalid value "src=/a,dst=b" for --mount: needs dst=, an absolute path'),
        ("--mount type=bind,dst=/b", 'invalid value "type=bind,dst=/b" for --mount: needs src='),
        ("--mount src=a,dst=/b", 'invalid value "src=a,dst=/b" for --mount: needs type='),
        ("--mount dst=/b", 'invalid value "dst=/b" for --mount: needs type='),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_written(refused, tmp_path, words, message):
    assert refused("spec", "-b", str(tmp_path), *words.split(" ")) == f"spec: {message}"
    assert not os.listdir(tmp_path)
