"""hosts and resolv.conf: what is in them, and that nobody has the hook write elsewhere."""

import os

import pytest

from ocipy.errors import OcipyError
from ocipy.spec.network import Settings
from ocipy_network import files
from ocipy_network.claims import Attachment, Claim

ETH0 = Attachment("bridge", "ocipy0", "eth0", ipv4=("10.0.0.2/24",), ipv6=("fd00::2/64",))


def claim(bundle="/", *attachments):
    return Claim("web-1", str(bundle), 1, 1, 1, attachments)


# ---------------------------------------------------------------- what is in them


def test_a_container_knows_its_name_by_its_first_addresses():
    second = ETH0.replace(ipv4=("10.9.0.2/24",))
    lines = files.hosts_text(claim("/", ETH0, second), "web").splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-2:] == ["10.0.0.2\tweb", "fd00::2\tweb"]
    assert files.hosts_text(claim(), "web").splitlines()[-1] == "127.0.1.1\tweb"


STUB = "nameserver 127.0.0.53\noptions edns0\nsearch example.org\n"
REAL = "# by systemd-resolved\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch example.com\n"


@pytest.mark.parametrize(
    ("settings", "texts", "lines"),
    [
        (Settings(), [REAL], ["nameserver 192.0.2.53", "nameserver fe80::1%eth0", "search example.com"]),
        (Settings(), [STUB, REAL],
         ["nameserver 192.0.2.53", "nameserver fe80::1%eth0", "options edns0", "search example.org"]),
        (Settings(), [STUB], ["options edns0", "search example.org"]),
        (Settings(), [], []),
        (Settings(), ["nameserver\nnameserver x\n"], []),
        (Settings(dns=("192.0.2.1", "2001:db8::1")), [REAL],
         ["nameserver 192.0.2.1", "nameserver 2001:db8::1", "search example.com"]),
        (Settings(search=("a.example", "b.example")), [STUB, REAL],
         ["nameserver 192.0.2.53", "nameserver fe80::1%eth0", "search a.example b.example", "options edns0"]),
    ],
)  # fmt: skip
def test_servers_are_those_that_a_container_can_ask(settings, texts, lines):
    assert files.resolv_conf(settings, texts).splitlines() == lines


# ---------------------------------------------------------------- where they are written


@pytest.fixture
def bundle(tmp_path):
    made = tmp_path / "bundle"
    (made / "network").mkdir(parents=True)
    for name in ("hosts", "resolv.conf"):
        (made / "network" / name).write_text("longer than what is written will be\n" * 100)
    (made / "config.json").write_text('{"hostname": "box"}')
    return made


def test_files_of_the_bundle_are_written_in_place(bundle):
    before = (bundle / "network/hosts").stat().st_ino
    files.write(claim(bundle, ETH0), Settings(files="network", dns=("192.0.2.1",)))
    assert (bundle / "network/hosts").read_text() == files.LOCAL + "10.0.0.2\tbox\nfd00::2\tbox\n"
    assert (bundle / "network/resolv.conf").read_text().startswith("nameserver 192.0.2.1\n")
    assert (bundle / "network/hosts").stat().st_ino == before  # which is what is mounted


def test_a_file_that_the_bundle_has_not_is_not_made(bundle):
    (bundle / "network/hosts").unlink()
    files.write(claim(bundle, ETH0), Settings(files="network"))
    assert os.listdir(bundle / "network") == ["resolv.conf"]


def test_without_a_name_in_config_json_it_is_the_id(bundle):
    for text in ("{}", "nonsense", "[]", '{"hostname": "a b"}', '{"hostname": 1}'):
        (bundle / "config.json").write_text(text)
        files.write(claim(bundle, ETH0), Settings(files="network"))
        assert "10.0.0.2\tweb-1\n" in (bundle / "network/hosts").read_text()


def link(bundle, outside):
    (bundle / "network/hosts").unlink()
    (bundle / "network/hosts").symlink_to(outside)


def link_of_directory(bundle, outside):
    os.rename(bundle / "network", bundle / "real")
    (bundle / "network").symlink_to(outside.parent)


def hard_link(bundle, outside):
    (bundle / "network/hosts").unlink()
    os.link(outside, bundle / "network/hosts")


def pipe(bundle, outside):
    (bundle / "network/hosts").unlink()
    os.mkfifo(bundle / "network/hosts")


@pytest.mark.parametrize("trap", [link, link_of_directory, hard_link, pipe])
def test_whatever_lies_in_the_bundle_nothing_outside_is_written(bundle, tmp_path, trap):
    outside = tmp_path / "outside/hosts"
    outside.parent.mkdir()
    outside.write_text("mine")
    trap(bundle, outside)
    with pytest.raises((OSError, OcipyError)):
        files.write(claim(bundle, ETH0), Settings(files="network"))
    assert outside.read_text() == "mine"


@pytest.mark.kernel
def test_a_hostile_root_has_nothing_written_outside_of_it(world, tmp_path):
    """Its /etc is a link to a directory of the host: what is meant is that of the root."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hosts").write_text("mine")
    box = world.container("cat", "/etc/hosts", mode="bridge", files="network")
    root = world.own_root(box)
    os.rename(root / "etc", root / "etc-of-it")
    (root / "etc").symlink_to(outside)
    world.names(box)
    assert "10.176.0.2" in box.run()
    assert (outside / "hosts").read_text() == "mine"
    assert os.listdir(outside) == ["hosts"]


@pytest.mark.kernel
def test_a_container_sees_its_names(world):
    box = world.container(
        "cat", "/etc/hosts", "/etc/resolv.conf", mode="bridge", files="network", dns="192.0.2.53"
    )
    box.config["hostname"] = "here"
    world.names(box)
    printed = box.run()
    assert "10.176.0.2\there\n" in printed
    assert "nameserver 192.0.2.53\n" in printed
