"""The verdict on memory, from files as the kernel writes them; no kernel needed."""

import shutil

import pytest

from ocipy.cgroups import from_paths, oom
from ocipy.cgroups.oom_log import told
from ocipy.errors import ContainerError, StepError

MIB = 1024 * 1024
UNLIMITED = 2**63 - 4096


def v2(directory, limit="max", peak=0, kills=0, own=0, below=0):
    """A cgroup v2 directory: `own` counts allocations that failed at its limit, `below` at those below it."""
    directory.mkdir(exist_ok=True)
    (directory / "cgroup.procs").write_text("")
    (directory / "memory.events").write_text(f"low 0\nmax 9\noom {own + below}\noom_kill {kills}\n")
    local = 0 if below else kills
    (directory / "memory.events.local").write_text(f"low 0\nmax 9\noom {own}\noom_kill {local}\n")
    (directory / "memory.max").write_text(f"{limit}\n")
    (directory / "memory.peak").write_text(f"{peak}\n")
    return directory


def v1(directory, limit=UNLIMITED, peak=0, kills=0, failures=0, swap=UNLIMITED, swap_failures=0):
    directory.mkdir(exist_ok=True)
    (directory / "cgroup.procs").write_text("")
    (directory / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    for name, most, failed in (("memory", limit, failures), ("memory.memsw", swap, swap_failures)):
        (directory / f"{name}.limit_in_bytes").write_text(f"{most}\n")
        (directory / f"{name}.max_usage_in_bytes").write_text(f"{peak}\n")
        (directory / f"{name}.failcnt").write_text(f"{failed}\n")
    return directory


def verdict(directory, controller=""):
    return oom.verdict(from_paths({controller: str(directory)}))


def test_who_was_not_killed_gets_no_verdict(tmp_path):
    assert verdict(v2(tmp_path / "web", own=1)) == ""
    assert verdict(v1(tmp_path / "web1", failures=1), "memory") == ""
    assert verdict(tmp_path / "gone") == ""
    assert oom.verdict(from_paths({})) == ""


def test_a_cgroup_that_ends_while_it_is_asked_gives_none(tmp_path):
    """A scope of systemd's does: the files of a directory go one by one."""
    web = v2(tmp_path / "web", limit=8 * MIB, kills=1)
    (web / "cgroup.procs").unlink()
    assert verdict(web) == ""


def test_v2_names_the_cgroup_whose_limit_it_was_and_its_peak(tmp_path):
    web = v2(tmp_path / "web", limit=8 * MIB, peak=8 * MIB, kills=1, own=1)
    assert verdict(web) == (
        f"out of memory: 1 of the container's processes was killed; cgroup {web} is limited to 8388608 bytes "
        "by memory.max, its peak was 8388608"
    )


def test_v1_does_so_too(tmp_path):
    web = v1(tmp_path / "web", limit=8 * MIB, peak=7 * MIB, kills=2, failures=30)
    assert verdict(web, "memory") == (
        f"out of memory: 2 of the container's processes were killed; cgroup {web} is limited to "
        "8388608 bytes by memory.limit_in_bytes, its peak was 7340032"
    )


def test_the_limit_may_be_that_of_a_cgroup_above(tmp_path):
    pod = v2(tmp_path / "pod", limit=9 * MIB, peak=9 * MIB, kills=1, own=1)
    assert f"cgroup {pod} is limited to 9437184 bytes" in verdict(v2(pod / "web", limit=20 * MIB, kills=1))
    pod = v1(tmp_path / "pod1", limit=9 * MIB, kills=0, failures=1)
    assert f"cgroup {pod} is limited to 9437184 bytes" in verdict(v1(pod / "web", kills=1), "memory")


def test_the_limit_may_be_that_of_memory_and_swap(tmp_path):
    web = v1(tmp_path / "web", limit=8 * MIB, kills=1, swap=9 * MIB, swap_failures=1)
    assert "limited to 9437184 bytes by memory.memsw.limit_in_bytes" in verdict(web, "memory")


def test_v1_counts_the_cgroups_that_the_container_made(tmp_path):
    web = v1(tmp_path / "web", limit=8 * MIB, failures=1)
    v1(web / "inner", kills=1)
    assert "1 of the container's processes was killed" in verdict(web, "memory")


def test_the_limit_may_be_that_of_a_cgroup_that_the_container_made(tmp_path):
    web = v2(tmp_path / "web", limit=20 * MIB, kills=1, below=1)
    inner = v2(web / "docker", limit=5 * MIB, peak=5 * MIB, kills=1, own=1)
    assert f"cgroup {inner} is limited to 5242880 bytes" in verdict(web)
    web = v1(tmp_path / "web1", limit=20 * MIB)
    inner = v1(web / "docker", limit=5 * MIB, kills=1, failures=1)
    assert f"cgroup {inner} is limited to 5242880 bytes" in verdict(web, "memory")


def test_that_cgroup_may_be_gone(tmp_path):
    web = v2(tmp_path / "web", limit=20 * MIB, kills=1, below=1)
    assert verdict(web).endswith(f"the limit was that of a cgroup below {web}, which is gone")


def test_a_cgroup_that_vanishes_while_it_is_asked_says_nothing(tmp_path, monkeypatch):
    """A scope's does: the kernel's log knows better than to blame the host."""
    web = v2(tmp_path / "web", limit=8 * MIB, kills=1, own=1)
    monkeypatch.setattr(oom, "reached", lambda directory: shutil.rmtree(directory))
    assert verdict(web) == ""


def test_without_a_limit_that_was_reached_it_is_the_host(tmp_path):
    assert verdict(v2(tmp_path / "web", limit=8 * MIB, kills=1)).endswith(
        "none of its limits was reached, so the host itself had no memory left"
    )


@pytest.mark.parametrize(
    ("cause", "explained"),
    [
        (OSError(12, "clone3(...)"), True),
        ("init ended unexpectedly", True),
        ("init ended unexpectedly, killed by signal 9 (out of memory?)", True),
        (OSError(2, "openat2(...)"), False),
    ],
)
def test_only_an_error_that_may_come_of_it_is_explained_by_it(tmp_path, cause, explained):
    manager = from_paths({"": str(v2(tmp_path / "web", limit=MIB, kills=1, own=1))})
    error = StepError("make the first process", cause, "/linux")
    words = str(error).removesuffix(" (out of memory?)")
    assert oom.explain(error, manager) is error
    assert str(error).startswith(words)
    assert ("out of memory: 1 of" in str(error)) is explained
    assert str(error).count("out of memory") == explained


def test_whatever_a_new_container_dies_of_is_explained_by_it(tmp_path):
    """On cgroup v2 a process is born in its cgroup, and may be gone when we look for its namespaces."""
    manager = from_paths({"": str(v2(tmp_path / "web", limit=MIB, kills=1, own=1))})
    error = oom.explain(OSError(2, 'openat2("1380/ns/mnt")'), manager, new=True)
    assert isinstance(error, ContainerError)
    words = 'openat2("1380/ns/mnt"): ENOENT: no such file or directory (out of memory: 1 of'
    assert str(error).startswith(words)


def test_an_error_that_has_nothing_to_do_with_memory_stays_as_it_is(tmp_path):
    manager = from_paths({"": str(v2(tmp_path / "web", kills=1))})
    assert str(oom.explain(ContainerError("container not running"), manager)) == "container not running"


# ---------------------------------------------------------------- as the kernel logged it


def report(task, limited="", usage=8192):
    """The records of one report that tell, and some that do not."""
    whose = f"constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg={limited}" if limited else "global_oom"
    return [
        "dd invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        f"memory: usage {usage}kB, limit {usage}kB, failcnt 40",
        "swap: usage 0kB, limit 0kB, failcnt 0",
        f"oom-kill:{whose},task_memcg={task},task=dd,pid=842,uid=0",
    ]


def test_a_report_names_the_cgroup_whose_limit_it_was():
    assert told(report("/shop.slice/web.scope", "/shop.slice"), "/shop.slice/web.scope", "/cg{}") == (
        "out of memory: 1 of the container's processes was killed; cgroup /cg/shop.slice is limited to "
        "8388608 bytes by memory.max, its peak was 8388608"
    )
    text = told(report("/web", "/web"), "/web", "/cg/memory{}", v1=True)
    assert "cgroup /cg/memory/web is limited to 8388608 bytes by memory.limit_in_bytes" in text


def test_reports_on_cgroups_below_count_and_those_on_others_do_not():
    both = [*report("/web/a", "/web"), *report("/web", "/web", 16384)]
    assert "2 of the container's processes were killed" in told(both, "/web", "/cg{}")
    assert "16777216 bytes" in told(both, "/web", "/cg{}")
    assert told(report("/web2", "/web2"), "/web", "/cg{}") == ""
    assert told([], "/web", "/cg{}") == ""


def test_a_report_without_a_limit_is_of_the_host():
    text = told(report("/web"), "/web", "/cg{}")
    assert text.endswith("none of its limits was reached, so the host itself had no memory left")
