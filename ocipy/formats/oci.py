"""The OCI bundle: a directory with a config.json."""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.linux import os
from ocipy.spec import Spec, drop_nulls, jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.spec.origin import Note

NAME = "oci"
FILE = "config.json"

# A FIFO must not make us wait, nor a terminal become ours.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KINDS = {
    0o010000: "a FIFO",
    0o020000: "a character device",
    0o040000: "a directory",
    0o060000: "a block device",
    0o140000: "a socket",
}


def detect(directory: str) -> bool:
    """True if there is a config.json, of whatever kind: `load` says what is wrong with it."""
    return exists(directory, FILE)


def load(directory: str) -> tuple[Spec, tuple[str, ...]]:
    """Read config.json; it is parsed, not validated, but it is an object, no property of which is null."""
    text = read(directory, FILE)
    data = jsontext.parse(text, FILE)
    if type(data) is not dict:
        raise ConfigError(Problem("", f"must be an object, not {jsontext.kind(data)}", "schema"), FILE)
    if b"null" in text:
        drop_nulls(data)
    return Spec(data, FILE), ()


def dump(spec: Spec) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """config.json as other runtimes write it."""
    from ocipy.formats.tree import bytes_refused

    return {FILE: jsontext.dump(spec.data, 4).encode() + b"\n"}, tuple(bytes_refused(spec.data))


def exists(directory: str, name: str) -> bool:
    """True if there is something of that name, of whatever kind."""
    return os.path.lexists(f"{directory}/{name}")


def read(directory: str, name: str) -> bytes:
    """The content of a regular file of a bundle, up to `jsontext.MAX_BYTES`; raises ConfigError.

    The size is checked before and while reading: a file may grow, and in procfs sizes are 0.
    """
    path = f"{directory.rstrip('/')}/{name}"
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        where = "" if os.path.isdir(directory) else ", which is no directory"
        # These last words are matched by callers.
        raise _unreadable(name, f"not found in {directory}{where}: no such file or directory") from None
    except OSError as error:
        raise _unreadable(name, f"open {path}: {_reason(error)}") from None
    try:
        info = os.fstat(fd)
        kind = info.st_mode & 0o170000
        if kind != 0o100000:
            raise _unreadable(name, f"{path} is not a regular file but {_KINDS.get(kind, 'something else')}")
        if info.st_size > jsontext.MAX_BYTES:
            raise jsontext.too_large(name)
        parts, room = [], jsontext.MAX_BYTES + 1
        while room and (part := os.read(fd, min(room, max(info.st_size + 1, 1 << 16)))):
            parts.append(part)
            room -= len(part)
    except OSError as error:
        raise _unreadable(name, f"read {path}: {_reason(error)}") from None
    finally:
        os.close(fd)
    if not room:
        raise jsontext.too_large(name)
    return b"".join(parts)


def _unreadable(name: str, message: str) -> ConfigError:
    return ConfigError(Problem("", message, "unreadable"), name)


def _reason(error: OSError) -> str:
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]
