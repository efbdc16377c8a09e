"""Hooks: ``hooks`` of config.json.

A hook of LXC's is a line of shell; OCI's is a program.  So the program is a shell, which first makes what
LXC's hooks find: variables with LXC's names, nothing on the standard input.
Source: lxc.container.conf(5), CONTAINER HOOKS; liblxc 5.0.2, conf.c, run_script_argv().
"""

from __future__ import annotations

from ocipy.formats.lxc import process, wrapper
from ocipy.formats.lxc.shell import SHELL, plain, quoted
from ocipy.spec.network import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

#: LXC's moment -> (OCI's, why it is not quite the same).
MOMENTS = {
    "pre-start": ("createRuntime", "runs when the namespaces are there, not before"),
    "pre-mount": ("createContainer", ""),
    "mount": ("createContainer", ""),
    "autodev": ("createContainer", ""),
    "start-host": (
        "createRuntime",
        "runs before the container waits for its start, not right before init",
    ),
    "start": ("startContainer", ""),
    "stop": ("poststop", ""),
    "post-stop": ("poststop", ""),
}
#: What a hook's shell does first: its standard input says which the container's first process is.  Inside a
#: container there may be no more than a shell.
PROLOGUE = (
    'while IFS= read -r line || [ "$line" ]; do state=$state$line; done; '
    'pid=${state#*\\"pid\\"}; pid=${pid#"${pid%%[0-9]*}"}; LXC_PID=${pid%%[!0-9]*}; '
    "export LXC_PID; exec </dev/null; "
)
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Variables that say which line a hook is from, for the way back.
_KEY, _VALUE = "OCIPY_LXC_KEY", "OCIPY_LXC_VALUE"


def load(draft: Draft) -> None:
    """Hooks in the order in which LXC runs them, networks' scripts and writes to /proc/PID among them."""
    _processes(draft)
    networks = any(key.startswith(PREFIX) for key in draft.get("/annotations") or ())
    for kind, (moment, why) in MOMENTS.items():
        if kind == "autodev" and not draft.config.flag("lxc.autodev", True):
            continue
        if kind == "start-host":
            if networks:
                draft.add("/hooks/createRuntime", _network_hook(draft))
            _scripts(draft, "up")
        if kind == "stop":
            _scripts(draft, "down")
        for entry in draft.config.all(f"lxc.hook.{kind}"):
            if kind == "start" and entry.value == wrapper.FIRST:
                continue
            if found := wrapper.read_hook(entry.value):
                draft.add(f"/hooks/{found[0]}", found[1], entry)
                continue
            if said := wrapper.read_sysctl(entry.value):
                process.sysctl(draft, *said, entry)
                continue
            draft.add(f"/hooks/{moment}", _hook(draft, entry, kind, "lxc", f" lxc {kind}"), entry)
            if why:
                draft.changed(entry, why)
    if networks:
        draft.add("/hooks/poststop", _network_hook(draft))


def _network_hook(draft: Draft) -> dict[str, Any]:
    path = draft.host.network_hook
    return {"path": path, "args": [path.rpartition("/")[2]], "env": [_PATH]}


def original(hook: dict[str, Any]) -> tuple[str, str, str] | None:
    """(key, value, lxc.hook.version) of a hook that was made here, None for another."""
    env = dict(variable.partition("=")[::2] for variable in hook.get("env") or ())
    if hook["path"] != SHELL or _KEY not in env:
        return None
    return env[_KEY], env.get(_VALUE, ""), env.get("LXC_HOOK_VERSION", "")


def _hook(draft: Draft, entry: Entry, kind: str, section: str, arguments: str) -> dict[str, Any]:
    """One hook.

    arguments: what LXC appends to the line, unless it passes all in variables
    """
    config = draft.config
    version = config.last("lxc.hook.version")
    root = draft.get("/root/path")
    env = [
        _PATH,
        f"LXC_NAME={config.container}",
        f"LXC_CONFIG_FILE={config.directory}/{config.name}",
        f"LXC_ROOTFS_PATH={root}",
        f"LXC_ROOTFS_MOUNT={root}",
        f"LXC_HOOK_TYPE={kind}",
        f"LXC_HOOK_SECTION={section}",
        f"LXC_HOOK_VERSION={version.value if version is not None else 0}",
        "LXC_CGNS_AWARE=1",
        *(process.variable(draft, one) for one in config.all("lxc.environment.hooks")),
        f"{_KEY}={entry.key}",
        f"{_VALUE}={entry.value}",
    ]
    line = entry.value
    if not config.flag("lxc.hook.version"):
        line = f"{line} {plain(config.container)}{arguments}"
    return {"path": SHELL, "args": ["sh", "-c", f"{PROLOGUE}exec {line}"], "env": env}


def _scripts(draft: Draft, moment: str) -> None:
    """Scripts of networks: as arguments they get the type and the host's device, too."""
    for entry in draft.config.below("lxc.net."):
        if not entry.key.endswith(f".script.{moment}"):
            continue
        start = entry.key.removesuffix(f"script.{moment}")
        kind, link = (draft.config.last(start + name) for name in ("type", "link"))
        words = [plain(one.value) for one in (kind, link) if one is not None]
        hook = _hook(draft, entry, moment, "net", "".join(f" {word}" for word in ("net", moment, *words)))
        draft.add(f"/hooks/{'createRuntime' if moment == 'up' else 'poststop'}", hook, entry)
        draft.changed(entry, "is not told the name of the host's end")


def _processes(draft: Draft) -> None:
    """``lxc.proc.X``: files of /proc/PID that no property stands for."""
    for entry in draft.config.below("lxc.proc."):
        name = entry.key.removeprefix("lxc.proc.").replace(".", "/")
        if name == "oom_score_adj":
            continue
        line = f"printf %s {quoted(entry.value)} >/proc/$LXC_PID/{quoted(name)}"
        env = [_PATH, f"{_KEY}={entry.key}", f"{_VALUE}={entry.value}"]
        hook = {"path": SHELL, "args": ["sh", "-c", PROLOGUE + line], "env": env}
        draft.add("/hooks/createRuntime", hook, entry)
        draft.changed(entry, "written by a hook: no property of OCI sets it")
