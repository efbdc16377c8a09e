"""A program: the hook dies after each number of its steps in turn, and another one cleans up.

    dying.py CLAIMS BUNDLE ARGUMENT...

Prints as JSON how many steps set-up and tear-down have, and what any crash between two of them has left.
What is tried is a child of this process each time: so the import of the netlink library is paid once.
"""

import functools
import io
import json
import os
import signal
import subprocess
import sys
import time

from ocipy_network import __main__, build, links, nft, pins, store

#: Whatever changes something is one step of these, or a call in one of them.
STEPS = (
    (store.Store, "write remove offer withdraw"),
    (links.Links, "_do _address bridge veth macvlan move reflect remove restore configure"),
    (nft, "_send"),
    (pins, "pin give_back open_tree move_mount umount2"),
    (build.files, "write"),
    (os, "unlink rename symlink"),
)


def dying(function, left):
    """A function before whose call the process dies, when as many as `left` steps were taken."""

    @functools.wraps(function)
    def wrapped(*arguments, **more):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(*arguments, **more)

    return wrapped


def arm(steps):
    left = [steps]
    for holder, names in STEPS:
        for name in names.split():
            found = vars(holder)[name]
            if isinstance(found, staticmethod):
                setattr(holder, name, staticmethod(dying(found.__func__, left)))
            else:
                setattr(holder, name, dying(found, left))


def apart(function, *arguments):
    """Call a function in a child; its wait status."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            function(*arguments)
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def holder():
    """A process in a network namespace of its own: it stands for the container's first."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    while os.readlink(f"/proc/{process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.001)
    return process


def left(claims):
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    devices = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout
    files = [os.path.join(place, name) for place, _, names in os.walk(claims) for name in names]
    return sorted(link["ifname"] for link in json.loads(devices)), rules, files


def crash(verb, steps, claims, bundle, arguments):
    """Die after so many steps; the wait status of what died, or did not."""
    process = holder()
    state = {"id": "x", "bundle": bundle, "pid": process.pid, "annotations": {}}

    def call(status, steps=None):
        if steps is not None:
            arm(steps)
        document = json.dumps({**state, "status": status}).encode()
        __main__.main([f"state={claims}", *arguments], io.BytesIO(document))

    if verb == "stopped":
        assert apart(call, "creating") == 0
    status = apart(call, verb, steps)
    process.kill()
    process.wait()
    assert apart(build.collect, claims) == 0
    return status


def main(claims, bundle, *arguments):
    before, found, counts = left(claims), [], {}
    for verb in ("creating", "stopped"):
        steps = 0
        while (status := crash(verb, steps, claims, bundle, arguments)) != 0:
            assert status == signal.SIGKILL, f"{verb}, {steps} steps: status {status}"
            if (now := left(claims)) != before:
                found.append(f"{verb}, {steps} steps: {now}")
            steps += 1
        counts[verb] = steps
    print(json.dumps({"steps": counts, "left": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
