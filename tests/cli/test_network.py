"""``ocipy spec`` and ``ocipy bundle`` with networks: the hook, its annotations, the files that it writes."""

import json
import os
import subprocess

import pytest

from ocipy import spec
from ocipy.spec.network import PREFIX, Family, Network, Port, Settings, check
from tests.conftest import TREE


@pytest.fixture
def made(cli, tmp_path):
    """The config.json that a command line of spec writes into a bundle."""

    def make(*words):
        result = cli("spec", "--bundle", str(tmp_path), *words)
        assert (result.status, result.out, result.err) == (0, "", ""), result
        document = json.loads((tmp_path / "config.json").read_text())
        assert spec.validate(document) == ([], [])
        return document

    return make


def test_a_bridge_is_a_hook_and_its_annotations(made):
    document = made("--network", "bridge")
    hook = {"path": f"{TREE}/hooks/ocipy-hook-network", "args": ["ocipy-hook-network"]}
    assert os.access(hook["path"], os.X_OK)
    assert document["hooks"] == {"createRuntime": [hook], "poststop": [hook]}
    assert document["annotations"] == {f"{PREFIX}mode": "bridge", f"{PREFIX}files": "network"}
    assert {"type": "network"} in document["linux"]["namespaces"]


def test_names_are_files_of_the_bundle_bound_over_those_of_the_root(made, tmp_path):
    mounts = made("--network", "bridge", "--mount", "type=tmpfs,dst=/srv")["mounts"][-3:]
    assert [mount["destination"] for mount in mounts] == ["/etc/hosts", "/etc/resolv.conf", "/srv"]
    for mount in mounts[:2]:
        assert {"bind", "ro"} <= set(mount["options"])
        assert (tmp_path / mount["source"]).is_file()


def test_files_that_are_there_are_kept(made, tmp_path):
    (tmp_path / "network").mkdir()
    (tmp_path / "network/hosts").write_text("mine")
    made("--network", "bridge")
    assert (tmp_path / "network/hosts").read_text() == "mine"


def test_what_goes_to_standard_output_has_no_files(cli):
    document = json.loads(cli("spec", "--file", "-", "--network", "bridge").out)
    assert document["annotations"] == {f"{PREFIX}mode": "bridge"}
    assert not any(mount["destination"].startswith("/etc") for mount in document["mounts"])


def test_all_that_the_hook_can_do_can_be_asked_for(made):
    document = made(
        "--network", "bridge,link=br1,ipv4=10.1.0.5/24,ipv4=10.1.0.6/24,ipv4.gateway=none,dns=192.0.2.1",
        "--network", "macvlan,link=eno1,mtu=1400", "-p", "8080:80", "--publish", "53:53/udp",
    )  # fmt: skip
    assert check(document["annotations"]) == Settings(
        (
            Network(
                link="br1",
                ipv4=Family(("10.1.0.5/24", "10.1.0.6/24"), gateway="none"),
                publish=(Port(8080, 80), Port(53, 53, "udp")),
            ),
            Network("macvlan", link="eno1", name="eth1", mtu=1400),
        ),
        "network",
        ("192.0.2.1",),
    )


def test_to_publish_a_port_is_to_want_a_bridge(made):
    (found,) = check(made("-p", "8080:80")["annotations"]).networks
    assert found == Network(link="ocipy0", publish=(Port(8080, 80),))


def test_an_annotation_of_the_command_line_counts_more(made):
    document = made("--network", "bridge", "--annotation", f"{PREFIX}mtu=1400")
    assert check(document["annotations"]).networks == (Network(link="ocipy0", mtu=1400),)


def test_a_container_joins_another_by_its_id(made):
    document = made("--network", "join:web")
    path = "/run/ocipy/@network/join/web"
    assert {"type": "network", "path": path} in document["linux"]["namespaces"]
    assert document["annotations"][f"{PREFIX}mode"] == "join:web"


@pytest.mark.parametrize("words", [(), ("--network", "none"), ("--network", "host")])
def test_without_a_network_there_is_no_hook(made, words):
    document = made(*words)
    assert not {"hooks", "annotations"} & set(document)


ALONE = "--network host leaves no room for another network, nor for --publish"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--network x", 'invalid value "x" for --network: mode: "x" is not one of bridge, macvlan, '
         "host-device, none, join:CONTAINER"),
        ("--network bridge,mtu", 'invalid value "bridge,mtu" for --network: "mtu" is not KEY=VALUE'),
        ("--network bridge,mtu=x", 'invalid value "bridge,mtu=x" for --network: mtu: "x" is not a number of '
         "bytes from 68 to 65535"),
        ("--network macvlan", 'invalid value "macvlan" for --network: link: mode macvlan needs one'),
        ("--network host --network bridge", ALONE),
        ("--network host -p 1:1", ALONE),
        ("-p 80", 'invalid value "80" for --publish: "80" is not [ADDRESS:]PORT:PORT[/PROTOCOL], '
         "the port of the host first"),
        ("--network none -p 80:80", 'invalid value "80:80" for --publish: has no meaning in mode none'),
        ("--network bridge --rootless", "both --rootless and --network: only root can make networks"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_nothing_written(refused, tmp_path, words, message):
    assert refused("spec", "-b", str(tmp_path), *words.split(" ")) == f"spec: {message}"
    assert not os.listdir(tmp_path)


def test_a_failure_leaves_no_file(command, tmp_path):
    """The limit on the size of a file lets none but an empty one be written."""
    script = 'ulimit -f 0; trap "" XFSZ; exec "$@"'
    words = ["sh", "-c", script, "sh", *command, "spec", "-b", str(tmp_path), "--network", "bridge"]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "EFBIG: file too large" in done.stderr
    assert not os.listdir(tmp_path)


def test_a_file_in_the_way_leaves_no_config(cli, tmp_path):
    (tmp_path / "network").write_text("")
    result = cli("spec", "-b", str(tmp_path), "--network", "bridge")
    assert result.status == 1
    assert "ENOTDIR" in result.err
    assert os.listdir(tmp_path) == ["network"]


def test_a_bundle_has_the_files_and_a_root_without_them_may_do(cli, tmp_path):
    result = cli("bundle", str(tmp_path / "box"), "--base", "host", "--network", "bridge")
    assert result.status == 0, result
    assert sorted(os.listdir(tmp_path / "box/network")) == ["hosts", "resolv.conf"]
