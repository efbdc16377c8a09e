"""Filesystems with rules of their own, and roots that are entered otherwise."""

import shutil

import pytest

from tests.conftest import need
from tests.kernel.mounts import FLAGGED, bind, mount, on_host, seen, tmpfs

pytestmark = pytest.mark.kernel


@pytest.fixture
def box(box):
    """With a root of its own: places of mounts stay in it."""
    box.own_root()
    return box


@pytest.fixture
def source(tmp_path):
    directory = tmp_path / "source"
    directory.mkdir()
    return directory


# ---------------------------------------------------------------- /proc


@pytest.mark.parametrize(
    ("link", "destination"),
    [("/proc", "/l/sys"), ("/proc/sys", "/l"), (None, "/x/../proc/sys"), ("/proc", "/l")],
)
def test_no_way_leads_a_mount_into_proc(box, source, link, destination):
    """CVE-2019-16884, CVE-2023-27561."""
    root = box.root
    if link:
        (root / "l").symlink_to(link)
    bind(box, source, destination)
    assert "it leads into proc" in box.fails("true")


def test_known_files_of_proc_may_be_bound(box, source):
    (source / "uptime").write_text("1.00 2.00\n")
    bind(box, source / "uptime", "/proc/uptime", "ro")
    assert box.sh("cat /proc/uptime") == "1.00 2.00\n"


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_proc_and_sys_are_plain_directories(box, name):
    """CVE-2019-19921."""
    root = box.root
    shutil.rmtree(root / name)
    (root / name).symlink_to("tmp")
    assert "it must be mounted on an ordinary directory" in box.fails("true")


def test_only_a_procfs_is_bound_at_proc(box, source):
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/proc"]
    bind(box, source, "/proc")
    assert "only a procfs may be bound at /proc" in box.fails("true")


def test_the_hosts_proc_may_be_bound(box):
    box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/proc"]
    bind(box, "/proc", "/proc", "rbind")
    box.without("pid")
    assert box.sh("test -e /proc/1/stat && echo seen") == "seen\n"


@pytest.mark.parametrize(
    ("option", "superblock"),
    [
        ("hidepid=2", "hidepid=invisible"),
        ("hidepid=ptraceable", "hidepid=ptraceable"),
        ("subset=pid", "subset=pid"),
    ],
)
def test_proc_takes_its_options(box, option, superblock):
    box.config["mounts"][0]["options"] = [option, "nosuid"]
    box.linux["maskedPaths"] = box.linux["readonlyPaths"] = []
    found = seen(box)["/proc"]
    assert superblock in found.superblock
    assert "nosuid" in found.options


# ---------------------------------------------------------------- overlay


@pytest.mark.parametrize("layers", [2, 40])
def test_overlay_takes_as_many_layers_as_there_are(box, tmp_path, layers):
    """More than fsconfig(2) takes in one value are given one by one."""
    deep = tmp_path / ("layer" * 8)
    for number in range(layers):
        (deep / str(number)).mkdir(parents=True)
        (deep / str(number) / "who").write_text(str(number))
        (deep / str(number) / f"only-{number}").touch()
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    lower = ":".join(str(deep / str(number)) for number in range(layers))
    mount(
        box,
        "/x",
        "overlay",
        "overlay",
        [f"lowerdir={lower}", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"],
    )
    assert box.sh("cat /x/who; ls /x | wc -l; echo new > /x/new") == f"0{layers + 1}\n"
    assert (tmp_path / "upper/new").read_text() == "new\n"


def test_odd_names_of_layers_survive(box, tmp_path):
    names = ["a:b", "c\\d", "e,f", "x" * 120, "y" * 120]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / str(names.index(name))).touch()
    escaped = [name.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,") for name in names]
    lower = ":".join(f"{tmp_path}/{name}" for name in escaped)
    mount(box, "/x", "overlay", "overlay", [f"lowerdir={lower}"])
    assert box.sh("ls /x") == "0\n1\n2\n3\n4\n"


# ---------------------------------------------------------------- with other namespaces


def test_mqueue_and_devpts_are_new_and_empty(box):
    found = box.sh("ls /dev/mqueue /dev/pts; stat -c %a /dev/pts/ptmx")
    assert found == "/dev/mqueue:\n\n/dev/pts:\nptmx\n666\n"


def test_without_a_mount_namespace_the_root_is_entered_by_chroot(box):
    box.without("mount")
    box.config["mounts"] = []
    box.linux["maskedPaths"] = box.linux["readonlyPaths"] = []
    assert "busybox" in box.sh("ls /bin")


def test_a_mount_namespace_can_be_joined_by_path(box, tmp_path):
    """The root is built in it; who was there sees it, where it is not entered."""
    holder = tmp_path / "mnt"
    holder.touch()
    setup = f"""mkdir {tmp_path}/p; mount --bind --make-private {tmp_path}/p {tmp_path}/p
touch {tmp_path}/p/ns
hold() {{ unshare --mount={tmp_path}/p/ns mount -t tmpfs joined /mnt; }}
for try in $(seq 20); do hold && break; done"""  # unshare(1) itself now and then fails to bind: EINVAL
    on_host(box, setup)
    box.namespace("mount", tmp_path / "p/ns")
    bind(box, "/mnt", "/x")
    assert seen(box)["/x"].source == "joined"


def test_without_pivot_root_the_root_is_moved(box):
    found = box.run("sh", "-c", "cat /proc/self/mountinfo; ls /bin/busybox", flags=["--no-pivot"])
    assert "/bin/busybox" in found


def test_without_pivot_root_the_hosts_proc_and_sysfs_are_gone(box):
    """They could be reached by who breaks out of the chroot, and let a user namespace mount new ones."""
    box.without("pid")
    box.config["mounts"] = []
    box.linux["maskedPaths"] = box.linux["readonlyPaths"] = []
    box.create("sleep", "100", flags=["--no-pivot"])
    mounts = box.proc("mountinfo")
    assert " - proc " not in mounts
    assert " - sysfs " not in mounts
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert " - proc " in file.read()


def test_private_is_not_for_a_root_that_is_moved(box):
    box.linux["rootfsPropagation"] = "private"
    error = box.fails("true", flags=["--no-pivot"])
    assert error.startswith("config.json: /linux/rootfsPropagation: private is not safe with --no-pivot")


def test_runc_shows_the_same_mounts(box, source):
    """But for what masks directories, and the tmpfs of cgroups, which runc leaves writable."""
    need(shutil.which("runc"), "needs runc")
    for i, options in enumerate((["ro"], ["rbind", "rro"], ["nodev", "noatime"], ["rprivate"])):
        bind(box, source, f"/x{i}", *options)
    tmpfs(box, "/y", "size=1m", "nosuid", "strictatime")
    box.process["args"] = ["cat", "/proc/self/mountinfo"]
    on_host(box, FLAGGED.format(source))
    ours = shown(box.run())
    on_host(box, FLAGGED.format(source), runtime=["runc", "--root", box.bundle / "runc"])
    theirs = shown(box.run())
    assert len(ours) == len(theirs)
    different = [line for line in ours if line not in theirs]
    assert all(" /sys/fs/cgroup " in line or "nr_inodes=1" in line for line in different), different


def shown(text):
    """Lines of mountinfo without what differs from one run to the next."""
    lines = []
    for line in text.splitlines():
        fields = line.split(" ")
        dash = fields.index("-", 6)
        root = "" if fields[dash + 1].startswith("cgroup") else fields[3]
        named = fields[dash + 1 :] if fields[dash + 1] != "cgroup" else fields[dash + 3 :]
        lines.append(" ".join([root, *fields[4:6], *named]))
    return lines
