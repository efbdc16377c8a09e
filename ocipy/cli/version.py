"""``--version``: who we are, line by line, as dockerd, go-runc and podman read it.

The first line's third word is the version; "commit: " and "spec: " begin the next.
"""

import sys

from ocipy.cli.output import out

#: As in setup.cfg: reading what is installed (importlib.metadata) costs four times what all else does.
VERSION = "0.1.0"
SPEC = "1.3.0"


def main(flags, options, args):
    python = ".".join(map(str, sys.version_info[:3]))
    out(f"ocipy version {VERSION}\ncommit: {_commit()}\nspec: {SPEC}\npython: {python}\n")
    return 0


def _commit():
    """The commit that is checked out where we are, "unknown" if we are installed."""
    git = f"{__file__.rpartition('/ocipy/')[0]}/.git"
    try:
        head = _read(f"{git}/HEAD")
        if not head.startswith("ref: "):
            return head
        ref = head[5:]
        try:
            return _read(f"{git}/{ref}")
        except FileNotFoundError:
            packed = (line.split() for line in _read(f"{git}/packed-refs").splitlines())
            return next(line[0] for line in packed if line[1:] == [ref])
    except (OSError, StopIteration):
        return "unknown"


def _read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()
