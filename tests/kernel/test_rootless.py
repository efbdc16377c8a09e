"""Containers of an ordinary user: nothing but a user namespace gives power over them."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from ocipy.cgroups import open_manager
from ocipy.cgroups.layout import detect
from tests.conftest import TREE, need
from tests.kernel.box import until
from tests.kernel.mounts import Mount, bind, tmpfs

pytestmark = pytest.mark.kernel

UID = 54321  # of nobody in particular
SUBIDS = 3_000_000


def chown(directory, uid=UID):
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, uid, uid, follow_symlinks=False)


@pytest.fixture
def place():
    """A directory that others can reach: above those of pytest is one that every run of it closes to them."""
    directory = Path(tempfile.mkdtemp(prefix="ocipytest-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def user(box, tmp_path, place):
    """The box, whose verbs an ordinary user calls, with the bundle that `ocipy spec --rootless` writes."""
    need(shutil.which("setpriv"), "needs setpriv")
    launcher, _ = box.ocipy.command
    box.bundle = place / "bundle"
    run_directory = place / "run"
    for directory in (box.bundle, run_directory):
        directory.mkdir(0o700)
    box.own_root()
    chown(place)
    box.prefix = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
    environment = {"XDG_RUNTIME_DIR": str(run_directory), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}

    def run(*words, status=0, **how):
        how = {"stdin": subprocess.DEVNULL, "env": environment, "timeout": 60, **how}
        command = [*box.prefix, launcher, *map(str, words)]
        with open(tmp_path / "out", "w+") as out, open(tmp_path / "err", "w+") as err:
            done = subprocess.run(command, check=False, stdout=out, stderr=err, **how)
            done.stdout, done.stderr = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    box.ocipy, box.launcher, box.environment = run, launcher, environment
    need(run("--version", status=None).returncode == 0, f"others may not read {TREE}")
    run("spec", "--rootless", "--bundle", box.bundle)
    box.config = json.loads((box.bundle / "config.json").read_text())
    box.process, box.linux = box.config["process"], box.config["linux"]
    box.process["terminal"] = False
    box.config["root"] = {"path": str(box.root), "readonly": False}
    box.state_root = run_directory / "ocipy"
    yield box
    for name in os.listdir(box.state_root) if box.state_root.exists() else ():
        run("delete", "--force", name)


@pytest.fixture
def many(user, tmp_path):
    """The user in /etc/passwd and with more ids than one, in a mount namespace where that is so."""
    need(shutil.which("newuidmap"), "needs newuidmap")
    setup = "set -e\n"
    for name, line in (
        ("passwd", f"ocipytest:x:{UID}:{UID}::/:/bin/sh"),
        ("group", f"ocipytest:x:{UID}:"),
        ("subuid", f"ocipytest:{SUBIDS}:65536"),
        ("subgid", f"ocipytest:{SUBIDS}:65536"),
    ):
        path = tmp_path / name
        try:
            with open(f"/etc/{name}", encoding="utf-8") as file:
                path.write_text(f"{file.read()}{line}\n")
        except FileNotFoundError:
            need(False, f"needs /etc/{name}")
        setup += f"mount --bind {path} /etc/{name}\n"
    user.prefix = ["unshare", "--mount", "sh", "-c", f'{setup} exec "$@"', "sh", *user.prefix]
    for kind in ("uidMappings", "gidMappings"):
        user.linux[kind] = [
            {"containerID": 0, "hostID": UID, "size": 1},
            {"containerID": 1, "hostID": SUBIDS, "size": 65536},
        ]
    return user


def mounts(box):
    found = map(Mount, box.sh("cat /proc/self/mountinfo").splitlines())
    return {mount.target: mount for mount in found}


def test_the_bundle_of_spec_runs(user):
    assert (
        user.sh("id -u; tr -s ' ' < /proc/self/uid_map; hostname; echo x > /dev/null")
        == f"0\n 0 {UID} 1\nocipy\n"
    )


def test_the_root_and_new_filesystems_are_the_users(user):
    assert user.sh("touch /new /dev/shm/new; stat -c %u:%g / /new /dev/shm/new /bin/busybox") == "0:0\n" * 4
    assert (user.root / "new").stat().st_uid == UID


def test_places_and_masks_are_as_for_root(user, place):
    (place / "data").mkdir()
    (place / "data/file").write_text("x")
    (user.root / "secret").write_text("secret")
    user.linux["maskedPaths"] = ["/proc/keys", "/proc/acpi", "/secret"]
    user.linux["readonlyPaths"] = ["/proc/sys"]
    user.config["root"]["readonly"] = True
    tmpfs(user, "/new/place", "mode=711", "nosuid", "ro")
    bind(user, place / "data", "/link/../data", "ro", "nodev")
    found = mounts(user)
    assert {"ro", "nosuid"} <= found["/new/place"].options
    assert {"ro", "nodev"} <= found["/data"].options
    assert "ro" in found["/"].options
    assert "ro" in found["/proc/sys"].options
    assert user.sh("cat /proc/keys /secret /data/file; stat -c %a /new/place") == "x711\n"


def test_devices_are_the_hosts(user):
    assert user.sh("stat -c '%n %F %t:%T' /dev/zero /dev/tty") == (
        "/dev/zero character special file 1:5\n/dev/tty character special file 5:0\n"
    )


def test_tmpcopyup_copies_what_the_user_may_read(user):
    directory = user.root / "data"
    directory.mkdir()
    (directory / "file").write_text("content")
    (directory / "link").symlink_to("file")
    chown(directory)
    tmpfs(user, "/data", "tmpcopyup")
    assert user.sh("cd /data; cat link; stat -c '%n %u:%g' *") == "contentfile 0:0\nlink 0:0\n"


def test_tmpcopyup_does_not_copy_what_the_user_may_not(user):
    directory = user.root / "data"
    directory.mkdir()
    chown(directory)
    (directory / "secret").write_text("of the host's root")
    (directory / "secret").chmod(0o600)
    tmpfs(user, "/data", "tmpcopyup")
    assert "EACCES" in user.fails("true")


def test_sys_is_the_hosts_and_readonly_all_over(user):
    user.config["mounts"] = [m for m in user.config["mounts"] if m["type"] != "cgroup"]
    below = [found for target, found in mounts(user).items() if target.startswith("/sys")]
    assert below[0].fstype == "sysfs"
    assert all("ro" in found.options for found in below)


def test_an_error_names_step_pointer_and_hint_as_always(user):
    pointer = bind(user, "/nowhere", "/x")
    error = user.fails("true")
    assert f"bind /nowhere at /x (config.json {pointer}): open_tree(" in error
    assert "the source of a bind mount must exist" in error


def test_a_bundle_that_only_root_can_run_is_told_how_to_be_another(user):
    user.without("user")
    del user.linux["uidMappings"], user.linux["gidMappings"]
    del user.process["capabilities"]
    said = user.fails()
    assert "clone3(" in said
    hint = "without privileges a container needs a user namespace, as `ocipy bundle --rootless` writes it"
    assert said.endswith(f": EPERM: operation not permitted ({hint})")


def test_who_does_not_want_to_go_without_cgroups_does_not(user):
    """A cgroup of the host's root is where an ordinary user may make none."""
    user.process["args"] = ["true"]
    user.place()
    for flags, status in (((), 0), (("--rootless=true",), 0), (("--rootless=false",), 1)):
        done = user.ocipy(*flags, "run", "-b", user.write(), user.id, status=status)
    assert "make cgroup" in done.stderr
    assert "EACCES: permission denied" in done.stderr


def test_what_a_failed_create_has_made_is_removed(user):
    before = sorted(user.root.rglob("*"))
    tmpfs(user, "/new/deep/place")
    bind(user, "/nowhere", "/x")
    user.fails("true")
    assert sorted(user.root.rglob("*")) == before
    assert list(user.state_root.iterdir()) == []


def test_a_container_lives_its_life(user):
    user.create("sleep", "1000")
    assert user.exec("id", "-u") == "0\n"
    user.start()
    assert user.exec("cat", "/proc/1/comm") == "sleep\n"
    assert user.state()["status"] == "running"
    user.ocipy("kill", user.id, "KILL")
    user.stopped()
    user.delete()


def test_no_worker_is_left_and_none_is_inside(user):
    """It has ended before the root is entered."""
    user.create("sleep", "1000")
    user.start()
    inside = os.stat(f"/proc/{user.pid}/ns/mnt").st_ino
    sharing = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}/ns/mnt").st_ino == inside:
                sharing.append(int(pid))
        except OSError:
            continue
    assert sharing == [user.pid]


def test_who_shares_a_pid_namespace_can_not_look_into_an_init_that_comes(user, probe, tmp_path):
    """CVE-2016-9962, as in a pod: root of the user namespace that both are in, while init is outside."""
    shutil.copy(probe, user.root / "probe")
    power = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SYS_ADMIN"]
    sets = dict.fromkeys(("bounding", "effective", "permitted"), power)
    user.process.update(args=["/probe", "pry"], capabilities=sets)
    said = tmp_path / "said"
    with open(said, "w", encoding="utf-8") as out:
        command = [*user.prefix, user.launcher, "run", "-d", "-b", user.write(), "first"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=out, env=user.environment)
    until(lambda: "ready" in said.read_text())
    pid = json.loads(user.ocipy("state", "first").stdout)["pid"]
    for kind in ("user", "pid"):
        user.namespace(kind, f"/proc/{pid}/ns/{kind}")
    for kind in ("uidMappings", "gidMappings"):
        user.linux.pop(kind)
    user.process["args"] = ["true"]
    for n in range(8):
        user.ocipy("run", "-b", user.write(), f"other-{n}")
        user.process["args"] = ["sh", "-c", "true"]
    seen = [line for line in said.read_text().splitlines() if "memfd" in line or "socket:" in line]
    assert seen == []


def test_groups_can_not_be_set_and_that_is_said(user):
    user.process["user"] = {"uid": 0, "gid": 0, "additionalGids": [0]}
    assert "config.json: /process/user/additionalGids: " in user.fails("true")


@pytest.mark.parametrize("own", [True, False])
def test_root_of_a_user_namespace_that_denies_setgroups_runs_containers(user, own):
    user.prefix += ["unshare", "--user", "--map-root-user", "--mount"]
    if own:
        user.linux["uidMappings"] = user.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    else:
        user.without("user")
        del user.linux["uidMappings"], user.linux["gidMappings"]
    look = "cat /proc/self/setgroups; tr -s ' ' < /proc/self/uid_map; grep Groups /proc/self/status"
    outside = 0 if own else UID
    assert user.sh(look).splitlines() == ["deny", f" 0 {outside} 1", "Groups:\t "]


def test_cgroups_that_were_given_to_a_user_limit_and_freeze(user, request):
    layout = detect()
    need(layout.version("devices") == 1, "devices is not on v1", kernel=True)
    parent = f"ocipytest-rootless-{os.getpid()}"
    given = open_manager(layout, f"/{parent}", "given")
    given.make()
    request.addfinalizer(given.remove)
    request.addfinalizer(lambda: user.ocipy("delete", "--force", user.id))
    for directory in given.paths.values():
        chown(Path(directory))
    # As whoever gives cgroups does: the user's processes are there to begin with.
    enter = 'while [ "$1" != -- ]; do echo 0 >$1/cgroup.procs; shift; done; shift; exec "$@"'
    user.prefix = ["sh", "-c", enter, "enter", *given.paths.values(), "--", *user.prefix]
    user.place(parent)
    user.linux["resources"] = {"pids": {"limit": 3}, "devices": [{"allow": False, "access": "rwm"}]}
    assert "can't fork" in user.run("sh", "-c", "for i in 1 2 3 4; do sleep 9 & done", status=None)
    user.process["args"] = ["sleep", "100"]
    user.create()
    user.start()
    user.ocipy("pause", user.id)
    assert user.state()["status"] == "paused"
    user.ocipy("resume", user.id)


# ---------------------------------------------------------------- with newuidmap


def test_a_user_with_subordinate_ids_has_them(many):
    many.process["user"] = {"uid": 0, "gid": 0, "additionalGids": [5, 7]}
    look = (
        "tr -s ' ' < /proc/self/uid_map; id -G; stat -c %u:%g / /dev/pts/ptmx; touch /tmp/x; chown 9:9 /tmp/x"
    )
    many.capabilities("CAP_CHOWN")
    assert many.sh(f"{look}; stat -c %u /tmp/x") == f" 0 {UID} 1\n 1 {SUBIDS} 65536\n0 5 7\n0:0\n0:0\n9\n"


def test_a_terminals_group_can_be_had(many):
    next(m for m in many.config["mounts"] if m["type"] == "devpts")["options"].append("gid=5")
    assert f"gid={SUBIDS + 4}" in mounts(many)["/dev/pts"].superblock


def test_the_containers_root_may_be_somebody_else(many):
    """Then the runtime's user owns the user namespace, and is nobody in it."""
    for kind in ("uidMappings", "gidMappings"):
        many.linux[kind] = [{"containerID": 0, "hostID": SUBIDS, "size": 1000}]
    chown(many.root, SUBIDS)
    many.bundle.chmod(0o755)
    tmpfs(many, "/new/place")
    assert many.sh("stat -c %u:%g / /new; id -u") == "0:0\n0:0\n0\n"
    assert (many.root / "new").stat().st_uid == SUBIDS


def test_what_newuidmap_refuses_is_an_error(many):
    many.linux["uidMappings"][1]["hostID"] = SUBIDS + 100_000
    error = many.fails("true")
    assert "by newuidmap and newgidmap (config.json /linux/uidMappings): newuidmap(" in error


def test_runc_runs_the_same_bundle_alike(user):
    need(shutil.which("runc"), "needs runc")
    user.process["args"] = [
        "sh",
        "-c",
        "cat /proc/self/mountinfo; ls -ln /dev | tr -s ' ' | cut -d' ' -f1,3-6,9-",
    ]
    ours = user.run()
    runc = [
        *user.prefix,
        "env",
        f"XDG_RUNTIME_DIR={user.state_root.parent}",
        "runc",
        "run",
        "-b",
        user.bundle,
    ]
    theirs = subprocess.run([*runc, user.id], capture_output=True, text=True, check=True, timeout=60).stdout
    for text in (ours, theirs):
        assert text.count(" - ") > 15
    assert places(ours) == places(theirs)
    assert devices(ours) == devices(theirs)


def places(text):
    return {fields[4] for line in text.splitlines() if " - " in line for fields in [line.split(" ")]}


def devices(text):
    return sorted(line for line in text.splitlines() if " - " not in line)
