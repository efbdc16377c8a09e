"""The program: a verb to its module, an error to one line and an exit status.

The exit statuses are runc's: 1 for every error but those of ``exec``, which are 255 because lower ones are
the process's own; ``run`` and ``exec`` return the status of what ran, or 128 and the signal that ended it.
A command line that cannot be read is 1 for all.
"""

import sys

from ocipy.cli.log import Log
from ocipy.cli.output import secure_stdio
from ocipy.cli.parse import arguments, parse
from ocipy.cli.table import ABSENT, GLOBAL, VERBS
from ocipy.errors import ConfigError, OcipyError, UsageError, describe

INTERRUPTED, BROKEN_PIPE = 128 + 2, 128 + 13


def main(words=None):
    """Run a command line, the process's own by default; returns the exit status."""
    secure_stdio()
    messages = Log()
    about: list[str] = []  # what an error is about: the verb, and what it was to act on
    try:
        return _main(sys.argv[1:] if words is None else words, messages, about)
    except BrokenPipeError:
        return BROKEN_PIPE
    except KeyboardInterrupt as e:
        return 128 + e.args[0] if e.args else INTERRUPTED
    except Exception as e:  # noqa: BLE001 - the last one to see it
        status = 255 if about[1:] and about[0] == "exec" else 1
        if isinstance(e, ImportError) and isinstance(e.__context__, (OcipyError, OSError)):
            # What there was to explain: memory or descriptors did not suffice for the words.
            e = e.__context__
        if isinstance(e, OcipyError):
            # The words on a configuration begin with its file's name: that is what it is about.
            text = str(e)
            about = [] if isinstance(e, ConfigError) else about[:1] if isinstance(e, UsageError) else about
        elif isinstance(e, OSError):
            text = describe(e)
        else:
            text = f"internal error: {type(e).__name__}: {e}"
        messages.error(f"{' '.join(about)}: {text}" if about else text)
        if messages.verbose:
            import traceback

            for line in "".join(traceback.format_exception(e)).splitlines():
                messages.debug(line)
        return status


def _main(words, messages, about):
    flags, _, rest = parse(words, GLOBAL, opaque=0)
    messages.open(flags["log"], flags["log-format"], flags["debug"])
    flags["log"], flags["about"] = messages, about
    if rest[:1] == ["--"]:
        del rest[0]
    if flags["version"]:
        from ocipy.cli.version import main as version

        return version(flags, {}, [])
    if flags["help"] or not rest or rest[0] in ("help", "h"):
        from ocipy.cli.help import main as usage

        return usage(flags, {}, rest[1:] if not flags["help"] else [])
    verb, *rest = rest
    if verb in ABSENT:
        raise OcipyError(f"{verb}: not supported by this version of ocipy")
    if verb not in VERBS:
        raise UsageError(f'no verb "{verb}" (see ocipy --help)')
    about.append(verb)
    options, args = arguments(verb, rest)
    if options["help"]:
        from ocipy.cli.help import main as usage

        return usage(flags, {}, [verb])
    about.extend(args[:1])
    messages.debug(f"{verb}: arguments {args}, options {options}")
    module = __import__(f"ocipy.cli.{verb}", fromlist=("main",))
    status = module.main(flags, options, args)
    messages.debug(f"{verb}: exit status {status}")
    return status


def run():
    """As `main`, and end the process; Python's own way out of it costs a millisecond for nothing."""
    from ocipy.linux import os

    os._exit(main())


if __name__ == "__main__":
    run()
