"""``--help``: the program's and each verb's, from the table."""

from ocipy.cli.output import out
from ocipy.cli.table import ABSENT, GLOBAL, HELP, VERBS
from ocipy.errors import OcipyError, UsageError

PROGRAM = """\
NAME:
   ocipy - an OCI container runtime

USAGE:
   ocipy [global options] verb [options] [arguments]

   A container is made of a bundle: a directory with a config.json and a root filesystem.

      # ocipy bundle box
      # ocipy run box/

VERBS:
{verbs}
GLOBAL OPTIONS:
{flags}"""

VERB = """\
NAME:
   ocipy {verb} - {summary}

USAGE:
   ocipy {verb}{options} {arguments}
{notes}{flags}"""

MOST_LEFT = 44  # characters of the first column

BUNDLE_OR_ID = """\
ID is the name of the container, unique among those of one --root. A first argument that has a slash in it, or
is "." or "..", is a bundle instead; the id is then the second argument, or comes from the bundle's name."""

# What the flags of a verb do not say.
NOTES = {
    "create": BUNDLE_OR_ID,
    "run": BUNDLE_OR_ID + "\nThe exit status is that of the program, or 128 and the signal that ended it.",
    "exec": """\
The command starts from the container's own process: its environment, user, directory and privileges, changed
by the options. The exit status is that of the command, or 128 and the signal that ended it, or 255 if it
could not be run.""",
    "kill": """\
SIGNAL is a number, or a name with or without SIG, such as HUP or RTMIN+3. Without one it is what the
container's annotation org.opencontainers.image.stopSignal says, else TERM.""",
    "spec": """\
A file that exists is not overwritten. The command, if given, comes last: all that follows -- or --args.""",
    "bundle": """\
DIR must not exist, or be empty; if anything fails nothing of it is left. It gets a config.json and a rootfs
with an /etc, /tmp and /var of its own. Its root is writable unless --read-only is given, and the process has
a terminal if standard input is one.""",
    "validate": "The exit status is 0 if nothing is wrong, and 1 otherwise.",
    "plan": """\
Needs no privilege. Each step names the property of config.json that caused it. ID is what the container would
be called, the bundle's name if not given.""",
    "convert": """\
What does not arrive as it was is named, with its place and the reason. What is lost is a warning, and an
error with --strict; what would make another container of it is always an error. Nothing is written then.
Paths in what is written are absolute: it means the same wherever it lies.""",
}


def main(flags, options, args):
    if not args:
        out(program())
    elif args[0] in VERBS:
        out(verb(args[0]))
    elif args[0] in ABSENT:
        raise OcipyError(f"{args[0]}: not supported by this version of ocipy")
    else:
        raise UsageError(f'no verb "{args[0]}" (see ocipy --help)')
    return 0


def program():
    """What ``ocipy --help`` prints."""
    verbs = _columns([(name, VERBS[name][0]) for name in VERBS])
    return PROGRAM.format(verbs=verbs, flags=_flags(GLOBAL))


def verb(name):
    """What ``ocipy NAME --help`` prints."""
    summary, arguments, _, _, _, flags = VERBS[name]
    notes = NOTES.get(name, "")
    text = VERB.format(
        verb=name,
        summary=summary,
        options=" [options]" if flags else "",
        arguments=arguments,
        notes="".join(f"\n   {line}" for line in notes.splitlines()) + "\n" if notes else "",
        flags="\nOPTIONS:\n" + _flags((*flags, HELP)),
    )
    return text.replace(" \n", "\n")


def _flags(flags):
    return _columns([(_spelling(flag), flag[6]) for flag in flags if not flag[5]])


def _spelling(flag):
    name, short, _, _, metavar, _, _ = flag
    value = f" {metavar}" if metavar else ""
    return f"--{name}{value}" + (f", -{short}{value}" if short else "")


def _columns(rows):
    """Two columns, the second wrapped where a line would be longer than 110 characters.

    What is too long for the first stands on a line of its own.
    """
    left = max(len(row[0]) for row in rows if len(row[0]) <= MOST_LEFT) + 2
    lines = []
    for name, text in rows:
        start = name.ljust(left)
        if len(name) > MOST_LEFT:
            lines.append(name)
            start = " " * left
        for word in text.split():
            if len(start) + 1 + len(word) > 107 and start.strip():
                lines.append(start)
                start = " " * left
            start += word if start.endswith("  ") or not start.strip() else f" {word}"
        lines.append(start)
    return "".join(f"   {line.rstrip()}\n" for line in lines)
