"""config.json as a configuration of LXC's.

    lxc-execute -n NAME -f config       a program, as the child of an init of LXC's
    lxc-start -F -n NAME -f config      where it is to have a terminal

All keys are of LXC 3 and later.  Those of cgroup v1 are left out for LXC 7, which refuses them.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, UsageError
from ocipy.formats.lxc import (
    grammar,
    management,
    process,
    seccomp,
    values,
    write_cgroups,
    write_hooks,
    write_mounts,
    write_net,
)
from ocipy.formats.lxc import host as hosts
from ocipy.formats.lxc.namespaces import KINDS
from ocipy.formats.lxc.paper import Paper
from ocipy.formats.lxc.read import FILE
from ocipy.spec.names import CAPABILITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.spec import Spec
    from ocipy.spec.origin import Note

VERSIONS = ("5", "6", "7")
#: Beside the configuration: LXC looks for it from where it is run.
SECCOMP = "seccomp"
_DOMAINS = {"LINUX": "linux64", "LINUX32": "linux32"}
_LIMITS = {2**64 - 1: "unlimited"}


def dump(spec: Spec, version: str | None) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """({file name: content}, notes); the pointers of notes are of config.json.

    version: one of VERSIONS; by default the newest
    """
    version = version or VERSIONS[-1]
    if version not in VERSIONS:
        raise UsageError(f"no version {version} of LXC: known are {', '.join(VERSIONS)}")
    paper = Paper(spec.data, int(version))
    paper.lines.append(f"# Written by ocipy for LXC {version}, to be started by")
    _program(paper)
    write_mounts.root(paper)
    _process(paper)
    _user(paper)
    _security(paper)
    _names(paper)
    _namespaces(paper)
    write_mounts.mounts(paper)
    write_cgroups.dump(paper)
    write_net.dump(paper)
    write_hooks.dump(paper)
    _annotations(paper)
    paper.finish()
    text = "\n".join(paper.lines) + "\n"
    return {FILE: text.encode("utf-8", "surrogateescape"), **paper.files}, tuple(paper.notes)


def _process(paper: Paper) -> None:
    at = "/process"
    cwd = paper.take(f"{at}/cwd")
    if cwd and cwd != "/":
        paper.put("lxc.init.cwd", cwd, f"{at}/cwd")
    for i, variable in enumerate(paper.take(f"{at}/env") or ()):
        if "=" not in variable or not variable.partition("=")[0]:
            paper.lossy(f"{at}/env/{i}", "is not NAME=VALUE")
        elif variable.startswith("container=") and variable != process.CONTAINER:
            paper.lossy(f"{at}/env/{i}", f"LXC sets {process.CONTAINER}")
        elif variable != process.CONTAINER:
            paper.put("lxc.environment", variable, f"{at}/env/{i}")
    if paper.take(f"{at}/noNewPrivileges"):
        paper.put("lxc.no_new_privs", 1, f"{at}/noNewPrivileges")
    if (score := paper.take(f"{at}/oomScoreAdj")) is not None:
        paper.put("lxc.proc.oom_score_adj", score, f"{at}/oomScoreAdj")
    for i, one in enumerate(paper.take(f"{at}/rlimits") or ()):
        soft, hard = (_LIMITS.get(one[end], one[end]) for end in ("soft", "hard"))
        name = one["type"].removeprefix("RLIMIT_").lower()
        paper.put(f"lxc.prlimit.{name}", f"{soft}:{hard}", f"{at}/rlimits/{i}")


def _program(paper: Paper) -> None:
    """What runs: with a terminal as lxc-start has an init, else as lxc-execute has a program.

    An init's command has no quotes: where it would need them it is lxc-execute's, which has no terminal.
    """
    at = "/process/args"
    args, terminal = paper.take(at) or [], paper.take("/process/terminal")
    plain = args and not any(not word or any(space in word for space in grammar.SPACES) for word in args)
    start = terminal and plain
    paper.lines.append(f"# {'lxc-start -F' if start else 'lxc-execute'} -n NAME -f {FILE}")
    if start:
        paper.put("lxc.init.cmd", " ".join(args), at)
        return
    if terminal:
        paper.lossy("/process/terminal", "lxc-execute hands on its own streams")
    try:
        if args:
            paper.put("lxc.execute.cmd", grammar.quote_words(args), at)
    except ValueError as error:
        paper.refused(at, f"{error}: give it to lxc-start -- instead")


def _user(paper: Paper) -> None:
    at = "/process"
    for kind in ("uid", "gid"):
        if number := paper.take(f"{at}/user/{kind}"):
            paper.put(f"lxc.init.{kind}", number, f"{at}/user/{kind}")
    groups = paper.take(f"{at}/user/additionalGids")
    if groups and paper.look("/linux/uidMappings"):
        paper.lossy(f"{at}/user/additionalGids", "LXC drops groups in a user namespace")
    elif groups:
        paper.put("lxc.init.groups", ",".join(map(str, groups)), f"{at}/user/additionalGids")


def _security(paper: Paper) -> None:
    _capabilities(paper)
    profile = paper.take("/process/apparmorProfile")
    # LXC has a default of its own, which would confine a container that is not to be.
    paper.put("lxc.apparmor.profile", profile or "unchanged", "/process/apparmorProfile")
    if label := paper.take("/process/selinuxLabel"):
        paper.put("lxc.selinux.context", label, "/process/selinuxLabel")
    profile = paper.take("/linux/seccomp")
    if not profile:
        return
    try:
        text, lost = seccomp.text(profile, hosts.this().machine)
    except ValueError as error:
        paper.refused("/linux/seccomp", str(error))
        return
    paper.files[SECCOMP] = text.encode("utf-8", "surrogateescape")
    paper.put("lxc.seccomp.profile", SECCOMP, "/linux/seccomp")
    paper.changed("/linux/seccomp", f"in a file of its own, {SECCOMP}, which LXC looks for where it is run")
    for pointer, reason in lost:
        paper.lossy(f"/linux/seccomp{pointer}", reason)
    if path := profile.get("listenerPath"):
        paper.put("lxc.seccomp.notify.proxy", f"unix:{path}", "/linux/seccomp/listenerPath")
        paper.lossy("/linux/seccomp/listenerPath", "the agent is spoken to as LXC has it, not as OCI has it")
    if cookie := profile.get("listenerMetadata"):
        paper.put("lxc.seccomp.notify.cookie", cookie, "/linux/seccomp/listenerMetadata")


def _capabilities(paper: Paper) -> None:
    """What is kept is what is bounded to; the other sets follow from the user, and that is noted."""
    at = "/process/capabilities"
    sets = paper.take(at) or {}
    known = {kind: [name for name in CAPABILITIES if name in (sets.get(kind) or ())] for kind in sets}
    kept = known.get("bounding", [])
    names = " ".join(name.removeprefix("CAP_").lower() for name in kept)
    paper.put("lxc.cap.keep", names or "none", f"{at}/bounding")
    root = not paper.look("/process/user/uid")
    for kind in ("effective", "permitted"):
        if root and known.get(kind, []) != kept:
            paper.lossy(f"{at}/{kind}", "root has all that it is bounded to")
    for kind in ("inheritable", "ambient"):
        if known.get(kind):
            paper.lossy(f"{at}/{kind}", "LXC empties this set")


def _names(paper: Paper) -> None:
    if name := paper.take("/hostname"):
        paper.put("lxc.uts.name", name, "/hostname")
    if (domain := paper.take("/linux/personality/domain")) in _DOMAINS:
        paper.put("lxc.arch", _DOMAINS[domain], "/linux/personality/domain")
    for clock, key in (("boottime", "boot"), ("monotonic", "monotonic")):
        pointer = f"/linux/timeOffsets/{clock}"
        if not (said := paper.take(pointer)):
            continue
        secs, nanosecs = said.get("secs", 0), said.get("nanosecs", 0)
        if secs and nanosecs:
            paper.lossy(f"{pointer}/nanosecs", "LXC takes seconds or parts of one, not both")
        paper.put(f"lxc.time.offset.{key}", f"{secs}s" if secs else f"{nanosecs}ns", pointer)
    if signal := paper.take(f"/annotations/{process.STOP_SIGNAL}"):
        entry = grammar.Entry("lxc.signal.halt", signal, process.STOP_SIGNAL)
        try:
            paper.put("lxc.signal.halt", values.signal(entry), f"/annotations/{process.STOP_SIGNAL}")
        except ConfigError:
            paper.lossy(f"/annotations/{process.STOP_SIGNAL}", f"{signal} is no name that LXC knows")


def _namespaces(paper: Paper) -> None:
    at = "/linux/namespaces"
    listed = paper.take(at) or []
    names = {kind: name for name, kind in KINDS.items()}
    new = [names[one["type"]] for one in listed if not one.get("path")]
    if "mnt" not in new:
        paper.refused(at, "LXC gives every container a mount namespace of its own")
    paper.put("lxc.namespace.clone", " ".join(new), at)
    for i, one in enumerate(listed):
        if path := one.get("path"):
            paper.put(f"lxc.namespace.share.{names[one['type']]}", path, f"{at}/{i}")
    if not any(one["type"] == "network" for one in listed):
        paper.put("lxc.net.0.type", "none", at)
    for letter, side in (("u", "uidMappings"), ("g", "gidMappings")):
        for i, one in enumerate(paper.take(f"/linux/{side}") or ()):
            said = f"{letter} {one['containerID']} {one['hostID']} {one['size']}"
            paper.put("lxc.idmap", said, f"/linux/{side}/{i}")


def _annotations(paper: Paper) -> None:
    """Keys that came from LXC go back; other annotations have no place there."""
    for name, value in (paper.look("/annotations") or {}).items():
        pointer = f"/annotations/{management.escaped(name)}"
        key = name.removeprefix(management.PREFIX)
        if name.startswith(management.PREFIX) and management.kept(key):
            paper.take(pointer)
            for line in value.split("\n"):
                paper.put(key, line, pointer)
