"""How a signal may be named."""

import signal

import pytest

from ocipy.cli.kill import default_signal, signal_number
from ocipy.errors import UsageError


@pytest.mark.parametrize("number", sorted({int(s) for s in signal.Signals}))
def test_every_signal_of_the_kernel_may_be_named_in_four_ways(number):
    name = signal.Signals(number).name
    short = name.removeprefix("SIG")
    for text in (name, name.lower(), short, short.title(), str(number)):
        assert signal_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("RTMIN+3", 37), ("SIGRTMIN+30", 64), ("rtmin+0", 34), ("RTMAX-1", 63), ("sigrtmax-30", 34), ("0", 0),
        ("64", 64), ("CLD", signal.SIGCHLD), ("IO", signal.SIGPOLL), ("015", 15),
    ],
)  # fmt: skip
def test_real_time_signals_are_counted_from_their_ends(text, number):
    assert signal_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "SIG", "FOO", "SIGFOO", "65", "-1", "-9", "1.5", "9999999999999999999999", "RTMIN-1", "RTMAX+1",
        "RTMIN+31", "RTMIN+", "RTMIN+-1", "RTMIN+x", "TERM+0", "TERM+1", "HUP-1", "_DFL", "SIG_IGN",
        "SIGSIGTERM", "\u0661", "TERM ", "RTMIN+1+1", "RTMIN + 1", "SIG_BLOCK",
    ],
)  # fmt: skip
def test_what_is_no_signal_is_refused(text):
    with pytest.raises(UsageError, match=r"^unknown signal "):
        signal_number(text)


def test_a_signal_is_read_before_the_container_is_looked_for(refused):
    assert refused("kill", "nope", "FOO") == 'kill: unknown signal "FOO"'


@pytest.mark.parametrize(
    ("said", "number"),
    [("SIGRTMIN+3", 37), ("3", 3), ("", 15), (None, 15), ("no signal", 15)],
)
def test_without_a_signal_it_is_the_container_s_own(said, number):
    annotations = {} if said is None else {"org.opencontainers.image.stopSignal": said}
    assert default_signal(annotations) == number
