"""exec: one more process in a running container, held by no less than the first."""

from __future__ import annotations

from ocipy import spec
from ocipy.errors import OcipyError, UsageError
from ocipy.linux import os
from ocipy.plan import steps
from ocipy.plan.execprocess import compile_exec
from ocipy.runtime import enter, host, lifecycle, process
from ocipy.runtime.execute import Execution, confined


def run(
    container,
    asked,
    *,
    stdin=None,
    stdout=None,
    stderr=None,
    console_socket=None,
    pidfd_socket=None,
    pid_file=None,
    detach=False,
    timeout=None,
    preserve_fds=0,
    cgroup=(),
    ignore_paused=False,
    signals=False,
    capture=None,
):
    """Execute a process object in a container; see `Container.exec`.

    signals: forward those of the runtime to it, as a command does
    capture: `Capture` of its standard streams
    """
    process.require_waiting(detach, timeout)
    from ocipy.runtime import streams
    from ocipy.runtime.foreground import Foreground

    status = container.status
    if not (status == lifecycle.PAUSED and ignore_paused):
        lifecycle.require(status, "exec")
    for warning in spec.require_process(asked, "process"):
        container.runtime.warn(warning.within("process"))
    given = capture.streams if capture else streams.standard(stdin, stdout, stderr)
    streams.check_console(bool(asked.get("terminal")), console_socket, detach, given)
    inherited = streams.inherited(preserve_fds, container.runtime.environ)
    with Foreground(signals and not detach, subreaper=False) as foreground:
        if capture:
            foreground.take_capture(capture)
        execution = _execute(container, asked, inherited, cgroup, given)
        try:
            terminal = None if console_socket else foreground.take_terminal
            streams.hand_out(execution, asked, terminal, console_socket, pidfd_socket, pid_file)
            _let_go(execution, asked)
            if capture:
                capture.started()
        except BaseException:
            execution.undo()
            raise
        finally:
            execution.close()
        if detach:
            return 0
        return process.exit_status(foreground.wait(execution.pid, timeout))


def of_command(container, args):
    """The process object of a command: the container's own, without its terminal."""
    own = container.config.get("process")
    if not isinstance(own, dict):
        raise UsageError("the container's configuration has no process to start from: give a whole one")
    return {**own, "args": list(args), "terminal": False}


def _execute(container, asked, inherited, cgroup, given):
    """Everything up to execve; the `Execution`, whose start_steps do the rest."""
    pidfd = enter.held(container)
    manager = (
        container.cgroup.below(cgroup) if cgroup else container.cgroup.at_process(container._document["pid"])
    )
    execution = Execution(manager, container.runtime.root, preserve=inherited.count, streams=given)
    execution.notify = lambda fd: _notify(container, execution, notified, fd)
    execution.fds["container"] = pidfd
    root = notified = None
    try:
        pid, proc = container._document["pid"], execution.fds["proc"]
        entry, fds = enter.entry_of(pidfd, pid, proc, enter.kinds_of(container.config))
        root = execution.fds["root"] = fds.get("root")
        denied, facts = enter.denies_groups(container, proc), host.facts()

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
