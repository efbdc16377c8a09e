#!/usr/bin/env python3
"""terminal.py [EXPECTED SENT]... -- COMMAND...: run a command on a terminal of 40 columns and 12 lines.

Waits until EXPECTED is seen, then types SENT, pair by pair; both know the escapes of Python.  After a SENT
that begins with "@30x100 " it has 30 lines and 100 columns.  Prints all that the terminal showed, without
carriage returns, and exits as the command does; 124 when nothing comes for 20 s.
"""

import os
import pty
import re
import select
import signal
import sys
import termios
import time

SILENCE = 20.0
WHERE = b"\x1b[6n"  # a shell asks where the cursor is, and may lose what is typed until it is told


def main(words):
    split = words.index("--")
    pairs, command = [w.encode().decode("unicode_escape").encode() for w in words[:split]], words[split + 1 :]
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (12, 40))
        os.execvp(command[0], command)
    shown, since = b"", 0
    while True:
        if pairs and pairs[0] in shown[since:]:
            since = len(shown)
            size = re.match(rb"@(\d+)x(\d+) ", pairs[1])
            typed = pairs[1][size.end() :] if size else pairs[1]
            for byte in typed:  # podman knows its detach keys only when they come one by one
                os.write(terminal, bytes([byte]))
                time.sleep(0.005)
            if size:
                termios.tcsetwinsize(terminal, (int(size[1]), int(size[2])))
            del pairs[:2]
        if not select.select([terminal], [], [], SILENCE)[0]:
            os.kill(pid, signal.SIGKILL)
            print(f"silent for {SILENCE:.0f} s after {shown!r}", file=sys.stderr)
            return 124
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # EIO: the last one who had it open is gone
            break
        if not data:
            break
        shown += data
        if WHERE in data:
            os.write(terminal, b"\x1b[12;1R")
    sys.stdout.write(shown.replace(b"\r", b"").decode(errors="replace"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


sys.exit(main(sys.argv[1:]))
