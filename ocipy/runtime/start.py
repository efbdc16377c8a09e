"""start: a created container's program runs."""

from __future__ import annotations

from ocipy.errors import ContainerError, OcipyError
from ocipy.linux import os
from ocipy.plan import steps
from ocipy.runtime import lifecycle
from ocipy.runtime.channel import Channel, Program


def start(container):
    """What of start is under the container's lock; the relay of its sd_notify socket, if there is one."""
    with container._entry:
        lifecycle.require(container.status, "start")
        if not container._private["start"][1:]:
            raise ContainerError("cannot start a container whose configuration has no process")
        container._run_hooks("startContainer")
        relay = _bind_notify(container)
        try:
            _let_go(container)
        except OcipyError as error:
            container._explain_memory(error, new=True)
            container._kill_and_wait()
            raise
        container._run_hooks("poststart")
    return relay


def _bind_notify(container):
    caller = container._private.get("notify") and container.runtime.environ.get("NOTIFY_SOCKET")
    if not caller:
        return None
    from ocipy.runtime.notify import Relay

    return Relay(container._entry.path, caller)


def _let_go(container):
    private = container._private
    channel = Channel(container._entry.connect(), container._document["pid"])

    def made(_, fd):
        """What init makes between start and execve is the listener of its seccomp filter."""
        try:
            container._notify(fd)
        finally:
            os.close(fd)
        return True

    try:
        # What create gave init to do after start; all that is needed of it here is how to speak of it.
        origin = [
            (
                steps.Execve(private["program"], pointer=pointer)
                if name == "Execve"
                else steps.Op(name, (), text, pointer=pointer)
            )
            for name, text, pointer in private["start"]
        ]
        Program(channel, origin, made).finish_executed()
    except OcipyError as error:
        from ocipy.runtime import diagnose

        raise diagnose.explain(error, private["program"]) from None
    finally:
        channel.close()
