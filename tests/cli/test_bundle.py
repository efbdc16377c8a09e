"""``ocipy bundle``."""

import json
import os
import pty
import shutil
import stat
import subprocess

import pytest

from ocipy.cli import root

BUSYBOX = shutil.which("busybox")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def skip(reason):
    """Skip, or fail where this machine was said to have all that tests need."""
    if os.environ.get("OCIPY_MUST_WORK") == "1":
        pytest.fail(f"{reason}, and OCIPY_MUST_WORK=1")
    pytest.skip(reason)


def make(cli, directory, *words, **how):
    result = cli("bundle", str(directory), *words, **how)
    assert (result.status, result.out, result.err) == (0, "", ""), result
    return json.loads((directory / "config.json").read_text())


def tree(directory):
    """Every path below a directory, with what it is, and where a link leads."""
    found = {}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            found[os.path.relpath(path, directory)] = os.readlink(path) if stat.S_ISLNK(mode) else mode
    return found


@pytest.fixture
def static_busybox():
    if not BUSYBOX or not root.is_static(BUSYBOX):
        skip("no static busybox")
    return BUSYBOX


def test_a_static_busybox_becomes_the_root(cli, tmp_path, static_busybox):
    make(cli, tmp_path / "box", "--base", "busybox")
    rootfs = tmp_path / "box/rootfs"
    assert (rootfs / "bin/busybox").read_bytes() == open(static_busybox, "rb").read()
    names = subprocess.run(
        [static_busybox, "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(os.listdir(rootfs / "bin")) == {*names, "busybox"}
    assert os.readlink(rootfs / "bin/sh") == "busybox"


def test_without_a_busybox_the_root_is_the_hosts_usr(cli, tmp_path):
    config = make(cli, tmp_path / "box", "--base", "host")
    (usr,) = [mount for mount in config["mounts"] if mount["destination"] == "/usr"]
    assert usr == {"destination": "/usr", "type": "none", "source": "/usr", "options": root.BOUND}
    rootfs = tmp_path / "box/rootfs"
    assert not os.listdir(rootfs / "usr")
    for name in root.OUTSIDE_USR:
        if os.path.islink(f"/{name}"):
            assert os.readlink(rootfs / name) == os.readlink(f"/{name}")
        else:
            assert (rootfs / name).is_dir() == os.path.isdir(f"/{name}")
            bound = any(mount["destination"] == f"/{name}" for mount in config["mounts"])
            assert bound == os.path.isdir(f"/{name}")


def test_what_is_bound_from_the_host_cannot_be_written(cli, tmp_path):
    config = make(cli, tmp_path / "box", "--base", "host")
    for mount in config["mounts"]:
        if mount["source"].startswith("/"):
            assert {"rbind", "rro", "nosuid", "nodev"} <= set(mount["options"]), mount


@pytest.mark.parametrize("base", ["busybox", "host"])
def test_the_root_has_private_directories(cli, tmp_path, base, request):
    if base == "busybox":
        request.getfixturevalue("static_busybox")
    make(cli, tmp_path / "box", "--base", base, "--hostname", "web", "-u", "5:6")
    rootfs = tmp_path / "box/rootfs"
    for name, mode in root.DIRECTORIES.items():
        info = os.lstat(rootfs / name)
        assert stat.S_ISDIR(info.st_mode), name
        assert stat.S_IMODE(info.st_mode) == mode, name
    assert (rootfs / "etc/hostname").read_text() == "web\n"
    assert "web" in (rootfs / "etc/hosts").read_text()
    assert "user:x:5:6:" in (rootfs / "etc/passwd").read_text()
    assert "user:x:6:" in (rootfs / "etc/group").read_text()
    assert "PRETTY_NAME=" in (rootfs / "etc/os-release").read_text()


def test_the_mode_does_not_depend_on_the_umask(command, tmp_path):
    words = [*command, "bundle", str(tmp_path / "box")]
    subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *words], check=True, stdin=subprocess.DEVNULL)
    for path, mode in tree(tmp_path / "box").items():
        if isinstance(mode, int) and path != "rootfs/root":
            assert mode & 0o444 == 0o444, path


def test_the_options_of_spec_apply(cli, tmp_path):
    config = make(
        cli, tmp_path / "box", "--memory", "64m", "--mount", "type=tmpfs,dst=/srv", "--read-only",
        "--network", "host", "--args", "ls", "-l",
    )  # fmt: skip
    assert config["process"]["args"] == ["ls", "-l"]
    assert config["linux"]["resources"]["memory"]["limit"] == 64 << 20
    assert config["mounts"][-1]["destination"] == "/srv"
    assert config["root"]["readonly"] is True
    assert {"type": "network"} not in config["linux"]["namespaces"]


def test_by_default_it_is_a_shell_in_a_root_of_its_own(cli, tmp_path):
    config = make(cli, tmp_path / "box")
    assert config["process"]["args"] == ["sh"]
    assert config["process"]["terminal"] is False
    assert config["root"] == {"path": "rootfs", "readonly": False}


def test_with_a_terminal_there_it_wants_a_terminal(cli, tmp_path):
    master, slave = pty.openpty()
    try:
        assert make(cli, tmp_path / "box", stdin=slave)["process"]["terminal"] is True
        assert make(cli, tmp_path / "demo", "--demo", stdin=slave)["process"]["terminal"] is False
        assert make(cli, tmp_path / "none", "--no-terminal", stdin=slave)["process"]["terminal"] is False
    finally:
        os.close(master)
        os.close(slave)


def test_the_demo_is_a_script_of_the_root(cli, tmp_path):
    args = make(cli, tmp_path / "box", "--demo")["process"]["args"]
    assert args[0] == "sh"
    assert (tmp_path / f"box/rootfs{args[1]}").read_text().startswith("#!/bin/sh\n")


@needs_root
def test_the_root_belongs_to_the_root_of_the_user_namespace(cli, tmp_path):
    make(cli, tmp_path / "box", "--userns", "100000:1000")
    rootfs = tmp_path / "box/rootfs"
    for path in ("", *tree(rootfs)):
        info = os.lstat(rootfs / path)
        assert (info.st_uid, info.st_gid) == (100000, 100000), path


def test_an_empty_directory_is_taken(cli, tmp_path):
    make(cli, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["config.json", "rootfs"]


def test_a_directory_with_something_in_it_is_left_alone(refused, tmp_path):
    (tmp_path / "mine").write_text("mine")
    assert refused("bundle", str(tmp_path)) == f"bundle {tmp_path}: {tmp_path} exists and is not empty"
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--user x", 'invalid value "x" for --user: not a number'),
        ("--base rpm", 'invalid value "rpm" for --base: not one of auto, busybox, host'),
        ("--rootfs /x", "--rootfs is of no use: a bundle has a root of its own"),
        ("--demo -- ls", "both --demo and a command"),
        (
            "--network nat",
            'invalid value "nat" for --network: mode: "nat" is not one of bridge, macvlan, '
            "host-device, none, join:CONTAINER",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_made(refused, tmp_path, words, message):
    assert refused("bundle", str(tmp_path / "box"), *words.split()) == f"bundle: {message}"
    assert not os.listdir(tmp_path)


def test_a_parent_that_is_not_there_is_an_error(refused, tmp_path):
    assert refused("bundle", str(tmp_path / "no/box")).endswith("ENOENT: no such file or directory")


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("base", ["busybox", "host"])
def test_a_failure_on_the_way_leaves_nothing(command, tmp_path, there, base, request):
    """The limit on the size of a file lets the small ones be made: it is well on its way when it fails."""
    if base == "busybox":
        request.getfixturevalue("static_busybox")
    box = tmp_path / "box"
    if there:
        box.mkdir()
    script = 'ulimit -f 1; trap "" XFSZ; exec "$@"'
    words = ["sh", "-c", script, "sh", *command, "bundle", str(box), "--base", base]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "EFBIG: file too large" in done.stderr
    assert os.listdir(tmp_path) == (["box"] if there else [])
    assert not there or not os.listdir(box)


def test_a_dynamic_busybox_is_not_taken(tmp_path):
    assert root.is_static(BUSYBOX) if BUSYBOX else True
    assert not root.is_static(os.path.realpath("/bin/ls"))
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert not root.is_static(tmp_path / "script")
    (tmp_path / "empty").write_text("")
    assert not root.is_static(tmp_path / "empty")
