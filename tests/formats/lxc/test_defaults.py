"""What LXC does when nothing is said, and what a line makes of it."""

import pytest

from ocipy.errors import ConfigError
from ocipy.formats.lxc import host as hosts
from ocipy.spec import validate
from ocipy.spec.origin import CHANGED, LOSSY, REFUSED
from tests.formats.lxc import made

EVERYTHING = {"allow": True, "access": "rwm"}


def kinds(data):
    return [entry["type"] for entry in data["linux"]["namespaces"]]


def mount(data, destination):
    return next((m for m in data["mounts"] if m["destination"] == destination), None)


def test_a_root_alone_is_a_system_container(tmp_path):
    spec, notes = made.load(tmp_path)
    data = spec.data
    assert data["process"]["args"] == ["/sbin/init"]
    assert data["process"]["env"] == ["container=lxc"]
    assert data["process"]["cwd"] == "/"
    assert data["process"]["user"] == {"uid": 0, "gid": 0}
    assert data["process"]["terminal"] is True
    assert data["annotations"] == {"org.opencontainers.image.stopSignal": "SIGPWR"}
    assert kinds(data) == ["mount", "pid", "uts", "ipc", "cgroup", "network"]
    assert data["linux"]["cgroupsPath"] == f"/lxc.payload.{tmp_path.name}"
    assert mount(data, "/dev")["options"] == ["mode=755", "size=500000"]
    assert "hostname" not in data
    assert not notes


@pytest.mark.parametrize("host", [made.V1, made.V2, made.HYBRID])
def test_what_is_read_is_valid(tmp_path, host):
    problems, _ = validate(made.data(tmp_path, host=host))
    assert not problems


def test_every_property_has_a_place(tmp_path):
    spec, _ = made.load(
        tmp_path, "lxc.uts.name = web", "lxc.cgroup2.pids.max = 5", "lxc.mount.auto = proc:rw"
    )
    assert spec.place("/hostname") == "config:2: lxc.uts.name"
    assert spec.place("/linux/resources/pids/limit") == "config:3: lxc.cgroup2.pids.max"
    assert spec.place("/mounts/1/options") == "config:4: lxc.mount.auto"
    assert spec.place("/linux/cgroupsPath") == "config: implied /linux/cgroupsPath"


def test_bytes_that_are_no_text_are_values_as_any_others(tmp_path):
    lines = ["lxc.uts.name = \udcff", "lxc.environment = A=\udcff", "lxc.net.0.type = phys"]
    data = made.data(tmp_path, *lines, "lxc.net.0.link = eth9", "lxc.net.0.name = \udcff")
    assert (data["hostname"], data["process"]["env"][0]) == ("\udcff", "A=\udcff")
    assert not validate(data)[0]


def test_without_a_mount_namespace_it_is_the_line_that_says_so_which_is_wrong(tmp_path):
    for key, value in (("clone", "pid"), ("keep", "mnt")):
        spec, _ = made.load(tmp_path, f"lxc.namespace.{key} = {value}")
        (problem,) = validate(spec.data)[0]
        assert str(spec.located(problem)).startswith(
            f"config:2: lxc.namespace.{key}: needs a mount namespace"
        )


# ---------------------------------------------------------------- devices and limits


@pytest.mark.parametrize("host", [made.V1, made.V2])
def test_without_device_rules_everything_is_allowed(tmp_path, host):
    """OCI's runtimes forbid everything then."""
    assert made.data(tmp_path, host=host)["linux"]["resources"]["devices"] == [EVERYTHING]


def test_device_rules_that_are_taken_back_allow_everything(tmp_path):
    lines = ["lxc.cgroup2.devices.deny = a", "lxc.cgroup2.devices.deny ="]
    assert made.data(tmp_path, *lines)["linux"]["resources"]["devices"] == [EVERYTHING]


@pytest.mark.parametrize(
    ("host", "first"), [(made.V1, True), (made.HYBRID, True), (made.V2, False)], ids=["v1", "hybrid", "v2"]
)
def test_rules_without_a_first_one_follow_that_of_the_host(tmp_path, host, first):
    """On v1 a cgroup has what its parent has; on v2 LXC's program begins with nothing."""
    keys = ("lxc.cgroup2.", "lxc.cgroup.")
    lines = [f"{key}devices.{kind}" for key in keys for kind in ("allow = c 1:3 rw", "deny = b *:* m")]
    assert made.data(tmp_path, *lines, host=host)["linux"]["resources"]["devices"] == [
        {"allow": first, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": False, "type": "b", "access": "m"},
    ]


@pytest.mark.parametrize("rule", ["x 1:3 rw", "c 1 rw", "c 1:3", "c 1:3 rx", "c one:3 r", "c"])
def test_a_rule_that_is_none_is_refused(tmp_path, rule):
    with pytest.raises(ConfigError, match=r"^config:2: lxc\.cgroup2\.devices\.allow: "):
        made.data(tmp_path, f"lxc.cgroup2.devices.allow = {rule}")


@pytest.mark.parametrize(
    ("host", "said", "ignored"),
    [
        (made.V1, "lxc.cgroup.pids.max", "lxc.cgroup2.pids.max"),
        (made.V2, "lxc.cgroup2.pids.max", "lxc.cgroup.pids.max"),
    ],
    ids=["v1", "v2"],
)  # fmt: skip
def test_only_the_host_s_own_version_of_cgroups_counts(tmp_path, host, said, ignored):
    spec, notes = made.load(tmp_path, f"{said} = 5", f"{ignored} = 7", host=host)
    assert spec.data["linux"]["resources"]["pids"] == {"limit": 5}
    assert made.fates(notes, ignored) == {CHANGED}
    assert not made.fates(notes, said)


def test_on_a_hybrid_host_each_controller_counts_where_it_is(tmp_path):
    lines = ["lxc.cgroup2.pids.max = 5", "lxc.cgroup2.hugetlb.2MB.max = 4M"]
    resources = made.data(tmp_path, *lines, host=made.HYBRID)["linux"]["resources"]
    assert resources == {"devices": [EVERYTHING], "unified": {"hugetlb.2MB.max": "4M"}}


V1_LINES = {
    "memory.limit_in_bytes = 64M": {"memory": {"limit": 64 << 20}},
    "memory.memsw.limit_in_bytes = -1": {"memory": {"swap": -1}},
    "memory.oom_control = 1": {"memory": {"disableOOMKiller": True}},
    "cpu.cfs_quota_us = 50000": {"cpu": {"quota": 50000}},
    "cpuset.cpus = 0,2-3": {"cpu": {"cpus": "0,2-3"}},
    "pids.max = max": {"pids": {"limit": -1}},
    "blkio.throttle.read_bps_device = 8:0 1048576": {
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}]}
    },
    "hugetlb.2MB.limit_in_bytes = 4M": {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]},
    "net_cls.classid = 0x100001": {"network": {"classID": 0x100001}},
    "net_prio.ifpriomap = eth0 5": {"network": {"priorities": [{"name": "eth0", "priority": 5}]}},
    "rdma.max = a/b hca_handle=2": {"rdma": {"a/b": {"hcaHandles": 2}}},
    "rdma.max = mlx4_0 hca_handle=2 hca_object=max": {"rdma": {"mlx4_0": {"hcaHandles": 2}}},
}


@pytest.mark.parametrize("line", V1_LINES)
def test_a_file_of_cgroup_v1_is_a_property(tmp_path, line):
    resources = made.data(tmp_path, f"lxc.cgroup.{line}", host=made.V1)["linux"]["resources"]
    assert resources == {"devices": [EVERYTHING], **V1_LINES[line]}


V2_LINES = {
    "memory.max = 64M": {"memory": {"limit": 64 << 20}},
    "memory.high = 32M": {"unified": {"memory.high": "32M"}},
    "memory.a/b = 1": {"unified": {"memory.a/b": "1"}},
    "cpu.max = 50000 100000": {"cpu": {"quota": 50000, "period": 100000}},
    "cpu.max = max 100000": {"cpu": {"quota": -1, "period": 100000}},
    "cpu.weight = 50": {"unified": {"cpu.weight": "50"}},
    "pids.max = max": {"pids": {"limit": -1}},
}


@pytest.mark.parametrize("line", V2_LINES)
def test_a_file_of_cgroup_v2_is_a_property_where_that_says_the_same(tmp_path, line):
    resources = made.data(tmp_path, f"lxc.cgroup2.{line}")["linux"]["resources"]
    assert resources == {"devices": [EVERYTHING], **V2_LINES[line]}


def test_lines_of_one_file_of_cgroup_v2_are_all_written(tmp_path):
    lines = ["lxc.cgroup2.io.max = 8:0 rbps=1", "lxc.cgroup2.io.max = 8:16 wbps=2"]
    resources = made.data(tmp_path, *lines)["linux"]["resources"]
    assert resources["unified"] == {"io.max": "8:0 rbps=1\n8:16 wbps=2"}


def test_a_file_that_no_property_stands_for_is_lossy(tmp_path):
    key = "lxc.cgroup.memory.move_charge_at_immigrate"
    _, notes = made.load(tmp_path, f"{key} = 1", host=made.V1)
    assert made.fates(notes, key) == {LOSSY}


# ---------------------------------------------------------------- capabilities


def bounding(data):
    capabilities = data["process"]["capabilities"]
    assert capabilities["bounding"] == capabilities["effective"] == capabilities["permitted"]
    assert not {"inheritable", "ambient"} & set(capabilities)
    return capabilities["bounding"]


def test_a_container_has_every_capability_but_those_it_drops(tmp_path):
    assert bounding(made.data(tmp_path)) == made.ALL
    dropped = made.data(tmp_path, "lxc.cap.drop = sys_time mknod", "lxc.cap.drop = 0")
    assert bounding(dropped) == [n for n in made.ALL if n not in ("CAP_SYS_TIME", "CAP_MKNOD", "CAP_CHOWN")]


@pytest.mark.parametrize(
    ("lines", "kept"),
    [(["chown kill"], ["CAP_CHOWN", "CAP_KILL"]), (["none"], []), (["chown", "none kill"], ["CAP_KILL"])],
)
def test_or_only_those_it_keeps(tmp_path, lines, kept):
    assert bounding(made.data(tmp_path, *(f"lxc.cap.keep = {line}" for line in lines))) == kept


def test_capabilities_end_with_what_the_host_can_give(tmp_path):
    """runc 1.1 fails for one that it can't give."""
    spec, notes = made.load(tmp_path, "lxc.cap.drop = sys_time", host=made.FEW)
    assert bounding(spec.data) == made.ALL[:3]
    assert made.fates(notes, "lxc.cap.drop") == {CHANGED}


def test_in_a_user_namespace_the_host_s_capabilities_are_no_limit(tmp_path):
    lines = ["lxc.idmap = u 0 100000 65536", "lxc.idmap = g 0 100000 65536"]
    assert bounding(made.data(tmp_path, *lines, host=made.FEW)) == made.ALL


# ---------------------------------------------------------------- AppArmor

DEFAULT, NESTING = "lxc-container-default-cgns", "lxc-container-default-with-nesting"
GENERATED = ["lxc.apparmor.profile = generated"]


@pytest.mark.parametrize(
    ("lines", "profile", "fate"),
    [
        ([], DEFAULT, set()),
        (["lxc.apparmor.profile = unchanged"], None, set()),
        (["lxc.apparmor.profile = unconfined"], "unconfined", set()),
        (["lxc.apparmor.profile = mine"], "mine", set()),
        # As Debian has it for every container: not to be confined would be less than was asked for.
        (GENERATED, DEFAULT, {LOSSY}),
        ([*GENERATED, "lxc.apparmor.allow_nesting = 1"], NESTING, {LOSSY}),
    ],
)
def test_a_container_is_confined_by_a_profile_of_the_host_s(tmp_path, lines, profile, fate):
    spec, notes = made.load(tmp_path, *lines, host=made.V2.replace(apparmor=True))
    assert spec.data["process"].get("apparmorProfile") == profile
    assert made.fates(notes, "lxc.apparmor.profile") == fate


def test_where_there_is_no_apparmor_its_profiles_are_ignored(tmp_path):
    for lines, fate in ([], set()), (GENERATED, {CHANGED}), (["lxc.apparmor.profile = mine"], {CHANGED}):
        spec, notes = made.load(tmp_path, *lines)
        assert "apparmorProfile" not in spec.data["process"]
        assert made.fates(notes, "lxc.apparmor.profile") == fate


@pytest.mark.kernel
def test_this_host_s_facts_are_those_of_the_kernel():
    with open("/proc/self/status") as file:
        granted = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    host = hosts.this()
    assert host.bounding == granted
    assert {"proc", "tmpfs", "sysfs"} <= set(host.filesystems)


# ---------------------------------------------------------------- namespaces


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["lxc.namespace.clone = mnt pid"], ["mount", "pid"]),
        (["lxc.namespace.keep = net ipc"], ["mount", "pid", "uts", "cgroup"]),
        (["lxc.net.0.type = none"], ["mount", "pid", "uts", "ipc", "cgroup"]),
        (["lxc.net.0.type = empty"], ["mount", "pid", "uts", "ipc", "cgroup", "network"]),
        (["lxc.net.0.type = none", "lxc.net ="], ["mount", "pid", "uts", "ipc", "cgroup", "network"]),
        (["lxc.time.offset.boot = 10m"], ["mount", "pid", "uts", "ipc", "cgroup", "network", "time"]),
        (
            ["lxc.idmap = u 0 1 2", "lxc.idmap = g 0 1 2"],
            ["mount", "pid", "uts", "ipc", "cgroup", "network", "user"],
        ),
    ],
)
def test_namespaces_are(tmp_path, lines, expected):
    assert kinds(made.data(tmp_path, *lines)) == expected


def test_a_namespace_is_joined_by_pid_or_by_file_but_not_by_name(tmp_path):
    (tmp_path / "c3").mkdir()
    spec, notes = made.load(
        tmp_path,
        "lxc.namespace.share.net = 42",
        "lxc.namespace.share.ipc = /run/netns/x",
        "lxc.namespace.share.uts = c3",
        f"lxc.namespace.share.pid = {tmp_path}/c3",
    )
    paths = {entry["type"]: entry.get("path") for entry in spec.data["linux"]["namespaces"]}
    assert paths["network"] == "/proc/42/ns/net"
    assert paths["ipc"] == "/run/netns/x"
    refused = {note.key for note in notes if note.fate == REFUSED}
    assert refused == {"lxc.namespace.share.uts", "lxc.namespace.share.pid"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", {"secs": 7200}),
        ("-5s", {"secs": -5}),
        ("20ms", {"nanosecs": 20 * 10**6}),
        ("-5ms", {"secs": -1, "nanosecs": 995 * 10**6}),
        ("1500000us", {"secs": 1, "nanosecs": 500 * 10**6}),
    ],
)
def test_an_offset_of_a_clock_is_seconds_and_a_part_of_one(tmp_path, text, expected):
    data = made.data(tmp_path, f"lxc.time.offset.monotonic = {text}")
    assert data["linux"]["timeOffsets"] == {"monotonic": expected}


# ---------------------------------------------------------------- the program


def test_a_program_without_a_path_is_found_in_the_root(tmp_path):
    (tmp_path / "root" / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "root" / "usr" / "bin" / "prog").touch()
    assert made.data(tmp_path, "lxc.execute.cmd = prog 1")["process"]["args"] == ["/usr/bin/prog", "1"]
    with_path = made.data(tmp_path, "lxc.execute.cmd = prog 1", "lxc.environment = PATH=/opt")
    assert with_path["process"]["args"] == ["prog", "1"]


def test_an_init_s_command_has_no_quotes_a_program_s_has(tmp_path):
    line = "/bin/sh -c 'a b'"
    assert made.data(tmp_path, f"lxc.init.cmd = {line}")["process"]["args"] == ["/bin/sh", "-c", "'a", "b'"]
    data = made.data(tmp_path, f"lxc.execute.cmd = {line}")
    assert data["process"]["args"] == ["/bin/sh", "-c", "a b"]
    assert data["process"]["terminal"] is False
    assert "annotations" not in data


def test_no_console_is_no_terminal(tmp_path):
    data = made.data(tmp_path, "lxc.console.path = none")
    assert data["process"]["terminal"] is False
    assert mount(data, "/dev/pts") is None


def test_a_variable_without_a_value_is_that_of_the_command(tmp_path):
    host = made.V2.replace(environ={"PATH": "/opt"})
    spec, notes = made.load(tmp_path, "lxc.environment = PATH", host=host)
    assert spec.data["process"]["env"] == ["PATH=/opt", "container=lxc"]
    assert made.fates(notes, "lxc.environment") == {CHANGED}
