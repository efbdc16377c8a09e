"""What a container uses, from files as the kernel writes them; no kernel needed."""

import pytest

from ocipy.cgroups import from_paths
from ocipy.cgroups.stats import collect

NOTHING = 2**64 - 1
FLAGS = {
    "cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0, "memory_spread_page": 0,
    "memory_spread_slab": 0, "memory_pressure": 0, "sched_load_balance": 0, "sched_relax_domain_level": 0,
}  # fmt: skip
PSI = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"
PSI_READ = {
    "some": {"avg10": 1.5, "avg60": 0.25, "avg300": 0.0, "total": 77},
    "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 5},
}

V2 = {
    "cgroup.procs": "10\n11\n",
    "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\n"
    "nr_periods 9\nnr_throttled 4\nthrottled_usec 7\n",
    "cpu.pressure": PSI,
    "cpuset.cpus.effective": "0-1,4\n",
    "cpuset.mems.effective": "0\n",
    "memory.stat": "anon 100\nfile 200\nkernel 30\nsock 4\n",
    "memory.current": "334\n",
    "memory.peak": "400\n",
    "memory.max": "1000\n",
    "memory.swap.current": "6\n",
    "memory.swap.max": "500\n",
    "memory.events": "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n",
    "pids.current": "2\n",
    "pids.max": "16\n",
    "io.stat": "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n8:16 \n",
    "hugetlb.2MB.current": "0\n",
    "hugetlb.2MB.rsvd.current": "2097152\n",
    "hugetlb.2MB.events": "max 3\n",
}  # fmt: skip

V1 = {
    "cpu": {"cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 7000\n"},
    "cpuacct": {
        "cpuacct.usage": "5000000\n",
        "cpuacct.usage_percpu": "2000000 3000000 \n",
        "cpuacct.usage_all": "cpu user system\n0 1 2\n1 3 4\n",
        "cpuacct.stat": "user 3\nsystem 2\n",
    },
    "cpuset": {"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n", "cpuset.sched_relax_domain_level": "-1\n"},
    "memory": {
        "memory.stat": "cache 200\nrss 100\n",
        "memory.usage_in_bytes": "300\n",
        "memory.max_usage_in_bytes": "400\n",
        "memory.limit_in_bytes": "1000\n",
        "memory.failcnt": "2\n",
        "memory.kmem.usage_in_bytes": "50\n",
    },
    "pids": {"pids.current": "2\n", "pids.max": "max\n"},
    "blkio": {
        "blkio.bfq.io_serviced_recursive": "Total 0\n",
        "blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Write 0\nTotal 1\n",
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\nTotal 4096\n",
    },
    "hugetlb": {
        "hugetlb.2MB.usage_in_bytes": "0\n",
        "hugetlb.2MB.max_usage_in_bytes": "2097152\n",
        "hugetlb.2MB.failcnt": "1\n",
    },
}


@pytest.fixture
def directory(tmp_path):
    """A directory with these files: its path."""

    def make(name, files):
        path = tmp_path / name
        path.mkdir()
        for file, text in files.items():
            (path / file).write_text(text)
        return str(path)

    return make


def test_v2_in_the_shape_of_runc(directory):
    assert collect(from_paths({"": directory("web", V2)})) == {
        "cpu": {
            "usage": {"total": 5_000_000, "user": 3_000_000, "kernel": 2_000_000},
            "throttling": {"periods": 9, "throttledPeriods": 4, "throttledTime": 7000},
            "psi": PSI_READ,
        },
        "cpuset": {"cpus": [0, 1, 4], "mems": [0], **FLAGS},
        "memory": {
            "cache": 200,
            "usage": {"limit": 1000, "usage": 334, "max": 400, "failcnt": 12},
            "swap": {"limit": 1500, "usage": 340, "failcnt": 0},
            "kernel": {"limit": NOTHING, "usage": 30, "failcnt": 0},
            "kernelTCP": {"limit": NOTHING, "usage": 4, "failcnt": 0},
            "raw": {"anon": 100, "file": 200, "kernel": 30, "sock": 4},
        },
        "pids": {"current": 2, "limit": 16},
        "blkio": {
            "ioServiceBytesRecursive": [
                {"major": 8, "op": "Read", "value": 4096},
                {"major": 8, "op": "Write"},
                {"major": 8, "op": "Discard"},
            ],
            "ioServicedRecursive": [
                {"major": 8, "op": "Read", "value": 1},
                {"major": 8, "op": "Write"},
                {"major": 8, "op": "Discard"},
            ],
        },
        "hugetlb": {"2MB": {"usage": 2097152, "failcnt": 3}},
        "intel_rdt": {},
    }


def test_v1_in_the_shape_of_runc(directory):
    paths = {name: directory(name, files) for name, files in V1.items()}
    assert collect(from_paths(paths)) == {
        "cpu": {
            "usage": {
                "total": 5_000_000,
                "percpu": [2_000_000, 3_000_000],
                "percpu_user": [1, 3],
                "percpu_kernel": [2, 4],
                "user": 30_000_000,
                "kernel": 20_000_000,
            },
            "throttling": {"periods": 9, "throttledPeriods": 4, "throttledTime": 7000},
        },
        "cpuset": {"cpus": [0, 1], "mems": [0], **FLAGS, "sched_relax_domain_level": -1},
        "memory": {
            "cache": 200,
            "usage": {"limit": 1000, "usage": 300, "max": 400, "failcnt": 2},
            "swap": {"limit": 0, "failcnt": 0},
            "kernel": {"limit": 0, "usage": 50, "failcnt": 0},
            "kernelTCP": {"limit": 0, "failcnt": 0},
            "raw": {"cache": 200, "rss": 100},
        },
        "pids": {"current": 2},
        "blkio": {
            "ioServiceBytesRecursive": [{"major": 8, "op": "Read", "value": 4096}],
            "ioServicedRecursive": [{"major": 8, "op": "Read", "value": 1}, {"major": 8, "op": "Write"}],
        },
        "hugetlb": {"2MB": {"max": 2097152, "failcnt": 1}},
        "intel_rdt": {},
    }


def test_a_controller_that_a_hybrid_host_has_on_v2_is_read_there(directory):
    paths = {"cpu": directory("cpu", V1["cpu"]), "": directory("unified", V2)}
    found = collect(from_paths(paths))
    assert found["pids"] == {"current": 2, "limit": 16}
    assert "psi" not in found["cpu"]


def test_without_controllers_processes_are_counted_and_the_rest_is_nothing(directory):
    found = collect(from_paths({"": directory("web", {"cgroup.procs": "10\n11\n12\n"})}))
    assert found["pids"] == {"current": 3}
    assert found["cpu"] == {"usage": {"kernel": 0, "user": 0}, "throttling": {}}
    assert (found["blkio"], found["hugetlb"]) == ({}, {})
