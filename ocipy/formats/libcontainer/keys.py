"""The keys of libcontainer's configuration that say what one property of config.json says, read both ways.

A key of a number without "or nothing" cannot tell 0 from nothing: Go leaves out what is zero, or writes it
for what is not there.
"""

from __future__ import annotations

#: key -> pointer.  Strings; "" is nothing.
TEXTS = {
    "rootfs": "/root/path",
    "mount_label": "/linux/mountLabel",
    "process_label": "/process/selinuxLabel",
    "apparmor_profile": "/process/apparmorProfile",
    "hostname": "/hostname",
    "domainname": "/domainname",
}
#: False is nothing.
FLAGS = {
    "readonlyfs": "/root/readonly",
    "no_new_privileges": "/process/noNewPrivileges",
}
#: Numbers or nothing.
OPTIONAL = {
    "oom_score_adj": "/process/oomScoreAdj",
    "umask": "/process/user/umask",
}
#: Lists of strings.
LISTS = {
    "mask_paths": "/linux/maskedPaths",
    "readonly_paths": "/linux/readonlyPaths",
}
#: Values that are written in both alike.
ALIKE = {
    "scheduler": "/process/scheduler",
    "io_priority": "/process/ioPriority",
    "time_offsets": "/linux/timeOffsets",
    "netDevices": "/linux/netDevices",
    "sysctl": "/linux/sysctl",
}

_RESOURCES = "/linux/resources"
#: Of cgroups: numbers of which 0 is nothing.
LIMITS = {
    "memory": f"{_RESOURCES}/memory/limit",
    "memory_reservation": f"{_RESOURCES}/memory/reservation",
    "memory_swap": f"{_RESOURCES}/memory/swap",
    "cpu_shares": f"{_RESOURCES}/cpu/shares",
    "cpu_quota": f"{_RESOURCES}/cpu/quota",
    "cpu_period": f"{_RESOURCES}/cpu/period",
    "cpu_rt_quota": f"{_RESOURCES}/cpu/realtimeRuntime",
    "cpu_rt_period": f"{_RESOURCES}/cpu/realtimePeriod",
    "pids_limit": f"{_RESOURCES}/pids/limit",
    "blkio_weight": f"{_RESOURCES}/blockIO/weight",
    "blkio_leaf_weight": f"{_RESOURCES}/blockIO/leafWeight",
    "net_cls_classid_u": f"{_RESOURCES}/network/classID",
}
#: Numbers or nothing.
OPTIONAL_LIMITS = {
    "memory_swappiness": f"{_RESOURCES}/memory/swappiness",
    "cpu_burst": f"{_RESOURCES}/cpu/burst",
    "cpu_idle": f"{_RESOURCES}/cpu/idle",
}
LIMIT_TEXTS = {"cpuset_cpus": f"{_RESOURCES}/cpu/cpus", "cpuset_mems": f"{_RESOURCES}/cpu/mems"}
LIMIT_FLAGS = {
    "oom_kill_disable": f"{_RESOURCES}/memory/disableOOMKiller",
    "memory_check_before_update": f"{_RESOURCES}/memory/checkBeforeUpdate",
}
THROTTLES = {
    "blkio_throttle_read_bps_device": f"{_RESOURCES}/blockIO/throttleReadBpsDevice",
    "blkio_throttle_write_bps_device": f"{_RESOURCES}/blockIO/throttleWriteBpsDevice",
    "blkio_throttle_read_iops_device": f"{_RESOURCES}/blockIO/throttleReadIOPSDevice",
    "blkio_throttle_write_iops_device": f"{_RESOURCES}/blockIO/throttleWriteIOPSDevice",
}
#: (theirs, ours) of the parts of an Intel RDT group; the lists and flags of it are called alike.
RDT = (("closID", "closID"), ("l3_cache_schema", "l3CacheSchema"), ("memBwSchema", "memBwSchema"))
