"""Hosts to plan for, and the example configs."""

import pathlib

from ocipy.plan.cgroup_layout import Layout
from ocipy.plan.facts import Facts, Options
from ocipy.spec import jsontext

EXAMPLES = {
    path.stem: jsontext.parse(path.read_bytes(), path.name)
    for path in sorted((pathlib.Path(__file__).parents[2] / "spec" / "examples").glob("*.json"))
}

_CONTROLLERS = "cpuset cpu cpuacct memory devices freezer blkio pids hugetlb net_cls net_prio perf_event rdma"


def _v1_mount(controller):
    together = {"cpu": "cpu,cpuacct", "cpuacct": "cpu,cpuacct", "net_cls": "net_cls,net_prio"}
    together["net_prio"] = "net_cls,net_prio"
    return controller, f"/sys/fs/cgroup/{together.get(controller, controller)}", "/"


_OWN = "/user.slice/session-1.scope"
V1 = Layout(
    "v1",
    (*map(_v1_mount, _CONTROLLERS.split()), ("name=systemd", "/sys/fs/cgroup/systemd", "/")),
    (*((name, _OWN) for name in _CONTROLLERS.split()), ("name=systemd", _OWN)),
)
HYBRID = Layout(
    "hybrid", (*V1.mounts, ("", "/sys/fs/cgroup/unified", "/")), (*V1.own, ("", _OWN)), unified=()
)
V2 = Layout(
    "v2",
    (("", "/sys/fs/cgroup", "/"),),
    (("", _OWN),),
    tuple("cpuset cpu io memory hugetlb pids rdma".split()),
)

#: Every LSM, so that every example can be planned.
HOST_V1 = Facts(cgroup=V1, apparmor=True, selinux=True, landlock=7)
HOST_V2 = Facts(cgroup=V2, apparmor=True, selinux=True, landlock=7)
HOST_HYBRID = Facts(cgroup=HYBRID, apparmor=True, selinux=True, landlock=7)
#: An ordinary user's runtime; and one that is root of a user namespace, as podman's.
ROOTLESS = Facts(euid=1000, egid=1000, capabilities=0, cgroup=V2, apparmor=True, selinux=True, landlock=7)
NESTED = Facts(user_namespace=True, cgroup=V2, apparmor=True, selinux=True, landlock=7)

HOSTS = {"v1": HOST_V1, "v2": HOST_V2, "hybrid": HOST_HYBRID, "rootless": ROOTLESS, "nested": NESTED}

OPTIONS = Options("web", "/bundles/web")
