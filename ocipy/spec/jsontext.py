"""JSON text to values and back, strictly, without importing ``json``.

``import json`` costs 5 ms of start-up because it brings ``re`` and ``enum``.  The work is done by its C half,
``_json``, which needs neither: a scanner that takes its settings from an object's attributes.  Its one gap is
that it words its errors through ``json.decoder``; so here it only says yes or no, and on no
`ocipy.spec.jsonfault` reads the text again, slowly, to say what is wrong and where.

Stricter than ``json.loads``, and than Go's decoder, where guessing would be dangerous: duplicate keys (two
readers of one file would see two containers), NaN, Infinity and numbers that overflow to it, a byte order
mark, lone surrogates (the kernel takes bytes, they have none).  Bounded, so that a hostile file costs no
more than a large honest one: bytes, values, nesting and digits.
"""

from __future__ import annotations

from _json import encode_basestring, make_encoder, make_scanner

from ocipy.errors import ConfigError, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Largest text, in bytes.  The environment and arguments that execve(2) takes end at 6 MiB, and a config.json
#: of thousands of mounts has 1 MiB: nothing honest comes near.
MAX_BYTES = 16 << 20
#: Most values in a text: an empty object takes 64 bytes of memory for 3 bytes of text.
MAX_VALUES = 1 << 20
#: Deepest nesting of arrays and objects; config.json itself needs 8.
MAX_DEPTH = 100
#: Most digits in a number: converting is quadratic, and no field takes more than 20.
MAX_DIGITS = 400

_NOT_BRACKETS = bytes(c for c in range(256) if c not in b"[]{}")
_SPACE = " \t\n\r"


class _Refused(ValueError):
    """The scanner met what JSON or this module does not allow; `jsonfault` finds out what and where."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Refused
    return result


def _float(text: str) -> float:
    value = float(text)
    if value - value != 0.0:  # infinity
        raise _Refused
    return value


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _Refused
    return int(text)


def _constant(name: str) -> float:
    raise _Refused


class _Settings:
    """What ``make_scanner`` reads; json.JSONDecoder stands in this place in the standard library."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    array_hook = None  # read since Python 3.15
    parse_float = staticmethod(_float)
    parse_int = staticmethod(_int)
    parse_constant = staticmethod(_constant)


_scan = make_scanner(_Settings)  # type: ignore[arg-type]  # typeshed wants its own protocol


def parse(data: bytes, source: str, lone_surrogates: bool = False) -> Any:
    """The value that the UTF-8 JSON text ``data`` stands for.

    Raises ConfigError with one Problem (rule "json"), which says line, column and JSON pointer; ``source``
    is the name of the file in it.  With ``lone_surrogates``, strings may hold them: ocipy's own files keep
    paths that are not UTF-8 that way, see `dump`.
    """
    if len(data) > MAX_BYTES:
        raise too_large(source)
    # Both see brackets and commas inside strings too, so they may be wrong, in this direction only.
    suspect = (len(data) > MAX_VALUES and _many(data)) or _deep(data)
    try:
        text = data.decode()
        if suspect:
            _complain(text, source, lone_surrogates)
        value, end = _scan(text, _start(text))
        if text[end:].strip(_SPACE):
            raise _Refused
        # Only an escape can make one, as UTF-8 itself has none.
        if not lone_surrogates and (b"\\ud" in data or b"\\uD" in data):
            _encode(value, 0)[0].encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode()) + 1
        what = f"line {line} column {column}: byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigError(Problem("", what, "json"), source) from None
    except (ValueError, StopIteration, SystemError, RecursionError) as error:
        # SystemError: before Python 3.12 the scanner looks for json.decoder among the loaded modules and
        # returns without an exception if it isn't there.
        _complain(text, source, lone_surrogates)
        raise ConfigError(Problem("", f"cannot be read as JSON: {error!r}", "json"), source) from None
    return value


def _start(text: str) -> int:
    """The scanner starts at a value, not at the space before it."""
    return len(text) - len(text.lstrip(_SPACE)) if text[:1] in _SPACE else 0


def _many(data: bytes) -> bool:
    """True if there may be more than MAX_VALUES values: each but the first follows one of these."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_VALUES


def _deep(data: bytes) -> bool:
    """True if brackets nest deeper than MAX_DEPTH, or seem to: each pass takes off the innermost level."""
    brackets = data.translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        rest = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(rest) == len(brackets):
            break
        brackets = rest
    return len(brackets) > 0


def _complain(text: str, source: str, lone_surrogates: bool) -> None:
    from ocipy.spec import jsonfault

    fault = jsonfault.find(text, lone_surrogates)
    if fault is not None:
        raise ConfigError(Problem(fault.pointer, fault.message, "json"), source)


def too_large(source: str) -> ConfigError:
    """The error for a file that isn't even read."""
    return ConfigError(Problem("", f"larger than {MAX_BYTES >> 20} MiB", "json"), source)


def _no_default(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} has no JSON form")


# markers (cycle check), default, string encoder, indent, separators, sort_keys, skipkeys, allow_nan
_encode = make_encoder(None, _no_default, encode_basestring, None, ":", ",", False, False, False)


def dump(value: Any, indent: int = 0) -> str:
    """``value`` as JSON text: on one line, or with ``indent`` spaces a level, one member a line.

    Non-ASCII characters stay as they are.  Lone surrogates, which stand for the bytes of a path that is not
    UTF-8 (PEP 383), are escaped, so that the text can always be encoded.
    """
    text = _indented(value, " " * indent, "\n") if indent else "".join(_encode(value, 0))
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text


def _indented(value: Any, step: str, newline: str) -> str:
    if not value or not isinstance(value, (dict, list, tuple)):
        return "".join(_encode(value, 0))
    inner = newline + step
    if isinstance(value, dict):
        members = [f"{encode_basestring(k)}: {_indented(v, step, inner)}" for k, v in value.items()]
        return f"{{{inner}{(',' + inner).join(members)}{newline}}}"
    return f"[{inner}{(',' + inner).join([_indented(v, step, inner) for v in value])}{newline}]"


def kind(value: object) -> str:
    """What JSON calls the type of ``value``, with its article."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
