"""`mounts` as steps: what each option means, and what is refused."""

import pytest

from ocipy.errors import ConfigError
from ocipy.linux import const
from ocipy.plan import mounts, naming, steps
from ocipy.plan.context import Context
from ocipy.spec.names import PROC_FILES
from tests.plan.hosts import HOST_HYBRID, HOST_V1, HOST_V2, NESTED, OPTIONS, ROOTLESS

NEW = ("mount", "pid", "network", "ipc", "uts")
RO, NOSUID, NODEV = const.MOUNT_ATTR_RDONLY, const.MOUNT_ATTR_NOSUID, const.MOUNT_ATTR_NODEV
MAPPING = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def context(namespaces=NEW, facts=HOST_V2, **linux):
    kinds = [{"type": kind} if isinstance(kind, str) else kind for kind in namespaces]
    return Context({"linux": {"namespaces": kinds, **linux}}, OPTIONS, facts)


def planned(mount, **how):
    """(steps for now, steps for later)"""
    return mounts.mount_steps(3, {"destination": "/x", **mount}, context(**how))


def only(mount, **how):
    now, late = planned(mount, **how)
    assert len(now) == 1
    assert late == []
    return now[0]


def bind(*options, source="/src", **how):
    return only({"source": source, "options": ["bind", *options]}, **how)


def filesystem(*options, fstype="tmpfs", **how):
    return only({"type": fstype, "source": fstype, "options": list(options)}, **how)


def refused(mount, **how):
    """(pointer, rule) of what is refused."""
    with pytest.raises(ConfigError) as caught:
        planned(mount, **how)
    (problem,) = caught.value.problems
    return problem.pointer, problem.rule


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("option", naming.ATTRS)
def test_every_flag_has_a_recursive_form_that_acts_on_the_tree(option):
    plain, recursive = mounts.parse_options([option]), mounts.parse_options([f"r{option}"])
    assert (plain.attr_set, plain.attr_clr) == naming.ATTRS[option]
    assert (recursive.recursive_set, recursive.recursive_clr) == naming.ATTRS[option]
    assert (plain.recursive_set, plain.recursive_clr, plain.data) == (0, 0, ())
    assert (recursive.attr_set, recursive.attr_clr, recursive.data) == (0, 0, ())


@pytest.mark.parametrize("option", [*naming.PROPAGATION, *naming.SUPERBLOCK, *naming.ACTIONS])
def test_no_option_that_we_know_is_left_to_the_filesystem(option):
    assert mounts.parse_options([option]).data == ()


@pytest.mark.parametrize(
    ("options", "to_set", "to_clear"),
    [
        (("ro", "rw"), 0, RO),
        (("rw", "ro"), RO, 0),
        (("suid", "nosuid", "ro"), RO | NOSUID, 0),
        (("noatime", "strictatime"), const.MOUNT_ATTR_STRICTATIME, const.MOUNT_ATTR__ATIME & ~0x20),
        (("noatime", "relatime"), 0, const.MOUNT_ATTR__ATIME),
        (("norelatime",), 0, 0),
    ],
)
def test_the_last_of_contradicting_options_counts(options, to_set, to_clear):
    parsed = mounts.parse_options(options)
    assert (parsed.attr_set, parsed.attr_clr & ~parsed.attr_set) == (to_set, to_clear)


def test_access_times_are_one_field_and_not_flags():
    """mount_setattr(2): to set one, the whole field must be cleared."""
    for option in ("relatime", "noatime", "strictatime", "atime", "nostrictatime"):
        _, to_clear = naming.ATTRS[option]
        assert to_clear == const.MOUNT_ATTR__ATIME


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("size=64k", ["size=64k"]),
        ("mode=755,size=64k", ["mode=755", "size=64k"]),
        (
            'context="system_u:object_r:x:s0:c1,c2",size=1m',
            ["context=system_u:object_r:x:s0:c1,c2", "size=1m"],
        ),
        ("lowerdir=/a\\,b,upperdir=/c", ["lowerdir=/a\\,b", "upperdir=/c"]),
        (",", []),
        ("", []),
    ],
)
def test_several_options_of_a_filesystem_may_stand_in_one_entry(text, options):
    assert mounts.split_data(text) == options


# ---------------------------------------------------------------- binds


def test_a_bind_without_flags_keeps_those_of_its_source():
    step = bind()
    assert (step.attr_set, step.attr_clr, step.attr_drop) == (0, 0, 0)


def test_a_bind_with_flags_has_these_and_no_others():
    """As a remount by mount(2) sets them, and every peer does."""
    step = bind("ro", "nodev", "suid")
    assert step.attr_set == RO | NODEV
    assert step.attr_clr == NOSUID
    assert step.attr_drop == const.MOUNT_ATTR_NOEXEC | const.MOUNT_ATTR_NOSYMFOLLOW


def test_recursive_flags_alone_take_nothing_away():
    step = bind("rro")
    assert (step.recursive_set, step.attr_drop) == (RO, 0)


def test_a_relative_source_lies_in_the_bundle():
    assert bind(source="data").source == "/bundles/web/data"


@pytest.mark.parametrize("fstype", ["", "none", "bind", "ext4"])
def test_options_make_a_bind_whatever_the_type(fstype):
    assert isinstance(only({"type": fstype, "source": "/src", "options": ["rbind"]}), steps.Bind)


def test_a_bind_needs_a_source():
    assert refused({"options": ["bind"]}) == ("/mounts/3", "bind-source")


def test_an_option_of_a_filesystem_means_nothing_to_a_bind_and_is_warned_about():
    here = context()
    mounts.mount_steps(3, {"destination": "/x", "source": "/a", "options": ["bind", "size=1m"]}, here)
    assert here.warnings == ["/mounts/3/options: size=1m: of no meaning for a bind mount, ignored"]


def test_propagation_comes_in_the_order_given():
    assert bind("rslave", "shared").propagation == ("rslave", "shared")


def test_remount_of_a_bind_changes_flags_alone():
    step = only({"source": "/src", "options": ["bind", "remount", "ro", "exec"]})
    assert isinstance(step, steps.SetMountAttr)
    assert step.attr_set == RO
    assert step.attr_clr == mounts.DROPPED & ~RO
    assert step.options == ()


def test_remount_changes_options_of_the_filesystem_too():
    step = filesystem("remount", "ro", "size=1m,mode=700", "sync")
    assert (step.attr_set, step.options) == (RO, ("sync", "size=1m", "mode=700"))


# ---------------------------------------------------------------- id mappings


def test_explicit_mappings_need_no_option():
    step = only({"source": "/s", "options": ["bind"], "uidMappings": MAPPING, "gidMappings": MAPPING})
    assert step.ids == (((0, 100000, 65536),), ((0, 100000, 65536),))
    assert not step.ids_recursive


def test_idmap_without_mappings_uses_the_containers():
    step = bind("ridmap", namespaces=(*NEW, "user"))
    assert step.ids == ("container",)
    assert step.ids_recursive


def test_idmap_without_mappings_needs_a_user_namespace():
    mount = {"source": "/s", "options": ["bind", "idmap"]}
    assert refused(mount) == ("/mounts/3/options", "idmap-without-user-namespace")


def test_mappings_come_in_pairs():
    mount = {"source": "/s", "options": ["bind", "idmap"], "uidMappings": MAPPING}
    assert refused(mount, namespaces=(*NEW, "user")) == ("/mounts/3", "idmap-one-sided")


def test_nobody_maps_ids_of_what_is_not_theirs():
    mount = {"source": "/s", "options": ["bind", "idmap"]}
    assert refused(mount, namespaces=(*NEW, "user"), facts=ROOTLESS) == ("/mounts/3", "idmap-rootless")


# ---------------------------------------------------------------- /proc and /sys


@pytest.mark.parametrize("name", sorted(PROC_FILES))
def test_a_few_files_of_proc_may_be_covered(name):
    assert only({"destination": name, "source": "/f", "options": ["bind"]}).target == name


@pytest.mark.parametrize(
    ("destination", "fstype", "options"),
    [
        ("/proc", "tmpfs", ()),
        ("//proc/.", "tmpfs", ()),
        ("/proc/sys", "none", ("bind",)),
        ("/proc/sys", "proc", ()),
        ("/proc/cpuinfo", "tmpfs", ()),
        ("/proc/1/attr/exec", "none", ("rbind",)),
        ("/proc/net/dev", "none", ("bind",)),
    ],
)
def test_nothing_else_is_mounted_on_proc_or_below(destination, fstype, options):
    """CVE-2019-16884: what tells one process from another could be hidden."""
    mount = {"destination": destination, "type": fstype, "source": "/s", "options": list(options)}
    assert refused(mount) == ("/mounts/3/destination", "proc-target")


def test_what_is_bound_at_proc_must_be_one():
    assert only({"destination": "/proc", "source": "/proc", "options": ["rbind"]}).procfs
    assert not bind().procfs


@pytest.mark.parametrize("fstype", ["proc", "sysfs"])
def test_proc_and_sysfs_want_a_plain_directory(fstype):
    """CVE-2019-19921."""
    assert only({"destination": f"/{fstype}"[:4], "type": fstype}).plain == (fstype in ("proc", "sysfs"))


def test_sysfs_belongs_to_the_network_namespace():
    """Only a user namespace that owns it may mount one: without, it is the host's, read-only all over."""
    own = filesystem("ro", fstype="sysfs", namespaces=(*NEW, "user"))
    assert isinstance(own, steps.MountFs)
    assert own.fallback == ""
    joined = [kind for kind in NEW if kind != "network"] + [{"type": "network", "path": "/n"}, "user"]
    assert filesystem("ro", fstype="sysfs", namespaces=joined).fallback == "/sys"
    hosts = filesystem("ro", fstype="sysfs", namespaces=("mount", "user"))
    assert (hosts.source, hosts.recursive, hosts.recursive_set) == ("/sys", True, RO)


def test_a_readonly_sys_of_the_host_is_readonly_as_a_whole():
    """Cgroups below it may belong to the container's user (CVE-2023-25809)."""
    assert bind("rbind", "ro", source="/sys", facts=ROOTLESS).recursive_set == RO
    assert bind("rbind", "ro", source="/sys").recursive_set == 0
    assert bind("rbind", source="/sys", facts=ROOTLESS).recursive_set == 0


# ---------------------------------------------------------------- filesystems


def test_a_readonly_tmpfs_becomes_so_when_all_is_in_it():
    now, late = planned({"type": "tmpfs", "options": ["ro", "nosuid"]})
    assert now[0].attr_set == NOSUID
    assert late == [steps.SetMountAttr("/x", pointer="/mounts/3", attr_set=RO)]


def test_so_does_whatever_is_mounted_at_dev():
    now, late = planned({"destination": "/dev/", "type": "devtmpfs", "options": ["ro"]})
    assert (now[0].attr_set, late[0].target) == (0, "/dev")


def test_other_filesystems_are_made_readonly_as_mount_would():
    step = filesystem("ro", fstype="ext4")
    assert (step.attr_set, step.options) == (RO, ("ro",))


@pytest.mark.parametrize(
    ("options", "inherits"),
    [((), True), (("size=1m",), True), (("mode=700",), False), (("size=1m,mode=7",), False)],
)
def test_a_tmpfs_without_a_mode_takes_that_of_what_it_covers(options, inherits):
    assert filesystem(*options).inherit_mode == inherits


def test_recursive_flags_on_a_new_mount_are_like_the_others():
    step = filesystem("rnosuid", "nodev", "rdev", fstype="proc")
    assert step.attr_set == NOSUID


def test_copying_up_is_for_a_tmpfs():
    assert filesystem("tmpcopyup").copyup
    assert not filesystem("tmpcopyup", fstype="ramfs").copyup


def test_a_label_goes_where_selinux_wants_it():
    how = {"mountLabel": "a:b:c:s0:c1,c2"}
    assert "context=a:b:c:s0:c1,c2" in filesystem(**how).options
    assert filesystem(fstype="mqueue", **how).options == ()
    assert filesystem(fstype="mqueue", **how).label == "a:b:c:s0:c1,c2"
    assert filesystem(fstype="proc", **how).options == ()


def test_a_label_needs_selinux():
    facts = HOST_V2.replace(selinux=False)
    assert refused({"type": "tmpfs"}, facts=facts, mountLabel="a:b:c:s0") == (
        "/linux/mountLabel",
        "no-selinux",
    )


def test_a_long_lowerdir_is_given_layer_by_layer():
    layers = [f"/layers/{'x' * 40}/{i}" for i in range(20)]
    step = filesystem(f"lowerdir={':'.join(layers)}", "upperdir=/u", "workdir=/w", fstype="overlay")
    assert step.options == (*(f"lowerdir+={layer}" for layer in layers), "upperdir=/u", "workdir=/w")


def test_a_long_lowerdir_keeps_its_data_layers_and_odd_names():
    value = f"/{'a' * 250}:/b\\:c::/data\\\\x::/data2"
    step = filesystem(f"lowerdir={value}", fstype="overlay")
    assert step.options == (
        f"lowerdir+=/{'a' * 250}",
        "lowerdir+=/b:c",
        "datadir+=/data\\x",
        "datadir+=/data2",
    )


def test_a_short_lowerdir_is_given_as_it_is():
    assert filesystem("lowerdir=/a:/b", fstype="overlay").options == ("lowerdir=/a:/b",)


def test_what_fsconfig_would_not_take_is_refused_beforehand():
    mount = {"type": "tmpfs", "options": ["huge=" + "x" * 256]}
    assert refused(mount) == ("/mounts/3/options", "option-length")


# ---------------------------------------------------------------- cgroups


def cgroup(*options, namespaces=NEW, facts=HOST_V1):
    mount = {"type": "cgroup", "source": "cgroup", "options": list(options)}
    return planned(mount, namespaces=namespaces, facts=facts)


def test_cgroups_of_v1_come_one_by_one_and_together_where_they_are_mounted_together():
    now, late = cgroup("ro", "nosuid")
    assert isinstance(now[0], steps.MountFs)
    assert (now[0].fstype, now[0].attr_set) == ("tmpfs", NOSUID)
    places = {step.target: step.controller for step in now if isinstance(step, steps.BindCgroup)}
    assert places["/x/cpu,cpuacct"] == "cpu"
    assert places["/x/systemd"] == "name=systemd"
    links = {step.path: step.to for step in now if isinstance(step, steps.MakeSymlink)}
    assert links["/x/cpu"] == links["/x/cpuacct"] == "cpu,cpuacct"
    assert "/x/memory" not in links
    assert late == [steps.SetMountAttr("/x", pointer="/mounts/3", attr_set=RO)]


def test_cgroups_of_v1_in_a_cgroup_namespace_are_mounted():
    now, _ = cgroup(namespaces=(*NEW, "cgroup"))
    options = {step.target: step.options for step in now if isinstance(step, steps.MountFs)}
    assert options["/x/cpu,cpuacct"] == ("cpu", "cpuacct")
    assert options["/x/systemd"] == ("name=systemd",)


def test_a_hybrid_host_shows_what_it_would_show_on_v1():
    assert cgroup(facts=HOST_HYBRID) == cgroup(facts=HOST_V1)


def test_cgroup_v2_is_mounted_by_who_has_power_over_its_namespace():
    for namespaces, facts in (
        (NEW, HOST_V2),
        ((*NEW, "cgroup"), HOST_V2),
        ((*NEW, "user", "cgroup"), ROOTLESS),
    ):
        ((step,), late) = cgroup("ro", namespaces=namespaces, facts=facts)
        assert (step.fstype, step.attr_set, late) == ("cgroup2", RO, [])


@pytest.mark.parametrize(
    ("namespaces", "facts"),
    [((*NEW, "user"), HOST_V2), ((*NEW, "user"), ROOTLESS), (NEW, NESTED), ((*NEW, "user"), HOST_V1)],
)
def test_without_power_and_namespace_cgroups_are_bound_readonly(namespaces, facts):
    """CVE-2023-25809."""
    now, _ = cgroup("rw", namespaces=namespaces, facts=facts)
    bound = [step for step in now if isinstance(step, steps.BindCgroup)]
    assert bound
    assert all(step.attr_set == RO for step in bound)


def test_who_has_no_cgroup_is_shown_the_runtimes():
    ((step,), _) = cgroup(namespaces=(*NEW, "user"), facts=HOST_V2)
    assert step.own == "/sys/fs/cgroup/user.slice/session-1.scope"


def test_a_host_without_cgroups_has_none_to_show():
    assert cgroup(facts=HOST_V2.replace(cgroup=type(HOST_V2.cgroup)())) == ([], [])
