"""Containers of LXC's, run by ocipy."""

import json
import os
import re
import signal

import pytest

from tests.conftest import need
from tests.formats.lxc import made, real
from tests.kernel.box import until
from tests.kernel.pty import Person

pytestmark = pytest.mark.kernel


@pytest.fixture
def place(tmp_path):
    """A directory for a configuration, whose name is the container's and nobody else's."""
    need(os.path.exists("/bin/busybox"), "needs busybox-static")
    directory = tmp_path / f"ocipytest-{os.getpid()}-{tmp_path.name.rpartition('_')[2]}"
    real.busybox_root(directory / "root")
    for parent in (directory, *directory.parents):
        if os.stat(parent).st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | 0o011)
    return directory


def run(ocipy, place, *lines, status=0):
    made.configure(place, "lxc.cgroup.dir.container = " + place.name, *lines)
    return ocipy("run", f"{place}/", status=status)


def test_a_program_says_where_it_is(ocipy, place):
    said = run(
        ocipy, place,
        "lxc.uts.name = web", "lxc.environment = A=1 2", "lxc.init.uid = 1000", "lxc.init.gid = 100",
        "lxc.mount.auto = proc:mixed", "lxc.prlimit.nofile = 64:128", "lxc.cap.drop = sys_time",
        "lxc.execute.cmd = sh -c 'hostname; env; id; ulimit -n; pwd'", "lxc.init.cwd = /tmp",
    )  # fmt: skip
    lines = said.stdout.splitlines()
    assert lines[0] == "web"
    assert {"A=1 2", "container=lxc"} <= set(lines)
    assert lines[-3:] == ["uid=1000 gid=100", "64", "/tmp"]


def test_what_is_lost_is_a_warning_and_with_strict_an_error(ocipy, place):
    lines = ["lxc.execute.cmd = true", "lxc.ephemeral = 1"]
    said = run(ocipy, place, *lines)
    warning = "config:4: lxc.ephemeral: lossy: delete leaves a container's files alone"
    assert warning in said.stderr
    strict = ocipy("run", "--strict", f"{place}/", status=1)
    assert strict.stderr == f"ocipy: {warning}\n"


def test_what_is_refused_does_not_run(ocipy, place):
    lines = ["lxc.execute.cmd = true", "lxc.net.0.type = vlan", "lxc.net.0.link = x", "lxc.net.0.vlan.id = 5"]
    said = run(ocipy, place, *lines, status=1)
    assert "config:4: lxc.net.0.type: refused: the network hook makes no vlan devices" in said.stderr
    assert ocipy("list", "-q").stdout == ""


def test_a_step_that_fails_says_which_line_asked_for_it(ocipy, place):
    said = run(ocipy, place, "lxc.execute.cmd = true", "lxc.mount.entry = x tmp nosuchfs", status=1)
    assert "(config:4: lxc.mount.entry)" in said.stderr


def test_an_overlay_keeps_what_is_written_apart(ocipy, place):
    for name in ("delta", "work"):
        (place / "top" / name).mkdir(parents=True)
    lines = ["lxc.execute.cmd = sh -c 'echo x >/written; cat /written'"]
    overlay = f"lxc.rootfs.path = overlay:{place}/root:{place}/top/delta"
    assert run(ocipy, place, overlay, *lines).stdout == "x\n"
    assert (place / "top" / "delta" / "written").exists()
    assert not (place / "root" / "written").exists()


def test_of_the_host_s_root_below_an_overlay_nothing_is_left(ocipy, place):
    """It stayed above the container's root, where setns(2) leads: exec was on the host."""
    for name in ("delta", "work"):
        (place / "top" / name).mkdir(parents=True)
    lines = [f"lxc.rootfs.path = overlay:/:{place}/top/delta", "lxc.execute.cmd = /bin/sleep 60"]
    made.configure(place, f"lxc.cgroup.dir.container = {place.name}", "lxc.mount.auto = proc:rw", *lines)
    ocipy("run", "-d", f"{place}/")
    inside = ocipy("exec", place.name, "cat", "/proc/self/mountinfo").stdout.splitlines()
    assert [line.split()[4] for line in inside] == ["/", "/dev", "/proc"]


def test_a_root_can_be_mapped_to_the_container_s_ids(ocipy, place):
    lines = [
        "lxc.idmap = u 0 100000 65536", "lxc.idmap = g 0 100000 65536",
        "lxc.rootfs.options = idmap=container", "lxc.execute.cmd = sh -c 'echo x >/written; id'",
    ]  # fmt: skip
    assert run(ocipy, place, *lines).stdout == "uid=0 gid=0\n"
    assert (place / "root" / "written").stat().st_uid == 0


def test_hooks_of_the_host_run(ocipy, place):
    lines = [
        "lxc.execute.cmd = cat /tmp/made", "lxc.hook.version = 1",
        f"lxc.hook.pre-start = sh -c 'echo $LXC_NAME >{place}/root/tmp/made'",
        f"lxc.hook.post-stop = sh -c 'echo $LXC_HOOK_TYPE >{place}/ended'",
    ]  # fmt: skip
    assert run(ocipy, place, *lines).stdout == f"{place.name}\n"
    assert (place / "ended").read_text() == "post-stop\n"


def test_a_mount_hook_finds_the_root_mounted_as_lxcfs_needs_it(ocipy, place):
    lines = [
        "lxc.mount.auto = proc:mixed", "lxc.hook.version = 1",
        f"lxc.hook.mount = sh -c 'echo 7 >{place}/7; mount --bind {place}/7 $LXC_ROOTFS_MOUNT/proc/uptime'",
        "lxc.execute.cmd = cat /proc/uptime",
    ]  # fmt: skip
    assert run(ocipy, place, *lines).stdout == "7\n"


#: What the source of each bind forbids, seen by both.
BINDS = r"""
mkdir "$1/source" && mount -t tmpfs -o nosuid,nodev,noexec x "$1/source"
lxc-execute -n binds -P "$1" -f "$1/config" && echo && "$2" --root "$1/state" run "$1/" binds
"""


def test_a_bind_forbids_what_its_source_forbids_as_under_lxc(place, launcher):
    """Under an OCI runtime an option that is said allows what others are not said to forbid."""
    real.needs_lxc()
    lines = [
        f"lxc.mount.entry = {place}/source {number} none {options},create=dir"
        for number, options in enumerate(
            ("bind", "bind,ro", "rbind,exec,suid", "bind,rslave", "bind,noatime")
        )
    ]
    lines += [
        "lxc.apparmor.profile = unconfined",
        "lxc.execute.cmd = /bin/grep ' /[0-9] ' /proc/self/mountinfo",
    ]
    made.configure(place, "lxc.mount.auto = proc:rw", *lines)
    said = real.sandboxed(BINDS, place, launcher).stdout
    by_lxc, by_ocipy = (re.findall(r" (/[0-9]) (r[ow],\S+)", text) for text in said.split("\n\n"))
    assert len(by_lxc) == 5
    assert by_ocipy == by_lxc


HOOKS = r"""
"$2" convert --to lxc --target-version 5 -o "$1/lxc" "$1/bundle" 2>&1
lxc-execute -n hooks -P "$1" -f "$1/lxc/config"
"""


def test_hooks_of_a_bundle_run_under_lxc(place, launcher):
    real.needs_lxc()
    log = place / "root" / "tmp" / "log"
    kinds = ("createRuntime", "createContainer", "startContainer", "poststop")
    said = {
        kind: f"echo {kind} $A $(cat) >>{'/tmp/log' if kind == 'startContainer' else log}" for kind in kinds
    }
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": f"{place}/root"},
        "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["/bin/cat", "/tmp/log"]},
        "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "uts", "ipc", "network")]},
        "hooks": {
            kind: [{"path": "/bin/sh", "args": ["sh", "-c", line], "env": ["A=1 2", "PATH=/bin"]}]
            for kind, line in said.items()
        },
    }  # fmt: skip
    (place / "bundle").mkdir()
    (place / "bundle" / "config.json").write_text(json.dumps(config))
    done = real.sandboxed(HOOKS, place, launcher)
    lines = (line.partition(" 1 2 ") for line in log.read_text().splitlines())
    # LXC runs its start hooks, on the host and in the container, at the same time.
    assert {kind: json.loads(state)["status"] for kind, _, state in lines} == {
        "createContainer": "creating", "createRuntime": "creating",
        "startContainer": "created", "poststop": "stopped",
    }, done  # fmt: skip


INITTAB = """::sysinit:/bin/sh -c 'echo booted'
console::askfirst:/bin/sh
::shutdown:/bin/sh -c 'echo ended'
"""


@pytest.fixture
def system(ocipy, place, launcher, state_root):
    """A container whose init is busybox's, on a terminal."""
    (place / "root" / "sbin" / "init").symlink_to("/bin/busybox")
    (place / "root" / "etc" / "inittab").write_text(INITTAB)
    lines = ["lxc.mount.auto = proc:mixed sys:ro", "lxc.pty.max = 8", "lxc.signal.halt = SIGUSR1"]
    made.configure(place, f"lxc.cgroup.dir.container = {place.name}", *lines)
    person = Person([launcher, "--root", state_root, "run", f"{place}/"])
    yield person
    person.close()


def test_an_init_boots_has_a_console_and_halts_when_it_is_told_to(ocipy, place, system):
    system.expect("booted")
    system.expect("press Enter")
    system.type("\r")
    system.type("echo $((6*7)) $container $$\r")
    assert (
        int(re.search(rb"42 lxc ([0-9]+)", system.expect("\r\n") + system.expect("# ") + b"42 lxc 2")[1]) > 1
    )
    ocipy("kill", place.name)
    system.expect("ended")
    # reboot(2) in a pid namespace ends its init by SIGINT.
    assert system.end() == 128 + signal.SIGINT
    until(lambda: ocipy("list", "-q").stdout == "")
