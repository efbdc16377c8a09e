"""Id mappings of user namespaces: (inside, outside, size) each."""

from __future__ import annotations

from ocipy.linux import const, os
from ocipy.linux.syscalls import failed, openat2
from ocipy.runtime import process


def write(proc, pid, kind, mappings):
    """Write uid_map or gid_map (kind: "uid", "gid") of a process, through a descriptor of procfs."""
    text = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in mappings)
    fd = openat2(proc, f"{pid}/{kind}_map", os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise failed(error.errno, "write", f"/proc/{pid}/{kind}_map", text.strip()) from None
    finally:
        os.close(fd)


def read(proc, pid, kind):
    """The mappings that a process lives in, as our own user namespace numbers what is outside."""
    text = os.content(openat2(proc, f"{pid}/{kind}_map", os.O_RDONLY))
    lines = [line.split() for line in text.splitlines()]
    if not all(len(line) == 3 and b"".join(line).isdigit() for line in lines):
        raise failed(const.EINVAL, "read", f"/proc/{pid}/{kind}_map", "not three numbers a line")
    return tuple(tuple(map(int, line)) for line in lines)


def map_ids(step, proc, pid):
    """Do a step MapIds for a process in a user namespace that has no mappings yet."""
    if step.deny_setgroups:
        fd = openat2(proc, f"{pid}/setgroups", os.O_WRONLY)
        os.write(fd, b"deny")
        os.close(fd)
    for kind, mappings in (("uid", step.uids), ("gid", step.gids)):
        if step.tool:
            _by_tool(f"new{kind}map", pid, mappings)
        else:
            write(proc, pid, kind, mappings)


def _by_tool(tool, pid, mappings):
    """newuidmap(1) and newgidmap(1): set-user-ID programs that know /etc/subuid."""
    for directory in ("/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin"):
        path = f"{directory}/{tool}"
        if os.access(path, os.X_OK):
            break
    else:
        raise failed(const.ENOENT, "execve", tool, "an unprivileged user needs it to map more than one id")
    arguments = [tool, str(pid), *(str(n) for mapping in mappings for n in mapping)]
    said, writing = os.pipe()
    try:
        child = os.posix_spawn(path, arguments, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 2)])
    finally:
        os.close(writing)
    with open(said, encoding="utf-8", errors="backslashreplace") as file:
        text = file.read().strip()
    status = process.wait(child)
    if status:
        text = text.removeprefix(f"{tool}: ") or f"status {process.exit_status(status)}"
        raise failed(const.EPERM, tool, *map(int, arguments[1:]), text)
