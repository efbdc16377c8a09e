"""From one format to another: a Spec that a backend has read, as the files of another backend."""

from __future__ import annotations

from ocipy import formats, spec
from ocipy.errors import ConfigError, UsageError
from ocipy.formats import oci
from ocipy.spec import Spec
from ocipy.spec.jsonlines import line_of, lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ocipy.spec.origin import Note


def load(directory: str, format: str | None = None, args: Sequence[str] = ()) -> Spec:
    """Read the container in a directory for another one: the paths in it are absolute.

    directory: absolute
    args:      the command, instead of what is configured
    Raises ConfigError for a container that can't be read, and for one that is not valid.
    """
    loaded = formats.load(directory, format)
    if args and type(loaded.data.get("process")) is dict:
        loaded = _with_command(loaded, list(args))
    try:
        spec.require(loaded.data, loaded.source)
    except ConfigError as error:
        raise ConfigError(map(loaded.located, error.problems), loaded.source) from None
    return loaded.replace(data=absolute(loaded.data, directory))


def _with_command(loaded: Spec, args: list[str]) -> Spec:
    """A command that is given is no longer missing: what was noted of it holds no more."""
    process = {**loaded.data["process"], "args": args}
    notes = tuple(note for note in loaded.notes if note.key != "/process/args")
    return loaded.replace(data={**loaded.data, "process": process}, notes=notes)


def absolute(data: dict[str, Any], directory: str) -> dict[str, Any]:
    """A config.json that means the same from anywhere: its root and its bind mounts' sources are absolute.

    >>> absolute({"root": {"path": "rootfs"}}, "/srv/web")
    {'root': {'path': '/srv/web/rootfs'}}
    """

    def joined(path: str) -> str:
        return path if path.startswith("/") else f"{directory}/{path}".rstrip("/")

    data = dict(data)
    if "root" in data:
        data["root"] = {**data["root"], "path": joined(data["root"]["path"])}
    if "mounts" in data:
        data["mounts"] = [
            {**mount, "source": joined(mount["source"])}
            if mount.get("source") and {"bind", "rbind"} & set(mount.get("options", ()))
            else mount
            for mount in data["mounts"]
        ]
    return data


def dump(
    loaded: Spec, to: str, directory: str, version: str | None = None
) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """({file name: content}, notes) of the container in the format `to`; the notes have their lines.

    directory: that it was read from
    version:   of the format, where it comes in several; by default what the backend thinks best
    """
    backend = formats.backend(to)
    if version is None:
        files, notes = backend.dump(loaded)
    else:
        known = getattr(backend, "VERSIONS", ())
        if version not in known:
            has = f"has the versions {', '.join(known)}" if known else "comes in one version only"
            raise UsageError(f"no version {version} of container format {to!r}: it {has}")
        files, notes = backend.dump(loaded, version=version)
    return files, _placed(tuple(notes), loaded, directory)


def _placed(notes: tuple[Note, ...], loaded: Spec, directory: str) -> tuple[Note, ...]:
    if loaded.places:
        return tuple(note if note.place else note.replace(place=loaded.place(note.key)) for note in notes)
    if not notes or loaded.source != oci.FILE:
        return notes
    known = lines(oci.read(directory, oci.FILE))
    return tuple(
        note if note.place else note.replace(place=f"{oci.FILE}:{line_of(known, note.key)}") for note in notes
    )
