"""Whatever the parsers are given: an answer or an error in words, never an exception that nobody meant."""

import os
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy import cgroups, spec
from ocipy.cgroups import oom, stats
from ocipy.cli import parse
from ocipy.cli.config import size
from ocipy.cli.exec import identity
from ocipy.cli.table import GLOBAL, VERBS
from ocipy.errors import ConfigError, OcipyError, UsageError
from ocipy.plan import cgroup_layout
from ocipy.plan.compile import compile
from ocipy.plan.execprocess import compile_exec, entry_steps
from ocipy.plan.update import compile_update
from ocipy.rootfs.hidehost import host_views
from ocipy.runtime import filters, usermaps
from ocipy.runtime import stats as runtime_stats
from ocipy.runtime.filtercache import Cache
from ocipy.runtime.update import check, stated
from ocipy.spec import jsontext
from tests.plan.hosts import EXAMPLES, HOSTS, OPTIONS
from tests.security.nonsense import ANYTHING, broken

OFTEN = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SELDOM = settings(OFTEN, max_examples=40)
TEXT = st.text(max_size=300)
#: Lines of what kernels write, with fields that they do not.
WORD = st.sampled_from(
    [
        "36",
        "0",
        "-1",
        "/",
        "/sys/fs/cgroup",
        "rw,nosuid",
        "-",
        "cgroup",
        "cgroup2",
        "proc",
        "\\040",
        "\\9",
        "\\",
        "memory",
        "max",
        "8:0",
        "x",
        "",
        "99999999999999999999999",
    ]
) | st.text(max_size=6)
LINES = st.lists(st.lists(WORD, max_size=14).map(" ".join), max_size=8).map("\n".join) | TEXT
MOUNTINFO = (
    "24 1 0:22 / /sys rw shared:7 - sysfs sysfs rw\n30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
)


# ---------------------------------------------------------------- documents


@OFTEN
@given(broken(list(EXAMPLES.values())), st.sampled_from(list(HOSTS.values())))
def test_a_configuration_is_planned_or_refused_with_a_place(config, host):
    with suppress(ConfigError):
        problems, warnings = spec.validate(config)
        assert all("\n" not in str(problem) for problem in (*problems, *warnings))
        if not problems:
            for step in (plan := compile(config, OPTIONS, host)).create + plan.start:
                assert "\n" not in str(step)


@OFTEN
@given(broken([EXAMPLES[name]["process"] for name in ("default", "everything", "podman", "kubernetes")]))
def test_a_process_for_exec_is_planned_or_refused(process):
    with suppress(ConfigError):
        spec.require_process(process, "process")
        compile_exec(EXAMPLES["default"], process, OPTIONS, HOSTS["v2"], entry_steps(("mount", "pid")))


@OFTEN
@given(broken([EXAMPLES[name]["linux"]["resources"] for name in ("resources", "everything", "docker")]))
def test_resources_for_update_are_planned_or_refused(change):
    with suppress(ConfigError):
        change = stated(change) or {}
        check(change)
        for host in HOSTS.values():
            compile_update(change, {}, host.cgroup, rootless=False)


@SELDOM
@given(broken([EXAMPLES[name]["linux"]["seccomp"] for name in ("seccomp", "seccomp-notify")]))
def test_a_seccomp_profile_is_compiled_or_refused(tmp_path, profile):
    config = {**EXAMPLES["default"], "linux": {**EXAMPLES["default"]["linux"], "seccomp": profile}}
    with suppress(OcipyError):
        spec.require(config)
        filters.program_of(jsontext.dump(profile), str(tmp_path))


@OFTEN
@given(ANYTHING)
def test_a_document_may_be_anything(value):
    for what in (spec.require, spec.require_process):
        with suppress(ConfigError):
            what(value, "x")


# ---------------------------------------------------------------- the command line


FLAG = st.sampled_from(
    [f"--{flag[0]}" for _, _, _, _, _, flags in VERBS.values() for flag in (*flags, *GLOBAL)]
)
WORDS = st.lists(
    FLAG
    | st.text(max_size=8)
    | FLAG.map(lambda flag: f"{flag}=x")
    | st.sampled_from(["--", "-", "---", "-x"])
)


@OFTEN
@given(st.sampled_from(sorted(VERBS)), WORDS)
def test_a_command_line_is_understood_or_refused(verb, words):
    with suppress(UsageError):
        options, args = parse.arguments(verb, words)
        assert set(options)
        assert all(isinstance(arg, str) for arg in args)


@OFTEN
@given(st.text(max_size=30) | st.integers().map(str))
def test_a_number_on_the_command_line_is_that_number_or_refused(text):
    with suppress(UsageError):
        assert str(identity(text, "--user")) == text.lstrip("0") or int(text) == 0
    with suppress(UsageError):
        assert size(text, "--memory") >= 0


# ---------------------------------------------------------------- what kernels write


@OFTEN
@given(
    st.one_of(LINES, st.builds(lambda text, at: MOUNTINFO[:at] + text, TEXT, st.integers(0, 120))),
    LINES,
    LINES,
)
def test_where_cgroups_are_is_said_of_any_text(mountinfo, own, unified):
    layout = cgroup_layout.parse(mountinfo, own, unified)
    for controller, _, _ in layout.mounts:
        point, _ = layout.mount(controller)
        assert isinstance(point, str)
    for _, path in cgroup_layout.place(layout, "/a/../../b", "id"):
        assert ".." not in path.split("/")


@OFTEN
@given(LINES)
def test_which_views_of_the_host_are_mounted_is_said_of_any_text(text):
    assert isinstance(host_views(text, "1"), list)


@OFTEN
@given(LINES)
def test_id_mappings_are_read_or_refused(tmp_path, text):
    (tmp_path / "7").mkdir(exist_ok=True)
    (tmp_path / "7/uid_map").write_text(text, errors="surrogateescape")
    proc = os.open(tmp_path, os.O_PATH)
    try:
        with suppress(OSError):
            assert all(len(entry) == 3 for entry in usermaps.read(proc, 7, "uid"))
    finally:
        os.close(proc)


FILES = """cgroup.procs cpu.stat cpuacct.stat cpuacct.usage cpuacct.usage_all cpuacct.usage_percpu cpuset.cpus
cpuset.cpus.effective cpu.pressure io.stat io.pressure blkio.throttle.io_serviced memory.stat memory.max
memory.current memory.events memory.oom_control pids.max pids.current hugetlb.2MB.events
hugetlb.2MB.usage_in_bytes""".split()


@SELDOM
@given(st.dictionaries(st.sampled_from(FILES), LINES, min_size=1, max_size=8), st.booleans())
def test_what_a_cgroup_uses_is_said_or_refused(tmp_path_factory, files, unified):
    directory = tmp_path_factory.mktemp("cgroup")
    for name, text in files.items():
        (directory / name).write_text(text, errors="surrogateescape")
    names = ("",) if unified else ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb")
    manager = cgroups.from_paths(dict.fromkeys(names, str(directory)))
    with suppress(OcipyError):
        stats.collect(manager)
    assert isinstance(oom.verdict(manager), str)
    assert all(pid > 0 for pid in manager.procs()), "to kill(2), others are more than one process"


@OFTEN
@given(LINES)
def test_traffic_is_said_of_any_text(text):
    assert all(len(entry) == 9 for entry in runtime_stats.parse_interfaces(text))


# ---------------------------------------------------------------- filters that were kept


@OFTEN
@given(st.binary(max_size=200))
def test_a_kept_filter_is_one_that_was_written_or_none(tmp_path, content):
    cache = Cache(str(tmp_path))
    (tmp_path / "@seccomp").mkdir(mode=0o700, exist_ok=True)
    (tmp_path / "@seccomp/key").write_bytes(content)
    (tmp_path / "@seccomp/key").chmod(0o600)
    assert cache.get("key") is None


@OFTEN
@given(st.data())
def test_a_kept_filter_with_one_byte_changed_is_none(tmp_path, data):
    cache = Cache(str(tmp_path))
    cache.put("key", b"program" * 8, "/bin/sh")
    path = tmp_path / "@seccomp/key"
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert cache.get("key") is None
