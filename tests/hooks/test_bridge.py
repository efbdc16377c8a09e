"""Containers on a bridge: who reaches whom, and by what."""

import json
import subprocess

import pytest

from tests.hooks.world import FETCH, PYTHON
from tests.kernel.box import until

pytestmark = pytest.mark.kernel


def web(host, port=80):
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@pytest.fixture
def server(world):
    """A container that serves "hello" on port 80, which is port 8080 of the host."""
    box = world.container(mode="bridge", publish="8080:80").start()
    box.serve("hello")
    return box


class Outside:
    """Another machine on a wire of the host: 192.0.2.1 and 2001:db8::1 there, .2 and ::2 here."""

    def __init__(self, world):
        self.world = world
        self.process = world.popen_apart()
        world.ip("link add wire type veth peer name there")
        world.ip(f"link set there netns {self.process.pid}")
        for ip, name, end in ((world.ip, "wire", 2), (self.ip, "there", 1)):
            ip(f"addr add 192.0.2.{end}/24 dev {name}")
            ip(f"addr add 2001:db8::{end}/64 dev {name} nodad")
            ip(f"link set {name} up")

    def run(self, *words, **how):
        return self.world.run("nsenter", f"--net=/proc/{self.process.pid}/ns/net", *words, **how)

    def ip(self, words):
        return self.run("ip", *words.split())

    def fetch(self, url, seconds=5, status=0):
        return self.run(PYTHON, "-c", FETCH, url, seconds, status=status)

    def serve(self):
        """A server that answers with the address of who asks."""
        script = (
            "import http.server, socket\n"
            "class Asked(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self):\n"
            "        self.send_response(200); self.end_headers()\n"
            "        self.wfile.write(self.client_address[0].removeprefix('::ffff:').encode())\n"
            "class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6\n"
            "Server(('::', 80), Asked).serve_forever()\n"
        )
        words = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", PYTHON, "-c", script]
        self.server = self.world.popen(*words)
        until(lambda: ":80 " in self.run("ss", "-ltn"))


@pytest.fixture
def outside(world):
    made = Outside(world)
    yield made
    for process in (made.process, getattr(made, "server", made.process)):
        process.kill()
        process.wait()


# ---------------------------------------------------------------- what is made


def test_a_container_gets_a_device_addresses_and_routes(world):
    box = world.container(mode="bridge").start()
    ipv4, ipv6 = box.addresses()
    assert ipv4 == "10.176.0.2/20"
    assert ipv6.startswith("fd")
    assert ipv6.endswith("::2/64")
    assert "default via 10.176.0.1 dev eth0" in box.inside("ip", "route")
    assert f"default via {ipv6.removesuffix('2/64')}1 dev eth0" in box.inside("ip", "-6", "route")
    (link,) = json.loads(box.inside("ip", "-json", "link", "show", "eth0"))
    assert {"UP", "LOWER_UP"} <= set(link["flags"])
    assert link["address"] == "02:0c:0a:b0:00:02"
    bridge, veth = (name for name in world.links() if name != "lo")
    assert bridge == "ocipy0"
    assert len(veth) == 15


def test_with_the_last_container_all_of_it_goes(world):
    one, two = (world.container(mode="bridge", publish=f"{port}:80").start() for port in (81, 82))
    one.delete("--force")
    assert "dport 82" in world.rules()
    assert "dport 81" not in world.rules()
    assert {"lo", "ocipy0", two.claim()["attachments"][0]["host"]} == set(world.links())
    two.delete("--force")
    assert world.left() == []


def test_poststop_may_come_twice_or_find_nothing(world):
    box = world.container(mode="bridge").start()
    state = {**box.state(), "status": "stopped", "pid": 0}
    box.delete("--force")
    world.hook(state)
    world.hook(state)
    assert world.left() == []


def test_two_directories_of_claims_have_a_table_each(world):
    one = world.container(mode="bridge", publish="81:80").start()
    two = world.container(mode="bridge", link="ocipy1", publish="82:80")
    two.config["hooks"]["createRuntime"][0]["args"][1] += "-2"  # the same object as poststop's
    two.start()
    assert all(f"dport {port} dnat" in world.rules() for port in (81, 82))
    two.delete("--force")
    assert "dport 81 dnat" in world.rules()
    one.delete("--force")
    assert world.left() == []


def test_a_container_in_a_user_namespace_has_all_of_it(world):
    box = world.container(mode="bridge", publish="8080:80")
    box.config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uidMappings", "gidMappings"):
        box.config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    for parent in (*box.bundle.parents, *(world.template / "rootfs").parents):
        if parent.owner() == "root" and str(parent) != "/":
            parent.chmod(parent.stat().st_mode | 0o011)
    box.start()
    box.serve("hello")
    assert world.fetch(web("127.0.0.1", 8080)) == "hello\n"
    assert world.fetch(web(box.address(6))) == "hello\n"
    box.delete("--force")
    assert world.left() == []


def test_a_bridge_that_somebody_else_made_stays_and_is_not_changed(world):
    world.ip("link add br0 type bridge")
    world.ip("addr add 10.9.0.254/24 dev br0")
    world.ip("link set br0 up")
    before = world.ip("-4 -oneline addr show br0")
    box = world.container(mode="bridge", link="br0", ipv4_range="10.9.0.0/24").start()
    assert box.addresses() == ["10.9.0.1/24"]
    assert "default via 10.9.0.254" in box.inside("ip", "route")
    box.delete("--force")
    assert world.ip("-4 -oneline addr show br0") == before


def test_others_on_a_bridge_of_others_are_reached_as_before(world, outside):
    """The host is a router between a wire and a bridge: what has nothing to do with containers goes on."""
    world.ip("link add br0 type bridge")
    for address in ("10.9.0.254/24", "fd09::fe/64 nodad"):
        world.ip(f"addr add {address} dev br0")
    world.ip("link set br0 up")
    other = world.container(
        mode="bridge", link="br0", firewall="false", ipv4="10.9.0.9/24", ipv4_gateway="10.9.0.254",
        ipv6="fd09::9/64", ipv6_gateway="fd09::fe",
    ).start()  # fmt: skip
    box = world.container(mode="bridge", link="br0", ipv4_range="10.9.0.0/24", ipv6_range="fd09::/64",
                          forward="ipv4 ipv6").start()  # fmt: skip
    outside.ip("-4 route add 10.9.0.0/24 via 192.0.2.2")
    outside.ip("-6 route add fd09::/64 via 2001:db8::2")
    for one in (other, box):
        one.serve("hello")
    for version in (4, 6):
        assert outside.fetch(web(other.address(version))) == "hello\n"
        assert "timed out" in outside.fetch(web(box.address(version)), 1, status=1)
        assert other.fetch(web(box.address(version))) == "hello\n"


def test_forwarding_is_turned_on_where_asked_and_only_there(world):
    def forwarding():
        return world.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").split()

    world.container(mode="bridge").start()
    assert forwarding() == ["0", "0"]
    world.container(mode="bridge", forward="ipv4").start()
    assert forwarding() == ["1", "0"]
    world.container(mode="bridge", forward="ipv4 ipv6").start()
    assert forwarding() == ["1", "1"]


# ---------------------------------------------------------------- who reaches whom


@pytest.mark.parametrize("version", [4, 6])
def test_one_container_reaches_another(world, server, version):
    client = world.container(mode="bridge").start()
    assert client.fetch(web(server.address(version))) == "hello\n"


@pytest.mark.parametrize("version", [4, 6])
def test_the_host_reaches_a_container(world, server, version):
    assert world.fetch(web(server.address(version))) == "hello\n"


def test_a_published_port_is_reached_by_the_hosts_loopback(world, server):
    assert world.fetch(web("127.0.0.1", 8080)) == "hello\n"
    assert world.fetch(web("127.9.9.9", 8080)) == "hello\n"


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_a_published_port_is_reached_by_the_hosts_addresses(world, server, outside, address):
    assert world.fetch(web(address, 8080)) == "hello\n"


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_a_published_port_is_reached_from_containers_itself_among_them(world, server, outside, address):
    client = world.container(mode="bridge", forward="ipv4 ipv6").start()
    assert client.fetch(web(address, 8080)) == "hello\n"
    assert server.fetch(web(address, 8080)) == "hello\n"


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2"])
def test_from_outside_only_what_is_published_is_reached(world, server, outside, address):
    world.container(mode="bridge", forward="ipv4 ipv6").start()
    assert outside.fetch(web(address, 8080)) == "hello\n"
    version = 6 if ":" in address else 4
    target = server.address(version)
    outside.ip(f"-{version} route add {target} via {address}")
    assert "timed out" in outside.fetch(web(target), 1, status=1)
    # It is the rules that keep it out, not the way there.
    world.nft("flush chain inet {} forward")
    assert outside.fetch(web(target)) == "hello\n"


@pytest.mark.parametrize(("server_at", "host"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_what_goes_out_has_the_hosts_address(world, outside, server_at, host):
    outside.serve()
    box = world.container(mode="bridge", forward="ipv4 ipv6").start()
    assert box.fetch(web(server_at)) == host


def test_without_masquerade_it_has_its_own(world, outside):
    outside.serve()
    box = world.container(mode="bridge", forward="ipv4", masquerade="false").start()
    outside.ip("route add 10.176.0.0/20 via 192.0.2.2")
    assert box.fetch(web("192.0.2.1")) == box.address(4)


def test_a_port_may_be_published_at_one_address_alone(world, outside):
    box = world.container(mode="bridge", publish="127.0.0.1:8080:80,[2001:db8::2]:8081:80").start()
    box.serve("hello")
    assert world.fetch(web("127.0.0.1", 8080)) == "hello\n"
    assert world.fetch(web("2001:db8::2", 8081)) == "hello\n"
    assert "refused" in world.fetch(web("192.0.2.2", 8080), status=1)
    assert "refused" in world.fetch(web("127.0.0.1", 8081), status=1)


def test_a_port_may_be_published_at_all_addresses_of_a_family(world, outside):
    box = world.container(mode="bridge", publish="0.0.0.0:8080:80,[::]:8081:80").start()
    box.serve("hello")
    for address in ("127.0.0.1", "192.0.2.2"):
        assert world.fetch(web(address, 8080)) == "hello\n"
        assert "refused" in world.fetch(web(address, 8081), status=1)
    assert world.fetch(web("2001:db8::2", 8081)) == "hello\n"
    assert "refused" in world.fetch(web("2001:db8::2", 8080), status=1)


#: Answer each datagram with itself and the port that it came to.
ECHO = (
    "import select, socket\n"
    "ports = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]\n"
    "for number, port in enumerate(ports, 5000): port.bind(('::', number))\n"
    "while True:\n"
    "    for port in select.select(ports, [], [])[0]:\n"
    "        data, who = port.recvfrom(100)\n"
    "        port.sendto(data + b' ' + str(port.getsockname()[1]).encode(), who)\n"
)
ASK = (
    "import socket, sys\n"
    "(family, *_, where), *_ = socket.getaddrinfo(sys.argv[1], sys.argv[2], type=socket.SOCK_DGRAM)\n"
    "with socket.socket(family, socket.SOCK_DGRAM) as one:\n"
    "    one.settimeout(5); one.connect(where); one.send(b'hello'); print(one.recv(100).decode())\n"
)


def test_a_range_of_udp_ports_is_published(world, outside):
    box = world.container(
        PYTHON, "-c", ECHO, mode="bridge", forward="ipv4", publish="8000-8001:5000-5001/udp"
    )
    box.start()
    until(lambda: box.inside("ss", "-lun").count(":500") == 2)
    for number in range(2):
        answer = f"hello {5000 + number}\n"
        assert world.run(PYTHON, "-c", ASK, "127.0.0.1", 8000 + number) == answer
        assert world.run(PYTHON, "-c", ASK, "2001:db8::2", 8000 + number) == answer
        assert outside.run(PYTHON, "-c", ASK, "192.0.2.2", 8000 + number) == answer


#: From port 4000: send to ports, and (if it is one) wait for the answer.
SEND = (
    "import socket, sys\n"
    "where, *ports = sys.argv[1:]\n"
    "one = socket.socket(socket.AF_INET6 if ':' in where else socket.AF_INET, socket.SOCK_DGRAM)\n"
    "one.bind(('', 4000)); one.settimeout(5)\n"
    "for port in ports: one.sendto(b'hello', (where, int(port)))\n"
    "if len(ports) == 1: print(one.recv(100).decode())\n"
)


def test_a_client_that_was_there_before_its_port_is_answered(world, outside):
    """Its flow is known to the kernel already, which asks no rule about it any more."""
    world.container(mode="bridge", publish="7000:7000", forward="ipv4 ipv6").start()

    def flows():
        """To port 8000, to port 8001: of IPv4 and IPv6 each."""
        return world.python(
            "from ocipy_network.flows import FAMILIES, to\n"
            "print([len(to(port, family)) for port in (8000, 8001) for family in FAMILIES])"
        )

    addresses = ("192.0.2.2", "2001:db8::2")
    for address in addresses:
        outside.run(PYTHON, "-c", SEND, address, 8000, 8001)
    until(lambda: flows() == "[1, 1, 1, 1]\n")
    box = world.container(PYTHON, "-c", ECHO, mode="bridge", publish="8000:5000/udp").start()
    assert flows() == "[0, 0, 1, 1]\n"
    until(lambda: box.inside("ss", "-lun").count(":500") == 2)
    for address in addresses:
        assert outside.run(PYTHON, "-c", SEND, address, 8000) == "hello 5000\n"
    box.delete("--force")
    assert flows() == "[0, 0, 1, 1]\n"


@pytest.mark.parametrize("version", [4, 6])
def test_two_networks_are_isolated_whoever_forwards(world, server, version):
    other = world.container(mode="bridge", link="ocipy1", forward="ipv4 ipv6").start()
    assert other.address(4) == "10.176.16.2"
    assert "timed out" in other.fetch(web(server.address(version)), 1, status=1)
    # What is published is for everybody.
    gateway = other.inside("ip", f"-{version}", "route", "show", "default").split()[2]
    assert other.fetch(web(gateway, 8080)) == "hello\n"
    # And it is the rules that isolate.
    world.nft("flush chain inet {} forward")
    assert other.fetch(web(server.address(version))) == "hello\n"


def test_two_networks_are_isolated_where_nobody_forwards_and_there_is_no_firewall(world):
    server = world.container(mode="bridge", firewall="false").start()
    server.serve("hello")
    other = world.container(mode="bridge", link="ocipy1", firewall="false").start()
    assert world.rules() == ""
    assert "timed out" in other.fetch(web(server.address(4)), 1, status=1)


def test_no_container_reaches_what_listens_on_the_hosts_loopback(world, server):
    """A published port has the bridge route 127.0.0.0/8, which a container could make use of."""
    listening = world.popen(PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "--directory", "/proc", "99")
    until(lambda: "127.0.0.1:99 " in world.run("ss", "-ltn"))
    try:
        server.inside("sysctl", "-q", "-w", "net.ipv4.conf.all.route_localnet=1")
        server.inside("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
        server.inside("ip", "route", "add", "127.0.0.1", "via", "10.176.0.1", "src", server.address(4))
        fetch = (
            "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:99/', timeout=1).status)"
        )
        assert "timed out" in server.inside(PYTHON, "-c", fetch, status=1)
        world.nft("flush chain inet {} guard")
        assert server.inside(PYTHON, "-c", fetch) == "200\n"
    finally:
        listening.kill()
        listening.wait()


def test_the_machines_own_network_stays_as_it_is(world, server):
    ours = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert server.claim()["attachments"][0]["host"] not in ours
    assert "ocipy0" not in ours
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert "ocipy" not in rules
