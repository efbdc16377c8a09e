"""What runc keeps of a running container is enough for ocipy to make the same one."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import TREE, need


@pytest.mark.kernel
def test_of_runcs_state_ocipy_makes_what_runc_made(launcher):
    need(shutil.which("runc"), "no runc")
    command = [sys.executable, os.path.join(TREE, "conformance", "libcontainer"), "--runtime", launcher]
    bundles = ["as callers ask", "user namespace"]
    said = subprocess.run([*command, *bundles], capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "values in 2 containers: " in said.stdout
    assert "unexplained; 0 did not run" in said.stdout
