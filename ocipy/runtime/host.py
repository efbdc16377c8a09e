"""Facts of this host, found once a command (ocipy/plan/facts.py says what they are)."""

from __future__ import annotations

from ocipy.cgroups import layout
from ocipy.linux import _syscall, const, os
from ocipy.linux.syscalls import capget, failed, fd_text, fstatfs_type, is_mount_root, openat2
from ocipy.plan.facts import Facts


def facts() -> Facts:
    """What plans depend on.  Needs /proc."""
    apparmor = _text("/sys/module/apparmor/parameters/enabled", "N").startswith("Y")
    return Facts(
        euid=os.geteuid(),
        egid=os.getegid(),
        user_namespace=in_user_namespace(),
        setgroups_denied=_text("/proc/self/setgroups", "allow") == "deny",
        capabilities=capget()[1],
        last_capability=int(_text("/proc/sys/kernel/cap_last_cap", "40")),
        cgroup=layout.detect(),
        apparmor=apparmor,
        apparmor_attributes="apparmor/" if apparmor and os.path.exists("/proc/self/attr/apparmor") else "",
        selinux=os.path.exists("/sys/fs/selinux/enforce"),
        landlock=_landlock(),
        oom_score_adj=int(_text("/proc/self/oom_score_adj", "0")),
        kcore=os.path.exists("/proc/kcore"),
        machine=os.uname().machine,
    )


def _landlock():
    """The kernel's version of it."""
    return max(0, _syscall.call(_syscall.SYS_landlock_create_ruleset, None, 0, 1))


def proc_fd():
    """A descriptor of the host's /proc, verified: what init writes through it lands in procfs and nowhere
    else (CVE-2019-16884, CVE-2025-52881)."""
    fd = openat2(const.AT_FDCWD, "/proc", os.O_PATH | os.O_DIRECTORY, 0, const.RESOLVE_NO_SYMLINKS)
    if fstatfs_type(fd) != const.PROC_SUPER_MAGIC or not is_mount_root(fd):
        text = fd_text(fd)
        os.close(fd)
        raise failed(const.EINVAL, "openat2", text, "not the root of a procfs")
    return fd


def in_user_namespace():
    """Whether this is another than the first user namespace, which maps every id to itself."""
    return _text("/proc/self/uid_map", "").split() != ["0", "0", "4294967295"]


def _text(path, default):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return default
    try:
        return os.read(fd, 4096).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
