"""Container formats: a directory in, a `Spec` out, and back.

A backend is a module with

    NAME                      what ``--format`` calls it
    detect(directory)         True if the directory holds a container in this format
    load(directory)           (Spec, notes); raises ConfigError
    dump(spec)                ({file name: bytes}, notes); writes nothing

and no effects but reading.  ``notes`` say what the other format can't carry, one line each.
"""

from __future__ import annotations

from ocipy.errors import UsageError
from ocipy.spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: In the order of detection.  Loaded when asked for: a create of an OCI bundle must not pay for the others.
NAMES = ("oci",)


def backend(name: str) -> Any:
    """The backend called ``name``."""
    if name not in NAMES:
        raise UsageError(f"unknown container format {name!r}: known are {', '.join(NAMES)}")
    return getattr(__import__(f"ocipy.formats.{name}").formats, name)


def detect(directory: str) -> str:
    """Name of the first format that knows ``directory``; OCI if none does, whose error then says why."""
    for name in NAMES:
        if backend(name).detect(directory):
            return name
    return "oci"


def load(directory: str, format: str | None = None) -> Spec:
    """Read the container in ``directory``, which is in ``format`` or in the format found there."""
    spec: Spec
    spec, notes = backend(format or detect(directory)).load(directory)
    return spec.replace(notes=tuple(notes)) if notes else spec
