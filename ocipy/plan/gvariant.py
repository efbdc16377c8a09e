"""Values as GVariant text, which annotations set properties of a systemd unit with: pure.

    true  5  -5  uint64 5  0x10  'text'  ["a", "b"]  ('a', 5)  @as []  <'variant'>

A value is (D-Bus signature, value as jeepney takes it).  Dictionaries, maybes and bytestrings, which no
property of a scope has, are not understood.

Source: https://docs.gtk.org/glib/gvariant-text-format.html.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Typed = tuple[str, Any]

#: type keyword -> D-Bus type
KEYWORDS = {
    "boolean": "b",
    "byte": "y",
    "int16": "n",
    "uint16": "q",
    "int32": "i",
    "uint32": "u",
    "int64": "x",
    "uint64": "t",
    "double": "d",
    "string": "s",
    "objectpath": "o",
    "signature": "g",
}
#: D-Bus type -> (least, greatest)
RANGES = {
    "y": (0, 2**8 - 1),
    "n": (-(2**15), 2**15 - 1),
    "q": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1),
    "u": (0, 2**32 - 1),
    "x": (-(2**63), 2**63 - 1),
    "t": (0, 2**64 - 1),
}
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": ""}
_CLOSING = {"[": "]", "(": ")"}
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")
_DEEPEST = 16


def parse(text: str) -> Typed:
    """One value.  Raises ValueError, with what is wrong, for any other text.

    >>> parse("uint64 5"), parse("['a', \\"b\\"]"), parse("@as []"), parse("('a', true)")
    (('t', 5), ('as', ['a', 'b']), ('as', []), ('(sb)', ('a', True)))
    """
    reader = _Reader(text)
    found = reader.value("", 0)
    if reader.peek():
        raise ValueError(f'"{text[reader.at :]}" comes after the value')
    return found


class _Reader:
    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next character that is no space, "" at the end."""
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, wanted: str) -> bool:
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def word(self) -> str:
        self.peek()
        start = self.at
        while self.text[self.at : self.at + 1] in _WORD and self.at < len(self.text):
            self.at += 1
        return self.text[start : self.at]

    def value(self, kind: str, depth: int) -> Typed:
        """A value of a type, "" for whatever it is."""
        first = self.peek()
        if depth > _DEEPEST:
            raise ValueError("it is too deep")
        if first == "@":
            self.at += 1
            return self.value(self.signature(), depth + 1)
        if first in ("'", '"'):
            return _string(self.quoted(), kind)
        if first in _CLOSING:
            self.at += 1
            return (self.array if first == "[" else self.tuple)(kind, depth)
        if first == "<":
            self.at += 1
            inner = self.value("", depth + 1)
            if not self.take(">") or kind not in ("", "v"):
                raise ValueError("a variant is not expected here, or does not end")
            return "v", inner
        word = self.word()
        if word in KEYWORDS and not kind:
            return self.value(KEYWORDS[word], depth + 1)
        return _plain(word, kind, self.text)

    def signature(self) -> str:
        start = self.at
        while self.at < len(self.text) and not self.text[self.at].isspace():
            self.at += 1
        signature = self.text[start : self.at]
        if not signature or not set(signature).issubset("ybnqiuxtdsogav()"):
            raise ValueError(f'"@{signature}" is not a type that is understood')
        if _first_type(signature) != signature:
            raise ValueError(f'"@{signature}" is not one type')
        return signature

    def quoted(self) -> str:
        quote, made = self.text[self.at], []
        self.at += 1
        while (char := self.text[self.at : self.at + 1]) != quote:
            if not char:
                raise ValueError("a string does not end")
            self.at += 1
            if char == "\\":
                char = self.escaped()
            made.append(char)
        self.at += 1
        return "".join(made)

    def escaped(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        size = {"u": 4, "U": 8}.get(char)
        if size is None:
            return _ESCAPES.get(char, char)
        digits = self.text[self.at : self.at + size]
        self.at += size
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise ValueError(f'"\\{char}{digits}" is no character') from None

    def items(self, closing: str, kinds: list[str] | str, depth: int) -> list[Typed]:
        """Values with commas between, up to a closing bracket; `kinds` of each, or of all."""
        made: list[Typed] = []
        while not self.take(closing):
            if made and not self.take(","):
                raise ValueError(f'"," or "{closing}" is missing')
            if made and self.take(closing):
                break
            kind = kinds if isinstance(kinds, str) else (kinds[len(made) : len(made) + 1] or [""])[0]
            made.append(self.value(kind, depth + 1))
        return made

    def array(self, kind: str, depth: int) -> Typed:
        if kind and kind[0] != "a":
            raise ValueError(f"an array is not of type {kind}")
        inner = kind[1:]
        items = self.items("]", inner, depth)
        if not items and not inner:
            raise ValueError("an empty array needs a type before it, such as @as")
        inner = inner or items[0][0]
        if any(found != inner for found, _ in items):
            raise ValueError("the items of an array are of several types")
        values = [value for _, value in items]
        return f"a{inner}", bytes(values) if inner == "y" else values

    def tuple(self, kind: str, depth: int) -> Typed:
        kinds = _types(kind[1:-1]) if kind[:1] == "(" else []
        items = self.items(")", kinds, depth)
        signature = f"({''.join(found for found, _ in items)})"
        if (kind and kind != signature) or not items:
            raise ValueError(f"a tuple is not of type {kind}" if items else "an empty tuple means nothing")
        return signature, tuple(value for _, value in items)


def _first_type(signature: str) -> str:
    """The first whole type of a signature, "" for what begins with none."""
    if signature[:1] == "a":
        inner = _first_type(signature[1:])
        return inner and f"a{inner}"
    if signature[:1] != "(":
        return "" if signature[:1] == ")" else signature[:1]
    at = 1
    while signature[at : at + 1] != ")":
        inner = _first_type(signature[at:])
        if not inner:
            return ""
        at += len(inner)
    return signature[: at + 1] if at > 1 else ""


def _types(signature: str) -> list[str]:
    made = []
    while signature:
        made.append(_first_type(signature))
        signature = signature[len(made[-1]) :]
    return made


def _string(text: str, kind: str) -> Typed:
    if kind not in ("", "s", "o", "g"):
        raise ValueError(f"a string is not of type {kind}")
    if "\0" in text:
        raise ValueError("a string has a NUL in it")
    return kind or "s", text


def _plain(word: str, kind: str, text: str) -> Typed:
    """A boolean or a number."""
    if word in ("true", "false"):
        if kind not in ("", "b"):
            raise ValueError(f"{word} is not of type {kind}")
        return "b", word == "true"
    try:
        if kind == "d" or (not kind and not word.lower().lstrip("+-").startswith("0x") and "." in word):
            return "d", float(word)
        # A leading zero is octal, as in C.
        digits = word.lstrip("+-")
        base = 8 if len(digits) > 1 and digits.isdigit() and digits[0] == "0" else 0
        number = int(word, base)
    except ValueError:
        raise ValueError(f'"{word or text}" is no value: text needs quotes') from None
    kind = kind or "i"
    least, greatest = RANGES.get(kind, (1, 0))
    if not least <= number <= greatest:
        raise ValueError(f"{number} is not of type {kind}")
    return kind, number
