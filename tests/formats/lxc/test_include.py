"""Files that include files."""

import pytest

from ocipy import formats
from ocipy.errors import ConfigError
from ocipy.formats.lxc import read
from ocipy.formats.lxc.read import MAX_DEPTH
from ocipy.spec.origin import CHANGED, LOSSY
from tests.formats.lxc import made


def test_a_file_is_read_in_the_place_where_it_is_included(tmp_path):
    (tmp_path / "common").write_text("lxc.uts.name = common\nlxc.environment = A=2\n")
    data = made.data(
        tmp_path,
        "lxc.uts.name = before",
        "lxc.environment = B=1",
        f"lxc.include = {tmp_path}/common",
        "lxc.environment = C=3",
    )
    assert data["hostname"] == "common"
    assert data["process"]["env"] == ["B=1", "A=2", "C=3", "container=lxc"]


def test_a_directory_gives_its_conf_files_by_name(tmp_path):
    place = tmp_path / "common.d"
    place.mkdir()
    for name in ("20.conf", "10.conf", "30.txt"):
        (place / name).write_text(f"lxc.environment = A={name}\n")
    for value in (str(place), f"{place}/"):
        found = read.configuration(made.configure(tmp_path, f"lxc.include = {value}"))
        assert [entry.value for entry in found.all("lxc.environment")] == ["A=10.conf", "A=20.conf"]
        assert found.all("lxc.environment")[0].place == f"{place}/10.conf:1"


def test_a_fault_in_an_included_file_says_where(tmp_path):
    (tmp_path / "common").write_text("\n\nlxc.bogus = 1\n")
    with pytest.raises(ConfigError) as caught:
        made.data(tmp_path, f"lxc.include = {tmp_path}/common")
    assert str(caught.value) == f"{tmp_path}/common:3: lxc.bogus: is no key of LXC"


@pytest.mark.parametrize("key", ["include", "mount.fstab", "seccomp.profile"])
def test_a_file_that_can_not_be_read_is_named(tmp_path, key):
    (tmp_path / "d.conf").mkdir()
    for name, why in (("none", "not found"), ("d.conf", "is not a regular file but a directory")):
        if (key, name) != ("include", "d.conf"):
            with pytest.raises(ConfigError, match=rf"^config:2: lxc\.{key}: {tmp_path}/{name}:? {why}"):
                made.data(tmp_path, f"lxc.{key} = {tmp_path}/{name}")


@pytest.mark.parametrize("length", [1, 3])
def test_a_circle_of_includes_is_an_error(tmp_path, length):
    files = [tmp_path / f"part{number}" for number in range(length)]
    for number, file in enumerate(files):
        file.write_text(f"lxc.include = {files[(number + 1) % length]}\n")
    with pytest.raises(ConfigError, match=r"part[0-9]:1: lxc\.include: .*/part0 includes itself$"):
        made.data(tmp_path, f"lxc.include = {files[0]}")


def test_a_configuration_can_not_include_itself_by_a_symlink(tmp_path):
    (tmp_path / "other").symlink_to("config")
    with pytest.raises(ConfigError, match="includes itself"):
        made.data(tmp_path, f"lxc.include = {tmp_path}/other")


@pytest.mark.parametrize(("depth", "fine"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_includes_are_only_so_deep(tmp_path, depth, fine):
    for number in range(depth):
        inner = f"lxc.include = {tmp_path}/{number + 1}\n" if number + 1 < depth else "lxc.uts.name = deep\n"
        (tmp_path / str(number)).write_text(inner)
    lines = [f"lxc.include = {tmp_path}/0"]
    if fine:
        assert made.data(tmp_path, *lines)["hostname"] == "deep"
    else:
        with pytest.raises(ConfigError, match=f"is nested more than {MAX_DEPTH} deep"):
            made.data(tmp_path, *lines)


def test_files_are_not_read_without_end(tmp_path):
    """Ten files that include a directory of all of them would be 10^16."""
    place = tmp_path / "d"
    place.mkdir()
    levels = [place / str(number) for number in range(8)]
    for level, above in zip(levels, [*levels[1:], None], strict=True):
        level.mkdir()
        for number in range(10):
            (level / f"{number}.conf").write_text(f"lxc.include = {above}/\n" if above else "")
    with pytest.raises(ConfigError, match=f"is one of more than {read.MAX_FILES} files"):
        made.data(tmp_path, f"lxc.include = {levels[0]}/")


# ---------------------------------------------------------------- names of LXC 2


LEGACY = {
    "lxc.utsname = web": ("lxc.uts.name", "web"),
    "lxc.rootfs = /": ("lxc.rootfs.path", "/"),
    "lxc.pts = 5": ("lxc.pty.max", "5"),
    "lxc.limit.nofile = 64": ("lxc.prlimit.nofile", "64"),
    "lxc.id_map = u 0 1 2": ("lxc.idmap", "u 0 1 2"),
    "lxc.aa_profile = unchanged": ("lxc.apparmor.profile", "unchanged"),
    "lxc.network.0.ipv4 = 10.0.0.2/24": ("lxc.net.0.ipv4.address", "10.0.0.2/24"),
}


@pytest.mark.parametrize("line", LEGACY)
def test_a_name_of_lxc_2_is_read_with_a_note(tmp_path, line):
    found = read.configuration(made.configure(tmp_path, line, root=False))
    (entry,) = found.entries
    assert (entry.key, entry.value) == LEGACY[line]
    (note,) = found.notes
    assert (note.fate, note.place, note.key) == (CHANGED, "config:1", line.partition(" ")[0])
    assert note.reason == f"is called {entry.key} since LXC 2.1"


def test_each_type_opens_a_network_in_lxc_2(tmp_path):
    lines = ["type = veth", "link = br0", "ipv4 = 10.0.0.2/24", "type = macvlan", "link = eth0"]
    found = read.configuration(made.configure(tmp_path, *(f"lxc.network.{line}" for line in lines)))
    assert [f"{entry.key} = {entry.value}" for entry in found.below("lxc.net.")] == [
        "lxc.net.0.type = veth",
        "lxc.net.0.link = br0",
        "lxc.net.0.ipv4.address = 10.0.0.2/24",
        "lxc.net.1.type = macvlan",
        "lxc.net.1.link = eth0",
    ]


def test_of_lxc_2_a_network_has_to_begin_with_its_type(tmp_path):
    with pytest.raises(ConfigError, match=r"^config:2: lxc\.network\.link: belongs to no network"):
        made.data(tmp_path, "lxc.network.link = br0")


def test_what_lxc_has_dropped_is_lossy(tmp_path):
    _, notes = made.load(tmp_path, "lxc.kmsg = 1")
    assert made.fates(notes, "lxc.kmsg") == {LOSSY}


# ---------------------------------------------------------------- detection


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lxc.uts.name = a\n", "lxc"),
        ("# made by hand\n\n  lxc.uts.name = a\n", "lxc"),
        ("arch: amd64\nlxc.uts.name = a\n", "lxc"),
        ("[core]\n\tbare = false\n", "oci"),
        ("", "oci"),
    ],
)
def test_a_config_of_lxc_is_known_by_its_keys(tmp_path, text, found):
    (tmp_path / "config").write_text(text)
    assert formats.detect(str(tmp_path)) == found


def test_a_bundle_is_a_bundle_whatever_lies_beside_it(tmp_path):
    (tmp_path / "config").write_text("lxc.uts.name = a\n")
    (tmp_path / "config.json").write_text("{}")
    assert formats.detect(str(tmp_path)) == "oci"


def test_what_is_no_file_is_no_configuration(tmp_path):
    (tmp_path / "config").mkdir()
    assert formats.detect(str(tmp_path)) == "oci"
