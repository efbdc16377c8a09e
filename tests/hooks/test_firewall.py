"""The table's rules: as the kernel has them, by what nft(8) says of it."""

import json

import pytest

from ocipy_network import firewall
from ocipy_network.claims import Attachment, Bridge

pytestmark = pytest.mark.kernel

BRIDGES = {
    "ocipy0": Bridge("ocipy0", True, "", "10.176.0.1/20", "fd00::1/64"),
    "br1": Bridge("br1", False, "", "10.9.0.254/24"),
}
WEB = Attachment(
    "bridge", "ocipy0", "eth0", "voc1",
    ipv4=("10.176.0.2/20",), ipv6=("fd00::2/64",), masquerade=True, firewall=True,
    publish=("8080:80", "127.0.0.1:53:5353/udp", "[2001:db8::2]:132:1/sctp", "0.0.0.0:81:80"),
)  # fmt: skip
QUIET = Attachment("bridge", "br1", "eth0", "voc2", ipv4=("10.9.0.1/24",), firewall=True)
OPEN = QUIET.replace(ipv4=("10.9.0.3/24",), ipv6=("fd09::3/64",), masquerade=True)
FREE = Attachment("bridge", "br1", "eth0", "voc3", ipv4=("10.9.0.2/24",), firewall=False)

SCRIPT = """
import sys
from ocipy.spec import jsontext
from ocipy_network import claims, firewall, nft
attachments = [claims.Attachment(**{k: tuple(v) if isinstance(v, list) else v for k, v in one.items()})
               for one in jsontext.parse(sys.argv[1].encode(), "attachments")]
bridges = {one["name"]: claims.Bridge(**one) for one in jsontext.parse(sys.argv[2].encode(), "bridges")}
for _ in range(int(sys.argv[3])):
    nft.replace(firewall.rules(bridges, attachments))
"""


def replace(world, *attachments, times=1):
    """Have a host's table be what follows from attachments; what nft lists."""
    words = [
        json.dumps([{field: getattr(one, field) for field in one._fields} for one in group])
        for group in (attachments, BRIDGES.values())
    ]
    world.python(SCRIPT, *words, times)
    return world.rules()


def test_the_kernel_has_the_rules_that_were_meant(world, golden):
    assert golden("table.txt") == replace(world, WEB, QUIET, OPEN, FREE)


def test_the_same_again_changes_nothing_and_none_is_no_table(world):
    assert replace(world, WEB, times=3) == replace(world, WEB)
    assert replace(world, WEB).count("chain publish {") == 1
    assert replace(world, FREE) == ""


def test_other_tables_stay(world):
    world.run("nft", "add table inet other; add chain inet other c { type filter hook input priority 0; }")
    before = world.rules()
    replace(world, WEB)
    assert before.strip() in world.rules()
    assert replace(world) == before


def test_as_many_rules_as_a_thousand_published_ports_need_are_one_transaction(world):
    many = [WEB.replace(publish=tuple(f"{n}:80" for n in range(1, 251)), ipv6=())] * 4
    assert replace(world, *many).count("dnat ip to") == 2000


def test_what_one_container_wants_is_not_done_to_another_on_its_bridge():
    whole = firewall.rules(BRIDGES, [WEB])
    with_free = firewall.rules(BRIDGES, [WEB, FREE.replace(link="ocipy0")])
    drops = [rule for chain, rule in with_free if chain == "forward"][2:]
    assert len(drops) == 2  # IPv4 and IPv6 of the one that is guarded, not all that goes into the bridge
    assert all(("payload" in dict(rule)) for rule in drops)
    assert sum(chain == "masquerade" for chain, _ in whole) == sum(
        chain == "masquerade" for chain, _ in with_free
    )
    plain = WEB.replace(ipv4=("10.176.0.3/20",), ipv6=(), masquerade=False, publish=())
    sources = [rule for chain, rule in firewall.rules(BRIDGES, [WEB, plain]) if chain == "masquerade"]
    assert not any(bytes([10, 176, 0, 3]) == dict(part).get("data") for rule in sources for _, part in rule)
    assert any(bytes([10, 176, 0, 2]) == dict(part).get("data") for rule in sources for _, part in rule)


def test_without_a_firewall_there_are_no_rules():
    assert firewall.rules(BRIDGES, [FREE, Attachment("macvlan", "eth0", "eth0")]) == []
