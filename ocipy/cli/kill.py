"""``kill``: a signal to a container."""

# The constants, without the enums that `signal` makes of them.
import _signal

from ocipy.cli.common import runtime
from ocipy.errors import UsageError

#: Of a container: what its image, or another format's configuration, would have it end by.
STOP_SIGNAL = "org.opencontainers.image.stopSignal"


def main(flags, options, args):
    asked = signal_number(args[1]) if args[1:] else None
    container = runtime(flags).load(args[0])
    number = default_signal(container.annotations) if asked is None else asked
    container.kill(number, all=options["all"])
    return 0


def default_signal(annotations):
    """The container's own, which an init may need to be asked by; SIGTERM where it has none that there is."""
    try:
        return signal_number(annotations.get(STOP_SIGNAL) or "TERM")
    except UsageError:
        return _signal.SIGTERM


def signal_number(text):
    """A signal by its number, or by its name with or without SIG, in any case; RTMIN+n and RTMAX-n too.

    >>> signal_number("kill"), signal_number("SIGRTMIN+3"), signal_number("15")
    (9, 37, 15)
    """
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) < 4 else 999
    else:
        name, sign, offset = text.upper(), "", "0"
        for sign in "+-":
            if sign in name:
                name, sign, offset = name.partition(sign)
                break
        name = name.removeprefix("SIG")
        number = getattr(_signal, f"SIG{name}", 999) if name.isalnum() else 999
        if offset != "0" or sign in text:
            # Only the real-time signals are counted from their ends.
            within = offset.isascii() and offset.isdigit() and len(offset) < 3
            wanted = {"RTMIN": "+", "RTMAX": "-"}.get(name)
            number = number + int(sign + offset) if within and sign == wanted else 999
            number = number if number >= _signal.SIGRTMIN else 999
    if not 0 <= number <= _signal.SIGRTMAX:
        raise UsageError(f'unknown signal "{text}"')
    return number
