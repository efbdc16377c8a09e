"""Makes one system call of a command fail, and looks at what it said and what is left.

strace attaches to a process that is about to begin, follows what it starts, and injects one error; see
server.py for how the process comes to be there.
"""

import contextlib
import json
import os
import re
import subprocess

from tests.conftest import TREE, bundle
from tests.seccomp.profiles import all_but, rule

ERRORS = ("EPERM", "ENOMEM", "EIO")

#: Calls that are left alone: the tracer would lose the process; the server waits by it; it always succeeds;
#: close(2) closes whatever it returns, where an injection would leave the descriptor open.
NEVER = set(
    "exit exit_group rt_sigreturn restart_syscall pselect6 "
    "getpid gettid getuid geteuid getgid getegid umask set_tid_address rt_sigaction rt_sigprocmask "
    "close".split()
)
#: A create has succeeded when init makes this one: the container is a stopped one when it fails.
AFTERWARDS = {"accept4"}
_BEGUN = re.compile(r"^(\d+)\s+(\w+)\(", re.MULTILINE)
#: An error says what it is about, which call failed or on what path, and why.
_CLEAR = re.compile(
    r"^ocipy: (?:(?:create|exec) \S+: .*(?:[a-z0-9_]\(.*|\"[^\"]+\"): E[A-Z0-9]{2,}: "
    r"|(?:create|exec) \S+: .*init ended unexpectedly"
    r"|create \S+: createContainer hook \S+ \(config\.json \S+\): "
    r"(?:exec: \"\S+\": [a-z]|exit status |killed by )"
    r"|create: bundle \S+: E[A-Z0-9]{2,}: "
    r"|config\.json: (?:open|read) \S+: )"
)
_MUTED = re.compile(r"write\(2, .*\(INJECTED\)")


def victim(directory):
    """A bundle that takes more calls than most: a filter while it is made, a hook, a sysctl."""
    return bundle(
        directory,
        ("sleep", "1000"),
        process__noNewPrivileges=False,
        linux__seccomp=all_but(rule("reboot", action="ERRNO")),
        linux__sysctl={"net.ipv4.ip_forward": "1"},
        hooks={"createContainer": [{"path": "/bin/busybox", "args": ["true"]}]},
    )


class Outcome:
    """What became of one command.

    status: its exit status, negative for a signal
    stderr: all that it printed
    left:   lines about what it left behind
    calls:  how often each process made each call, {(pid, name): count}
    muted:  it could not say what it had to
    """

    def __init__(self, status, stderr, left, trace):
        self.status, self.stderr, self.left = status, stderr, left
        self.muted = bool(_MUTED.search(trace))
        self.calls = {}
        for found in _BEGUN.finditer(trace):
            key = int(found[1]), found[2]
            self.calls[key] = self.calls.get(key, 0) + 1

    def complaint(self):
        """What is wrong with it, "" when nothing is left and a failure is told in one clear line."""
        lines = [line for line in self.stderr.splitlines() if self.status or line.startswith("ocipy")]
        if self.left:
            return f"left behind: {'; '.join(self.left)}"
        if self.status == 0:
            return f"a success that says {self.stderr!r}" if lines else ""
        if self.status < 0:
            return ""  # the C library gave up, and `delete --force` had to do
        if self.muted:
            return ""  # one call in two processes, of which the second was to say what became of the first
        if len(lines) != 1 or not _CLEAR.match(lines[0]):
            return f"status {self.status}, not one clear line: {self.stderr!r}"
        return ""


class Faults:
    """Runs of one command on one bundle.  To be used as a context manager.

    verb: "create", or "exec" of a container that runs for as long as this does
    """

    def __init__(self, directory, bundle, id, verb="create"):
        self.bundle, self.id, self.verb = bundle, id, verb
        self.root = directory / "state"
        self.errors = directory / "stderr"
        self.trace = directory / "trace"
        create, start = ("create", "-b", str(bundle), id), ("start", id)
        self.delete = ("delete", "--force", id)
        if verb == "create":
            self.command, self.prepare, self.lives = create, (create, self.delete), 0
        else:
            self.command, self.lives = ("exec", "--detach", id, "true"), 1
            self.prepare = (create, start, self.command)

    def __enter__(self):
        with open(os.path.join(TREE, "bin", "ocipy"), encoding="utf-8") as script:
            interpreter = script.readline()[2:].split()[0]
        server = os.path.join(TREE, "tests", "faults", "server.py")
        prepare = [json.dumps(self._words(each)) for each in self.prepare]
        self.server = subprocess.Popen(
            [interpreter, "-I", "-S", server, TREE, str(self.lives), *prepare],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"
        self.before = self.snapshot()
        return self

    def __exit__(self, *_):
        if self.lives:
            self._ocipy(self.delete)
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def _words(self, command):
        return ["--root", str(self.root), *command]

    def _ocipy(self, command):
        launcher = os.path.join(TREE, "bin", "ocipy")
        return subprocess.run(
            [launcher, *self._words(command)], capture_output=True, text=True, check=False, timeout=60
        )

    def _answer(self):
        line = self.server.stdout.readline()
        assert line, "the server is gone"
        return json.loads(line)

    def _ask(self, request):
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        return self._answer()

    # ------------------------------------------------------------ one run

    def run(self, *inject):
        """Run the command under strace with these options."""
        pid = self._ask({"argv": self._words(self.command), "stderr": str(self.errors)})["pid"]
        words = ["strace", "-f", "-p", str(pid), "-o", str(self.trace), *inject]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            for line in tracer.stderr:
                if " attached" in line:
                    break
            answer = self._ask({"go": [0, self.verb == "create"]})
        finally:
            tracer.terminate()
            tracer.communicate()
        status = os.waitstatus_to_exitcode(answer["status"])
        left = self._clean_up(status, answer["children"])
        return Outcome(status, self.errors.read_text(), left, self.trace.read_text(errors="replace"))

    def _clean_up(self, status, children):
        """Lines about what is left, after which nothing is."""
        left = []
        if self.verb == "create" and status <= 0:
            done = self._ocipy(self.delete)
            if done.returncode or done.stderr:
                left.append(f"delete: {done.stderr!r}")
            children = self._ask({"reap": []})["children"]
        for pid in children[self.lives :]:
            left.append(f"process {pid}: {_command(pid)}")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        after = self.snapshot()
        for kind in after:
            left += [f"{kind} {what}" for what in sorted(after[kind] - self.before[kind])]
            left += [f"{kind} gone: {what}" for what in sorted(self.before[kind] - after[kind])]
        if left and self.verb == "create":
            self._ocipy(self.delete)
            self._ask({"reap": []})
            self.before = self.snapshot()
        return left

    def places(self):
        """(call, n) for all that can be made to fail: the n-th time that any process makes the call."""
        outcome = self.run()
        assert outcome.status == 0, outcome.stderr
        assert not outcome.complaint()
        most = {}
        for (_, name), count in outcome.calls.items():
            most[name] = max(count, most.get(name, 0))
        return [(name, n) for name in sorted(set(most) - NEVER) for n in range(1, most[name] + 1)]

    def snapshot(self):
        """What a container leaves its traces in."""
        with open(f"/proc/{self.server.pid}/mountinfo", encoding="utf-8") as file:
            mounts = {line.split(None, 2)[2] for line in file}
        cgroups = {
            os.path.join(path, name)
            for path, names, _ in os.walk("/sys/fs/cgroup")
            for name in names
            if self.id in path or name == self.id
        }
        files = {
            os.path.join(path, name)
            for top in (self.root, self.bundle)
            for path, directories, others in os.walk(top)
            for name in (*directories, *others)
        }
        return {"mount": mounts, "cgroup": cgroups, "file": files}


def _command(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "gone"


def injection(name, n, error):
    """Options of strace."""
    return ("-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={n}")


def examine(faults, name, n, error):
    """(outcome, complaint) of a run in which the n-th call of this name fails, whatever process makes it."""
    outcome = faults.run(*injection(name, n, error))
    forgiven = name in AFTERWARDS and outcome.status == 0
    return outcome, "" if forgiven else outcome.complaint()
