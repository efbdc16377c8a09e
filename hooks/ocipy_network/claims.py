"""What a container was given, as values and as the JSON of its claim: pure.

A claim is written before anything that it names is made, and removed after all of that is gone.  So whatever
exists is named in a claim, whoever died in between, and to undo a claim is to remove what is there of it.
"""

from __future__ import annotations

from ocipy.record import Record
from ocipy.spec import jsontext


class Device(Record):
    """A network device of the host.

    kind:      as rtnetlink has it, "" for hardware
    addresses: the permanent ones of global scope, ADDRESS/LENGTH
    """

    index: int
    kind: str
    mac: str
    mtu: int
    up: bool
    addresses: tuple[str, ...] = ()


class Attachment(Record):
    """One network of a container, with all that was left open decided.

    host:       name of the end that stays outside (mode bridge)
    ipv4, ipv6: ADDRESS/LENGTH each
    gateways:   of default routes, one of a family at most
    publish:    ports as `ocipy.spec.network.Port` prints them
    was:        the device before it went in (mode host-device)
    """

    mode: str
    link: str
    name: str
    host: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = True
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    macvlan: str = ""
    masquerade: bool = False
    firewall: bool = False
    publish: tuple[str, ...] = ()
    was: Device | None = None


class Claim(Record):
    """All networks of a container, and who holds them.

    started: of the process, in clock ticks since the machine started: with it a pid is unique
    pids:    the pid namespace in which it is that pid, by inode
    joins:   the id of the container whose network namespace it shares
    """

    id: str
    bundle: str
    pid: int
    started: int
    pids: int
    attachments: tuple[Attachment, ...] = ()
    joins: str = ""


class Bridge(Record):
    """A bridge, and where addresses of containers on it come from.

    made:       by us: it goes with the last container on it
    mac:        if we made it: nobody else's bridge of that name is taken for it
    ipv4, ipv6: its own ADDRESS/LENGTH, "" for none
    """

    name: str
    made: bool
    mac: str = ""
    ipv4: str = ""
    ipv6: str = ""


def dump(record):
    """A record as JSON.  bytes"""
    return (jsontext.dump(_plain(record)) + "\n").encode()


def _plain(value):
    if isinstance(value, Record):
        return {field: _plain(getattr(value, field)) for field in value._fields}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def load(kind, data, source):
    """The record of a kind that JSON spells.  Raises ConfigError; TypeError if it is another kind's."""
    return _record(kind, jsontext.parse(data, source))


#: Fields that are records.
_INNER = {"attachments": Attachment, "was": Device}


def _record(kind, values):
    made = {}
    for field, value in values.items():
        if isinstance(value, list):
            value = tuple(_record(_INNER[field], one) if isinstance(one, dict) else one for one in value)
        made[field] = _record(_INNER[field], value) if isinstance(value, dict) else value
    return kind(**made)
