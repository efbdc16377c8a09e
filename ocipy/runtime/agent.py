"""The other end of a seccomp filter that notifies: hand its listener over to the agent that waits for it.

Source: runtime-spec config-linux.md#seccomp, #containerprocessstate.
"""

from __future__ import annotations

import _socket

import ocipy
from ocipy.errors import StepError
from ocipy.linux import const, os
from ocipy.plan import seccomp
from ocipy.spec import jsontext

DEADLINE = 10  # seconds that an agent with a full queue gets


def of(config):
    """Whom the profile of a configuration notifies: {"path", "metadata"}, None when it notifies no one."""
    profile = (config.get("linux") or {}).get("seccomp") or {}
    if not profile or not seccomp.flags(profile) & seccomp.NEW_LISTENER:
        return None
    return {"path": profile.get("listenerPath", ""), "metadata": profile.get("listenerMetadata", "")}


def hand_over(agent, listener_fd, state, pid):
    """Send the listener, with the state of the process that is held by the filter.

    agent: as `of` has it
    pid:   of that process, which in an exec is not the one in the state

    One message, descriptor and document together, then the connection is closed.
    """
    document = {
        "ociVersion": ocipy.SPEC_VERSION,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": agent["metadata"],
        "state": state,
    }
    message = jsontext.dump(document).encode()
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, listener_fd.to_bytes(4, "little"))]
    socket = _connect(agent["path"])
    try:
        if socket.sendmsg([message], rights, _socket.MSG_NOSIGNAL) != len(message):
            raise _refused(agent["path"], f"did not take the message of {len(message)} bytes")
    except OSError as error:
        raise _refused(agent["path"], error) from error
    finally:
        socket.close()


def require(agent):
    """Raises StepError when no agent can be listening: rather before anything is made than later."""
    try:
        mode = os.stat(agent["path"]).st_mode
    except OSError as error:
        raise _refused(agent["path"], error) from error
    if mode & 0o170000 != 0o140000:  # S_IFSOCK
        raise _refused(agent["path"], "not a socket")


def _connect(path):
    socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    # struct timeval: a listener whose queue is full keeps connect(2) waiting, and would forever.
    timeout = DEADLINE.to_bytes(8, "little") + bytes(8)
    socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, timeout)
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            socket.connect(f"/proc/self/fd/{file}")  # sun_path has 108 bytes, paths may have more
        finally:
            os.close(file)
    except OSError as error:
        socket.close()
        late = f"took no connection for {DEADLINE} s" if error.errno == const.EAGAIN else error
        raise _refused(path, late) from error
    return socket


def _refused(path, error):
    return StepError(f"seccomp agent {path}", error, "/linux/seccomp/listenerPath")
