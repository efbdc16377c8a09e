"""An example of a seccomp agent: takes the listener of each container that comes, and answers its calls.

    with Agent("/run/agent.sock", {"mkdir": answer}) as agent:
        ... run a container whose profile has SCMP_ACT_NOTIFY for mkdir and this listenerPath ...

An answer is called with the notification and returns what the call is to return: a number, an error as a
negative number, or CONTINUE to let the kernel do the call.  The pid, and memory that arguments point into,
may be another's by the time they are looked at: who reads it asks NOTIF_ID_VALID afterwards, see `text`.

Source: seccomp_unotify(2); runtime-spec config-linux.md#containerprocessstate.
"""

import array
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import threading

NOTIF_RECV, NOTIF_SEND, NOTIF_ID_VALID = 0xC0502100, 0xC0182101, 0x40082102
FLAG_CONTINUE = 1
CONTINUE = object()
MAX_MESSAGE = 1 << 20


class Notification:
    """A call that waits for its answer."""

    def __init__(self, listener, raw):
        self.listener = listener
        self.id, self.pid, _, self.number, self.arch, _, *self.args = struct.unpack("<QIIiIQ6Q", raw)

    def text(self, argument, limit=4096):
        """The text that an argument points to, read from the caller's memory."""
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            raw = os.pread(memory.fileno(), limit, self.args[argument])
        fcntl.ioctl(
            self.listener, NOTIF_ID_VALID, struct.pack("<Q", self.id)
        )  # it still waits: it was its own
        return raw.partition(b"\0")[0].decode()


class Agent:
    """Listens at a path in a thread of its own.

    answers:  number of a system call -> callable(Notification)
    messages: the documents that runtimes sent, each with the number of descriptors that came with it
    """

    def __init__(self, path, answers):
        self.answers = answers
        self.messages = []
        self.asked = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.stop_reading, self.stop_writing = os.pipe()
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.close(self.stop_writing)
        self.thread.join()
        self.socket.close()
        os.close(self.stop_reading)

    def _serve(self):
        poll = select.poll()
        poll.register(self.stop_reading)
        poll.register(self.socket, select.POLLIN)
        listeners = set()
        while True:
            for fd, event in poll.poll():
                if fd == self.stop_reading:
                    for listener in listeners:
                        os.close(listener)
                    return
                if fd == self.socket.fileno():
                    for listener in self._take():
                        poll.register(listener, select.POLLIN)
                        listeners.add(listener)
                elif event & select.POLLIN:
                    self._answer(fd)
                else:  # POLLHUP: no process has the filter any more
                    poll.unregister(fd)
                    listeners.remove(fd)
                    os.close(fd)

    def _take(self):
        """The descriptors of the one message of a connection."""
        connection, _ = self.socket.accept()
        with connection:
            size = socket.CMSG_SPACE(8 * 4)
            message, ancillary, _, _ = connection.recvmsg(MAX_MESSAGE, size, socket.MSG_CMSG_CLOEXEC)
            while piece := connection.recv(MAX_MESSAGE):  # one of many kilobytes comes in pieces
                message += piece
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data)
        self.messages.append((json.loads(message), len(fds)))
        return list(fds)

    def _answer(self, listener):
        raw = bytearray(80)
        with contextlib.suppress(FileNotFoundError):  # the caller is gone
            fcntl.ioctl(listener, NOTIF_RECV, raw)
            call = Notification(listener, raw)
            self.asked.append(call.number)
            result = self.answers[call.number](call)
            if result is CONTINUE:
                response = struct.pack("<QqiI", call.id, 0, 0, FLAG_CONTINUE)
            else:
                response = struct.pack("<QqiI", call.id, max(result, 0), min(result, 0), 0)
            fcntl.ioctl(listener, NOTIF_SEND, response)
