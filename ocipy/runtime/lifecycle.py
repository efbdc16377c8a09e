"""The container's life as one table: which verb is legal in which status, and what the status becomes.

Source: runtime-spec runtime.md#lifecycle; the words are those that callers of runc match.
"""

from __future__ import annotations

from ocipy.errors import ContainerError

CREATING, CREATED, RUNNING, PAUSED, STOPPED = "creating", "created", "running", "paused", "stopped"

#: (status, verb) -> status after it.  What is not here is illegal.
TRANSITIONS = {
    (CREATED, "start"): RUNNING,
    (CREATED, "kill"): STOPPED,
    (RUNNING, "kill"): RUNNING,
    (PAUSED, "kill"): PAUSED,
    (CREATED, "pause"): PAUSED,
    (RUNNING, "pause"): PAUSED,
    (PAUSED, "resume"): RUNNING,  # or created, as it was
    (CREATED, "update"): CREATED,
    (RUNNING, "update"): RUNNING,
    (PAUSED, "update"): PAUSED,
    (CREATED, "events"): CREATED,
    (RUNNING, "events"): RUNNING,
    (PAUSED, "events"): PAUSED,
    (CREATED, "exec"): CREATED,
    (RUNNING, "exec"): RUNNING,
    (CREATED, "delete"): None,
    (STOPPED, "delete"): None,
    (CREATING, "delete --force"): None,
    (CREATED, "delete --force"): None,
    (RUNNING, "delete --force"): None,
    (PAUSED, "delete --force"): None,
    (STOPPED, "delete --force"): None,
}

_WORDS = {
    (STOPPED, "start"): "cannot start a container that has stopped",
    (RUNNING, "start"): "cannot start an already running container",
    (PAUSED, "start"): "cannot start a container in the paused state",
    (STOPPED, "kill"): "container not running",
    (STOPPED, "pause"): "container not running",
    (PAUSED, "pause"): "container not running: it is paused already",
    (CREATED, "resume"): "container not paused",
    (RUNNING, "resume"): "container not paused",
    (STOPPED, "resume"): "container not paused",
    (STOPPED, "update"): "container not running",
    (STOPPED, "events"): "container not running",
    (STOPPED, "exec"): "cannot exec in a stopped container",
    (PAUSED, "exec"): "cannot exec in a paused container (use --ignore-paused to override)",
}


def require(status, verb):
    """Raises ContainerError, in the words that callers match, when the verb is illegal in this status."""
    if (status, verb) not in TRANSITIONS:
        default = (
            f"cannot {verb} a container that is {'not stopped: it is ' if verb == 'delete' else ''}{status}"
        )
        raise ContainerError(_WORDS.get((status, verb), default))
