"""Generated limits, device rules and seccomp profiles; see strategies.py."""

from hypothesis import strategies as st

from tests.formats.strategies_basic import ids, names, objects, paths, some, u32, u63, words


def devices():
    """linux.devices: nodes to make."""
    numbered = st.fixed_dictionaries(
        {
            "type": st.sampled_from("cb"),
            "path": paths(names).map("/dev".__add__),
            "major": st.integers(1, 0xFFF),
            "minor": st.integers(0, 0xFFFFF),
        },
        # What is root's, and readable and writable by all, is so without a word.
        optional={
            "fileMode": st.integers(1, 0o777).filter(lambda mode: mode != 0o666),
            "uid": ids.filter(bool),
            "gid": ids.filter(bool),
        },
    )
    fifo = st.fixed_dictionaries({"type": st.just("p"), "path": st.just("/dev/a-fifo")})
    return some(numbered | fifo, unique_by=lambda device: device["path"])


def device_rules():
    """linux.resources.devices."""
    number = st.integers(0, 0xFFF)
    access = st.sampled_from(("r", "w", "m", "rw", "rwm"))
    one = objects(
        {"allow": st.booleans(), "type": st.sampled_from("cb"), "access": access},
        major=number,
        minor=number,
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
        weightDevice=some(objects({**number, "weight": weight}, leafWeight=weight)),
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
    if default["action"] not in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        rules.append({"names": ["execve"], "action": "SCMP_ACT_ALLOW"})
    for _ in range(draw(st.integers(0, 3))):
        rule = {"names": draw(some(calls, unique=True)), **action(plain)}
        if draw(st.booleans()):
            rule["args"] = draw(some(argument))
        rules.append(rule)
    if rules:
        profile["syscalls"] = rules
    return profile
