"""A network under LXC and under ocipy, also of what a configuration was turned into, there and back."""

import re

import pytest

from tests.formats.lxc import made, real

pytestmark = pytest.mark.kernel

LINES = (
    "lxc.apparmor.profile = unconfined",
    "lxc.mount.auto = proc:rw sys:ro",
    "lxc.execute.cmd = /bin/sh /look",
    *(f"lxc.net.0.{line}" for line in (
        "type = veth", "link = br0", "flags = up", "name = lan0", "mtu = 1400", "hwaddr = 02:00:5e:10:00:01",
        "ipv4.address = 10.66.0.5/24", "ipv4.gateway = 10.66.0.1", "ipv6.address = fd66::5/64",
        "ipv6.gateway = fd66::1",
    )),
    *(f"lxc.net.1.{line}" for line in ("type = phys", "link = spare0", "name = moved0", "flags = up")),
)  # fmt: skip
#: Without what the kernel gives a device by itself.  IPv6 is not tried: LXC's address is tentative at first.
LOOK = r"""
cd /sys/class/net
for name in lan0 moved0; do
    echo "$name $(cat $name/mtu) $(($(cat $name/flags) & 1))"
done
cat lan0/address
ip -o addr show dev lan0 | sed -n 's/.*\(inet6* [^f][^ ]*\|inet6 fd[^ ]*\).*/\1/p'
ip route | grep default; ip -6 route | sed -n 's/\(default .*\) metric.*/\1/p'
ping -c1 -W5 10.66.0.1 >/dev/null && echo "10.66.0.1 answers"
"""
SCRIPT = r"""
cd "$1"
# LXC looks for the bridge in sysfs, which has to be of this network namespace.
mkdir cgroups && mount --rbind /sys/fs/cgroup cgroups
mount -t sysfs sysfs /sys && mount --rbind cgroups /sys/fs/cgroup
ip link add br0 type bridge && ip addr add 10.66.0.1/24 dev br0 && ip addr add fd66::1/64 dev br0 nodad
ip link set br0 up && ip link set lo up
look() {
    echo "BY $1"; shift
    # A device that was handed over goes with a namespace that nobody else has.
    ip link show dev spare0 >/dev/null 2>&1 || ip link add spare0 type veth peer name other0
    "$@" </dev/null 2>&1
}
look lxc lxc-execute -n net -P "$1" -f net/config
look ocipy "$2" --root state run net/ net
"$2" convert --to oci -o bundle net 2>/dev/null
look bundle "$2" --root state run bundle/ net
"$2" convert --to lxc --target-version 5 -o back bundle 2>/dev/null
look back lxc-execute -n net -P "$1" -f back/config
"""
SEEN = """lan0 1400 1
moved0 1500 1
02:00:5e:10:00:01
inet 10.66.0.5/24
inet6 fd66::5/64
default via 10.66.0.1 dev lan0
default via fd66::1 dev lan0
10.66.0.1 answers
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory, launcher):
    """{by whom the container was run: what it has seen}"""
    real.needs_lxc()
    directory = tmp_path_factory.mktemp("net")
    root = real.busybox_root(directory / "root")
    for name in ("ip", "sed", "ping"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "look").write_text(LOOK)
    made.configure(directory / "net", *LINES, root=root)
    said = real.sandboxed(SCRIPT, directory, launcher)
    parts = re.split(r"^BY (\w+)\n", said.stdout, flags=re.MULTILINE)
    assert parts[0] == "", said
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("who", ["lxc", "ocipy", "bundle", "back"])
def test_a_network_is_the_same_by_whomever_it_was_made(answers, who):
    lines = [
        re.sub(" +$", "", line) for line in answers[who].splitlines() if not line.startswith("ocipy: info")
    ]
    assert "\n".join(lines) + "\n" == SEEN
