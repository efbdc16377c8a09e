"""run: create, start, wait, delete."""

from __future__ import annotations

from ocipy.runtime import create, process
from ocipy.runtime.container import KILLED


def run(runtime, bundle, id, *, detach=False, keep=False, no_subreaper=False, signals=False, **options):
    """Run a container to its end; returns the exit status of its program, 128 + signal if one ended it.

    detach:       return 0 once it runs
    keep:         leave the stopped container there
    no_subreaper: don't adopt what the container leaves behind
    signals:      forward signals of the process, as a command does; a library leaves them alone
    """
    if detach:
        container = create.create(runtime, bundle, id, **options)
        _start(container, keep)
        return 0
    from ocipy.runtime.foreground import Foreground

    with Foreground(signals, subreaper=signals and not no_subreaper) as foreground:
        container = create.create(
            runtime, bundle, id, detach=False, terminal=foreground.take_terminal, **options
        )
        try:
            foreground.take_eye(container.watch())
            _start(container, keep, foreground.take_relay)
            status = process.exit_status(foreground.wait(container._document["pid"]))
            if status == KILLED:
                container.warn_of_memory()
        finally:
            if not keep:
                runtime.delete(id, force=True)
    return status


def _start(container, keep, relay_to=None):
    try:
        container.start(relay_to)
    except BaseException:
        if not keep:
            container.runtime.delete(container.id, force=True)
        raise
