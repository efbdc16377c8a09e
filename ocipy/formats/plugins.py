"""Backends of other packages: the entry point group ``ocipy.formats``, name = module.

Only looked for when a format is named that is none of ours, or no format of ours knows a directory:
importlib.metadata takes 20 ms, and a bundle that every peer can run must not pay for those that none can.
"""

from __future__ import annotations

from importlib import metadata

from ocipy import formats
from ocipy.errors import OcipyError, UsageError
from ocipy.spec import Spec

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
    return _Guarded(module, whose)


class _Guarded:
    """A stranger's module: what goes wrong in it, or is no use of what it returns, is said to be its own."""

    def __init__(self, module: Any, whose: str) -> None:
        self._module, self._whose = module, whose

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def detect(self, directory: str) -> bool:
        return bool(self._call("detect", directory))

    def load(self, directory: str) -> tuple[Any, ...]:
        return self._pair("load", Spec, self._call("load", directory))

    def dump(self, spec: Spec, **how: str) -> tuple[Any, ...]:
        return self._pair("dump", dict, self._call("dump", spec, **how))

    def _call(self, function: str, *args: Any, **how: str) -> Any:
        try:
            return getattr(self._module, function)(*args, **how)
        except (OcipyError, OSError):
            raise
        except Exception as error:
            raise OcipyError(f"{self._whose}: {function}: {type(error).__name__}: {error}") from error

    def _pair(self, function: str, kind: type, result: Any) -> tuple[Any, ...]:
        if type(result) is tuple and len(result) == 2 and isinstance(result[0], kind):
            return result
        raise OcipyError(f"{self._whose}: {function} returns no ({kind.__name__}, notes)")


def detect(directory: str) -> str:
    """Name of the first that knows the directory, "" if none does.

    One that is broken is in nobody's way who has a container of another one's.
    """
    broken = None
    for name in names():
        try:
            if backend(name).detect(directory):
                return name
        except OcipyError as error:
            broken = broken or error
    if broken:
        raise broken
    return ""
