"""The smallest runtime: starts ocipy-init, sends it programs, takes its answers."""

import errno
import fcntl
import os
import select
import signal
import socket
import subprocess

from ocipy.plan import protocol

CLONE_NEWTIME, CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x80, 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x4000, 1 << 18, 1 << 19, 1 << 20
DEADLINE = 60  # seconds
NOBODY = 65534


def program(*ops):
    """Bytes of a program; an op is a tuple of its name and its arguments, or the name alone."""
    split = [(op, ()) if isinstance(op, str) else (op[0], op[1:]) for op in ops]
    return b"".join(protocol.encode(name, arguments) for name, arguments in split)


def memfd(content):
    fd = os.memfd_create("program", os.MFD_CLOEXEC)
    os.write(fd, content)
    return fd


class Init:
    """A started ocipy-init.  As a context manager it is killed at the end, whatever it has become by then.

    streams:  descriptors for its 0, 1, 2
    preserve: descriptors for its 3, 4, ...; its socket is the next one
    leaked:   descriptors that it gets beyond its socket's number
    spawn:    further arguments of os.posix_spawn
    """

    def __init__(self, binary, streams=(), preserve=(), leaked=(), **spawn):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE)
        wanted = {**dict(enumerate(streams)), **dict(enumerate([*preserve, theirs.fileno(), *leaked], 3))}
        copies = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for number, fd in wanted.items()}
        actions = [(os.POSIX_SPAWN_DUP2, copy, number) for number, copy in copies.items()]
        actions += spawn.pop("then", ())
        env = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=77", "SECRET": "of the host"}
        words = ["ocipy-init", str(3 + len(preserve))]
        self.pid = os.posix_spawn(binary, words, env, file_actions=actions, **spawn)
        self.pidfd = os.pidfd_open(self.pid)
        for fd in copies.values():
            os.close(fd)
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if self.pidfd is not None:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait()

    def wait(self):
        """How it ended: its exit status, or the negative number of the signal."""
        assert select.select([self.pidfd], [], [], DEADLINE)[0], "init does not end"
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.pidfd = None
        return os.waitstatus_to_exitcode(status)

    def send(self, content, fds=(), request=protocol.REQUEST):
        """A request whose program is these bytes; None sends none."""
        memory = () if content is None else (memfd(content),)
        socket.send_fds(self.socket, [request], [*memory, *fds])
        for fd in memory:
            os.close(fd)

    def answer(self):
        """(answer, its descriptor or None); (None, None) at the end of file."""
        try:
            message, fds, _, _ = socket.recv_fds(self.socket, protocol.ANSWER_SIZE + protocol.MAX_TEXT, 1)
        except ConnectionResetError:
            return None, None
        if not message:
            return None, None
        return protocol.decode(message), fds[0] if fds else None

    def run(self, *ops, fds=()):
        """Run a program that succeeds; the descriptors it answered, by the index of their op."""
        self.send(program(*ops), fds)
        made = {}
        while True:
            answer, fd = self.answer()
            assert answer, f"init ended while it ran {ops}"
            if answer.kind == protocol.ANSWER_DONE:
                return made
            assert answer.kind == protocol.ANSWER_FD, f"op {answer.index}: {answer.text}: {answer.error}"
            made[answer.index] = fd

    def clone(self, flags, cgroup=None):
        """Run CLONE; from then on this is the child."""
        self.send(program(("CLONE", flags, -1 if cgroup is None else 0)), () if cgroup is None else (cgroup,))
        answer, fd = self.answer()
        assert answer.kind == protocol.ANSWER_PID, answer.text
        assert self.wait() == 0
        self.pid, self.pidfd = answer.value, fd

    def failure(self, *ops, fds=()):
        """Run a program that fails: (name of the errno, text), once init has exited with status 1."""
        self.send(program(*ops), fds)
        return self.failed()[:2]

    def failed(self):
        """(name of the errno, text, index, descriptor) of the failure that init tells next."""
        answer, fd = self.answer()
        while answer and answer.kind == protocol.ANSWER_FD:
            answer, fd = self.answer()
        assert answer, "init ended without a word"
        assert answer.kind == protocol.ANSWER_FAIL
        assert self.answer() == (None, None)
        assert self.wait() == 1
        return errno.errorcode[answer.error], answer.text, answer.index, fd

    def read(self, name):
        """A file of its /proc/PID."""
        with open(f"/proc/{self.pid}/{name}", encoding="utf-8") as file:
            return file.read()

    def status(self, field):
        """A field of its /proc/PID/status."""
        return next(
            line.split(":", 1)[1].strip()
            for line in self.read("status").splitlines()
            if line.startswith(field + ":")
        )

    def namespace(self, name):
        return os.readlink(f"/proc/{self.pid}/ns/{name}")

    def inside(self, *command):
        """Run a command of the host in its mount namespace (and with its root)."""
        subprocess.run(
            ["nsenter", "--mount", f"--target={self.pid}", *map(str, command)], check=True, timeout=DEADLINE
        )

    def enter(self, op="PIVOT"):
        """Make `root` the root directory."""
        fd = os.open(f"/proc/{self.pid}/root{self.root}", os.O_PATH | os.O_DIRECTORY)
        self.run((op, 0), fds=(fd,))
        os.close(fd)

    def become(self, *args, env=("PATH=/bin:/usr/bin",), uid=-1):
        """Execute a program."""
        self.send(program(("PROCESS", args, env, uid), "LOOKUP", "EXECVE"))
        answer, _ = self.answer()
        assert answer is None, answer.text

    def execute(self, *args, **how):
        """Execute a program; what it writes to `stdout` until it exits with status 0."""
        self.become(*args, **how)
        text = []
        while piece := os.read(self.stdout, 65536):
            text.append(piece)
        assert self.wait() == 0
        return b"".join(text).decode("utf-8", "surrogateescape")
