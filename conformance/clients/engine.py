"""What the frame knows about an engine."""

import os
import re
import subprocess

from conformance.clients import case

#: The last case of every list: no process, mount, cgroup or state is there that was not before the first one.
NOTHING_LEFT = case.Case("nothing is left behind", ":")
HERE = os.path.dirname(os.path.abspath(__file__))


class Engine:
    """One engine and its list.  A subclass says how it is started and tidied; one instance serves all runs.

    name:     what the tables and the command line call it
    lists:    the names of its lists without .toml, when it is not its own name alone
    programs: what must be in the PATH, or the engine can't run here
    packages: the set of tools/deps that has them
    cgroups:  the hierarchies that its sandbox mounts, as sandbox.py names them
    keeps:    regular expressions of what it keeps itself, as leaks.py words it
    tidy:     bash that removes all that a case may have left, run after each
    """

    name = ""
    lists = ()
    programs = ()
    packages = "clients"
    cgroups = "auto"
    keeps = ()
    tidy = ":"

    def install(self):
        """Make what it needs beyond Debian's packages, outside of the sandbox.  Raises OSError."""

    def version(self):
        """Words that identify the engine, for the tables."""
        said = subprocess.run([self.programs[0], "--version"], capture_output=True, text=True, check=False)
        match = re.search(r"\d+\.\d+\S*", said.stdout)
        return f"{self.programs[0]} {match[0].rstrip(',') if match else 'of unknown version'}"

    def cases(self):
        """Every `Case` of its list."""
        lists = [os.path.join(HERE, name + ".toml") for name in self.lists or (self.name,)]
        return [*(each for path in lists for each in case.load(path)), NOTHING_LEFT]

    def start(self, place):
        """Configure the engine in a `Place`, start its daemons, load its images.  Raises OSError."""

    def shell(self, place):
        """The command that runs a script; another user's has something before it."""
        return ["bash"]
