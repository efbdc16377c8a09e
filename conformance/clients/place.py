"""Where one engine runs with one runtime: private directories, daemons, scripts, all inside a sandbox."""

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time

from conformance import sandbox, suite
from conformance.clients.case import Said

HERE = os.path.dirname(os.path.abspath(__file__))


class Place:
    """What an engine gets to start itself in.

    runtime:     the `Runtime` under test
    directory:   private, empty at first, on a tmpfs of the sandbox
    environment: what scripts and daemons get; an engine adds to it
    """

    def __init__(self, runtime, directory):
        self.runtime, self.directory = runtime, directory
        self.daemons = []
        temporary = self.made("tmp")
        os.chmod(temporary, 0o1777)
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": self.made("home"),
            "TMPDIR": temporary,
            "LC_ALL": "C.UTF-8",
            "PLACE": directory,
            "RUNTIME": runtime.path,
            "CLIENTS": HERE,
        }

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def made(self, *names):
        """A directory below this place, made."""
        os.makedirs(self.path(*names), exist_ok=True)
        return self.path(*names)

    def write(self, name, text):
        """Make a file below this place; returns its path."""
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def busybox(self):
        """A root filesystem of busybox, made once; returns its directory."""
        if not os.path.exists(self.path("busybox")):
            suite.fill_root(self.made("busybox"))
            os.chmod(self.path("busybox", "tmp"), 0o1777)
        return self.path("busybox")

    def daemon(self, words, ready, seconds=30, environment=None):
        """Start a program that stays; wait until `ready` (bash) succeeds.  Raises OSError with its log."""
        log = self.path(f"daemon{len(self.daemons)}.log")
        with open(log, "wb") as output:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment or self.environment,
                start_new_session=True,
            )
        # When it ends nothing stays of it, so that dockerd does not take a zombie for another one that runs.
        threading.Thread(target=process.wait, daemon=True).start()
        if not self.daemons:  # what `again` of prelude.sh starts again
            self.environment["DAEMON"] = shlex.join(words)
            self.write("daemon.pid", str(process.pid))
        self.daemons.append(process)
        said = self.script(f"eventually {ready}", seconds=seconds)
        if said.status or process.poll() is not None:
            with open(log, encoding="utf-8", errors="replace") as file:
                tail = file.read()[-2000:]
            raise OSError(f"{words[0]} is not ready: {said.errors.strip()}\n{tail}")
        return process

    def stop(self, seconds=10.0):
        """End the daemons, the last one first."""
        for process in reversed(self.daemons):
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.daemons.clear()

    def script(self, text, shell=("bash",), seconds=60.0, directory=None):
        """Run bash after prelude.sh.  Returns what it `Said`.  What takes too long is killed.

        Its output goes to files: a container that outlives the script may keep them open.
        """
        words = [*shell, "-eu", "-o", "pipefail", "-c", f'. "$CLIENTS/prelude.sh"\n{text}']
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            began = time.monotonic()
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=self.environment,
                cwd=directory or self.directory,
                start_new_session=True,
            )
            late = not sandbox.ends_within(process.pid, seconds)
            took = time.monotonic() - began
            if late:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            texts = []
            for file in (output, errors):
                file.seek(0)
                texts.append(file.read(1 << 20).decode(errors="replace"))
        return Said(None if late else status, *texts, took)

    def must(self, text, **how):
        """As `script`, but raises OSError when it fails; returns its output."""
        said = self.script(text, **how)
        if said.status:
            raise OSError(f"{text.strip()}: status {said.status}: {said.errors.strip()[-2000:]}")
        return said.output

    def users(self, passwd="", subordinate=""):
        """Give this mount namespace users and subordinate ids of its own, beside root.

        passwd:      lines of passwd(5); each user gets a group of the same name and number
        subordinate: lines of subuid(5), for users and groups alike
        """
        users = [line.split(":") for line in passwd.splitlines()]
        files = {
            "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n" + passwd,
            "group": "root:x:0:\nnogroup:x:65534:\n" + "".join(f"{u[0]}:x:{u[3]}:\n" for u in users),
            "subuid": subordinate,
            "subgid": subordinate,
        }
        for name, text in files.items():
            path = self.write("etc-" + name, text)
            if not os.path.exists("/etc/" + name):
                raise OSError(f"no /etc/{name} here to put another one over")
            sandbox.mount(path, "/etc/" + name, None, sandbox.MS_BIND)
