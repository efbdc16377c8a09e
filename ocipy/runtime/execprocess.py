"""exec: one more process in a running container, held by no less than the first."""

from __future__ import annotations

from ocipy import spec
from ocipy.errors import OcipyError
from ocipy.linux import os
from ocipy.plan import steps
from ocipy.plan.execprocess import compile_exec
from ocipy.runtime import enter, host, lifecycle, process
from ocipy.runtime.execute import Execution, confined


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
    inherited = streams.inherited(preserve_fds, container.runtime.environ)
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
    pidfd = enter.held(container)
    manager = (
        container.cgroup.below(cgroup) if cgroup else container.cgroup.at_process(container._document["pid"])
    )
    execution = Execution(manager, container.runtime.root, preserve=inherited.count)
    execution.notify = lambda fd: _notify(container, execution, notified, fd)
    execution.fds["container"] = pidfd
    root = notified = None
    try:
        pid, proc = container._document["pid"], execution.fds["proc"]
        entry, fds = enter.entry_of(pidfd, pid, proc)
        root = execution.fds["root"] = fds.get("root")
        denied, facts = enter.setgroups_denied(pid, proc), host.facts()

        def plan(env):
            made = compile_exec(
                container.config, asked, enter.options_of(container, env), facts, entry, denied
            )
            return confined(made, container.config, container.runtime.root)

        made, notified = plan(inherited.env)
        for warning in made.warnings:
            container.runtime.warn(warning)
        cut = made.create.index(steps.JoinCgroup())
        execution.run(made.create[:cut])
        if inherited.env:
            made, _ = plan(_for_pid(inherited.env, enter.pid_inside(execution.pid, proc)))
        execution.run(made.create[cut:])
        execution.start_steps = made.start
    except BaseException as error:  # noqa: BLE001 - raised again, in better words
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


def _notify(container, execution, notified, fd):
    from ocipy.runtime import agent

    state = container._state_for_hooks(container.status)
    agent.hand_over(notified, fd, state, execution.pid)


def _let_go(execution, asked):
    try:
        execution.launch(execution.start_steps).finish_executed()
    except OcipyError as error:
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, asked["args"][0]) from None
    finally:
        execution.channel.close()
