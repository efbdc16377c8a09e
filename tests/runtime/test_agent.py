"""Handing a listener over to an agent that does not do its part."""

import json
import os
import socket

import pytest

from ocipy.errors import StepError
from ocipy.runtime import agent


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "agent.sock"))
        made.listen(0)
        yield made


def asked(listener):
    return {"path": listener.getsockname(), "metadata": ""}


def test_an_agent_whose_queue_is_full_is_not_waited_for_for_ever(listener, monkeypatch):
    monkeypatch.setattr(agent, "DEADLINE", 1)
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(listener.getsockname())
        with pytest.raises(StepError, match="took no connection for 1 s"):
            agent.hand_over(asked(listener), 0, {}, 1)


def test_a_state_of_any_size_arrives_whole(listener):
    state = {"annotations": {"long": "x" * 100_000}}
    agent.hand_over(asked(listener), 0, state, 1)
    connection, _ = listener.accept()
    with connection:
        message, fds, _, _ = socket.recv_fds(connection, 1 << 20, 4)
        assert len(fds) == 1
        while piece := connection.recv(1 << 20):
            message += piece
        assert json.loads(message)["state"] == state
    os.close(fds[0])


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (None, None),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/a"}, None),
        (
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": "/a",
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
            },
            {"path": "/a", "metadata": ""},
        ),
    ],
)
def test_only_a_profile_that_notifies_has_an_agent(profile, expected):
    assert agent.of({"linux": {"seccomp": profile} if profile else {}}) == expected
