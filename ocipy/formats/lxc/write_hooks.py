"""``hooks`` and ``linux.sysctl`` as ``lxc.hook.*`` and ``lxc.sysctl.*``."""

from __future__ import annotations

from ocipy.formats.lxc import hooks, wrapper
from ocipy.formats.lxc.draft import escaped
from ocipy.formats.lxc.host import HOOK
from ocipy.formats.lxc.read import exists
from ocipy.spec import network
from ocipy.spec.check_linux import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.formats.lxc.paper import Paper

#: OCI's moment -> LXC's.
KINDS = {
    "prestart": "start-host",
    "createRuntime": "start-host",
    "createContainer": "mount",
    "startContainer": "start",
    "poststop": "post-stop",
}


def dump(paper: Paper) -> None:
    """Hooks that came from LXC go back as they were; others are wrapped."""
    lines = _sysctls(paper)
    version = "1" if lines else ""
    networks = any(name.startswith(network.PREFIX) for name in paper.look("/annotations") or ())
    for kind in (*KINDS, "poststart"):
        for i, hook in enumerate(paper.take(f"/hooks/{kind}") or ()):
            pointer = f"/hooks/{kind}/{i}"
            if networks and hook["path"].endswith(f"/{HOOK}"):
                continue  # what it does is said by lxc.net
            if said := hooks.original(hook):
                key, value, asked = said
                version = version or asked
                lines.append((key, value, pointer))
            elif kind == "poststart":
                paper.lossy(pointer, "LXC has no hook for when the program runs")
            elif kind == "startContainer" and not _first(paper, lines, pointer):
                paper.lossy(
                    pointer, f"LXC wants a program alone to be first, and there is no {wrapper.FIRST}"
                )
            else:
                version = "1"
                lines.append((f"lxc.hook.{KINDS[kind]}", wrapper.hook_line(kind, hook), pointer))
                _remark(paper, hook, pointer)
                if KINDS[kind] == "start-host":
                    paper.changed(
                        pointer, "runs right before the program starts, after those of createContainer"
                    )
    if version == "1":
        paper.put("lxc.hook.version", 1, "/hooks")
    for key, value, pointer in lines:
        paper.put(key, value, pointer)


def _first(paper: Paper, lines: list[tuple[str, str, str]], pointer: str) -> bool:
    """Whether LXC has a hook in the container that it can check, before the lines that it can't."""
    if any(key == "lxc.hook.start" for key, _, _ in lines):
        return True
    found = exists(f"{paper.look('/root/path')}{wrapper.FIRST}")
    if found:
        lines.append(("lxc.hook.start", wrapper.FIRST, pointer))
    return found


def _remark(paper: Paper, hook: dict[str, Any], pointer: str) -> None:
    first = (hook.get("args") or [hook["path"]])[0]
    if first not in (hook["path"], hook["path"].rpartition("/")[2]):
        paper.lossy(f"{pointer}/args/0", "a shell gives a program its path as its name")


def _sysctls(paper: Paper) -> list[tuple[str, str, str]]:
    """Lines of sysctls; those that would find themselves read-only are hooks."""
    protected = [path.rstrip("/") for path in paper.look("/linux/readonlyPaths") or ()]
    found = []
    wanted = {name: f"/linux/sysctl/{escaped(name)}" for name in paper.take("/linux/sysctl") or {}}
    values = dict(paper.look("/linux/sysctl") or {})
    if domain := paper.take("/domainname"):
        wanted["kernel.domainname"], values["kernel.domainname"] = "/domainname", domain
    for name, pointer in wanted.items():
        path = "/proc/sys/" + dotted(name).replace("/", "\0").replace(".", "/").replace("\0", ".")
        below = any(path == place or path.startswith(f"{place}/") for place in protected)
        if below or "/" in name:
            found.append(("lxc.hook.start-host", wrapper.sysctl_line(name, values[name]), pointer))
        else:
            paper.put(f"lxc.sysctl.{name}", values[name], pointer)
    return found
