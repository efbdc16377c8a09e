"""What the manual pages and the completions are made of: the tables of the command, read once.

Nothing is written twice: verbs, flags, summaries and notes are those that the parser and ``--help`` have.
"""

import re

from ocipy.cli.help import NOTES
from ocipy.cli.table import GLOBAL, HELP, VERBS

FILES, DIRECTORIES, CONTAINERS, SIGNALS, VERB, COMMAND, TEXT = (
    "files",
    "directories",
    "containers",
    "signals",
    "verbs",
    "command",
    "text",
)

# What the names that usages and flags give their values can be completed with; TEXT: with nothing.
_NAMES = {
    "FILE": FILES,
    "PATH": FILES,
    "DIR": DIRECTORIES,
    "BUNDLE": DIRECTORIES,
    "ID": CONTAINERS,
    "SIGNAL": SIGNALS,
    "VERB": VERB,
    "COMMAND": COMMAND,
}


class Flag:
    """A flag that is not hidden.

    value:   "" if it takes none, else what completes it
    choices: the words that are possible, if few are
    """

    def __init__(self, name, short, kind, _default, metavar, _hidden, help):
        self.name, self.short, self.metavar, self.help = name, short, metavar, help
        self.repeats = kind == "list"
        self.rest = kind == "rest"
        self.choices = metavar.split("|") if kind == "choice" else []
        self.value = "" if kind == "bool" else COMMAND if self.rest else _NAMES.get(metavar, TEXT)

    @property
    def spellings(self):
        return [f"--{self.name}"] + ([f"-{self.short}"] if self.short else [])


class Verb:
    """A verb: its places are what completes its arguments, one after the other."""

    def __init__(self, name, summary, usage, notes, opaque, flags):
        self.name, self.summary, self.usage, self.notes, self.opaque = name, summary, usage, notes, opaque
        self.flags = flags
        self.places = places(usage)


def places(usage):
    """What completes each argument of a usage such as "[-b DIR] ID | BUNDLE/ [ID]".

    Where an alternative takes a bundle, the id beside it is one that is not there yet.
    """
    alternatives = []
    for alternative in usage.split(" | "):
        plain = re.sub(r"\[?-[a-z] [A-Z]+\]?|\[?-- .*", "", alternative)
        alternatives.append(re.findall(r"[A-Z][A-Z-]*", plain))
    longest = max(map(len, alternatives))
    new = any("BUNDLE" in words for words in alternatives)
    found = []
    for at in range(longest):
        names = [words[at] for words in alternatives if len(words) > at]
        values = [_NAMES.get(name, TEXT) for name in names if not (new and name == "ID")]
        found.append(values[0] if values else TEXT)
    return found


def flags(rows):
    return [Flag(*row) for row in rows if not row[5]]


def program():
    """(flags of the program, its verbs); help is a verb too, of all but the table."""
    verbs = [
        Verb(name, summary, usage, NOTES.get(name, ""), opaque, flags((*rows, HELP)))
        for name, (summary, usage, _, _, opaque, rows) in VERBS.items()
    ]
    verbs.append(Verb("help", "show help of the program or of a verb", "[VERB]", "", -1, []))
    return flags(GLOBAL), verbs
