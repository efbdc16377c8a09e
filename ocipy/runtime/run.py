"""run: create, start, wait, delete."""

from __future__ import annotations

from ocipy.runtime import create, process, start
from ocipy.runtime.container import KILLED


def run(
    runtime,
    bundle,
    id,
    *,
    detach=False,
    timeout=None,
    keep=False,
    no_subreaper=False,
    signals=False,
    **options,
):
    """Run a container to its end; see `Runtime.run`."""
    process.require_waiting(detach, timeout)
    if detach:
        container = create.create(runtime, bundle, id, **options)
        try:
            container.start()
        except BaseException:
            if not keep:
                runtime.delete(id, force=True)
            raise
        return 0
    from ocipy.runtime.foreground import Foreground

    with Foreground(signals, subreaper=signals and not no_subreaper) as foreground:
        container = create.create(runtime, bundle, id, terminal=foreground.take_terminal, **options)
        try:
            foreground.take_eye(container.watch())
            foreground.take_relay(start.start(container))
            status = process.exit_status(foreground.wait(container._document["pid"], timeout))
            if status == KILLED:
                container.warn_of_memory()
        finally:
            if not keep:
                runtime.delete(id, force=True)
    return status
