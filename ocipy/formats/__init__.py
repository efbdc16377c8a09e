"""Container formats: a directory in, a `Spec` out, and back.

A backend is a module with

    NAME                      what ``--format`` calls it
    detect(directory)         True if the directory holds a container in this format
    load(directory)           (Spec, notes); raises ConfigError
    dump(spec)                ({file name: bytes}, notes); writes nothing

and no effects but reading.  ``notes`` are of `ocipy.spec.origin`: what does not arrive as it was, and why.
A backend whose format comes in several versions names them in VERSIONS, and its ``dump`` takes one as
``version``.

Other packages add backends by the entry point group ``ocipy.formats``: docs/formats.md says how.
"""

from __future__ import annotations

from ocipy.spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: In the order of detection.  Loaded when asked for: a create of an OCI bundle must not pay for the others.
NAMES = ("oci", "lxc", "libcontainer")


def backend(name: str) -> Any:
    """The backend called ``name``.  Raises UsageError if there is none."""
    if name in NAMES:
        return getattr(__import__(f"ocipy.formats.{name}").formats, name)
    from ocipy.formats import plugins

    return plugins.backend(name)


def detect(directory: str) -> str:
    """Name of the first format that knows ``directory``; OCI if none does, whose error then says why."""
    for name in NAMES:
        if backend(name).detect(directory):
            return name
    from ocipy.formats import plugins

    return plugins.detect(directory) or "oci"


def load(directory: str, format: str | None = None) -> Spec:
    """Read the container in ``directory``, which is in ``format`` or in the format found there."""
    spec: Spec
    spec, notes = backend(format or detect(directory)).load(directory)
    return spec.replace(notes=tuple(notes)) if notes else spec
