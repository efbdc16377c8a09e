"""A runtime under test: a command, its name and version."""

import os
import re
import shlex
import shutil
import subprocess


class Runtime:
    """One OCI runtime.

    name:    first word of its --version, "runc"; this is its column in every table
    version: the rest of that line
    path:    its command, absolute
    edits:   shell lines that a script of it runs first, to make a bundle acceptable
    """

    def __init__(self, name, version, path, edits=()):
        self.name, self.version, self.path, self.edits = name, version, path, edits

    def command(self, root, *arguments):
        """The argument list of one call with a state directory of its own."""
        return [self.path, "--root", root, *arguments]

    def script(self, path, root):
        """Write a program that is this runtime with a state directory of its own."""
        lines = ["#!/bin/sh", *self.edits, f'exec {shlex.quote(self.path)} --root {shlex.quote(root)} "$@"']
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        os.chmod(path, 0o755)
        return path


# crun 1.8 takes no ociVersion but 1.0 ("unknown version specified"), so it would fail every test of a suite
# that writes 1.3.0, which tells nothing: its bundles say 1.0.2 instead.
_OLDER_VERSION = """previous=
for argument; do
    case $previous in
        --bundle|-b) sed -i 's/"ociVersion": *"1[.][0-9.]*"/"ociVersion": "1.0.2"/' "$argument/config.json" ;;
    esac
    previous=$argument
done"""


def find(command):
    """The runtime of this command.  Raises OSError when it is missing or does not know --version."""
    path = shutil.which(command)
    if not path:
        raise OSError(f"no such runtime: {command}")
    path = os.path.abspath(path)
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"(\S+) (?:version )?(\S.*)", said.stdout)
    if said.returncode or not match:
        raise OSError(f"{command} --version says nothing of use: {(said.stderr or said.stdout).strip()!r}")
    edits = [_OLDER_VERSION] if match[1] == "crun" and "spec: 1.0.0" in said.stdout else []
    return Runtime(match[1], match[2].strip(), path, edits)
