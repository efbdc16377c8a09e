"""Lines of an LXC configuration: text in, keys and values out.

    key = value           split at the first "=", blanks around both are no part of them
    # a comment           only as the first character of a line that is no blank
    anything else         no business of ours, unless it begins with "lxc."

A line ends at a line feed, a carriage return or a NUL, and has no way to go on in the next one.  One pair of
equal quotes around the whole value is taken off; nothing can be escaped in it.
Sources: lxc.container.conf(5); liblxc 5.0.2, confile.c and parse.c.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLANKS = " \t"
SPACES = " \t\n\v\f\r"  # isspace(3)


class Entry(Record):
    """One line that sets a key.

    key:   "lxc.uts.name"; of a 2.x name, the one that it has today
    value: without blanks and quotes around it; "" resets the key
    place: file and line, "config:12"
    """

    key: str
    value: str
    place: str

    @property
    def where(self) -> str:
        """For an error, or for the places of a Spec."""
        return f"{self.place}: {self.key}"

    def problem(self, message: str, rule: str = "lxc-value") -> ConfigError:
        """The error of a line that can't be meant."""
        return ConfigError(Problem("", message, rule, self.where), self.place.rpartition(":")[0])


def entries(text: str, source: str) -> Iterator[Entry]:
    """The lines of a file that are for LXC.  Raises ConfigError for one that has no "="."""
    for number, physical in enumerate(text.split("\n"), 1):
        for line in physical.replace("\0", "\r").split("\r"):
            line = line.strip(BLANKS)
            if not line.startswith("lxc."):
                continue
            key, equals, value = line.partition("=")
            entry = Entry(key.strip(BLANKS), unquoted(value.strip(BLANKS)), f"{source}:{number}")
            if not equals:
                raise entry.problem("has no value: every line is KEY = VALUE", "lxc-syntax")
            yield entry


def unquoted(value: str) -> str:
    """A value without the pair of quotes around it.

    >>> unquoted('"a b"'), unquoted("'q"), unquoted('T="x y"')
    ('a b', "'q", 'T="x y"')
    """
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def line(key: str, value: str) -> str:
    """The line that `entries` reads as this key and value, without its end.

    Raises ValueError for a key or a value that no line can hold: part of a key may come from a config.json.
    """
    if any(end in key + value for end in "\n\r\0"):
        raise ValueError("a value of LXC is a single line")
    if "=" in key or key != key.strip(BLANKS):
        raise ValueError(f"{key!r} can't be a key of LXC")
    text = value
    if value != unquoted(value.strip(BLANKS)):
        text = f'"{value}"'
    return f"{key} = {text}"


def is_number(text: str) -> bool:
    """Is it a whole number from 0 up, of no more digits than 2^64 has?"""
    return text.isascii() and text.isdigit() and len(text) <= 20


def c_number(text: str) -> int:
    """A whole number from 0 up as C has it.  Raises ValueError for anything else.

    >>> c_number("10"), c_number("0x10"), c_number("010")
    (10, 16, 8)
    """
    digits, base = (text[2:], 16) if text[:2] in ("0x", "0X") else (text, 8 if text[:1] == "0" else 10)
    if not (digits.isascii() and digits.isalnum() and len(digits) <= 22):
        raise ValueError(f'"{text}" is not a number')
    return int(digits, base)


def words(value: str) -> list[str]:
    """A list that is separated by blanks.

    >>> words("mac_admin\\t sys_time")
    ['mac_admin', 'sys_time']
    """
    return [word for word in value.replace("\t", " ").split(" ") if word]


def quoted_words(value: str) -> list[str]:
    """A command as ``lxc.execute.cmd`` has it: words in quotes of either kind may hold blanks.

    There are no escapes, a quote inside a word is an ordinary character, and a second one ends its word.
    Raises ValueError for a quote that has no end.
    Source: liblxc, string_utils.c, lxc_string_split_quoted().

    >>> quoted_words("sh -c 'echo \\"a  b\\"' it's")
    ['sh', '-c', 'echo "a  b"', "it's"]
    """
    found: list[str] = []
    at = 0
    while at < len(value):
        first = value[at]
        if first in SPACES:
            at += 1
            continue
        if first in "\"'":
            end = value.find(first, at + 1)
            if end < 0:
                raise ValueError(f"has no second {first}")
            found.append(value[at + 1 : end])
        else:
            end = next((i for i in range(at, len(value)) if value[i] in SPACES), len(value))
            found.append(value[at:end])
        at = end + 1
    return found


def quote_words(arguments: list[str]) -> str:
    """What `quoted_words` reads as these words.  Raises ValueError for one that it would take apart."""
    found = []
    for word in arguments:
        if word and word[0] not in "\"'" and not any(space in word for space in SPACES):
            found.append(word)
            continue
        quote = "'" if '"' in word else '"'
        if quote in word:
            raise ValueError(f"{word!r} holds quotes of both kinds, of which LXC can escape neither")
        found.append(f"{quote}{word}{quote}")
    return " ".join(found)
