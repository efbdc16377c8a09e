"""What spec and bundle have in common: the options that describe a new config.json, as values."""

import os

from ocipy.cli import network
from ocipy.cli.parse import integer
from ocipy.errors import UsageError
from ocipy.formats import template

#: Number of ids in a user namespace if --userns does not say: what useradd(8) gives each user.
IDS = 65536
LAST_ID = 2**32 - 2


def document(options, files=True, **defaults):
    """The config.json that the options ask for.

    files:    will its bundle be given what `network.write_files` writes?
    defaults: what `template.config` is told where the options are silent
    """
    wanted = dict(defaults)
    for name in ("args", "cwd", "hostname", "rootfs"):
        if options[name]:
            wanted[name] = options[name]
    if any(not c.isprintable() or c.isspace() for c in options["hostname"]):
        raise UsageError(f'invalid value "{options["hostname"]}" for --hostname: not a name')
    for name, yes, no in (
        ("terminal", "terminal", "no-terminal"),
        ("read_only", "read-only", "no-read-only"),
    ):
        if options[yes] and options[no]:
            raise UsageError(f"both --{yes} and --{no}")
        if options[yes] is not None or options[no]:
            wanted[name] = bool(options[yes])
    if options["user"]:
        wanted["uid"], wanted["gid"] = _user(options["user"])
    wanted["env"] = [_pair(entry, "--env") for entry in options["env"]]
    wanted["network"], networks = network.settings(options)
    mounts, wanted["hooks"], said = network.parts(networks, files)
    annotations = dict(_pair(e, "--annotation").split("=", 1) for e in options["annotation"])
    wanted["annotations"] = {**said, **annotations}
    wanted["mounts"] = [*defaults.get("mounts", ()), *mounts, *map(_mount, options["mount"])]
    add, drop = (_capabilities(options[name], f"--{name}") for name in ("cap-add", "cap-drop"))
    wanted["capabilities"] = template.capability_set(add, drop)
    wanted["no_new_privileges"] = options["no-new-privs"]
    _namespaces(options, wanted)
    _limits(options, wanted)
    # As runc(8): where cgroups are one tree the container sees its own part of it.
    wanted["cgroup_namespace"] = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    return template.config(**wanted)


def _namespaces(options, wanted):
    if options["rootless"]:
        if options["userns"]:
            raise UsageError("both --rootless and --userns")
        if wanted["hooks"]:
            raise UsageError("both --rootless and --network: only root can make networks")
        # Without privilege a process can map its own id alone, and give a namespace no network.
        wanted.update(mapping=(os.geteuid(), os.getegid(), 1), limited_devices=False, network="host")
    elif options["userns"]:
        host, colon, size = options["userns"].partition(":")
        first = integer(host, "--userns", limit=LAST_ID + 1)
        count = integer(size, "--userns", limit=LAST_ID + 1 - first + 1) if colon else IDS
        if count < 1:
            raise UsageError(f'invalid value "{options["userns"]}" for --userns: no ids')
        wanted["mapping"] = (first, first, count)


def _limits(options, wanted):
    if options["memory"]:
        wanted["memory"] = size(options["memory"], "--memory")
    if options["cpus"]:
        wanted["quota"] = quota(options["cpus"])
    if options["pids-limit"] is not None:
        if options["pids-limit"] < -1:
            raise UsageError(f'invalid value "{options["pids-limit"]}" for --pids-limit: below -1')
        wanted["pids"] = options["pids-limit"]


def size(text, what):
    """A number of bytes, or of k, m, g, t of 1024.

    >>> size("64m", "--memory")
    67108864
    """
    shift = {"k": 10, "m": 20, "g": 30, "t": 40}.get(text[-1:].lower(), 0)
    try:
        return integer(text[:-1] if shift else text, what, limit=2**63 >> shift) << shift
    except UsageError:
        raise UsageError(f'invalid value "{text}" for {what}: not a size such as 64m') from None


def quota(text):
    """Microseconds in each `template.PERIOD` for so many processors; the kernel takes 1000 at least.

    >>> quota("1.5")
    150000
    """
    whole, _, part = text.partition(".")
    digits = whole + part
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise UsageError(f'invalid value "{text}" for --cpus: not a number of processors')
    microseconds = int(digits) * template.PERIOD // 10 ** len(part)
    if microseconds < 1000:
        raise UsageError(f'invalid value "{text}" for --cpus: less than 0.01')
    return microseconds


def _user(text):
    uid, colon, gid = text.partition(":")
    first = integer(uid, "--user", limit=LAST_ID + 1)
    return first, integer(gid, "--user", limit=LAST_ID + 1) if colon else 0


def _pair(text, what):
    if "=" not in text or text[0] == "=":
        raise UsageError(f'invalid value "{text}" for {what}: not NAME=VALUE')
    return text


def _capabilities(names, what):
    result = []
    for name in names:
        full = name.upper() if name.upper() == "ALL" else f"CAP_{name.upper().removeprefix('CAP_')}"
        if full != "ALL" and full not in template.CAPABILITIES:
            raise UsageError(f'invalid value "{name}" for {what}: no such capability')
        result.append(full)
    return result


def _mount(text):
    """A mount of ``type=T,src=S,dst=D`` and options.

    As docker(1) writes it, in so far as it fits: other words for the keys, "readonly", a type of bind that
    needs no option to be one.  Values cannot hold a comma.
    """
    mount, options = {}, []
    keys = {"src": "source", "dst": "destination", "target": "destination"}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = keys.get(key, key)
        if equals and key in ("type", "source", "destination"):
            mount[key] = value
        elif part:
            options.append({"readonly": "ro"}.get(part, value if key == "bind-propagation" else part))
    if not mount.get("destination", "").startswith("/"):
        raise UsageError(f'invalid value "{text}" for --mount: needs dst=, an absolute path')
    binds = {"bind", "rbind"} & set(options)
    kind = mount.setdefault("type", "bind" if mount.get("source", "").startswith("/") else "")
    if kind in ("bind", "rbind") and not binds:
        options.insert(0, "rbind")
    if not kind and not binds:
        raise UsageError(f'invalid value "{text}" for --mount: needs type=')
    if not mount.get("source"):
        if kind in ("", "bind", "rbind"):
            raise UsageError(f'invalid value "{text}" for --mount: needs src=')
        mount["source"] = kind
    mount["type"] = "none" if kind in ("", "rbind") else kind
    ordered = {key: mount[key] for key in ("destination", "type", "source")}
    return {**ordered, "options": options} if options else ordered
