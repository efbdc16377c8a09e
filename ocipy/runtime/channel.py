"""ocipy-init as the runtime sees it: a child, and the socket on which it takes programs (init/protocol.h)."""

from __future__ import annotations

import _socket
from fcntl import F_DUPFD_CLOEXEC
from fcntl import fcntl as _fcntl

from ocipy.errors import OcipyError, StepError, describe
from ocipy.linux import const, os
from ocipy.linux.syscalls import failed
from ocipy.plan import protocol

BINARY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_bin", "ocipy-init")

fcntl = os.worded("fcntl", _fcntl)
_sealed = None


def sealed_binary():
    """A descriptor of a sealed copy of ocipy-init, made once a process.

    What a container can reach by /proc/PID/exe is this copy, which nothing can write any more, its owner
    included (CVE-2019-5736).
    """
    global _sealed
    if _sealed is None:
        image = os.content(os.open(BINARY, os.O_RDONLY | os.O_CLOEXEC))
        flags = const.MFD_CLOEXEC | const.MFD_ALLOW_SEALING
        try:
            # Since Linux 6.3 (105ff5339f49 "mm/memfd: add MFD_NOEXEC_SEAL and MFD_EXEC"); without it,
            # a host may make memfds that can't be executed (sysctl vm.memfd_noexec).
            fd = os.memfd_create("ocipy-init", flags | const.MFD_EXEC)
        except OSError as error:
            if error.errno != const.EINVAL:
                raise failed(error.errno, "memfd_create", "ocipy-init", "MFD_EXEC") from None
            fd = os.memfd_create("ocipy-init", flags)
        os.write(fd, image)
        seals = const.F_SEAL_SEAL | const.F_SEAL_SHRINK | const.F_SEAL_GROW | const.F_SEAL_WRITE
        fcntl(fd, const.F_ADD_SEALS, seals)
        _sealed = fd
    return _sealed


class ExecFailure(StepError):
    """init could not execute the program; `evidence` is a descriptor of the file in question, or None."""

    def __init__(self, step, cause, pointer, evidence):
        super().__init__(step, cause, pointer)
        self.evidence = evidence


class Channel:
    """The runtime's end of a socket to init; after `start`, the listener's connection is one too."""

    def __init__(self, socket, pid):
        self.socket = socket
        self.pid = pid  # of the process at the other end, as the runtime sees it
        self.on_end = None  # called at once when that has ended unexpectedly

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass  # it is gone all the same: close(2)

    def run(self, steps, fds, mounts=(), on_made=None):
        """Send steps as one program and wait for its end; a finished `Program`."""
        program = self.send(steps, fds, mounts, on_made)
        program.finish()
        return program

    def send(self, steps, fds, mounts=(), on_made=None):
        """Send steps of init, then the making of mounts, as one program.

        fds:     name -> descriptor (or a tuple of them) that ops refer to; a missing one is -1
        on_made: see `Program`
        Returns the running `Program`.
        """
        program, origin, table = [], [], []

        def index(name):
            fd = fds.get(name)
            if isinstance(fd, tuple):
                table.extend(fd)
                return tuple(range(len(table) - len(fd), len(table)))
            if fd is None:
                return -1
            table.append(fd)
            return len(table) - 1

        for step in steps:
            for op, arguments in step.ops(index):
                program.append(protocol.encode(op, arguments))
                origin.append(step)
        for mount in mounts:
            arguments = (mount.fstype, mount.source, mount.options, mount.attr_set)
            program.append(protocol.encode("FSMOUNT", arguments))
            origin.append(mount)
        table += fds.get("held") or ()  # kept open by init while the program runs, used by no op
        self._send(b"".join(program), table)
        return Program(self, origin, on_made)

    def _send(self, program, table):
        if len(table) >= protocol.MAX_FDS:
            raise OcipyError(
                f"{len(table)} descriptors in one program of init, at most {protocol.MAX_FDS - 1}"
            )
        memory = os.memfd_create("program", const.MFD_CLOEXEC)
        try:
            view = memoryview(program)
            while view:
                view = view[os.write(memory, view) :]
            packed = b"".join(fd.to_bytes(4, "little") for fd in (memory, *table))
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
            os.worded("sendmsg", self.socket.sendmsg)([protocol.REQUEST], rights, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            pass  # init has ended: what it said of the program before this one is still to be read
        finally:
            os.close(memory)

    def _read(self):
        size = protocol.ANSWER_SIZE + protocol.MAX_TEXT
        recvmsg = os.worded("recvmsg", self.socket.recvmsg)
        message, ancillary, _, _ = recvmsg(size, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
        fd = None
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                fd = int.from_bytes(data[:4], "little")
        return message, fd


class Program:
    """A program that init runs: the runtime need not wait for it before there is something to wait for.

    origin:  for each op the step that it came from
    on_made: called with (step, descriptor) for each that a step makes, at once; true if it takes it
    process: (pid as init sees it, pidfd) of what Clone started
    """

    def __init__(self, channel, origin, on_made=None):
        self.channel = channel
        self.origin = origin
        self.on_made = on_made
        self.process = None
        self._made = {}
        self._running = True

    def take(self, step):
        """The descriptor that a step makes, once init has made it."""
        while step not in self._made:
            if not self._running:
                raise StepError(step, "init made no descriptor", step.pointer)
            self._next()
        return self._made.pop(step)

    def finish(self):
        """Wait for the end.  Raises StepError for the step that failed."""
        while self._running:
            self._next()

    def finish_executed(self):
        """Wait until what Execve executes has taken over: then init's end is closed."""
        self._finish_last(None)

    def finish_waiting(self):
        """Wait until init waits for start."""
        if not self._finish_last(protocol.ANSWER_WAITING):
            raise StepError(self.origin[0], "init ended unexpectedly" + _why(self.channel.pid))

    def _finish_last(self, kind):
        """Wait for an answer of this kind, True, or for the end of answers, False."""
        while True:
            try:
                message, fd = self.channel._read()
            except ConnectionResetError:
                # Whoever is second to connect is not accepted any more: that is no success.
                raise StepError(self.origin[0], "init did not take it: it has been started already") from None
            if not message:
                return False
            answer = protocol.decode(message)
            if answer.kind == kind:
                return True
            if answer.kind != protocol.ANSWER_FD:
                self._fail(answer, fd)
            self._take(self.origin[answer.index], fd)

    def _take(self, step, fd):
        if not (self.on_made and self.on_made(step, fd)):
            self._made[step] = fd

    def close(self):
        for fd in self._made.values():
            os.close(fd)
        self._made = {}

    def _next(self):
        try:
            message, fd = self.channel._read()
        except ConnectionResetError:
            # It ended before it had read all that we sent; the kernel says so before it hands out what is
            # still there: the answer that tells why.
            message, fd = self.channel._read()
        if not message:
            if self.channel.on_end:
                self.channel.on_end()
            # Once it is held by a filter, it may not be able to say so.
            filters = [step for step in self.origin if getattr(step, "op", "") == "SECCOMP"]
            step = (filters or self.origin)[0]
            hint = "without noNewPrivileges the profile must let init's own calls through" if filters else ""
            raise StepError(step, "init ended unexpectedly" + _why(self.channel.pid), step.pointer, hint)
        answer = protocol.decode(message)
        if answer.kind == protocol.ANSWER_FD:
            self._take(self.origin[answer.index], fd)
            return
        self._running = False
        if answer.kind == protocol.ANSWER_PID:
            self.process = answer.value, fd
        elif answer.kind == protocol.ANSWER_FAIL:
            self._fail(answer, fd)

    def _fail(self, answer, fd):
        self.close()
        step = self.origin[min(answer.index, len(self.origin) - 1)]
        raise _failure(step, OSError(answer.error, answer.text), fd)


def _failure(step, cause, fd):
    from ocipy.plan.steps import Execve, Lookup, MountFs

    if isinstance(step, (Execve, Lookup)):
        return ExecFailure(step, cause, step.pointer, fd)
    if fd is not None:
        os.close(fd)
    if isinstance(step, MountFs):
        from ocipy.rootfs import hints

        return StepError(step, cause, step.pointer, hints.hint(step, cause))
    from ocipy.plan.hints import hint

    return StepError(step, cause, step.pointer, hint(step, cause.errno))


def _why(pid):
    """How a child ended, if it did."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except OSError:
        return ""
    if not found:
        return ""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f", killed by signal {number}" + (" (out of memory?)" if number == 9 else "")
    return f" with status {os.WEXITSTATUS(status)}"


def spawn(streams=(), preserve=0):
    """Start ocipy-init.

    streams:  descriptors to become its 0, 1, 2; without them, or where one is None, the caller's own
    preserve: how many descriptors from 3 up the program is to inherit
    """
    copies = []
    ours = theirs = None
    try:
        ours, theirs = os.worded("socketpair", _socket.socketpair)(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        number = 3 + preserve
        wanted = [(fd, i) for i, fd in enumerate(streams) if fd is not None]
        actions = []
        for fd, target in (*wanted, (theirs.fileno(), number)):
            # Above every number that is dup2'ed onto, and close-on-exec but for the copy.
            copies.append(fcntl(fd, F_DUPFD_CLOEXEC, number + 1))
            actions.append((os.POSIX_SPAWN_DUP2, copies[-1], target))
        path = f"/proc/self/fd/{sealed_binary()}"
        pid = os.posix_spawn(path, ["ocipy:[INIT]", str(number)], {}, file_actions=actions)
    except OSError as error:
        if ours:
            ours.close()
        raise OcipyError(f"start ocipy-init: {describe(error)}") from error
    finally:
        for fd in copies:
            os.close(fd)
        if theirs:
            theirs.close()
    return Channel(ours, pid)
