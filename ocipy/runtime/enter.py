"""The way into a container that runs, for exec and for hooks."""

from __future__ import annotations

from ocipy.errors import ContainerError
from ocipy.linux import os
from ocipy.linux.syscalls import openat2
from ocipy.plan import naming
from ocipy.plan.execprocess import entry_steps, exec_context
from ocipy.plan.facts import Options
from ocipy.runtime import host, process


def kinds_of(config):
    """The types of namespaces that a container has, by its configuration.

    Its first process may have made more since then: in a user namespace of its own it would say what an exec
    may do, and whether that keeps the caller's groups.
    """
    return {each["type"] for each in (config.get("linux") or {}).get("namespaces") or ()}


def differing(pid, proc, kinds):
    """Those types of namespaces that a process has and the runtime has not, in the order of the tables."""
    types = []
    for kind, name in naming.NAMESPACE_FILES.items():
        if kind not in kinds:
            continue
        try:
            theirs = os.stat(f"{pid}/ns/{name}", dir_fd=proc)
            ours = os.stat(f"self/ns/{name}", dir_fd=proc)
        except FileNotFoundError:
            continue  # this kernel has no such namespaces
        if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino):
            types.append(kind)
    return tuple(types)


def entry_of(pidfd, pid, proc, kinds, entered=True, directory=""):
    """(steps, descriptors) by which a new init enters the namespaces of a process, and its root.

    pidfd:     of the process; among the descriptors it is the same one
    kinds:     of namespaces, see `kinds_of`
    proc:      descriptor of the host's /proc
    entered:   has the process entered its root yet?
    directory: to begin in

    The descriptor "root", if there is one, is new.
    """
    types = differing(pid, proc, kinds)
    fds = {"container": pidfd}
    # Joining a mount namespace leads to its root; without one, the container's root is but a chroot.
    chroot = entered and "mount" not in types
    if chroot:
        fds["root"] = openat2(proc, f"{pid}/root", os.O_PATH | os.O_DIRECTORY)
    if process.wait_gone(pidfd, 0):
        # What /proc has said of this pid may have been of another process.
        if chroot:
            os.close(fds["root"])
        raise ContainerError("cannot exec in a stopped container")
    privileged = os.geteuid() == 0
    groups = privileged and "user" in types and not setgroups_denied("self", proc)
    return entry_steps(types, chroot, privileged, directory, groups), fds


def pid_inside(pid, proc):
    """The pid in the process's own, innermost, pid namespace.  Source: proc(5), NSpid."""
    for line in os.content(openat2(proc, f"{pid}/status", os.O_RDONLY)).split(b"\n"):
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return pid


def setgroups_denied(pid, proc):
    """Does the process's user namespace deny setgroups(2)?"""
    fd = openat2(proc, f"{pid}/setgroups", os.O_RDONLY)
    try:
        return os.read(fd, 16).strip() == b"deny"
    finally:
        os.close(fd)


def denies_groups(container, proc):
    """Is setgroups(2) denied where a process of the container will be?"""
    inside = "user" in kinds_of(container.config)
    return setgroups_denied(container._document["pid"] if inside else "self", proc)


def held(container):
    """A new pidfd of the container's first process.  Raises ContainerError when it has ended."""
    pidfd = container._hold()
    if pidfd is None:
        raise ContainerError("cannot exec in a stopped container")
    return pidfd


def options_of(container, env=()):
    """The options that a container was made with, as far as they hold for its other processes."""
    keyring = container._private.get("no_new_keyring", False)
    return Options(container.id, container.bundle, env=tuple(env), no_new_keyring=keyring)


def context_of(container, asked, proc):
    """What identity steps need to know, for a process beside the container's first."""
    denied = denies_groups(container, proc)
    return exec_context(container.config, asked, options_of(container), host.facts(), denied)
