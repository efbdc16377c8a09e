"""What is written for LXC, by its versions."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy import formats, spec
from ocipy.errors import ConfigError, UsageError
from ocipy.formats import lxc
from ocipy.formats.lxc import keys
from ocipy.formats.lxc.cgroups import DEFAULT_RULES
from ocipy.plan import devices
from ocipy.spec import Spec
from ocipy.spec.origin import LOSSY, REFUSED
from tests.formats.lxc import made


def written(version="5", **linux):
    data = {"root": {"path": "/srv/root"}, "linux": {"namespaces": [{"type": "mount"}], **linux}}
    files, notes = lxc.dump(Spec(data), version)
    return files["config"].decode().splitlines(), {note.key: note.fate for note in notes}


def test_the_default_is_the_newest_version():
    assert lxc.VERSIONS == ("5", "6", "7")
    assert "LXC 7" in lxc.dump(Spec({"root": {"path": "/"}}))[0]["config"].decode()


def test_a_version_that_there_is_not_is_an_error_of_usage():
    with pytest.raises(UsageError, match=r"^no version 4 of LXC: known are 5, 6, 7$"):
        written("4")


@pytest.mark.parametrize("version", lxc.VERSIONS)
def test_limits_are_written_for_the_cgroups_that_a_version_knows(version):
    lines, _ = written(version, resources={"memory": {"limit": 1 << 20}, "cpu": {"shares": 1024}})
    assert ("lxc.cgroup.memory.limit_in_bytes = 1048576" in lines) == (version != "7")
    assert ("lxc.cgroup.cpu.shares = 1024" in lines) == (version != "7")
    assert "lxc.cgroup2.memory.max = 1048576" in lines
    assert "lxc.cgroup2.cpu.weight = 39" in lines


def test_what_only_cgroup_v1_has_is_lost_for_lxc_7():
    resources = {"memory": {"swappiness": 5}, "network": {"classID": 1}}
    for version, lost in (
        ("6", set()),
        ("7", {"/linux/resources/memory/swappiness", "/linux/resources/network/classID"}),
    ):
        _, notes = written(version, resources=resources)
        assert {key for key, fate in notes.items() if fate == LOSSY and "resources" in key} == lost


def test_rules_that_every_oci_container_has_are_written_out():
    """LXC without rules allows everything."""
    lines, _ = written()
    rules = [line for line in lines if line.startswith("lxc.cgroup.devices.")]
    assert rules[0] == "lxc.cgroup.devices.deny = a"
    assert len(rules) == 1 + len(DEFAULT_RULES)
    lines, _ = written(resources={"devices": [{"allow": True, "access": "rwm"}]})
    assert not [line for line in lines if ".devices." in line]


def test_those_rules_are_the_plan_s():
    made_of_ours = [rule for entry in DEFAULT_RULES for rule in devices.rules([entry])[1:]]
    assert set(devices.DEFAULT) == set(made_of_ours)
    assert len(DEFAULT_RULES) == len(devices.DEFAULT)


def test_a_property_that_nobody_writes_is_named():
    _, notes = written(memoryPolicy={"mode": "MPOL_BIND", "nodes": "0"}, intelRdt={"closID": "a"})
    assert notes["/linux/memoryPolicy"] == notes["/linux/intelRdt"] == LOSSY


@pytest.mark.parametrize(
    ("process", "pointer", "fate"),
    [
        ({"args": ["a \"b\" 'c'"]}, "/process/args", REFUSED),
        ({"args": ["a"], "env": ["A=1\n2"]}, "/process/env/0", REFUSED),
        ({"args": ["a"], "env": ["container=podman"]}, "/process/env/0", LOSSY),
        ({"args": ["a b"], "terminal": True}, "/process/terminal", LOSSY),
        ({"args": ["a"], "capabilities": {"ambient": ["CAP_KILL"]}}, "/process/capabilities/ambient", LOSSY),
        (
            {"args": ["a"], "capabilities": {"bounding": ["CAP_KILL"]}},
            "/process/capabilities/effective",
            LOSSY,
        ),
        ({"args": ["a"], "scheduler": {"policy": "SCHED_BATCH"}}, "/process/scheduler", LOSSY),
        ({"args": ["a"], "user": {"umask": 63}}, "/process/user/umask", LOSSY),
    ],
)
def test_what_lxc_can_not_say_is_named(process, pointer, fate):
    data = {"root": {"path": "/"}, "process": process, "linux": {"namespaces": [{"type": "mount"}]}}
    _, notes = lxc.dump(Spec(data))
    assert {note.key: note.fate for note in notes}.get(pointer) == fate


def test_with_a_terminal_it_is_for_lxc_start():
    data = {"root": {"path": "/"}, "process": {"args": ["/sbin/init", "3"], "terminal": True}}
    lines = lxc.dump(Spec(data))[0]["config"].decode().splitlines()
    assert "# lxc-start -F -n NAME -f config" in lines
    assert "lxc.init.cmd = /sbin/init 3" in lines


def test_a_device_is_the_host_s_and_that_is_said():
    null = {"type": "c", "path": "/dev/null", "major": 1, "minor": 3}
    lines, notes = written(devices=[null, {**null, "path": "/dev/no-such"}])
    assert "lxc.mount.entry = /dev/null dev/null none bind,create=file 0 0" in lines
    assert notes["/linux/devices/0"] == notes["/linux/devices/1"] == LOSSY


@pytest.mark.parametrize("options", [["max=many"], ["max=" + "9" * 5000]])
def test_a_number_of_terminals_that_is_none_is_lost(options):
    mount = {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options}
    data = {"root": {"path": "/"}, "mounts": [mount], "linux": {"namespaces": [{"type": "mount"}]}}
    files, notes = lxc.dump(Spec({**data, "annotations": {"org.linuxcontainers.lxc.tty.max": "some"}}))
    assert "lxc.pty.max = 1024" in files["config"].decode().splitlines()
    assert options[0] in next(note.reason for note in notes if note.fate == LOSSY)


@pytest.mark.parametrize(("options", "lossy"), [(["mode=755", "size=1m"], False), (["mode=755"], True)])
def test_a_dev_without_a_size_is_smaller_under_lxc(options, lossy):
    mount = {"destination": "/dev", "type": "tmpfs", "source": "x", "options": options}
    data = {"root": {"path": "/"}, "mounts": [mount], "linux": {"namespaces": [{"type": "mount"}]}}
    _, notes = lxc.dump(Spec(data))
    assert ("/mounts/0/options" in {note.key for note in notes if note.fate == LOSSY}) == lossy


def test_only_what_is_kept_as_an_annotation_goes_back_as_a_line():
    """An annotation may be anybody's: the author of a pod's, say."""
    annotations = {
        "org.linuxcontainers.lxc.start.auto": "1",
        "org.linuxcontainers.lxc.hook.pre-start": "touch /tmp/x",
        "org.linuxcontainers.lxc.cap.keep": "sys_admin",
    }
    data = {"root": {"path": "/"}, "annotations": annotations, "linux": {"namespaces": [{"type": "mount"}]}}
    files, notes = lxc.dump(Spec(data))
    lines = files["config"].decode().splitlines()
    assert "lxc.start.auto = 1" in lines
    assert not [line for line in lines if "touch" in line or "sys_admin" in line]
    assert len([note for note in notes if note.key.startswith("/annotations/") and note.fate == LOSSY]) == 2


# ---------------------------------------------------------------- anything at all


#: The last part of a key of a family.
LAST = st.sampled_from(
    "memory.limit_in_bytes memory.max cpu.max io.max rdma.max net_prio.ifpriomap blkio.weight_device nofile "
    "hugetlb.2MB.limit_in_bytes devices.allow net_cls.classid net.ipv4.x oom_score_adj ../x net x".split()
)
VALUES = st.text(max_size=20) | st.sampled_from(
    "a|1 2|c 1:3 rwm|/x|-1|8:0 1|u 0 1 2|SIGRTMIN+x|-|+h|99999999999999999999999|1:|:|max|[|unix:|overlay::|"
    "dir:|a=|=b|10.0.0.1|'|\"|proc:mixed|0x|\udcff".split("|")
)


@st.composite
def lines(draw):
    """A line of LXC's, or anything."""
    start, family, _ = draw(st.sampled_from(sorted(keys.KEYS))).replace("[i]", "0").partition("[")
    line = f"{start}{draw(LAST) if family else ''} = {draw(VALUES)}"
    return draw(st.just(line) | st.text(max_size=40))


@settings(deadline=None, max_examples=100)
@given(st.lists(lines(), max_size=5), st.sampled_from((made.V1, made.V2, made.HYBRID)))
def test_whatever_is_in_a_file_it_is_read_and_written_or_refused_with_its_line(said, host):
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "root").mkdir()
        text = "\n".join((f"lxc.rootfs.path = {place}/root", *said))
        (place / "config").write_bytes(text.replace("lxc.include", "#").encode("utf-8", "surrogateescape"))
        try:
            loaded, _ = lxc.load(directory, host)
        except ConfigError as error:
            assert all(problem.place for problem in error.problems)
            return
    problems, _ = spec.validate(loaded.data)
    for name in formats.NAMES if not problems else ():
        formats.backend(name).dump(loaded)
