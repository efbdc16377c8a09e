"""What the hook does: claim, build, and undo, each step of which may be the last.

    create                                        delete, or what a crash left
    1  claim: what it will be is written down     1  devices are given back, or removed
    2  bridge, addresses of the bridge            2  rules: of all others
    3  veth pair, its inner end born inside       3  the claim is removed
    4  rules: of all claims                       4  bridges without claims are removed
    5  inside: addresses, up, routes
    6  hosts and resolv.conf

All under one lock.  Every hook begins with what a crash left: the claims of which the holder is dead.
"""

from __future__ import annotations

import contextlib
import os

from ocipy.errors import OcipyError
from ocipy.spec.network_text import port
from ocipy_network import files, firewall, holders, pins, pool
from ocipy_network.claims import Claim
from ocipy_network.names import Names
from ocipy_network.store import DIRECTORY, Store

FORWARDING = {"ipv4": "net/ipv4/ip_forward", "ipv6": "net/ipv6/conf/all/forwarding"}


def key_of(id, bundle):
    """The name of a claim: of two runtimes both may have a container of one id, but not of one bundle."""
    return pool.digest(id, bundle).hex()[:32]


def set_up(state, settings, directory=DIRECTORY):
    """Give a container its networks.

    state: the document that a hook reads
    """
    key, started = key_of(state["id"], state["bundle"]), holders.started(state["pid"])
    if started is None:
        raise OcipyError(f"the container's process {state['pid']} is gone")
    with Store(directory) as store, Work(store) as work:
        work.collect()
        if key in work.claims:
            raise OcipyError("the container has its networks already: is the hook there twice?")
        claim = Claim(state["id"], state["bundle"], state["pid"], started, holders.pid_namespace())
        try:
            work.claim(key, claim, settings)
            work.build(key, settings)
        except BaseException:
            with contextlib.suppress(OSError, OcipyError):
                work.undo(key)
            raise


def tear_down(state, directory=DIRECTORY):
    """Take away what a container was given; nothing may be there any more."""
    with Store(directory) as store, Work(store) as work:
        key = key_of(state["id"], state["bundle"])
        if key in work.claims:
            work.undo(key)
        work.collect()


def collect(directory=DIRECTORY):
    """Take away what was given to containers that are dead.  The first error is raised, last of all."""
    with Store(directory) as store, Work(store) as work:
        errors = work.collect()
    if errors:
        raise errors[0]


class Work:
    """Claims and bridges of a locked store, and what is made and undone of them."""

    def __init__(self, store):
        self.store = store
        self.claims, self.bridges = store.read("claims"), store.read("bridges")
        self.names, self._links = Names(), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.names.close()
        if self._links:
            self._links.close()

    @property
    def links(self):
        """Made when needed: most of the hook's time is the import."""
        if self._links is None:
            from ocipy_network.links import Links

            self._links = Links()
        return self._links

    # ------------------------------------------------------------ claim

    def claim(self, key, claim, settings):
        """Decide what the container gets, and write it down."""
        first = settings.networks[0] if settings.networks else None
        if first:
            os.close(holders.open_namespace(claim))
        if first and first.mode == "join":
            claim = claim.replace(joins=self._joined(first.target, claim.pid))
        elif first and first.mode != "none":
            claim = claim.replace(attachments=self._attachments(key, settings))
        self.claims[key] = claim
        self.store.write("claims", key, claim)

    def _attachments(self, key, settings):
        host = self._host(settings.networks)
        for network in settings.networks:
            if network.mode == "bridge":
                found = pool.bridge(network, self.bridges, host)
                if found != self.bridges.get(found.name):
                    self.store.write("bridges", found.name, found)
                self.bridges[found.name] = found
        return pool.attach(settings, bytes.fromhex(key), self.bridges, self.claims.values(), host)

    def _host(self, networks):
        """What the host has of these networks.  Most often there is nothing to ask: the bridge is ours."""
        from ocipy_network import links

        ours = {name for name, bridge in self.bridges.items() if bridge.made}
        devices = {one.link: self.links.device(one.link) for one in networks if one.link not in ours}
        found = {name: device for name, device in devices.items() if device}
        new = [one for one in networks if one.mode == "bridge" and one.link not in {*ours, *found}]
        versions = (4, 6) if any(one.ipv6.range for one in new) else (4,) if new else ()
        return pool.Host(found, self.links.routes(versions), links.has_ipv6(), machine_id(), self.names.index)

    def _joined(self, target, pid):
        """The id of who has the networks of a container that is joined, which may have joined it itself.

        That the container is in another's network namespace is config.json's doing: it is checked.
        """
        theirs = [claim for claim in self.claims.values() if claim.id == target]
        if not theirs:
            raise OcipyError(f"there is no container {target} that has this hook as well")
        shared = next((claim for claim in theirs if holders.same_namespace(pid, claim.pid)), None)
        if shared is None:
            path = f"{self.store.top}/join/{target}"
            raise OcipyError(
                f"the container is not in the network namespace of {target}: "
                f"config.json's namespace of type network needs the path {path}"
            )
        return shared.joins or target

    # ------------------------------------------------------------ build

    def build(self, key, settings):
        claim = self.claims[key]
        if claim.attachments:
            namespace = holders.open_namespace(claim)
            try:
                for place, attachment in enumerate(claim.attachments):
                    self._outside(attachment, namespace, f"{key}-{place}")
                self._rules(claim.attachments)
                self._sysctls(claim.attachments, settings.networks)
                self._inside(claim.attachments, namespace)
            finally:
                os.close(namespace)
        files.write(claim, settings)
        self.store.offer(claim.id, claim.pid)

    def _outside(self, attachment, namespace, pin):
        if attachment.mode == "bridge":
            bridge = self.links.bridge(self.bridges[attachment.link])
            self.links.veth(attachment, bridge, namespace)
            if attachment.publish:
                self.links.reflect(attachment.host)
        elif attachment.mode == "macvlan":
            self.links.macvlan(attachment, self.links.index(attachment.link), namespace)
        else:
            pins.pin(self.store.pin(pin), namespace)
            self.links.move(attachment.link, attachment.name, namespace)

    def _rules(self, concerned):
        """Let the rules be those that follow from all claims, if those concerned have any."""
        if any(one.firewall for one in concerned):
            from ocipy_network import nft

            attachments = [one for claim in self.claims.values() for one in claim.attachments]
            nft.replace(firewall.rules(self.bridges, attachments), self.store.table)
        published = [port(text) for one in concerned for text in one.publish]
        if udp := {one.host_port for one in published if one.protocol == "udp"}:
            from ocipy_network import flows

            flows.forget(sorted(udp))

    def _sysctls(self, attachments, networks):
        from ocipy_network.links import write_sysctl

        for family in {family for network in networks for family in network.forward}:
            write_sysctl(FORWARDING[family], "1")
        for one in attachments:
            if one.publish and one.ipv4 and self.bridges[one.link].made:
                # For a port of 127.0.0.1, which otherwise never leaves lo; see chain guard.
                write_sysctl(f"net/ipv4/conf/{one.link}/route_localnet", "1")

    def _inside(self, attachments, namespace):
        from ocipy_network import links

        with links.inside(namespace) as inner:
            for attachment in attachments:
                inner.configure(attachment)

    # ------------------------------------------------------------ undo

    def undo(self, key):
        """Remove what there is of a claim, then the claim, then bridges that nobody is on."""
        claim = self.claims.pop(key, None)
        if claim:
            self._undo(key, claim)
        self._drop_bridges()

    def _undo(self, key, claim):
        for place, attachment in enumerate(claim.attachments):
            if attachment.mode == "bridge":
                if self.names.index(attachment.host):
                    self.links.remove(attachment.host)
            elif attachment.mode == "host-device":
                pins.give_back(self.store.pin(f"{key}-{place}"), attachment, self.links)
        with contextlib.suppress(firewall.NoFirewall):
            self._rules(claim.attachments)
        self.store.withdraw(claim.id, claim.pid)
        self.store.remove("claims", key)

    def collect(self):
        """Undo the claims of the dead, but for those whose network namespace another container lives in.

        What can't be undone stays claimed, and is no reason why others should have no network: the errors are
        returned.
        """
        errors = []
        joined = {claim.joins for claim in self.claims.values() if claim.joins and holders.lives(claim)}
        for key, claim in list(self.claims.items()):
            if not holders.lives(claim) and claim.id not in joined:
                try:
                    self.undo(key)
                except (OSError, OcipyError) as error:
                    self.claims[key] = claim
                    errors.append(error)
        self._drop_bridges()
        return errors

    def _drop_bridges(self):
        used = {one.link for claim in self.claims.values() for one in claim.attachments}
        for name, bridge in list(self.bridges.items()):
            if name in used:
                continue
            device = self.links.device(name) if bridge.made and self.names.index(name) else None
            ours = device and (device.kind, device.mac) == ("bridge", bridge.mac)
            if ours and not self.links.ports(device.index):
                self.links.remove(name)
            self.store.remove("bridges", name)
            del self.bridges[name]


def machine_id():
    """Bytes of this machine alone, the same after a reboot if it has an id.  Source: machine-id(5)."""
    try:
        with open("/etc/machine-id", "rb") as file:
            return file.read().strip()
    except FileNotFoundError:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read().strip()
