"""Backends of other packages: the entry point group ``ocipy.formats``, name = module.

Only looked for when a format is named that is none of ours, or no format of ours knows a directory:
importlib.metadata takes 20 ms, and a bundle that every peer can run must not pay for those that none can.
"""

from __future__ import annotations

from importlib import metadata

from ocipy import formats
from ocipy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GROUP = "ocipy.formats"
FUNCTIONS = ("detect", "load", "dump")


def names() -> list[str]:
    """What is installed, sorted; a name of ours is ours, whoever else has it."""
    return sorted({entry.name for entry in metadata.entry_points(group=GROUP)} - set(formats.NAMES))


def backend(name: str) -> Any:
    """The backend that a package has installed as `name`.  Raises UsageError if it can't be had."""
    found = [entry for entry in metadata.entry_points(group=GROUP) if entry.name == name]
    if not found:
        known = ", ".join((*formats.NAMES, *names()))
        raise UsageError(f"unknown container format {name!r}: known are {known}")
    entry = found[0]
    whose = f"container format {name!r}" + (f" of package {entry.dist.name}" if entry.dist else "")
    try:
        module = entry.load()
    except Exception as error:  # a stranger's module may do anything when it is imported
        raise UsageError(f"{whose} cannot be loaded: {type(error).__name__}: {error}") from error
    missing = [function for function in FUNCTIONS if not callable(getattr(module, function, None))]
    if missing:
        raise UsageError(f"{whose} cannot be used: {entry.value} has no {', '.join(missing)}")
    return module


def detect(directory: str) -> str:
    """Name of the first that knows the directory, "" if none does."""
    for name in names():
        if backend(name).detect(directory):
            return name
    return ""
