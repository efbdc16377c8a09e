"""``ps``: the processes of a container, and nobody else's."""

import json

import pytest

pytestmark = pytest.mark.kernel

TWO = ("sh", "-c", "sleep 1000 & sleep 1001; true")


@pytest.fixture
def two(host):
    """A container of three processes."""
    id = host.running(*TWO)
    host.until(lambda: len(json.loads(host.ok("ps", "--format", "json", id))) == 3)
    return id


def test_json_is_the_pids_as_the_host_has_them(host, two):
    pids = json.loads(host.ok("ps", "--format", "json", two))
    assert host.state(two)["pid"] in pids
    for pid in pids:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            assert f"/{two}" in file.read()


def test_the_table_is_that_of_ps_for_these_processes(host, two):
    heading, *lines = host.ok("ps", two).splitlines()
    assert heading.split()[:3] == ["UID", "PID", "PPID"]
    pids = json.loads(host.ok("ps", "-f", "json", two))
    assert sorted(int(line.split()[1]) for line in lines) == pids


def test_what_follows_the_id_is_for_ps(host, two):
    heading, *lines = host.ok("ps", two, "-A", "-o", "args,pid").splitlines()
    assert heading.split() == ["COMMAND", "PID"]
    assert sorted(line.split()[:2] for line in lines)[1:] == [["sleep", "1000"], ["sleep", "1001"]]


def test_without_a_path_it_works_as_well(host, two):
    assert "sleep 1001" in host.ok("ps", two, "-A", "-o", "pid,args", env={})


def test_what_ps_can_not_do_is_said(host, two):
    said = host.fails("ps", two, "--bogus")
    assert "ps --bogus: exit status 1: " in said
    assert "Usage" not in said
    assert host.fails("ps", two, "-A", "-o", "comm").endswith(
        "has no column PID, by which processes are told apart"
    )


def test_a_stopped_container_has_none(host):
    id = host.stopped(host.running("true"))
    assert host.ok("ps", "--format", "json", id) == "[]\n"
    assert host.ok("ps", id).count("\n") == 1


def test_a_container_without_cgroup_is_refused(host):
    id = host.id()
    host.ok("--cgroup-manager", "disabled", "create", "-b", host.bundle("sleep", "1000"), id)
    for verb in (("ps",), ("kill", "--all")):
        message = host.fails(*verb, id)
        assert message.endswith("the container has no cgroup: its processes are not known")
