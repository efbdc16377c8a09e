"""The real LXC, where it can do no harm."""

import os
import subprocess
import sys

from tests.conftest import TREE, need

SANDBOX = os.path.join(TREE, "conformance", "sandbox.py")


def needs_lxc():
    need(os.path.exists("/usr/bin/lxc-execute"), "needs lxc-execute (apt-get install lxc)")
    need(os.geteuid() == 0, "needs root")


def sandboxed(script, *arguments, timeout=120):
    """Run a shell script in a sandbox: namespaces and cgroups of its own.  Returns the CompletedProcess."""
    command = [sys.executable, SANDBOX, "--timeout", str(timeout), "--", "/bin/sh", "-c", script, "sh"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=timeout + 30,
        check=False,
    )


def busybox_root(directory):
    """A root for containers of LXC's: busybox, and places for what is mounted."""
    for name in ("bin", "sbin", "proc", "sys", "dev", "tmp", "etc", "mnt"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "bin" / "busybox").write_bytes(open("/bin/busybox", "rb").read())
    (directory / "bin" / "busybox").chmod(0o755)
    for name in ("sh", "env", "cat", "grep", "hostname", "id", "true", "timeout", "sleep"):
        (directory / "bin" / name).symlink_to("busybox")
    return directory
