"""exec: one more process in a running container, held by no less than the first."""

from __future__ import annotations

import os

from ocipy import spec
from ocipy.errors import ContainerError, OcipyError
from ocipy.linux.syscalls import openat2
from ocipy.plan import naming, steps
from ocipy.plan.execprocess import compile_exec, entry_steps, exec_context
from ocipy.plan.facts import Options
from ocipy.runtime import host, lifecycle, process
from ocipy.runtime.execute import Execution


def differing(pid, proc):
    """The types of namespaces that a process has and the runtime has not, in the order of the tables."""
    types = []
    for kind, name in naming.NAMESPACE_FILES.items():
        try:
            theirs = os.stat(f"{pid}/ns/{name}", dir_fd=proc)
            ours = os.stat(f"self/ns/{name}", dir_fd=proc)
        except FileNotFoundError:
            continue  # this kernel has no such namespaces
        if (theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino):
            types.append(kind)
    return tuple(types)


def entry_of(pidfd, pid, proc, entered=True):
    """(steps, descriptors) by which a new init enters the namespaces of a process, and its root.

    entered: has the process entered its root yet?
    The caller closes the descriptor "root", if there is one.
    """
    types = differing(pid, proc)
    fds = {"container": pidfd, "proc": proc}
    # Joining a mount namespace leads to its root; without one of its own, the container's root is but a chroot.
    chroot = entered and "mount" not in types
    if chroot:
        fds["root"] = openat2(proc, f"{pid}/root", os.O_PATH | os.O_DIRECTORY)
    return entry_steps(types, chroot), fds


def pid_inside(pid, proc):
    """The pid in the process's own, innermost, pid namespace.  Source: proc(5), NSpid."""
    fd = openat2(proc, f"{pid}/status", os.O_RDONLY)
    with open(fd, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid


def setgroups_denied(pid, proc):
    """Does the process's user namespace deny setgroups(2)?"""
    fd = openat2(proc, f"{pid}/setgroups", os.O_RDONLY)
    try:
        return os.read(fd, 16).strip() == b"deny"
    finally:
        os.close(fd)


def held(container):
    """A pidfd of the container's first process.  Raises ContainerError when it has ended."""
    pidfd = container._hold()
    if pidfd is None:
        raise ContainerError("cannot exec in a stopped container")
    return pidfd


def options_of(container, env=()):
    """The options that a container was made with, as far as they hold for its other processes."""
    keyring = container._private.get("no_new_keyring", False)
    return Options(container.id, container.bundle, env=tuple(env), no_new_keyring=keyring)


def context_of(container, asked, options, proc):
    """What the plan of another process needs to know."""
    denied = setgroups_denied(container._document["pid"], proc)
    return exec_context(container.config, asked, options, host.facts(), denied)


def run(
    container,
    asked,
    *,
    console_socket=None,
    pidfd_socket=None,
    pid_file=None,
    detach=False,
    preserve_fds=0,
    cgroup=(),
    ignore_paused=False,
    signals=False,
):
    """Execute a process object in a container; returns its exit status, 0 when detached.

    asked:  the process object, a dict as `process` of config.json
    cgroup: sub-cgroups of the container's to put it in, "PATH" or "CONTROLLER:PATH"
    """
    from ocipy.runtime import create, streams
    from ocipy.runtime.foreground import Foreground

    status = container.status
    if not (status == lifecycle.PAUSED and ignore_paused):
        lifecycle.require(status, "exec")
    for warning in spec.require_process(asked, "process"):
        container.runtime.warn(str(warning))
    has_terminal = bool(asked.get("terminal"))
    streams.check_console(has_terminal, console_socket, detach)
    inherited = streams.inherited(preserve_fds)
    with Foreground(signals and not detach, subreaper=False) as foreground:
        execution = _execute(container, asked, inherited, cgroup)
        try:
            if has_terminal:
                streams.hand_over_terminal(
                    execution, asked, console_socket, None if console_socket else foreground.take_terminal
                )
            if pidfd_socket:
                streams.send_descriptor(pidfd_socket, execution.pidfd, b"pidfd")
            if pid_file:
                create.write_pid_file(pid_file, execution.pid)
            _let_go(execution, asked)
        except BaseException:
            execution.undo()
            raise
        finally:
            execution.close()
        if detach:
            return 0
        return process.exit_status(foreground.wait(execution.pid))


def _execute(container, asked, inherited, cgroup):
    """Everything up to execve; the `Execution`, whose start_steps do the rest."""
    pidfd = held(container)
    manager = container.cgroup.below(cgroup) if cgroup else container.cgroup
    execution = Execution(manager, container.runtime.root, preserve=inherited.count)
    execution.notify = lambda fd: _notify(container, execution, fd)
    execution.fds["container"] = pidfd
    root = None
    try:
        pid, proc = container._document["pid"], execution.fds["proc"]
        entry, fds = entry_of(pidfd, pid, proc)
        root = execution.fds["root"] = fds.get("root")
        denied, facts = setgroups_denied(pid, proc), host.facts()

        def plan(env):
            return compile_exec(container.config, asked, options_of(container, env), facts, entry, denied)

        made = plan(inherited.env)
        for warning in made.warnings:
            container.runtime.warn(warning)
        cut = made.create.index(steps.JoinCgroup())
        execution.run(made.create[:cut])
        if inherited.env:
            made = plan(_for_pid(inherited.env, pid_inside(execution.pid, proc)))
        execution.run(made.create[cut:])
        execution.start_steps = made.start
    except BaseException as error:
        execution.undo()
        execution.close()
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, asked["args"][0]) from None
    finally:
        if root is not None:
            os.close(root)
    return execution


def _for_pid(env, pid):
    """LISTEN_PID says for whom LISTEN_FDS is: sd_listen_fds(3)."""
    return tuple(f"LISTEN_PID={pid}" if entry.startswith("LISTEN_PID=") else entry for entry in env)


def _notify(container, execution, fd):
    from ocipy.runtime import seccomp

    state = container._state_for_hooks(container.status)
    seccomp.hand_over(seccomp.listener_of(container.config), fd, state, execution.pid)


def _let_go(execution, asked):
    try:
        execution.launch(execution.start_steps).finish_executed()
    except OcipyError as error:
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, asked["args"][0]) from None
    finally:
        execution.channel.close()
