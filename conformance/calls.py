"""Calls of a runtime as its callers make them: output to files, a deadline, nothing to read from."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time


class Call:
    """What one command did.

    status:  its exit status, negative the signal that ended it, None when it hung
    seconds: how long it took
    """

    def __init__(self, words, status, seconds, output, errors):
        self.words, self.status, self.seconds = words, status, seconds
        self.output, self.errors = output, errors

    def __str__(self):
        status = "did not end" if self.status is None else f"status {self.status}"
        return f"{' '.join(self.words)}: {status}: {self.errors.strip()[:400]}"


def call(words, seconds=30.0, kill_after=None, environment=None):
    """Run a command.

    seconds:    how long it may take, before it is killed and counts as hung
    kill_after: kill it (and it alone) by SIGKILL after that many seconds; its status is then -9
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        # A file is no pipe: the container inherits it, and a pipe would stay open as long as it lives.
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment, close_fds=True
        )
        pidfd = os.pidfd_open(process.pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        ended = poll.poll((seconds if kill_after is None else kill_after) * 1000)
        os.close(pidfd)
        if not ended:
            process.send_signal(signal.SIGKILL)
        status = process.wait()
        took = time.monotonic() - start
        hung = not ended and kill_after is None
        output.seek(0)
        errors.seek(0)
        texts = [f.read(1 << 20).decode(errors="replace") for f in (output, errors)]
    return Call([os.path.basename(words[0]), *words[1:]], None if hung else status, took, *texts)


def inside_sandbox(script, options, arguments):
    """Run a script of this directory once more, in the sandbox.  Returns its status."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    again = [sys.executable, script, "--inside", *arguments]
    sandbox = [sys.executable, "-m", "conformance.sandbox", "--cgroups", options.cgroups, "--", *again]
    return subprocess.run(sandbox, env=os.environ | {"PYTHONPATH": here}, check=False).returncode
