"""What runs in a container, as whom, and what names the container has: ``process``, and the like."""

from __future__ import annotations

from ocipy.formats.lxc import grammar, values
from ocipy.formats.lxc.draft import escaped
from ocipy.formats.lxc.read import exists
from ocipy.spec.names import RLIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.formats.lxc.draft import Draft
    from ocipy.formats.lxc.grammar import Entry

INIT = "/sbin/init"
#: What execvp(3) of glibc falls back to where there is no PATH.
_DEFAULT_PATH = ("/bin", "/usr/bin")
STOP_SIGNAL = "org.opencontainers.image.stopSignal"
HALT = "SIGPWR"
#: LXC's init gets this one, whatever it is told.
CONTAINER = "container=lxc"


def load(draft: Draft) -> None:
    """All of it but capabilities and labels."""
    config = draft.config
    program = _program(draft)
    _environment(draft)
    _user(draft)
    if entry := config.last("lxc.init.cwd"):
        draft.set("/process/cwd", entry.value, entry)
    else:
        draft.set("/process/cwd", "/")
    if config.flag("lxc.no_new_privs"):
        draft.set("/process/noNewPrivileges", True, config.last("lxc.no_new_privs"))
    _limits(draft)
    _resolve(draft, program)
    if entry := config.last("lxc.uts.name"):
        draft.set("/hostname", entry.value, entry)
    if entry := config.last("lxc.arch"):
        if entry.value not in values.DOMAINS:
            raise entry.problem(f'"{entry.value}" is no architecture')
        draft.set("/linux/personality", {"domain": values.DOMAINS[entry.value]}, entry)
    for entry in config.below("lxc.sysctl."):
        sysctl(draft, entry.key.removeprefix("lxc.sysctl."), entry.value, entry)
    _signals(draft)


def sysctl(draft: Draft, name: str, value: str, entry: Entry) -> None:
    """A kernel parameter; one of them has a property of its own."""
    pointer = "/domainname" if name == "kernel.domainname" else f"/linux/sysctl/{escaped(name)}"
    draft.set(pointer, value, entry)


def _program(draft: Draft) -> Entry | None:
    """process.args: what lxc-execute runs where it is told, else what lxc-start runs.

    An init gets a terminal as its console, as lxc-start gives it one; a program has its caller's streams, as
    lxc-execute hands them on.
    """
    config = draft.config
    init, execute = config.last("lxc.init.cmd"), config.last("lxc.execute.cmd")
    console = config.last("lxc.console.path")
    if execute is not None:
        try:
            args = grammar.quoted_words(execute.value)
        except ValueError as error:
            raise execute.problem(str(error)) from None
        if init is not None:
            draft.lossy(init, "lxc.execute.cmd is there: that is what is run")
        draft.changed(execute, "is PID 1 itself, not a child of an init of LXC's")
    elif init is not None:
        args = grammar.words(init.value)
    else:
        args = [INIT]
    if not args:
        raise (execute or init or config.entries[0]).problem("names no program")
    draft.set("/process/args", args, execute or init)
    draft.set("/process/terminal", execute is None and (console is None or console.value != "none"), console)
    if console is not None and console.value != "none":
        draft.lossy(console, "the terminal's other end is with whoever runs the container")
    return execute or init


def _resolve(draft: Draft, entry: Entry | None) -> None:
    """A program without a path: where there is no PATH, LXC finds it in /bin and /usr/bin, OCI nowhere."""
    args, env = draft.get("/process/args"), draft.get("/process/env")
    if "/" in args[0] or any(variable.startswith("PATH=") for variable in env) or entry is None:
        return
    root = draft.get("/root/path") or ""
    for directory in _DEFAULT_PATH:
        if root and exists(f"{root}{directory}/{args[0]}"):
            draft.changed(entry, f"{args[0]} is {directory}/{args[0]}, found in the root: there is no PATH")
            args[0] = f"{directory}/{args[0]}"
            return
    args[0] = f"{_DEFAULT_PATH[0]}/{args[0]}"
    draft.changed(entry, f"taken for {args[0]}: there is no PATH, and no such program in the root")


def _environment(draft: Draft) -> None:
    """process.env: the container's variables, and the one by which an init knows where it is."""
    draft.set("/process/env", [])
    variables = [*draft.config.all("lxc.environment"), *draft.config.all("lxc.environment.runtime")]
    known = {CONTAINER.partition("=")[0]}
    kept = []
    for entry in reversed(variables):
        name = entry.value.partition("=")[0]
        if name not in known:
            known.add(name)
            kept.append(entry)
        elif entry.value == CONTAINER:
            pass
        else:
            draft.changed(entry, f"{name} is set anew later on")
    for entry in reversed(kept):
        draft.add("/process/env", variable(draft, entry), entry)
    draft.add("/process/env", CONTAINER)


def variable(draft: Draft, entry: Entry) -> str:
    """NAME=VALUE; of a name alone, the value is that of whoever asks."""
    name, equals, _ = entry.value.partition("=")
    if equals:
        return entry.value
    if name not in draft.host.environ:
        raise entry.problem(f"{name} is not set in the environment of this command")
    draft.changed(entry, f"{name} is taken from the environment of this command")
    return f"{name}={draft.host.environ[name]}"


def _user(draft: Draft) -> None:
    config = draft.config
    draft.set("/process/user", {"uid": 0, "gid": 0})
    for kind in ("uid", "gid"):
        if entry := config.last(f"lxc.init.{kind}"):
            draft.set(f"/process/user/{kind}", values.number(entry, 2**32 - 2), entry)
    for entry in config.all("lxc.init.groups"):
        if config.all("lxc.idmap"):
            draft.changed(entry, "ignored, as LXC ignores it where there is lxc.idmap")
            continue
        for group in entry.value.replace(" ", "").split(","):
            if group:
                draft.add("/process/user/additionalGids", values.number(entry.replace(value=group)), entry)


def _limits(draft: Draft) -> None:
    for entry in draft.config.below("lxc.prlimit."):
        kind = f"RLIMIT_{entry.key.removeprefix('lxc.prlimit.').upper()}"
        if kind not in RLIMITS or entry.key != entry.key.lower():
            raise entry.problem(f"there is no resource limit {entry.key.removeprefix('lxc.prlimit.')}")
        soft, hard = values.limit(entry)
        draft.add("/process/rlimits", {"type": kind, "soft": soft, "hard": hard}, entry)
    if score := draft.config.last("lxc.proc.oom_score_adj"):
        draft.set("/process/oomScoreAdj", values.integer(score, score.value), score)


def _signals(draft: Draft) -> None:
    """The signal that asks for an end; LXC has one of its own for whatever is an init."""
    entry = draft.config.last("lxc.signal.halt")
    if entry is not None:
        draft.set(f"/annotations/{STOP_SIGNAL}", values.signal(entry), entry)
    elif draft.config.last("lxc.execute.cmd") is None:
        draft.set(f"/annotations/{STOP_SIGNAL}", HALT)
    for name in ("reboot", "stop"):
        if found := draft.config.last(f"lxc.signal.{name}"):
            values.signal(found)
