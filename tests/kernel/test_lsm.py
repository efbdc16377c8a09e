"""AppArmor profiles and SELinux labels: what the kernel says that a container's process has.

`make test-vm` has a machine with AppArmor.  For SELinux boot one with `security=selinux selinux=1`.
"""

import os
import re
import shutil
import subprocess

import pytest

from ocipy.runtime.host import facts
from tests.conftest import need
from tests.kernel.box import fields

pytestmark = pytest.mark.kernel

NAME = f"ocipy-test-{os.getpid()}"
RULES = "file, capability, network, signal, unix, mount, umount, pivot_root, ptrace, change_profile,"


def loaded(directory, name, denied):
    """A profile that is loaded until this is resumed: it denies to read one file."""
    need(facts().apparmor, "AppArmor", kernel=True)
    need(shutil.which("apparmor_parser"), "apparmor_parser")
    path = directory / "profile"
    path.write_text(f"profile {name} flags=(attach_disconnected) {{ {RULES} deny {denied} r, }}\n")
    subprocess.run(["apparmor_parser", "--skip-cache", "--add", path], check=True)
    yield name
    subprocess.run(["apparmor_parser", "--remove", path], check=True)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The name of a profile that is loaded, and denies to read /etc/group."""
    yield from loaded(tmp_path_factory.mktemp("profile"), NAME, "/etc/group")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The name of another one, that denies to read /etc/passwd."""
    yield from loaded(tmp_path_factory.mktemp("other"), f"{NAME}-other", "/etc/passwd")


def current(text):
    return text.strip("\0\n")


@pytest.mark.parametrize("nnp", [True, False], ids=["no_new_privs", "without"])
def test_the_program_has_the_profile(box, profile, nnp):
    box.process["apparmorProfile"] = profile
    box.process["noNewPrivileges"] = nnp
    said = box.sh("cat /proc/self/attr/current; cat /etc/group || echo denied")
    assert said.splitlines() == [f"{profile} (enforce)", "denied"]


def test_init_itself_is_not_held_by_it(box, profile):
    """The profile is for the program: init, which still has to execute it, needs more."""
    box.process["apparmorProfile"] = profile
    box.create("sleep", "1000")
    assert current(box.proc("attr/apparmor/current")) == "unconfined"
    assert current(box.proc("attr/apparmor/exec")).startswith(profile)
    box.start()
    assert current(box.proc("attr/apparmor/current")) == f"{profile} (enforce)"


def test_another_user_in_a_user_namespace_has_it_too(box, profile):
    box.user_namespace()
    box.process["user"] = {"uid": 1000, "gid": 1000}
    box.process["apparmorProfile"] = profile
    assert current(box.run("cat", "/proc/self/attr/current")) == f"{profile} (enforce)"


IN_USERNS = pytest.mark.parametrize("userns", [False, True], ids=["", "user namespace"])
CURRENT = ("cat", "/proc/self/attr/current")


@IN_USERNS
def test_a_process_that_is_executed_later_has_it_unless_it_has_another(box, profile, other, userns):
    if userns:
        box.user_namespace()
    box.process["apparmorProfile"] = profile
    box.start("sleep", "1000")
    assert current(box.exec(*CURRENT)) == f"{profile} (enforce)"
    assert current(box.exec(*CURRENT, flags=("--apparmor", other))) == f"{other} (enforce)"
    assert current(box.exec(*CURRENT, flags=("--apparmor", "unconfined"))) == "unconfined"
    denied = box.exec("sh", "-c", "cat /etc/group 2>&1; cat /etc/passwd 2>&1", flags=("--user", "5"))
    assert re.search(r"/etc/group'?: Permission denied", denied)
    assert "/etc/passwd" not in denied


@IN_USERNS
def test_stacked_profiles_both_hold(box, profile, other, userns):
    if userns:
        box.user_namespace()
    stack = f"{profile}//&{other}"
    box.process["apparmorProfile"] = stack
    said = box.sh(
        "cat /proc/self/attr/current; for f in group passwd hosts; do cat /etc/$f >/dev/null && echo $f; done"
    )
    assert said.splitlines() == [f"{stack} (enforce)", "hosts"]


def test_a_profile_that_is_not_loaded_is_named(box, profile, state_root):
    box.process["apparmorProfile"] = "nothing-of-that-name"
    error = box.fails("true")
    assert (
        "use AppArmor profile nothing-of-that-name from execve on (config.json /process/apparmorProfile)"
        in error
    )
    assert error.endswith("ENOENT: no such file or directory (it is not loaded)")
    assert not os.path.exists(state_root / box.id)


def test_it_goes_with_landlock_and_a_filter(box, profile):
    need(facts().landlock, "Landlock", kernel=True)
    box.process |= {"apparmorProfile": profile, "noNewPrivileges": True}
    box.config["annotations"] = {"io.ocipy.landlock": '{"rules": [{"paths": ["/"], "access": ["all"]}]}'}
    box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert current(box.run("cat", "/proc/self/attr/current")) == f"{profile} (enforce)"


# ---------------------------------------------------------------- SELinux


@pytest.fixture
def selinux():
    need(facts().selinux, "SELinux", kernel=True)


LABEL, MOUNT_LABEL = "system_u:system_r:container_t:s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2"


def test_the_program_has_the_label(selinux, box):
    box.process["selinuxLabel"] = LABEL
    assert current(box.run("cat", "/proc/self/attr/current")) == LABEL


def test_what_is_mounted_new_has_the_mount_label(selinux, box):
    box.linux["mountLabel"] = MOUNT_LABEL
    box.linux["maskedPaths"] = ["/proc/acpi", "/proc/scsi", "/sys/firmware"]
    where = ("/dev", "/dev/shm", "/dev/mqueue", "/tmp", "/sys/firmware")
    box.start("sleep", "1000")
    labels = {path: os.getxattr(f"/proc/{box.pid}/root{path}", "security.selinux") for path in where}
    assert labels == dict.fromkeys(where, MOUNT_LABEL.encode() + b"\0")


def test_the_first_process_keeps_its_own_label_until_execve(selinux, box):
    box.process["selinuxLabel"] = LABEL
    box.create("sleep", "1000")
    assert current(box.proc("attr/exec")) == LABEL
    assert current(box.proc("attr/current")) != LABEL


# ---------------------------------------------------------------- where there is none


@pytest.mark.parametrize(
    ("module", "place", "name", "words"),
    [
        ("apparmor", "process", "apparmorProfile", "AppArmor is not enabled on this host"),
        ("selinux", "process", "selinuxLabel", "SELinux is not enabled on this host"),
    ],
)
def test_a_label_for_a_module_that_is_not_there_is_refused(box, state_root, module, place, name, words):
    need(not getattr(facts(), module), f"no {module}", kernel=True)
    box.config[place][name] = "a:b:c:s0"
    assert box.fails("true") == f"config.json: /{place}/{name}: {words}"
    assert not os.path.exists(state_root / box.id)


def test_without_labels_there_is_nothing_to_refuse(box):
    box.process |= {"apparmorProfile": "", "selinuxLabel": ""}
    box.linux["mountLabel"] = ""
    assert fields(box.run("cat", "/proc/self/status"))["NoNewPrivs"]
