"""Generated Specs: valid ones, of every kernel feature that ocipy has, for round trips through other formats.

No object and no list in them is empty, but where that says something, and no property has the value that it
has when it is missing: what a format reads back can be compared as it is.  `documents` is a whole
config.json; the parts are there for formats that can say less, and `words` for those that have lines.
"""

from hypothesis import strategies as st

from ocipy.spec.check_linux import IPC_SYSCTLS
from ocipy.spec.names import CAPABILITIES, RLIMITS
from tests.formats.strategies_basic import ids, names, objects, paths, some, texts, variables, words
from tests.formats.strategies_resources import devices, resources, seccomp

__all__ = ["documents", "words"]

# ---------------------------------------------------------------- process


@st.composite
def capabilities(draw):
    """The five sets; effective and inheritable are of what is permitted, ambient of both."""
    chosen = st.lists(st.sampled_from(CAPABILITIES), unique=True, max_size=5)
    permitted = draw(chosen)
    part = st.lists(st.sampled_from(permitted), unique=True) if permitted else st.just([])
    inheritable = draw(part)
    ambient = st.lists(st.sampled_from(inheritable), unique=True) if inheritable else st.just([])
    return {
        "bounding": draw(chosen),
        "effective": draw(part),
        "permitted": permitted,
        "inheritable": inheritable,
        "ambient": draw(ambient),
    }


@st.composite
def rlimits(draw):
    kinds = draw(some(st.sampled_from(RLIMITS), unique=True))
    value = st.integers(0, 2**64 - 1)
    pairs = [sorted((draw(value), draw(value))) for _ in kinds]
    return [
        {"type": kind, "soft": soft, "hard": hard} for kind, (soft, hard) in zip(kinds, pairs, strict=True)
    ]


def users():
    return objects(
        {"uid": ids, "gid": ids},
        umask=st.integers(0, 0o777),
        additionalGids=some(ids, unique=True),
    )


def schedulers():
    return st.one_of(
        objects({"policy": st.just("SCHED_BATCH")}, nice=st.integers(1, 19)),
        objects(
            {"policy": st.sampled_from(("SCHED_FIFO", "SCHED_RR")), "priority": st.integers(1, 99)},
            flags=st.just(["SCHED_FLAG_RESET_ON_FORK"]),
        ),
        st.just({"policy": "SCHED_DEADLINE", "runtime": 1000, "deadline": 2000, "period": 3000}),
    )


def processes(word=texts):
    """process of config.json."""
    return objects(
        {
            "cwd": paths(word) | st.just("/"),
            "args": some(word),
            "user": users(),
            "env": variables(word),
            "capabilities": capabilities(),
        },
        terminal=st.just(True),
        rlimits=rlimits(),
        noNewPrivileges=st.just(True),
        oomScoreAdj=st.integers(-1000, 1000),
        apparmorProfile=names,
        selinuxLabel=st.just("system_u:system_r:container_t:s0:c1,c2"),
        ioPriority=st.integers(0, 7).map(lambda n: {"class": "IOPRIO_CLASS_BE", "priority": n}),
        scheduler=schedulers(),
        execCPUAffinity=objects(initial=st.just("0-1"), final=st.just("1,3")),
    )


# ---------------------------------------------------------------- linux


@st.composite
def namespaces(draw):
    """Some of all, each new or joined; mount among them, without which little can be asked for."""
    kinds = [
        "mount",
        *draw(st.lists(st.sampled_from(("pid", "network", "ipc", "uts", "cgroup")), unique=True)),
    ]
    found = []
    for kind in kinds:
        joined = kind != "mount" and draw(st.booleans())
        found.append({"type": kind, "path": draw(paths(names))} if joined else {"type": kind})
    return draw(st.permutations(found))


@st.composite
def mappings(draw):
    """uidMappings or gidMappings: 0 up to 2^31 are mapped, in one range or two."""
    middle, host = draw(st.integers(1, 2**31 - 1)), draw(st.integers(0, 2**30))
    ranges = [{"containerID": 0, "hostID": host, "size": middle}]
    if draw(st.booleans()):
        ranges.append({"containerID": middle, "hostID": host + middle, "size": 2**31 - middle})
    else:
        ranges[0]["size"] = 2**31
    return ranges


def sysctls(kinds):
    """Of the namespaces that there are."""
    known = {
        "network": ["net.ipv4.ip_forward", "net.core.somaxconn", "net/ipv4/conf/eth0.1/rp_filter"],
        "ipc": list(IPC_SYSCTLS),
    }
    keys = [key for kind in sorted(kinds) for key in known.get(kind, ())]
    return st.dictionaries(
        st.sampled_from(keys), st.sampled_from(("0", "1", "65536 1")), min_size=1, max_size=3
    )


def time_offsets():
    offset = objects(secs=st.integers(1, 2**31), nanosecs=st.integers(1, 10**9 - 1))
    return objects(monotonic=offset, boottime=offset)


@st.composite
def mounts(draw, word=texts, ids_of_its_own=True):
    """One mount: a filesystem, or a bind."""
    # Not below /proc or /dev, where runtimes have rules of their own.
    place = {"destination": "/srv" + draw(paths(word))}
    flags = draw(
        st.lists(
            st.sampled_from(("ro", "nosuid", "nodev", "noexec", "noatime", "rprivate", "rslave")), unique=True
        ).filter(lambda options: not {"rprivate", "rslave"} <= set(options))
    )
    kind = draw(st.sampled_from(("bind", "tmpfs", "bind", "ext4")))
    if kind == "bind":
        place |= {"type": "bind", "source": draw(paths(word))}
        flags.insert(0, draw(st.sampled_from(("bind", "rbind"))))
        if ids_of_its_own and draw(st.booleans()):
            place |= {"uidMappings": draw(mappings()), "gidMappings": draw(mappings())}
            flags.append("idmap")
    else:
        place |= {"type": kind, "source": draw(word)}
        if kind == "tmpfs":
            flags += draw(st.lists(st.sampled_from(("size=1024k", "mode=755", "tmpcopyup")), unique=True))
    return place | ({"options": flags} if flags else {})


def hooks(word=texts):
    one = objects(
        {"path": paths(word)},
        args=some(word),
        env=variables(word).filter(bool),
        timeout=st.integers(1, 3600),
    )
    kinds = "prestart createRuntime createContainer startContainer poststart poststop".split()
    return objects(**{kind: some(one, most=2) for kind in kinds})


def intel_rdt():
    return objects(
        closID=names,
        schemata=st.just(["L3:0=f;1=f0"]),
        l3CacheSchema=st.just("L3:0=ff"),
        memBwSchema=st.just("MB:0=20"),
        enableMonitoring=st.just(True),
    )


@st.composite
def linux(draw, word=texts):
    """linux of config.json."""
    found = {"namespaces": draw(namespaces())}
    kinds = {entry["type"] for entry in found["namespaces"]}
    if draw(st.booleans()):
        found["namespaces"].append({"type": "user"})
        found |= {"uidMappings": draw(mappings()), "gidMappings": draw(mappings())}
    if draw(st.booleans()):
        found["namespaces"].append({"type": "time"})
        found["timeOffsets"] = draw(time_offsets())
    parts = {
        "devices": devices(),
        "resources": resources(),
        "seccomp": seccomp(),
        "cgroupsPath": paths(names),
        "maskedPaths": some(paths(word), unique=True),
        "readonlyPaths": some(paths(word), unique=True),
        "rootfsPropagation": st.sampled_from(("rslave", "shared", "rprivate", "unbindable")),
        "mountLabel": st.just("system_u:object_r:container_file_t:s0"),
        "personality": st.sampled_from(("LINUX", "LINUX32")).map(lambda domain: {"domain": domain}),
        "memoryPolicy": st.just({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
        "intelRdt": intel_rdt(),
    }
    if kinds & {"network", "ipc"}:
        parts["sysctl"] = sysctls(kinds)
    if "network" in kinds:
        device = st.just({}) | names.map(lambda name: {"name": f"in{name}"})
        parts["netDevices"] = st.dictionaries(names, device, min_size=1, max_size=1)
    for name, part in parts.items():
        if draw(st.booleans()):
            found[name] = draw(part)
    return found


# ---------------------------------------------------------------- the whole


@st.composite
def documents(draw, word=texts):
    """A config.json that nothing is wrong with.

    word: the strategy of all text that may be any
    """
    data = {
        "ociVersion": draw(st.sampled_from(("1.0.2", "1.2.0", "1.3.0"))),
        "root": {"path": draw(paths(word))} | ({"readonly": True} if draw(st.booleans()) else {}),
        "process": draw(processes(word)),
        "linux": draw(linux(word)),
    }
    new_ids = "uidMappings" in data["linux"]
    if new_ids:
        user = data["process"]["user"]
        user |= {"uid": user["uid"] % 2**31, "gid": user["gid"] % 2**31}
        if "additionalGids" in user:
            user["additionalGids"] = sorted({gid % 2**31 for gid in user["additionalGids"]})
    found = draw(st.lists(mounts(word), max_size=3))
    if found:
        data["mounts"] = found
    if "uts" in (entry["type"] for entry in data["linux"]["namespaces"]):
        for key in draw(st.lists(st.sampled_from(("hostname", "domainname")), unique=True)):
            data[key] = draw(names)
    if draw(st.booleans()):
        data["hooks"] = draw(hooks(word))
    if draw(st.booleans()):
        data["annotations"] = draw(
            st.dictionaries(names.map("org.".__add__), word | st.just(""), min_size=1, max_size=3)
        )
    return data
