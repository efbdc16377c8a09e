"""What the runtime hears of an init that has ended: its reason, whatever was sent meanwhile."""

import os
import socket

import pytest

from ocipy.errors import StepError
from ocipy.plan import protocol, steps
from ocipy.runtime.channel import Channel


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield Channel(ours, os.getpid()), theirs
    ours.close()
    theirs.close()


def answer(kind, index=0, error=0, value=0, text=b""):
    words = (kind, index, error, len(text))
    return b"".join(word.to_bytes(4, "little") for word in words) + value.to_bytes(8, "little") + text


JOIN = steps.SetHostname("x", pointer="/hostname")


def test_a_failure_is_heard_although_more_was_sent_than_init_has_read(pair):
    channel, init = pair
    first = channel.send([JOIN], {})
    init.recv(1)
    init.send(answer(protocol.ANSWER_FAIL, error=1, text=b'sethostname("x")'))
    channel.send([JOIN], {})  # init has ended its first program, and will never read this
    init.close()
    with pytest.raises(StepError, match=r'set host name x .*sethostname\("x"\): EPERM'):
        first.finish()


def test_sending_to_an_init_that_has_ended_is_no_failure_of_its_own(pair):
    channel, init = pair
    first = channel.send([JOIN], {})
    init.recv(1)
    init.send(answer(protocol.ANSWER_FAIL, error=22, text=b"why"))
    init.close()
    channel.send([JOIN], {})
    with pytest.raises(StepError, match="why: EINVAL"):
        first.finish()


def test_an_init_that_says_nothing_is_named(pair):
    channel, init = pair
    program = channel.send([JOIN], {})
    init.recv(1)
    init.close()
    with pytest.raises(StepError, match="init ended unexpectedly"):
        program.finish()


def test_the_second_to_start_is_not_told_that_it_succeeded(pair):
    channel, init = pair
    program = channel.send([JOIN], {})
    init.close()  # with what was sent unread: the connection is reset
    with pytest.raises(StepError, match="has been started already"):
        program.finish_executed()


def test_the_end_of_the_connection_is_success(pair):
    channel, init = pair
    program = channel.send([JOIN], {})
    init.recv(1)
    init.close()
    program.finish_executed()
