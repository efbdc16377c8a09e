"""What verbs have in common: the runtime that the global flags ask for, a bundle and an id."""

from ocipy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.runtime import Runtime

# Options that mean the same to `Runtime.create` as to the command line, but for "-" in place of "_".
MAKING = (
    "console-socket",
    "pidfd-socket",
    "pid-file",
    "no-pivot",
    "no-new-keyring",
    "preserve-fds",
    "strict",
)


def runtime(flags) -> "Runtime":
    """The Runtime that the global flags describe."""
    import _signal

    from ocipy.linux import os
    from ocipy.runtime import Runtime

    # A caller may ignore it, and then the kernel throws away what becomes of our children.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    # Whoever asks us to end gets what Ctrl-C gets: what is half made is undone first.
    for number in (_signal.SIGTERM, _signal.SIGHUP):
        if _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, _interrupt)
    return Runtime(
        root=flags["root"] or None,
        cgroup_manager="systemd" if flags["systemd-cgroup"] else flags["cgroup-manager"],
        rootless={"true": True, "false": False}.get(flags["rootless"]),
        warn=flags["log"].warning,
        environ=os.environ,  # type: ignore[arg-type]  # typeshed has the bytes of posix
    )


def _interrupt(number, _):
    raise KeyboardInterrupt(number)


def making(options):
    """The options of create, run and plan as keyword arguments of the runtime; paths not given are None."""
    return {name.replace("-", "_"): None if options[name] == "" else options[name] for name in MAKING}


def two_formats(options):
    """(how to print it, what it is written in) of verbs whose --format says either, or both by turns."""
    forms = {"text", "json"}
    printed = [name for name in options["format"] if name in forms]
    written = [name for name in options["format"] if name not in forms]
    return (printed or ["text"])[-1], (written or [None])[-1]


def bundle_and_id(flags, options, args):
    """(bundle, id) of a verb that makes a container; from here on messages are about that id.

    ``ID`` alone is runc's form; an argument with a slash in it, or "." or "..", which no id can be, is a
    bundle, and the id is the second argument or comes from its name.
    """
    first, *others = args
    if not is_path(first):
        _require_here(first, options["bundle"])
        if others:
            raise UsageError(
                f'takes no argument "{others[0]}" after an id (a bundle has a slash in it: {first}/)'
            )
        return options["bundle"] or ".", first
    if options["bundle"]:
        raise UsageError(f"two bundles: {options['bundle']} and {first}")
    id = others[0] if others else id_from(first)
    flags["about"][1:] = [id]
    return first, id


def _require_here(id, bundle):
    """Say so when an id is probably the name of a bundle whose slash was forgotten."""
    from ocipy.linux import os

    if not bundle and not os.path.lexists("config.json") and os.path.lexists(f"{id}/config.json"):
        raise UsageError(f"no config.json here: the bundle {id} needs a slash, {id}/")


def bundle_only(options, args):
    """The bundle of a verb that makes no container: its argument, or --bundle, or where we are."""
    if args and options["bundle"]:
        raise UsageError(f"two bundles: {options['bundle']} and {args[0]}")
    return args[0] if args else options["bundle"] or "."


def is_path(word):
    """Whether a word is a path rather than an id."""
    return "/" in word or word in (".", "..")


def id_from(path):
    """An id from the name of a directory: what the alphabet of ids lacks becomes a minus.

    >>> id_from("/srv/my web/")
    'my-web'
    """
    from ocipy.linux import os
    from ocipy.runtime.store import ID_ALPHABET

    name = os.path.basename(os.path.abspath(path))
    if not name:
        raise UsageError(f"{path} has no name that could be an id: give one")
    return "".join(c if c in ID_ALPHABET else "-" for c in name)
