"""Single values of the settings of networks, from text.

Each function takes the key that an error is to name, without prefix and number; see `ocipy.spec.network`.
"""

from __future__ import annotations

import ipaddress

from ocipy.record import Record

FAMILIES = {"ipv4": 4, "ipv6": 6}  # and their versions
#: Each port is a rule of its own.
MAX_RANGE = 256


class Fault(ValueError):
    """A value that can't be meant; `key` is whose, without the prefix."""

    def __init__(self, key: str, message: str):
        super().__init__(message)
        self.key = key


class Port(Record):
    """A port of the host that leads to one of the container.

    address: of the host; "" for all it has, 0.0.0.0 and :: for all of a family
    """

    host_port: int
    port: int
    protocol: str = "tcp"
    address: str = ""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        text = f"{host}:{self.host_port}:{self.port}" if host else f"{self.host_port}:{self.port}"
        return text if self.protocol == "tcp" else f"{text}/{self.protocol}"

    def version(self) -> int:
        """Of IP, if it is only for one; else 0."""
        return ipaddress.ip_address(self.address).version if self.address else 0

    def clashes(self, other: Port) -> bool:
        """Is there anything that both would answer?"""
        if (self.protocol, self.host_port) != (other.protocol, other.host_port):
            return False
        if not self.address or not other.address or self.address == other.address:
            return True
        ours, theirs = ipaddress.ip_address(self.address), ipaddress.ip_address(other.address)
        return ours.version == theirs.version and (ours.is_unspecified or theirs.is_unspecified)


def words(text: str) -> list[str]:
    """The items of a list.

    >>> words("a, b c")
    ['a', 'b', 'c']
    """
    return text.replace(",", " ").split()


def device(key: str, text: str) -> str:
    """Source: kernel net/core/dev.c, dev_valid_name; "%" would be a pattern."""
    odd = any(c in "/:%" or c.isspace() or not c.isprintable() for c in text)
    if not text or odd or text in (".", "..") or len(text.encode()) > 15:
        raise Fault(key, f'"{text}" is not the name of a network device: 15 characters, no blank / : %')
    if text == "lo":
        raise Fault(key, "lo is the loopback device, which stays where it is")
    return text


def mac(text: str) -> str:
    parts = text.lower().split(":")
    if text and not (
        len(parts) == 6 and all(len(p) == 2 and set(p) <= set("0123456789abcdef") for p in parts)
    ):
        raise Fault("mac", f'"{text}" is not an address such as 02:00:5e:10:00:01')
    if text and (int(parts[0], 16) & 1 or not any(int(p, 16) for p in parts)):
        raise Fault("mac", f"{text} is not the address of one device")
    return text.lower()


def mtu(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 68 <= int(text) <= 65535):
        raise Fault("mtu", f'"{text}" is not a number of bytes from 68 to 65535')
    return int(text)


def boolean(key: str, text: str) -> bool:
    return one_of(key, text, ("true", "false")) == "true"


def one_of(key: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise Fault(key, f'"{text}" is not one of {", ".join(known)}')
    return text


def address_with_length(family: str, text: str) -> str:
    try:
        made = ipaddress.ip_interface(text)
        if made.version != FAMILIES[family] or "/" not in text or "%" in text:
            raise ValueError
    except ValueError:
        raise Fault(family, f'"{text}" is not auto, none, or addresses such as {_EXAMPLES[family]}') from None
    return str(made)


_EXAMPLES = {"ipv4": "192.0.2.5/24", "ipv6": "2001:db8::5/64"}


def address_range(family: str, text: str) -> str:
    if not text:
        return ""
    key = f"{family}.range"
    try:
        made = ipaddress.ip_network(text)
        if made.version != FAMILIES[family] or "/" not in text:
            raise ValueError
    except ValueError:
        example = ipaddress.ip_interface(_EXAMPLES[family]).network
        raise Fault(key, f'"{text}" is not a network such as {example}') from None
    if made.num_addresses < 4:
        raise Fault(key, f"{text} has no room for a gateway and a container")
    return str(made)


def address(key: str, text: str, version: int = 0) -> str:
    try:
        made = ipaddress.ip_address(text)
        if (version and made.version != version) or "%" in text:
            raise ValueError
    except ValueError:
        kind = f"an IPv{version} address" if version else "an IP address"
        raise Fault(key, f'"{text}" is not {kind}') from None
    return str(made)


def domain(key: str, text: str) -> str:
    if not text.isprintable() or len(text) > 253:
        raise Fault(key, f'"{text}" is not a domain')
    return text


def directory(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/") or "\0" in text:
        raise Fault("files", f'"{text}" is not a directory of the bundle')
    return text.strip("/")


def port(text: str) -> Port:
    """What `Port` prints.

    >>> port("[2001:db8::1]:53:5353/udp")
    Port(host_port=53, port=5353, protocol='udp', address='2001:db8::1')
    """
    (made,) = ports(text)
    return made


def ports(text: str) -> list[Port]:
    """The ports of docker(1)'s notation, which are one or as many as two ranges of equal length have.

    >>> [str(one) for one in ports("8000-8001:80-81/udp")]
    ['8000:80/udp', '8001:81/udp']
    """
    rest, slash, protocol = text.partition("/")
    host = ""
    if rest.startswith("["):
        host, _, rest = rest[1:].partition("]:")
        host = address("publish", host, 6)
    elif rest.count(":") == 2:
        host, _, rest = rest.partition(":")
        host = address("publish", host, 4)
    numbers = [_port_range(part) for part in rest.split(":")]
    if len(numbers) != 2 or not all(numbers):
        raise Fault("publish", f'"{text}" is not [ADDRESS:]PORT:PORT[/PROTOCOL], the port of the host first')
    outside, inside = numbers
    if len(outside) != len(inside):
        raise Fault("publish", f'"{text}": {len(outside)} ports of the host are not {len(inside)} inside')
    if len(outside) > MAX_RANGE:
        raise Fault("publish", f'"{text}": {len(outside)} ports are more than {MAX_RANGE}')
    protocol = one_of("publish", protocol if slash else "tcp", ("tcp", "udp", "sctp"))
    return [Port(*pair, protocol, host) for pair in zip(outside, inside)]


def _port_range(text: str) -> range:
    """Empty if it is none."""
    first, dash, last = text.partition("-")
    if not all(one.isascii() and one.isdigit() and len(one) < 6 for one in (first, last if dash else first)):
        return range(0)
    found = range(int(first), int(last if dash else first) + 1)
    return found if found and found[0] and found[-1] < 65536 else range(0)
