"""Programs that no Debian 12 has, built from Go modules into the cache of the validation suite."""

import os
import subprocess
import sys

from conformance import suite


class GoModule:
    """Commands of a module in one version.

    commands: their packages within the module, "cmd/ctr"; a program is called by the last part
    """

    def __init__(self, module, version, *commands):
        self.module, self.version, self.commands = module, version, commands

    @property
    def directory(self):
        """Where its programs are, once `install` has been called."""
        name = self.module.removeprefix("github.com/").replace("/", "-")
        return os.path.join(os.path.dirname(suite.cache()), f"{name}@{self.version}")

    def install(self):
        """Build what is not there yet, which takes minutes once.  Raises OSError saying what failed."""
        missing = [
            f"{self.module}/{command}@{self.version}"
            for command in self.commands
            if not os.path.exists(os.path.join(self.directory, os.path.basename(command)))
        ]
        if not missing:
            return
        os.makedirs(self.directory, exist_ok=True)
        print(f"building {' '.join(missing)} into {self.directory}", file=sys.stderr)
        # Go fetches the newer one of itself that a module may ask for.
        environment = os.environ | {"GOBIN": self.directory, "CGO_ENABLED": "0", "GOTOOLCHAIN": "auto"}
        command = [suite.find_go(), "install", "-trimpath", *missing]
        status = subprocess.run(command, env=environment, check=False).returncode
        if status:
            raise OSError(f"go install {' '.join(missing)} failed with status {status}")
