"""``exec``: one more process inside a running container."""

from ocipy.cli.common import runtime
from ocipy.cli.parse import integer
from ocipy.errors import ConfigError, Problem, UsageError
from ocipy.spec import drop_nulls, jsontext

#: One below the kernel's (uid_t)-1, which means "leave it as it is".
LAST_ID = 2**32 - 2


def main(flags, options, args):
    id, *command = args
    # "exec ID -- COMMAND" is how scripts guard a command that they were given.
    if command[:1] == ["--"]:
        del command[0]
    given = None
    if options["process"]:
        if command:
            raise UsageError(f'takes no argument "{command[0]}" with --process')
        given = read(options["process"])
    elif not command:
        raise UsageError("needs a command, or --process FILE")
    changes = _changes(options)
    container = runtime(flags).load(id)
    return container.exec(
        given if given is not None else build(container.config.get("process"), command, options, changes),
        console_socket=options["console-socket"] or None,
        pidfd_socket=options["pidfd-socket"] or None,
        pid_file=options["pid-file"] or None,
        detach=options["detach"],
        preserve_fds=options["preserve-fds"],
        cgroup=tuple(options["cgroup"]),
        ignore_paused=options["ignore-paused"],
        signals=True,
    )


def read(path):
    """The process object of a file, which may be a FIFO or /dev/stdin: callers pass what they like."""
    with open(path, "rb") as f:
        data = f.read(jsontext.MAX_BYTES + 1)
    process = jsontext.parse(data, path)
    if not isinstance(process, dict):
        raise ConfigError(Problem("", "must be an object", "schema"), path)
    drop_nulls(process)
    return process


def _changes(options):
    """The numbers among the options, checked before anything is looked up.

    A user that is no number must never come to mean 0 (CVE-2026-30892).
    """
    user = {}
    if options["user"]:
        uid, colon, gid = options["user"].partition(":")
        user["uid"] = identity(uid, "--user")
        if colon:
            user["gid"] = identity(gid, "--user")
    for entry in options["env"]:
        if not entry.partition("=")[0] or "=" not in entry:
            raise UsageError(f'invalid value "{entry}" for --env: not NAME=VALUE')
    return user, [identity(gid, "--additional-gids") for gid in options["additional-gids"]]


def identity(text, what):
    """A uid or gid as a number."""
    return integer(text, what, limit=LAST_ID + 1)


def build(process, command, options, changes):
    """The process of a command: the container's own, with what the options say put in its place.

    --cap adds to the bounding, effective and permitted sets and leaves inheritable and ambient alone: what
    is inheritable outlives the next execve (CVE-2022-29162, CVE-2022-27650).
    """
    if not isinstance(process, dict):
        raise UsageError("the container's configuration has no process to start from: use --process FILE")
    user, groups = changes
    process = {**process, "args": command, "terminal": options["tty"]}
    process["user"] = {**process.get("user", {}), **user}
    if groups:
        process["user"]["additionalGids"] = [*process["user"].get("additionalGids", ()), *groups]
    process["env"] = [*process.get("env", ()), *options["env"]]
    for option, key in (("cwd", "cwd"), ("apparmor", "apparmorProfile"), ("process-label", "selinuxLabel")):
        if options[option]:
            process[key] = options[option]
    if options["no-new-privs"] is not None:
        process["noNewPrivileges"] = options["no-new-privs"]
    if options["cap"]:
        caps = dict(process.get("capabilities", {}))
        for kind in ("bounding", "effective", "permitted"):
            caps[kind] = [*caps.get(kind, ()), *(c for c in options["cap"] if c not in caps.get(kind, ()))]
        process["capabilities"] = caps
    return process
