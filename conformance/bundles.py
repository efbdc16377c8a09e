"""Bundles for the tools here: a root of busybox, and the config.json that a runtime's `spec` writes."""

import json
import os
import subprocess

from conformance import suite


def spec(runtime, directory):
    """What `RUNTIME spec` writes, without a terminal."""
    path = os.path.join(directory, "config.json")
    if os.path.exists(path):
        os.unlink(path)
    said = subprocess.run([runtime.path, "spec"], cwd=directory, capture_output=True, text=True, check=False)
    if said.returncode:
        raise OSError(f"{runtime.path} spec: {said.stderr.strip()}")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    return config


def write(directory, config):
    """Make config.json of a dict."""
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)


def make(directory, runtime, arguments=("/bin/true",), writable=False, edit=None):
    """A bundle as `RUNTIME spec` has it, its root a busybox; returns the directory.

    edit: a function that gets the configuration and changes it
    """
    os.makedirs(directory, exist_ok=True)
    suite.fill_root(os.path.join(directory, "rootfs"))
    config = spec(runtime, directory)
    config["process"]["args"] = list(arguments)
    config["root"]["readonly"] = not writable
    if edit:
        edit(config)
    write(directory, config)
    return directory
