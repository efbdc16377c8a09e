"""The table of legal transitions."""

import pytest

from ocipy.errors import ContainerError
from ocipy.runtime import lifecycle


@pytest.mark.parametrize(
    ("status", "verb", "words"),
    [
        ("stopped", "start", "cannot start a container that has stopped"),
        ("running", "start", "cannot start an already running container"),
        ("paused", "start", "cannot start a container in the paused state"),
        ("stopped", "kill", "container not running"),
        ("stopped", "pause", "container not running"),
        ("paused", "pause", "container not running: it is paused already"),
        ("running", "resume", "container not paused"),
        ("created", "resume", "container not paused"),
        ("stopped", "resume", "container not paused"),
        ("stopped", "update", "container not running"),
        ("stopped", "events", "container not running"),
        ("creating", "update", "cannot update a container that is creating"),
        ("stopped", "exec", "cannot exec in a stopped container"),
        ("paused", "exec", "cannot exec in a paused container (use --ignore-paused to override)"),
        ("running", "delete", "cannot delete a container that is not stopped: it is running"),
        ("creating", "start", "cannot start a container that is creating"),
    ],
)
def test_illegal_verbs_are_refused_in_the_words_that_callers_match(status, verb, words):
    with pytest.raises(ContainerError) as caught:
        lifecycle.require(status, verb)
    assert str(caught.value) == words


def test_every_legal_transition_is_let_through():
    for status, verb in lifecycle.TRANSITIONS:
        lifecycle.require(status, verb)


def test_force_deletes_in_every_status():
    statuses = {status for status, _ in lifecycle.TRANSITIONS} | set(lifecycle.TRANSITIONS.values()) - {None}
    for status in statuses:
        lifecycle.require(status, "delete --force")
