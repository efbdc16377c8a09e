"""/dev of a container: default devices and links, and `linux.devices`.

Source: runtime-spec config-linux.md#default-devices, runtime-linux.md#dev-symbolic-links.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.plan import steps
from ocipy.spec.names import plain_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.context import Context
    from ocipy.plan.steps import Step

#: path -> (major, minor): what every container has, whether it asks or not.
DEFAULT_DEVICES = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
}

LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}

#: Always that of the container's own devpts, whatever `linux.devices` says: the host's would open the host's.
PTMX = "/dev/ptmx"


def dev_steps(config: dict[str, Any], context: Context) -> list[Step]:
    """Steps that fill /dev.  Nothing when the config binds a /dev of its own choice there."""
    mounts = config.get("mounts") or ()
    if any(plain_path(m["destination"]) == "/dev" and _is_bind(m) for m in mounts):
        return []
    made: list[Step] = []
    devices = (config.get("linux") or {}).get("devices") or ()
    asked = {plain_path(device["path"]) for device in devices}
    for path, (major, minor) in DEFAULT_DEVICES.items():
        if path not in asked:
            made.append(_device(path, "c", major, minor, 0o666, 0, 0, "", context))
    for i, device in enumerate(devices):
        if plain_path(device["path"]) != PTMX:
            made.append(_listed(device, f"/linux/devices/{i}", context))
    links = dict(LINKS)
    if context.facts.kcore:
        links["/dev/core"] = "/proc/kcore"
    made += [steps.MakeSymlink(path, to) for path, to in links.items()]
    if not any(plain_path(m["destination"]) == PTMX for m in mounts):
        made.append(steps.MakeSymlink(PTMX, "pts/ptmx", over=True))
    if context.terminal:
        made.append(steps.MakeFile("/dev/console", pointer="/process/terminal"))
    return made


def _is_bind(mount: dict[str, Any]) -> bool:
    return any(o in ("bind", "rbind") for o in mount.get("options") or ())


def _listed(device: dict[str, Any], pointer: str, context: Context) -> Step:
    kind = {"u": "c"}.get(device["type"], device["type"])
    if kind != "p" and not ("major" in device and "minor" in device):
        message = f"a device of type {device['type']} needs major and minor"
        raise ConfigError(Problem(pointer, message, "device-number"))
    return _device(
        device["path"],
        kind,
        device.get("major", 0),
        device.get("minor", 0),
        device.get("fileMode", 0o666) & 0o7777,
        device.get("uid", 0),
        device.get("gid", 0),
        pointer,
        context,
    )


def _device(
    path: str,
    kind: str,
    major: int,
    minor: int,
    mode: int,
    uid: int,
    gid: int,
    pointer: str,
    context: Context,
) -> Step:
    """mknod(2), or a bind of the host's node where a user namespace may not make nodes."""
    if kind != "p" and context.powerless:
        return steps.Bind(path, path, pointer=pointer, device=(kind, major, minor), nofollow=True)
    return steps.MakeDevice(path, kind, major, minor, mode, pointer=pointer, uid=uid, gid=gid)
