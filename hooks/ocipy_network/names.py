"""Network devices by name: by ioctl(2), not by netlink.

That takes as long with a thousand containers as with one, and nothing is imported for it.

Source: netdevice(7), SIOCGIFINDEX.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

SIOCGIFINDEX = 0x8933
IFREQ = struct.Struct("16si20x")


class Names:
    """Of the network namespace that the thread is in when it is made."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def close(self):
        self._socket.close()

    def index(self, name):
        """Of a device, None if there is none."""
        try:
            answer = fcntl.ioctl(self._socket, SIOCGIFINDEX, IFREQ.pack(os.fsencode(name), 0))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        return IFREQ.unpack(answer)[1]
