"""hosts and resolv.conf of a container, written where its bundle has them.

They are files of the bundle, which config.json binds over those of the root: so it is the runtime that finds
/etc/hosts in the root, which it does through descriptors, and no path of the container is ever opened here.
A link that leads out of its image leads nowhere.  (Nor would that be a way: when this hook runs the container
has yet to enter its root, and /proc/PID/root is the host's.)

Written in place: what is mounted is the file, not its name.
"""

from __future__ import annotations

import ipaddress
import os
import stat

from ocipy.errors import ConfigError, OcipyError
from ocipy.linux import const
from ocipy.linux.syscalls import openat2
from ocipy.spec import jsontext

LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
#: The second is what systemd-resolved asks, if the first says to ask systemd-resolved: resolved.conf(5).
RESOLV_CONF = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


def write(claim, settings):
    """Write the files that the settings name and the bundle has."""
    if not settings.files:
        return
    bundle = os.open(claim.bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        hosts = hosts_text(claim, hostname(bundle) or claim.id)
        _write(bundle, f"{settings.files}/hosts", hosts)
        _write(bundle, f"{settings.files}/resolv.conf", resolv_conf(settings, _host_files()))
    finally:
        os.close(bundle)


def hosts_text(claim, name):
    """The text of hosts(5): the container's own name is that of its first addresses."""
    addresses = [text for one in claim.attachments[:1] for text in (*one.ipv4[:1], *one.ipv6[:1])]
    lines = [f"{ipaddress.ip_interface(text).ip}\t{name}\n" for text in addresses or ("127.0.1.1/8",)]
    return LOCAL + "".join(lines)


def resolv_conf(settings, texts):
    """The text of resolv.conf(5).

    texts: those of the host, of which the first counts that has a server which a container can ask: one at a
           loopback address is the host's alone
    """
    servers, rest = settings.dns, []
    for text in texts:
        lines = [line.split() for line in text.splitlines()]
        found = [words[1] for words in lines if words[:1] == ["nameserver"] and _is_reachable(words)]
        if not rest:
            rest = [" ".join(words) for words in lines if words and words[0] in ("search", "options")]
        if not servers:
            servers = tuple(found)
    if settings.search:
        rest = [f"search {' '.join(settings.search)}", *(line for line in rest if line[:6] != "search")]
    return "".join(f"{line}\n" for line in (*(f"nameserver {one}" for one in servers), *rest))


def _is_reachable(words):
    try:
        return not ipaddress.ip_address(words[1].partition("%")[0]).is_loopback
    except (IndexError, ValueError):
        return False


def _host_files():
    for path in RESOLV_CONF:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                yield file.read()
        except OSError:
            continue


def hostname(bundle):
    """What config.json of a bundle, given by descriptor, calls its host."""
    try:
        with open(
            "config.json", "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=bundle)
        ) as file:
            document = jsontext.parse(file.read(), "config.json")
    except (OSError, ConfigError):
        return ""
    name = document.get("hostname") if isinstance(document, dict) else None
    return name if isinstance(name, str) and name.isprintable() and " " not in name else ""


def _write(bundle, name, text):
    resolve = const.RESOLVE_BENEATH | const.RESOLVE_NO_SYMLINKS
    try:
        fd = openat2(bundle, name, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK, 0, resolve)
    except FileNotFoundError:
        return
    with open(fd, "wb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OcipyError(f"{name} of the bundle is not a file of its own")
        file.truncate()
        file.write(text.encode("utf-8", "surrogateescape"))
