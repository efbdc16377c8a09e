"""``linux.resources`` and ``linux.cgroupsPath`` as ``lxc.cgroup.*`` and ``lxc.cgroup2.*``.

Both, so that a host of either kind finds its own; for LXC 7 those of cgroup v2 alone.
"""

from __future__ import annotations

from ocipy.formats.lxc.cgroups import DEFAULT_RULES, DEVICES, MONITOR, PAGE_LIMIT, V1, V2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.formats.lxc.paper import Paper

_AT = "/linux/resources"
_V1, _V2 = "lxc.cgroup.", "lxc.cgroup2."
#: The last LXC that has keys of cgroup v1.
_LAST_V1 = 6
_FILES_V1 = {pointer: file for file, (pointer, _) in V1.items()}
_FILES_V2 = {pointer: file for file, (pointer, _) in V2.items()}
_THROTTLES = {
    "throttleReadBpsDevice": "rbps",
    "throttleWriteBpsDevice": "wbps",
    "throttleReadIOPSDevice": "riops",
    "throttleWriteIOPSDevice": "wiops",
}
_PERIOD = 100000


def dump(paper: Paper) -> None:
    """All of it."""
    _path(paper)
    _devices(paper)
    _plain(paper)
    _calculated(paper)
    _block_io(paper)
    _others(paper)
    for file, value in (paper.take(f"{_AT}/unified") or {}).items():
        for line in value.split("\n"):
            if line:
                paper.put(_V2 + file, line, f"{_AT}/unified")


def _path(paper: Paper) -> None:
    at = "/linux/cgroupsPath"
    path = paper.take(at)
    if not path:
        return
    if path.count(":") == 2:
        paper.lossy(at, "LXC does not ask systemd for cgroups")
        return
    place = path.strip("/")
    paper.put("lxc.cgroup.dir.container", place, at)
    paper.put("lxc.cgroup.dir.monitor", MONITOR + place.rpartition("/")[2], at)
    if not path.startswith("/"):
        paper.put("lxc.cgroup.relative", 1, at)


def _both(paper: Paper, file: str, value: object, pointer: str) -> None:
    """A line for each version of cgroups."""
    if paper.version <= _LAST_V1:
        paper.put(_V1 + file, value, pointer)
    paper.put(_V2 + file, value, pointer)


# ---------------------------------------------------------------- devices


def _devices(paper: Paper) -> None:
    """Rules, with what OCI has before and after them: nothing is allowed, but for what is in every /dev."""
    at = f"{_AT}/devices"
    rules = list(paper.take(at) or ())
    if rules and _is_everything(rules[-1]) and rules[-1]["allow"]:
        return  # what LXC has without any rule
    start = max((i for i, rule in enumerate(rules) if _is_everything(rule)), default=-1)
    denies = start < 0 or not rules[start]["allow"]
    _both(paper, f"devices.{'deny' if denies else 'allow'}", "a", at)
    for i, rule in list(enumerate(rules))[start + 1 :]:
        if rule["allow"] != denies:
            paper.lossy(f"{at}/{i}", "on cgroup v2 LXC ignores a rule that says what its first one says")
        for kind in {"a": "bc", None: "bc", "u": "c", "p": ""}.get(rule.get("type"), rule.get("type") or ""):
            _rule(paper, {**rule, "type": kind}, f"{at}/{i}")
    if denies:
        for rule in DEFAULT_RULES:
            _rule(paper, rule, at)


def _is_everything(rule: dict[str, Any]) -> bool:
    numbers = [rule.get(name) for name in ("major", "minor")]
    access = set(rule.get("access") or "rwm") >= set("rwm")
    return rule.get("type", "a") == "a" and access and all(n is None or n < 0 for n in numbers)


def _rule(paper: Paper, rule: dict[str, Any], pointer: str) -> None:
    major, minor = ("*" if (n := rule.get(name)) is None or n < 0 else n for name in ("major", "minor"))
    file = f"devices.{'allow' if rule['allow'] else 'deny'}"
    _both(paper, file, f"{rule['type']} {major}:{minor} {rule.get('access') or 'rwm'}", pointer)


# ---------------------------------------------------------------- limits


def _plain(paper: Paper) -> None:
    """Properties that are one file's value."""
    for pointer in dict.fromkeys((*_FILES_V1, *_FILES_V2)):
        at = f"{_AT}/{pointer}"
        value = paper.take(at)
        if value is None:
            continue
        value = int(value) if isinstance(value, bool) else value
        if pointer in _FILES_V1 and paper.version <= _LAST_V1:
            shown = "max" if pointer == "pids/limit" and value < 0 else value
            paper.put(_V1 + _FILES_V1[pointer], shown, at)
        if pointer in _FILES_V2:
            paper.put(_V2 + _FILES_V2[pointer], "max" if value == -1 else value, at)
        elif paper.version > _LAST_V1 and pointer not in _CALCULATED:
            paper.lossy(at, "cgroup v2, the only one that LXC 7 knows, has nothing like it")


#: Properties that have to be counted in another way on cgroup v2.
_CALCULATED = ("cpu/shares", "cpu/quota", "cpu/period", "memory/swap", "blockIO/weight")


def _calculated(paper: Paper) -> None:
    cpu, memory = paper.look(f"{_AT}/cpu") or {}, paper.look(f"{_AT}/memory") or {}
    if shares := cpu.get("shares"):
        # Source: crun, cgroup-v2.md; runc has it so, too, up to 1.3.
        paper.put(f"{_V2}cpu.weight", 1 + (max(2, shares) - 2) * 9999 // 262142, f"{_AT}/cpu/shares")
    quota, period = cpu.get("quota"), cpu.get("period")
    if quota or period:
        limit = "max" if not quota or quota < 0 else quota
        paper.put(f"{_V2}cpu.max", f"{limit} {period or _PERIOD}", f"{_AT}/cpu/quota")
    swap, limit = memory.get("swap"), memory.get("limit")
    if swap == -1:
        paper.put(f"{_V2}memory.swap.max", "max", f"{_AT}/memory/swap")
    elif swap and limit and limit > 0:
        paper.put(f"{_V2}memory.swap.max", swap - limit, f"{_AT}/memory/swap")
    if weight := (paper.look(f"{_AT}/blockIO") or {}).get("weight"):
        paper.put(f"{_V2}io.bfq.weight", weight, f"{_AT}/blockIO/weight")


def _block_io(paper: Paper) -> None:
    at = f"{_AT}/blockIO"
    for file, (pointer, name) in DEVICES.items():
        kind = pointer.partition("/")[2]
        for i, one in enumerate(paper.take(f"{at}/{kind}") or ()):
            if name not in one:
                continue
            number = f"{one['major']}:{one['minor']}"
            if paper.version <= _LAST_V1:
                paper.put(_V1 + file, f"{number} {one[name]}", f"{at}/{kind}/{i}")
            if kind in _THROTTLES:
                paper.put(f"{_V2}io.max", f"{number} {_THROTTLES[kind]}={one[name]}", f"{at}/{kind}/{i}")
            elif name == "weight":
                paper.put(f"{_V2}io.bfq.weight", f"{number} {one[name]}", f"{at}/{kind}/{i}")
            elif paper.version > _LAST_V1:
                paper.lossy(f"{at}/{kind}/{i}/{name}", "cgroup v2 has nothing like it")


def _others(paper: Paper) -> None:
    """Huge pages, RDMA and the priorities of networks."""
    for i, one in enumerate(paper.take(f"{_AT}/hugepageLimits") or ()):
        start = f"hugetlb.{one['pageSize']}"
        if paper.version <= _LAST_V1:
            paper.put(f"{_V1}{start}{PAGE_LIMIT}", one["limit"], f"{_AT}/hugepageLimits/{i}")
        paper.put(f"{_V2}{start}.max", one["limit"], f"{_AT}/hugepageLimits/{i}")
    for device, one in (paper.take(f"{_AT}/rdma") or {}).items():
        names = (("hcaHandles", "hca_handle"), ("hcaObjects", "hca_object"))
        said = " ".join(f"{name}={one[key]}" for key, name in names if key in one)
        _both(paper, "rdma.max", f"{device} {said}", f"{_AT}/rdma")
    for i, one in enumerate(paper.take(f"{_AT}/network/priorities") or ()):
        at = f"{_AT}/network/priorities/{i}"
        if paper.version <= _LAST_V1:
            paper.put(f"{_V1}net_prio.ifpriomap", f"{one['name']} {one['priority']}", at)
        else:
            paper.lossy(at, "cgroup v2, the only one that LXC 7 knows, has nothing like it")
