"""Reads a command line by the table.

The grammar is Go's, which every caller of a runtime speaks: ``--flag value``, ``--flag=value``, one dash or
two, ``-f value`` but no ``-fvalue``, ``--bool`` and ``--bool=false``, ``--`` ends the flags.  Global flags
stand before the verb.  A verb's flags may stand among its arguments, unless the table says that the rest
belongs to the container.
"""

from ocipy.cli.table import HELP, VERBS
from ocipy.errors import UsageError

TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")


def parse(words, flags, opaque=-1):
    """(options, arguments, the words left unread) of a command line.

    opaque: after so many arguments the words are nobody's flags (0: the first is left unread); -1 for never
    options: the name of every flag of the table, its value or its default

    Raises UsageError; the first mistake counts.
    """
    known, options = {}, {}
    args: list[str] = []
    for flag in flags:
        known[flag[0]] = flag
        options[flag[0]] = list(flag[3]) if flag[2] == "list" else flag[3]
        if flag[1]:
            known[flag[1]] = flag
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--" or 0 < opaque == len(args):
            break
        if len(word) < 2 or word[0] != "-":
            if not opaque:
                break
            args.append(word)
            at += 1
            continue
        at += 1
        name, equals, value = word.lstrip("-").partition("=")
        flag = known.get(name) if not word.startswith("---") else None
        if flag is None:
            raise UsageError(
                f"flag provided but not defined: {word.partition('=')[0]}{_nearest(name, known)}"
            )
        if flag[2] == "bool":
            value = value if equals else "true"
        elif not equals:
            if at == len(words):
                raise UsageError(f"flag needs an argument: {word}")
            value = words[at]
            at += 1
        if flag[2] == "rest":
            options[flag[0]] = [value, *words[at:]]
            return options, args, []
        if flag[2] == "list":
            options[flag[0]].append(value)
        else:
            options[flag[0]] = _value(flag, word.partition("=")[0], value)
        if flag[0] == "help" and options["help"]:
            break
    return options, args, words[at:]


def arguments(verb, words):
    """(options, arguments) of a verb's command line, with as many arguments as the verb takes."""
    _, usage, least, most, opaque, flags = VERBS[verb]
    options, args, rest = parse(words, (*flags, HELP), opaque)
    if options["help"]:
        return options, args
    if rest[:1] == ["--"]:
        del rest[0]
    if "args" in options:
        # A command line within this one: what follows -- is the command, as what follows --args.
        options["args"] = options["args"] or rest
    else:
        args += rest
    if len(args) < least or 0 <= most < len(args):
        few = "needs more arguments" if len(args) < least else f'takes no argument "{args[most]}"'
        raise UsageError(f"{few} (usage: ocipy {verb} {usage})".replace(" )", ")"))
    return options, args


def _value(flag, word, value):
    kind, metavar = flag[2], flag[4]
    if kind == "bool":
        if value in TRUE or value in FALSE:
            return value in TRUE
        raise UsageError(f'invalid value "{value}" for {word}: not true or false')
    if kind == "choice" and value not in metavar.split("|"):
        raise UsageError(f'invalid value "{value}" for {word}: not one of {metavar.replace("|", ", ")}')
    if kind in ("count", "integer"):
        return integer(value, word, negative=kind == "integer")
    return value


def integer(text, what, negative=False, limit=2**63):
    """A decimal integer and nothing else: no spaces, no sign but a minus where allowed, no underscore."""
    digits = text[1:] if negative and text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or int(digits) >= limit:
        raise UsageError(f'invalid value "{text}" for {what}: not {"an integer" if negative else "a number"}')
    return int(text)


def _nearest(name, known):
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1, 0.75)
    return f" (is it --{near[0]}?)" if near else ""
