"""How to take a write to a cgroup file back, by what the file said before it.

Most files hold one value and take what they show.  Some have a line for each device, and take one line; for a
device that had none there is a value that removes it again.
"""

from __future__ import annotations

# What follows the first word of a line to make it as if it had never been written.
NOTHING = {
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "io.latency": "target=0",
    "io.weight": "default",
    "io.bfq.weight": "default",
    "rdma.max": "hca_handle=max hca_object=max",
    "misc.max": "max",
    "blkio.bfq.weight_device": "default",
    "blkio.throttle.read_bps_device": "0",
    "blkio.throttle.write_bps_device": "0",
    "blkio.throttle.read_iops_device": "0",
    "blkio.throttle.write_iops_device": "0",
    "net_prio.ifpriomap": "0",
}


def undo(file: str, value: str, text: str) -> str | None:
    """What to write to a file that said `text`, after `value` was written; None if there is no telling.

    >>> undo("io.max", "8:0 rbps=5", "8:0 rbps=9 wbps=max riops=max wiops=max\\n")
    '8:0 rbps=9 wbps=max riops=max wiops=max'
    >>> undo("io.weight", "50", "default 100\\n8:0 200\\n"), undo("io.weight", "8:16 50", "default 100\\n")
    ('default 100', '8:16 default')
    >>> undo("memory.oom_control", "1", "oom_kill_disable 0\\nunder_oom 0\\noom_kill 2\\n")
    '0'
    >>> undo("cgroup.subtree_control", "+cpu -io", "memory io\\n")
    '-cpu +io'
    """
    lines = text.rstrip("\n").split("\n")
    if file in NOTHING:
        first = value.partition(" ")[0] if " " in value else "default"
        known = (line for line in lines if line.partition(" ")[0] == first)
        return next(known, f"{first} {NOTHING[file]}")
    if file == "memory.oom_control":
        return lines[0].rpartition(" ")[2]
    if file == "cgroup.subtree_control":
        had = text.split()
        changed = [word for word in value.split() if (word[1:] in had) != (word[0] == "+")]
        return " ".join(("-" if word[0] == "+" else "+") + word[1:] for word in changed)
    # An empty list (cpuset.cpus) is written as an empty line: a write of nothing does not reach the kernel.
    return (lines[0] or "\n") if len(lines) == 1 else None
