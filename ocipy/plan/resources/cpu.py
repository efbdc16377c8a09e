"""linux.resources.cpu but for cpus and mems: weight, bandwidth, idle, and v1's realtime group scheduling.

Bandwidth is written as period, burst, quota: a cgroup without a quota takes any period and any burst, and
when the quota comes the kernel checks all three (EINVAL).  An update lifts the quota first for that reason;
the processes then have what the cgroup above allows, for some microseconds.  A realtime period has to fit the
runtime in the same way, which can't be lifted, nor be 0 while there are realtime processes: it shrinks first.

Sources: runtime-spec config-linux.md#cpu; kernel Documentation/scheduler/sched-bwc.rst and cgroup-v2.rst.
"""

from __future__ import annotations

from ocipy.plan.resources.out import Out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# microseconds; kernel/sched/core.c, tg_set_cfs_bandwidth
DEFAULT_PERIOD = 100_000
SHORTEST = 1_000
LONGEST_PERIOD = 1_000_000
# kernel/sched/sched.h
LEAST_SHARES, MOST_SHARES = 2, 1 << 18


def v1(cpu: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v1, whose kernel would take any shares, and cut them to what there can be."""
    _check(cpu, out)
    shares = cpu.get("shares") or LEAST_SHARES
    if not LEAST_SHARES <= shares <= MOST_SHARES:
        out.problem("/shares", f"{shares} is not between {LEAST_SHARES} and {MOST_SHARES}", "shares-range")
    if out.update and cpu.get("realtimePeriod") and cpu.get("realtimeRuntime"):
        out.write("cpu", "cpu.rt_runtime_us", 1, "/realtimeRuntime")
    if cpu.get("realtimePeriod"):
        out.write("cpu", "cpu.rt_period_us", cpu["realtimePeriod"], "/realtimePeriod")
    if cpu.get("realtimeRuntime"):
        out.write("cpu", "cpu.rt_runtime_us", cpu["realtimeRuntime"], "/realtimeRuntime")
    _weight(cpu, "cpu.shares", cpu.get("shares"), out)
    if out.update and (cpu.get("quota") or cpu.get("period")):
        out.write("cpu", "cpu.cfs_quota_us", -1, "/quota" if cpu.get("quota") else "/period")
    if cpu.get("period"):
        out.write("cpu", "cpu.cfs_period_us", cpu["period"], "/period")
    if cpu.get("burst") is not None:
        out.write("cpu", "cpu.cfs_burst_us", cpu["burst"], "/burst")
    if cpu.get("quota"):
        out.write("cpu", "cpu.cfs_quota_us", max(cpu["quota"], -1), "/quota")


def v2(cpu: dict[str, Any], out: Out) -> None:
    """The writes for cgroup v2."""
    _check(cpu, out)
    for name in ("realtimePeriod", "realtimeRuntime"):
        if cpu.get(name):
            out.ignored(f"/{name}", "cgroup v2 has no realtime group scheduling")
    _weight(cpu, "cpu.weight", weight(cpu.get("shares") or 0), out)
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    cause = "/quota" if quota else "/period"
    if out.update and (quota or period):
        out.write("cpu", "cpu.max", "max", cause)
    if cpu.get("burst") is not None:
        out.write("cpu", "cpu.max.burst", cpu["burst"], "/burst")
    if quota or period:
        out.write("cpu", "cpu.max", f"{quota if quota > 0 else 'max'} {period or DEFAULT_PERIOD}", cause)


def weight(shares: int) -> int:
    """cgroup v2 ``cpu.weight`` (1 to 10000) for OCI ``cpu.shares`` (2 to 262144); 0 is unset for both.

    A curve through the two ranges' ends and defaults (1024 shares, weight 100), so that a container with
    default shares is as heavy as its neighbours that say nothing:
    10^((l^2 + 125 l) / 612 - 7/34) for l = log2(shares), rounded up.  The older formula was linear and made
    1024 shares a weight of 39.
    Source: github.com/kubernetes/kubernetes/issues/131216, and runc 1.3.2, which took the curve on.

    >>> [weight(shares) for shares in (0, 2, 1024, 262144)]
    [0, 1, 100, 10000]
    """
    if shares == 0:
        return 0
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    import math  # not on every start: only v2 with shares needs a logarithm

    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def _weight(cpu: dict[str, Any], file: str, value: int | None, out: Out) -> None:
    """Weight and idle; an idle cgroup refuses a weight (EINVAL), so it is the last to come, first to go."""
    idle = cpu.get("idle")
    if idle == 0:
        out.write("cpu", "cpu.idle", 0, "/idle")
    if value:
        out.write("cpu", file, value, "/shares")
    if idle:
        out.write("cpu", "cpu.idle", idle, "/idle")


def _check(cpu: dict[str, Any], out: Out) -> None:
    quota, burst, period = cpu.get("quota") or 0, cpu.get("burst") or 0, cpu.get("period") or 0
    if 0 < quota < SHORTEST:
        out.problem("/quota", f"{quota} us are less than {SHORTEST} us, the shortest quota", "quota-range")
    if period and not SHORTEST <= period <= LONGEST_PERIOD:
        message = f"{period} us are not between {SHORTEST} and {LONGEST_PERIOD} us"
        out.problem("/period", message, "period-range")
    if quota > 0 and burst > quota:
        out.problem("/burst", f"{burst} us are more than cpu.quota, {quota} us", "burst-above-quota")
    if cpu.get("idle") not in (None, 0, 1):
        out.problem("/idle", f"{cpu['idle']} is not 0 or 1", "idle-range")
