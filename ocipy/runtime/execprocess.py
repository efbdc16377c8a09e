"""exec: one more process in a running container, held by no less than the first."""

from __future__ import annotations

import os

from ocipy.errors import ContainerError, OcipyError
from ocipy.linux.syscalls import openat2
from ocipy.plan import naming, steps
from ocipy.plan.compile import Context, compile_exec
from ocipy.plan.facts import Options
from ocipy.plan.identity import identity_steps
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


def entry_of(pidfd, pid, proc):
    """(steps, descriptors) by which a new init enters the namespaces of a process."""
    types = differing(pid, proc)
    entry = [steps.JoinProcess(types)] if types else []
    if "user" in types:
        entry.append(steps.BecomeRoot())
    entry.append(steps.Clone(()))
    return entry, {"container": pidfd, "proc": proc}


def container_entry(container):
    """As `entry_of`, for a startContainer hook: (steps, descriptors, identity, pid as the container sees it)."""
    pidfd = container._hold()
    if pidfd is None:
        raise ContainerError("container not running")
    proc = host.proc_fd()
    config = container.config
    entry, fds = entry_of(pidfd, container._document["pid"], proc)
    context = Context(config, Options(container.id, container.bundle, no_new_keyring=True), host.facts())
    context.setgroups_denied = _setgroups_denied(container._document["pid"], proc)
    identity, _ = identity_steps(config["process"], context)
    # The program, its arguments and directory are the hook's own.
    wrap = [step for step in identity if not isinstance(step, (steps.Process, steps.Lookup))]
    return entry, fds, wrap, _pid_inside(container._document["pid"], proc)


def close(fds):
    for fd in fds.values():
        os.close(fd)


def _pid_inside(pid, proc):
    """The pid in the process's own, innermost, pid namespace.  Source: proc(5), NSpid."""
    fd = openat2(proc, f"{pid}/status", os.O_RDONLY)
    with open(fd, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid


def _setgroups_denied(pid, proc):
    fd = openat2(proc, f"{pid}/setgroups", os.O_RDONLY)
    try:
        return os.read(fd, 16).strip() == b"deny"
    finally:
        os.close(fd)


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

    has_terminal = bool(asked.get("terminal"))
    status = container.status
    if not (status == lifecycle.PAUSED and ignore_paused):
        lifecycle.require(status, "exec")
    streams.check_console(has_terminal, console_socket, detach)
    fds = streams.inherited(preserve_fds)
    with Foreground(signals and not detach, subreaper=False) as foreground:
        execution = _execute(container, asked, fds, cgroup)
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
    pidfd = container._hold()
    if pidfd is None:
        raise ContainerError("cannot exec in a stopped container")
    manager = container.cgroup.below(cgroup) if cgroup else container.cgroup
    execution = Execution(manager, container.runtime.root, preserve=inherited.count)
    execution.notify = lambda fd: _notify(container, execution, fd)
    execution.fds["container"] = pidfd
    pid, proc = container._document["pid"], execution.fds["proc"]
    options = Options(
        container.id, container.bundle, env=inherited.env, no_new_keyring=container._private.get("no_new_keyring", False)
    )
    try:
        plan = compile_exec(container.config, asked, options, host.facts(), _setgroups_denied(pid, proc))
        entry, _ = entry_of(pidfd, pid, proc)
        execution.run([*entry, steps.JoinCgroup(), *plan.create])
        execution.start_steps = plan.start
    except OcipyError as error:
        execution.undo()
        execution.close()
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, asked["args"][0]) from error
    return execution


def _notify(container, execution, fd):
    from ocipy.runtime import seccomp

    state = container._state_for_hooks(container.status)
    seccomp.hand_over(seccomp.listener_of(container.config), fd, state, execution.pid)


def _let_go(execution, asked):
    try:
        execution.launch(execution.start_steps).finish_executed()
    except OcipyError as error:
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, asked["args"][0]) from error
    finally:
        execution.channel.close()
