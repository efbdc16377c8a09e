"""sd_notify(3) of a container, passed on to who started it.

The container speaks to a socket of its own, NOTIFY_SOCKET=/run/notify/notify.sock; its message READY=1 is
passed on with the pid that it has outside, for its own one means nothing there.  What else
it says stays: the name and the words are those of runc, whose callers ours are.
"""

from __future__ import annotations

import _socket
import select

from ocipy.errors import OcipyError
from ocipy.linux import os
from ocipy.runtime import process

BARRIER_DEADLINE = 30.0  # seconds in which a service manager answers, if it knows BARRIER=1
MESSAGE = 4096


class Relay:
    """The container's socket, bound below its state directory before its program runs.

    fd: to poll; `receive` when it can be read
    """

    def __init__(self, directory, caller):
        self.caller = caller
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
        self.fd = self.socket.fileno()
        place = os.open(f"{directory}/notify", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        path = f"/proc/self/fd/{place}/notify.sock"  # sun_path has 108 bytes, paths may have more
        try:
            self.socket.bind(path)
            os.chmod(path, 0o777)  # the container's user is anybody
        except OSError as error:
            self.socket.close()
            raise OcipyError(f"notify socket: {error.strerror.lower()}") from error
        finally:
            os.close(place)

    def close(self):
        self.socket.close()

    def forward(self, pid, started):
        """Wait until the container is ready, or has ended, and pass on that it is.

        pid, started: of its first process, as `process.hold` takes them
        """
        pidfd = process.hold(pid, started)
        if pidfd is None:
            self.receive(pid)
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(self.fd, select.POLLIN)
        try:
            while True:
                ready = dict(os.worded("poll", poll.poll)())
                # Its last word may be that it is ready.
                if self.fd in ready and self.receive(pid):
                    return
                if pidfd in ready:
                    return
        finally:
            os.close(pidfd)

    def receive(self, pid):
        """Take the messages that have come.  True when one said READY=1, which is then passed on.

        pid: the container's, to be passed on as MAINPID and waited for, or 0: we stay, the main process
        """
        while True:
            try:
                message = self.socket.recv(MESSAGE)
            except BlockingIOError:
                return False
            for line in message.split(b"\n"):
                if line.startswith(b"READY="):
                    self._tell(line, pid)
                    return True

    def _tell(self, line, pid):
        caller = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            # "@" stands for the zero byte that begins an abstract name: sd_notify(3).
            caller.connect("\0" + self.caller[1:] if self.caller.startswith("@") else self.caller)
            caller.send(line + b"\n")
            if pid:
                caller.send(b"MAINPID=%d\n" % pid)
                # Whoever reads it closes the descriptor that comes along: then all before has been read, and
                # we may end (sd_notify_barrier(3)).
                rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, writer.to_bytes(4, "little"))]
                caller.sendmsg([b"BARRIER=1"], rights)
                os.close(writer)
                writer = -1
                poll = select.poll()
                poll.register(reader, 0)
                poll.poll(BARRIER_DEADLINE * 1000)
        except OSError as error:
            raise OcipyError(f"notify socket {self.caller}: {error.strerror.lower()}") from error
        finally:
            caller.close()
            for fd in (reader, writer):
                if fd >= 0:
                    os.close(fd)
