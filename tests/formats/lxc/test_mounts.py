"""Storage and mounts."""

import os

import pytest

from ocipy.errors import ConfigError
from ocipy.formats.lxc import fstab
from ocipy.formats.lxc.mounts import SYSCTLS, TRIGGER
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED
from tests.formats.lxc import made

OWN = ("/dev", "/dev/pts")


def mounts(tmp_path, *lines, **how):
    """What lines mount, without what is there anyway."""
    return [m for m in made.data(tmp_path, *lines, **how)["mounts"] if m["destination"] not in OWN]


# ---------------------------------------------------------------- the root


@pytest.mark.parametrize("text", ["/srv/root", "dir:/srv/root", "dir:/srv/root/"])
def test_a_root_is_a_directory(tmp_path, text):
    assert made.data(tmp_path, f"lxc.rootfs.path = {text}")["root"] == {"path": "/srv/root"}


def test_a_container_without_a_root_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^config: lxc\.rootfs\.path: there is none: a container on the host"
    ):
        made.data(tmp_path, "lxc.uts.name = a", root=False)


@pytest.mark.parametrize("kind", ["btrfs", "loop", "lvm", "nbd", "rbd", "zfs"])
def test_other_storage_is_refused_by_name(tmp_path, kind):
    _, notes = made.load(tmp_path, f"lxc.rootfs.path = {kind}:/dev/x")
    (note,) = (note for note in notes if note.fate == REFUSED)
    assert (
        str(note)
        == f"config:1: lxc.rootfs.path: refused: storage of type {kind}: mount it, and name the directory"
    )


def test_an_image_is_no_directory(tmp_path):
    (tmp_path / "image").touch()
    _, notes = made.load(tmp_path, f"lxc.rootfs.path = {tmp_path}/image")
    assert made.fates(notes, "lxc.rootfs.path") == {REFUSED}


def test_storage_of_no_type_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match='there is no storage of type "nfs"'):
        made.data(tmp_path, "lxc.rootfs.path = nfs:/x")


@pytest.mark.parametrize("text", ["root", "dir:root", "dir:"])
def test_a_root_is_absolute(tmp_path, text):
    with pytest.raises(ConfigError, match=r"^config:1: lxc\.rootfs\.path: .* is not absolute$"):
        made.data(tmp_path, f"lxc.rootfs.path = {text}")


@pytest.mark.parametrize("name", ["overlay", "overlayfs"])
def test_an_overlay_is_mounted_at_the_root(tmp_path, name):
    for part in ("a", "b", "top/delta", "top/work"):
        (tmp_path / part).mkdir(parents=True)
    spec, notes = made.load(
        tmp_path, f"lxc.rootfs.path = {name}:{tmp_path}/a:{tmp_path}/b:{tmp_path}/top/delta"
    )
    assert not notes
    assert spec.data["root"]["path"] == f"{tmp_path}/a"
    assert spec.data["mounts"][0] == {
        "destination": "/",
        "type": "overlay",
        "source": "overlay",
        "options": [
            f"lowerdir={tmp_path}/a:{tmp_path}/b",
            f"upperdir={tmp_path}/top/delta",
            f"workdir={tmp_path}/top/work",
        ],
    }


def test_an_overlay_that_lxc_would_make_first_is_refused(tmp_path):
    _, notes = made.load(tmp_path, f"lxc.rootfs.path = overlay:/:{tmp_path}/up/delta")
    assert [note.fate for note in notes] == [REFUSED, REFUSED]


def test_an_id_mapped_root_is_a_bind_of_it(tmp_path):
    lines = ["lxc.rootfs.options = idmap=container", "lxc.idmap = u 0 1000 9", "lxc.idmap = g 0 1000 9"]
    data = made.data(tmp_path, *lines)
    assert data["mounts"][0] == {
        "destination": "/",
        "type": "bind",
        "source": f"{tmp_path}/root",
        "options": ["rbind", "idmap"],
    }


# ---------------------------------------------------------------- entries


def test_an_entry_is_a_mount(tmp_path):
    lines = [
        "lxc.mount.entry = tmpfs tmp tmpfs defaults,nosuid,size=1m,mode=1777,create=dir 0 0",
        "lxc.mount.entry = /usr my\\040usr none rbind,ro,rslave,optional 0 0",
    ]
    assert mounts(tmp_path, *lines) == [
        {
            "destination": "/tmp",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "size=1m", "mode=1777"],
        },
        {"destination": "/my usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro", "rslave"]},
    ]


def test_an_absolute_target_has_to_lead_through_the_root(tmp_path):
    spec, notes = made.load(
        tmp_path,
        f"lxc.mount.entry = a {tmp_path}/root/a tmpfs",
        "lxc.mount.entry = b /b tmpfs",
        f"lxc.mount.entry = c {tmp_path}/rootc tmpfs",
    )
    assert [m["source"] for m in spec.data["mounts"] if m["destination"] not in OWN] == ["a"]
    assert [note.place for note in notes if note.fate == LOSSY] == ["config:3", "config:4"]


def test_of_what_is_optional_only_what_can_be_is_mounted(tmp_path):
    lines = [
        "lxc.mount.entry = /no/such a none bind,optional 0 0",
        "lxc.mount.entry = x b nosuchfs optional 0 0",
        "lxc.mount.entry = mqueue c mqueue optional 0 0",
        "lxc.mount.entry = /usr proc/sys/fs/binfmt_misc none rbind,optional 0 0",
    ]
    spec, notes = made.load(tmp_path, *lines)
    assert [m["destination"] for m in spec.data["mounts"] if m["destination"] not in OWN] == ["/c"]
    assert [(note.place, note.fate) for note in notes] == [
        ("config:2", CHANGED),
        ("config:3", CHANGED),
        ("config:5", LOSSY),
    ]


def test_a_source_that_is_relative_is_in_the_root(tmp_path):
    (found,) = mounts(tmp_path, "lxc.mount.entry = etc a none bind,relative 0 0")
    assert found["source"] == f"{tmp_path}/root/etc"


def test_what_hides_or_protects_is_said_as_such(tmp_path):
    data = made.data(
        tmp_path,
        "lxc.mount.entry = /dev/null proc/kcore none bind,optional 0 0",
        "lxc.mount.entry = tmpfs proc/kcore tmpfs ro,optional 0 0",
        "lxc.mount.entry = proc/irq proc/irq none bind,relative,ro,optional 0 0",
        "lxc.mount.entry = tmpfs tmp tmpfs ro,optional 0 0",
    )
    assert data["linux"]["maskedPaths"] == ["/proc/kcore"]
    assert data["linux"]["readonlyPaths"] == ["/proc/irq"]
    assert [m["destination"] for m in data["mounts"] if m["destination"] not in OWN] == ["/tmp"]


def test_a_table_is_read_before_entries_and_says_its_own_lines(tmp_path):
    (tmp_path / "fstab").write_text("# a comment\n\ntmpfs a tmpfs rw 0 0\ntmpfs b\n")
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/fstab:4: lxc\.mount\.fstab: "):
        made.data(tmp_path, f"lxc.mount.fstab = {tmp_path}/fstab")
    (tmp_path / "fstab").write_text("# a comment\n\ntmpfs a tmpfs rw 0 0\n")
    lines = ["lxc.mount.entry = tmpfs b tmpfs", f"lxc.mount.fstab = {tmp_path}/fstab"]
    assert [m["destination"] for m in mounts(tmp_path, *lines)] == ["/a", "/b"]


@pytest.mark.parametrize("word", ["a", "a b", "a\\b", "a#b", "#a", "\t", "a\\040b", "a\u00a0b"])
def test_a_field_of_a_table_is_written_so_that_it_is_read_again(word):
    line = fstab.Line(word, word, "none", ("bind",))
    assert fstab.parse(str(line)) == line


# ---------------------------------------------------------------- what LXC mounts by itself


def test_proc_is_protected_but_for_its_net(tmp_path):
    data = made.data(tmp_path, "lxc.mount.auto = proc")
    assert data["linux"]["readonlyPaths"] == [*SYSCTLS, TRIGGER]
    assert not any("net" in path for path in SYSCTLS)
    alone = made.data(tmp_path, "lxc.mount.auto = proc:mixed", "lxc.cap.drop = net_admin")
    assert alone["linux"]["readonlyPaths"] == ["/proc/sys", TRIGGER]


@pytest.mark.skipif(not os.path.isdir("/proc/sys/kernel"), reason="needs /proc/sys")
def test_all_of_proc_sys_but_net_is_known():
    """A directory that a new kernel adds would be writable."""
    here = {f"/proc/sys/{name}" for name in os.listdir("/proc/sys")} - {"/proc/sys/net"}
    assert here <= set(SYSCTLS)


@pytest.mark.parametrize(
    ("auto", "options"),
    [("sys:rw", None), ("sys:ro", ["ro"]), ("sys", ["ro", "nosuid", "nodev", "noexec"])],
)
def test_sys_is(tmp_path, auto, options):
    (found,) = mounts(tmp_path, f"lxc.mount.auto = {auto}")
    assert found.get("options") == options


def test_of_each_kind_the_last_word_counts(tmp_path):
    found = mounts(tmp_path, "lxc.mount.auto = proc:mixed sys:ro", "lxc.mount.auto = sys:rw proc:rw")
    assert found == [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "nodev", "noexec"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
    ]


@pytest.mark.parametrize(
    ("auto", "lines", "host", "mounted"),
    [
        ("cgroup", (), made.V1, None),
        ("cgroup:ro", (), made.V1, None),
        ("cgroup:ro:force", (), made.V1, "ro"),
        ("cgroup:rw:force", (), made.V1, "rw"),
        ("cgroup", ("lxc.cap.drop = sys_admin",), made.V1, "rw"),
        ("cgroup", ("lxc.namespace.keep = cgroup",), made.V1, "rw"),
        ("cgroup:mixed", (), made.V2, "rw"),
        ("cgroup2:ro", (), made.V1, "ro"),
    ],
)
def test_cgroups_are_left_to_the_container_where_it_can_mount_them(tmp_path, auto, lines, host, mounted):
    found = mounts(tmp_path, f"lxc.mount.auto = {auto}", *lines, host=host)
    modes = ["ro" if "ro" in m["options"] else "rw" for m in found if m["destination"] == "/sys/fs/cgroup"]
    assert modes == ([mounted] if mounted else [])


def test_terminals_have_as_many_as_both_keys_say(tmp_path):
    data = made.data(tmp_path, "lxc.pty.max = 10", "lxc.tty.max = 4", "lxc.console.path = none")
    assert data["mounts"][-1]["options"][-1] == "max=14"


def test_without_autodev_there_is_no_new_dev(tmp_path):
    spec, notes = made.load(tmp_path, "lxc.autodev = 0", "lxc.console.path = none")
    assert "mounts" not in spec.data
    assert made.fates(notes, "lxc.autodev") == {CHANGED}
