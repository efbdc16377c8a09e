"""libcontainer's configuration: a container for Docker's own engine from 2014 on, and for runc to this day.

    state.json       of runc, and of Docker 1.6 to 1.10: the configuration is in it, as `config`
    container.json   the configuration alone: of docker/libcontainer and its nsinit, and what we write

Of the second there are six generations, told apart by their keys, for none says its version:

    old.DROP   Docker 0.9, 0.10     capabilities are those to drop
    old.MASK   Docker 0.11          capabilities_mask says true for those to keep
    old.KEEP   Docker 1.0 to 1.5    capabilities are those to keep
    read       since then           namespaces are a list of objects

Source: docker 0.9 to 1.10, docker/libcontainer v1.0.0 to v2.2.0, runc 0.0.1 to 1.5.
"""

from __future__ import annotations

from ocipy.errors import ConfigError, Problem
from ocipy.formats import oci
from ocipy.formats.tree import Building, Node, Source, bytes_refused
from ocipy.spec import Spec, jsontext
from ocipy.spec.origin import LOSSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.spec.origin import Note

NAME = "libcontainer"
FILE, STATE = "container.json", "state.json"


def detect(directory: str) -> bool:
    """True if there is a container.json, or a state.json with a configuration in it."""
    if oci.exists(directory, FILE):
        return True
    try:
        return "config" in _document(directory, STATE)[0]
    except ConfigError:
        return False


def load(directory: str) -> tuple[Spec, tuple[Note, ...]]:
    """Read whichever of the two files there is, container.json first."""
    from ocipy.formats.libcontainer import old, process, read

    name = FILE if oci.exists(directory, FILE) else STATE
    document, text = _document(directory, name)
    source, out = Source(name, text), Building()
    whole = Node(document, "", source)
    config = whole
    if "config" in document:
        # The rest is the state: what the kernel was told, and the ids of what runs.
        config = whole.node("config") or whole
    if old.generation(config):
        old.read_all(config, directory, out)
    else:
        read.read(config, out)
        process.read(config, directory, out)
    out.data.setdefault("root", {}).setdefault("path", "rootfs")
    for pointer in config.unread():
        source.note(pointer, LOSSY, "config.json has nothing for it")
    return Spec(out.data, name, places=out.places), tuple(source.notes)


def dump(spec: Spec) -> tuple[dict[str, bytes], tuple[Note, ...]]:
    """container.json as runc keeps it in its state, and process.json, which libcontainer has no file for."""
    from ocipy.formats.libcontainer import process, write

    config, notes = write.write(spec)
    files = {FILE: config, process.FILE: process.write(spec.data)}
    written = {name: jsontext.dump(value, 4).encode() + b"\n" for name, value in files.items()}
    return written, (*notes, *bytes_refused(spec.data))


def _document(directory: str, name: str) -> tuple[dict[str, Any], bytes]:
    text = oci.read(directory, name)
    document = jsontext.parse(text, name)
    if type(document) is not dict:
        raise ConfigError(Problem("", f"must be an object, not {jsontext.kind(document)}", "schema"), name)
    return document, text
