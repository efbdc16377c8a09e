"""Generated Specs: valid ones, of every kernel feature that ocipy has, for round trips through other formats.

No object and no list in them is empty, but where that says something, and no property has the value that it
has when it is missing: what a format reads back can be compared as it is.  `documents` is a whole
config.json; the parts are there for formats that can say less.
"""

from hypothesis import strategies as st

from ocipy.spec.check_linux import IPC_SYSCTLS
from ocipy.spec.names import CAPABILITIES, RLIMITS

#: What makes quoting hard: blanks, quotes, comments, escapes, separators of other formats.
_HARD = "aB1 '\"#=:,;\\$%{}[]|\t\u00e9\u20ac\U0001f433"
words = st.text(_HARD, min_size=1, max_size=8)
#: As `words`, and with line ends: for formats that have no lines.
texts = st.text(f"{_HARD}\n", min_size=1, max_size=8)
names = st.from_regex(r"[a-z][a-z0-9]{0,7}", fullmatch=True)
u16, u32, u63 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 63))
ids = st.integers(0, 2**32 - 2)


def paths(word=words):
    """Absolute ones, without "." and ".."."""
    step = word.map(lambda text: text.replace("/", "_")).filter(lambda text: text not in (".", ".."))
    return st.lists(step, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps))


def some(strategy, **how):
    """A list that is not empty."""
    return st.lists(strategy, min_size=1, max_size=how.pop("most", 3), **how)


def objects(required=None, **optional):
    """An object of these properties that is not empty."""
    return st.fixed_dictionaries(required or {}, optional=optional).filter(bool)


def variables(word=words):
    """NAME=value, each name once."""
    name = st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True)
    pair = st.tuples(name, word | st.just("")).map("=".join)
    return st.lists(pair, max_size=3, unique_by=lambda entry: entry.partition("=")[0])


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
    return st.fixed_dictionaries(
        {"uid": ids, "gid": ids},
        optional={"umask": st.integers(0, 0o777), "additionalGids": some(ids, unique=True)},
    )


def schedulers():
    return st.one_of(
        objects({"policy": st.just("SCHED_BATCH")}, nice=st.integers(1, 19)),
        st.fixed_dictionaries(
            {"policy": st.sampled_from(("SCHED_FIFO", "SCHED_RR")), "priority": st.integers(1, 99)},
            optional={"flags": st.just(["SCHED_FLAG_RESET_ON_FORK"])},
        ),
        st.just({"policy": "SCHED_DEADLINE", "runtime": 1000, "deadline": 2000, "period": 3000}),
    )


def processes(word=texts):
    """process of config.json."""
    return st.fixed_dictionaries(
        {
            "cwd": paths(word) | st.just("/"),
            "args": some(word),
            "user": users(),
            "env": variables(word),
            "capabilities": capabilities(),
        },
        optional={
            "terminal": st.just(True),
            "rlimits": rlimits(),
            "noNewPrivileges": st.just(True),
            "oomScoreAdj": st.integers(-1000, 1000),
            "apparmorProfile": names,
            "selinuxLabel": st.just("system_u:system_r:container_t:s0:c1,c2"),
            "ioPriority": st.integers(0, 7).map(lambda n: {"class": "IOPRIO_CLASS_BE", "priority": n}),
            "scheduler": schedulers(),
            "execCPUAffinity": objects(initial=st.just("0-1"), final=st.just("1,3")),
        },
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


def devices():
    """linux.devices: nodes to make."""
    numbered = st.fixed_dictionaries(
        {
            "type": st.sampled_from("cb"),
            "path": paths(names).map("/dev".__add__),
            "major": st.integers(1, 0xFFF),
            "minor": st.integers(0, 0xFFFFF),
        },
        optional={"fileMode": st.integers(1, 0o777), "uid": ids, "gid": ids},
    )
    fifo = st.fixed_dictionaries({"type": st.just("p"), "path": st.just("/dev/a-fifo")})
    return some(numbered | fifo, unique_by=lambda device: device["path"])


def device_rules():
    """linux.resources.devices."""
    number = st.integers(0, 0xFFF)
    access = st.sampled_from(("r", "w", "m", "rw", "rwm"))
    one = st.fixed_dictionaries(
        {"allow": st.booleans(), "type": st.sampled_from("cb"), "access": access},
        optional={"major": number, "minor": number},
    )
    every = st.fixed_dictionaries({"allow": st.booleans(), "access": st.just("rwm")})
    return some(one | every, most=4)


def memory():
    """A limit, and what goes with it."""
    return objects(
        {"limit": st.integers(2**20, 2**40)},
        reservation=st.integers(2**20, 2**40),
        swap=st.integers(2**40, 2**41) | st.just(-1),
        swappiness=st.integers(0, 100),
        disableOOMKiller=st.just(True),
        checkBeforeUpdate=st.just(True),
    )


def cpu():
    return objects(
        shares=st.integers(2, 262144),
        quota=st.integers(1000, 10**9),
        period=st.integers(1000, 10**6),
        burst=st.integers(1, 10**6),
        realtimeRuntime=st.integers(1, 10**6),
        realtimePeriod=st.integers(1, 10**6),
        cpus=st.sampled_from(("0", "0-1", "0,2-3")),
        mems=st.just("0"),
        idle=st.just(1),
    )


def block_io():
    number = {"major": st.integers(1, 259), "minor": st.integers(0, 255)}
    throttle = some(st.fixed_dictionaries({**number, "rate": st.integers(1, 2**62)}))
    weight = st.integers(10, 1000)
    return objects(
        weight=weight,
        leafWeight=weight,
        weightDevice=some(
            st.fixed_dictionaries({**number, "weight": weight}, optional={"leafWeight": weight})
        ),
        throttleReadBpsDevice=throttle,
        throttleWriteBpsDevice=throttle,
        throttleReadIOPSDevice=throttle,
        throttleWriteIOPSDevice=throttle,
    )


def resources():
    """linux.resources of all controllers."""
    network = objects(
        classID=st.integers(1, 2**32 - 1),
        priorities=some(
            st.fixed_dictionaries({"name": names, "priority": u32}), unique_by=lambda entry: entry["name"]
        ),
    )
    rdma = objects(hcaHandles=st.integers(1, 2**31), hcaObjects=st.integers(1, 2**31))
    page = st.fixed_dictionaries({"pageSize": st.sampled_from(("2MB", "1GB", "64KB")), "limit": u63})
    return objects(
        devices=device_rules(),
        memory=memory(),
        cpu=cpu(),
        pids=st.fixed_dictionaries({"limit": st.integers(1, 2**22) | st.just(-1)}),
        blockIO=block_io(),
        hugepageLimits=some(page, unique_by=lambda entry: entry["pageSize"]),
        network=network,
        rdma=st.dictionaries(names, rdma, min_size=1, max_size=2),
        unified=st.dictionaries(
            st.sampled_from(("memory.low", "cpu.uclamp.max", "io.latency")), words, min_size=1
        ),
    )


@st.composite
def seccomp(draw):
    """A profile whose actions carry the values that they can."""

    def action(choice):
        found = {"action": draw(st.sampled_from(choice))}
        if found["action"] in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE") and draw(st.booleans()):
            found["errnoRet"] = draw(st.integers(0, 4095))
        return found

    plain = ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_TRACE"]
    default = action([*plain, "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS"])
    profile = {"defaultAction": default["action"]}
    if "errnoRet" in default:
        profile["defaultErrnoRet"] = default["errnoRet"]
    if draw(st.booleans()):
        profile["architectures"] = draw(
            some(st.sampled_from(("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")), unique=True)
        )
    if draw(st.booleans()):
        profile["flags"] = ["SECCOMP_FILTER_FLAG_LOG"]
    argument = st.fixed_dictionaries(
        {
            "index": st.integers(0, 5),
            "value": st.integers(0, 2**64 - 1),
            "op": st.sampled_from(("SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_GT", "SCMP_CMP_LE")),
        }
    ) | st.fixed_dictionaries(
        {
            "index": st.integers(0, 5),
            "value": st.integers(0, 2**64 - 1),
            "valueTwo": st.integers(1, 2**64 - 1),
            "op": st.just("SCMP_CMP_MASKED_EQ"),
        }
    )
    calls = st.sampled_from("read write openat socket personality clone unshare".split())
    rules = []
    for _ in range(draw(st.integers(0, 3))):
        rule = {"names": draw(some(calls, unique=True)), **action(plain)}
        if draw(st.booleans()):
            rule["args"] = draw(some(argument))
        rules.append(rule)
    if rules:
        profile["syscalls"] = rules
    return profile


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
    kind = draw(st.sampled_from(("proc", "tmpfs", "bind", "ext4")))
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
    one = st.fixed_dictionaries(
        {"path": paths(word)},
        optional={"args": some(word), "env": variables(word).filter(bool), "timeout": st.integers(1, 3600)},
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
